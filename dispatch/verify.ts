// Asks a network what became of an attempt that it had only accepted, and writes the verdict.
import type { Outcome } from '../schema/outcome.ts'
import { withTransaction, type PoolClient } from '../config/postgres.ts'
import { describeError, type Deps } from './deps.ts'
import type { Judgement } from './destination.ts'
import { judgeStatus, outcomesOf, type Answer } from './judge.ts'
import { reportSettlements } from './report.ts'
import type { VerifyJob } from './schedule.ts'
import { scrub } from './scrub.ts'
import type { Settlement } from './settle.ts'
import { pauseTarget, takeRate } from './store.ts'
import { targetLabel, type Target } from './target.ts'

/** Carries out one verify job. What cannot be learned now is asked again later; the delivery stays `accepted`. */
export async function verify (job: VerifyJob, deps: Deps): Promise<void> {
  const target = deps.targets.byId(job.target_id)
  const asks = target?.destination.verify
  if (target === undefined || asks === undefined) return
  const { rows: [attempt] } = await deps.pool.query<{ network_trace: string | null, event_seqs: number[] }>(
    'SELECT network_trace, event_seqs FROM attempts WHERE id = $1 AND day = $2', [job.attempt_id, job.day])
  if (attempt === undefined) return
  // Without the network's own id there is nothing to ask about: `accepted` is the last word.
  if (attempt.network_trace === null) return await write(deps, target, job, attempt.event_seqs.map(stays))
  const authorization = await deps.tokens.authorize(target)
  if (!('credential' in authorization) || await takeRate(deps.pool, target) !== null) return

  const request = asks.request(attempt.network_trace, target.settings, target.endpoint)
  const answer = await deps.sender.send(request, authorization.credential)
  const judgement = judgeVerdict(answer, attempt.event_seqs.length, target, deps)
  const outcomes = outcomesOf(judgement, attempt.event_seqs.length)
  const settlements = attempt.event_seqs.map((seq, index) =>
    verdictOf(seq, outcomes === 'isolate' ? undefined : outcomes[index], asks.afterSeconds))
  await write(deps, target, job, settlements)
  deps.log.info({
    destination: targetLabel(target),
    attempt: job.attempt_id,
    events: settlements.length,
    code: answer.kind === 'response' ? answer.response.status : answer.failure.code,
    final: settlements.filter(one => one.state !== 'accepted').length
  }, 'verdict')
  reportSettlements(deps, target, settlements.filter(one => one.state !== 'accepted'))
}

function judgeVerdict (answer: Answer, count: number, target: Target, deps: Deps): Judgement {
  const unknown: Judgement = { all: { kind: 'retry', reason: 'network_error' } }
  if (answer.kind === 'failure') return unknown
  const { status } = answer.response
  try {
    // An answer that is none (outage, throttling) never reaches the destination's judge.
    if (status >= 500 || status === 429 || status === 408) return judgeStatus(answer.response, count, deps.now())
    return target.destination.verify?.judge(answer.response, count) ?? unknown
  } catch (error) {
    deps.log.error({ type: target.destination.type, error: describeError(error) }, 'a verdict could not be judged')
    return unknown
  }
}

const stays = (seq: number): Settlement => ({ seq, state: 'accepted' })

function verdictOf (seq: number, outcome: Outcome | undefined, afterSeconds: number): Settlement {
  const later: Settlement = { seq, state: 'accepted', verifyAfterMs: afterSeconds * 1000 }
  switch (outcome?.kind) {
    case 'delivered':
      return { seq, state: 'delivered' }
    case 'skipped':
    case 'held':
    case 'rejected': {
      const detail = outcome.detail === undefined ? undefined : scrub(outcome.detail, 500)
      return { seq, state: outcome.kind, reason: outcome.reason, detail }
    }
    case 'accepted':
      return { ...later, verifyAfterMs: (outcome.verifyAfterSeconds ?? afterSeconds) * 1000 }
    case 'pause':
      return { ...later, pauses: scrub(outcome.detail, 500) }
    case 'retry':
      return { ...later, verifyAfterMs: Math.max(outcome.afterSeconds ?? 0, afterSeconds) * 1000 }
    case undefined:
      return later
  }
}

/** The verdict counts only where the attempt is still the delivery's newest and no verdict came before. */
async function write (deps: Deps, target: Target, job: VerifyJob, settlements: readonly Settlement[]): Promise<void> {
  const pick = <V>(value: (one: Settlement) => V) => settlements.map(value)
  await withTransaction(deps.pool, async (tx: PoolClient) => {
    const pause = settlements.find(one => one.pauses !== undefined)?.pauses
    if (pause !== undefined) await pauseTarget(tx, target, pause)
    await tx.query(`
      UPDATE deliveries d SET state = u.state, reason = u.reason, detail = u.detail,
        due_at = CASE WHEN u.state = 'accepted' THEN d.due_at ELSE now() END,
        verify_at = now() + make_interval(secs => u.verify_ms / 1000)
      FROM unnest($4::bigint[], $5::delivery_state[], $6::text[], $7::text[], $8::float8[])
        AS u (event_seq, state, reason, detail, verify_ms)
      WHERE d.destination_id = $1 AND d.day = $2 AND d.attempt_id = $3 AND d.event_seq = u.event_seq
        AND d.state = 'accepted'`,
    [target.id, job.day, job.attempt_id, pick(one => one.seq), pick(one => one.state), pick(one => one.reason ?? null),
      pick(one => one.detail ?? null), pick(one => one.verifyAfterMs ?? null)])
  })
}
