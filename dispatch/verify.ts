// Asks a network what became of an attempt that it had only accepted, and writes the verdict.
import type { Outcome } from '../schema/outcome.ts'
import { withTransaction } from '../config/postgres.ts'
import { describeError, type Deps } from './deps.ts'
import type { Judgement } from './destination.ts'
import { outcomesOf, type Answer } from './judge.ts'
import { reportSettlements } from './report.ts'
import { nextTry } from './retry.ts'
import type { VerifyJob } from './schedule.ts'
import { scrub } from './scrub.ts'
import type { Settlement } from './settle.ts'
import { pauseTarget, planAgain, takeRate } from './store.ts'
import { targetLabel, type Target } from './target.ts'

/** The longest time between two questions about one attempt. */
const longestWaitMs = 6 * 3_600_000

/** An attempt whose verdict is asked for, with its deliveries that still wait for one and how often each was sent. */
interface Asked { trace: string | null, seqs: number[], ageMs: number, attempts: Map<number, number> }

/** Carries out one verify job. What cannot be learned now is asked again later; the delivery stays `accepted`. */
export async function verify (job: VerifyJob, deps: Deps): Promise<void> {
  const target = deps.targets.byId(job.target_id)
  const question = target?.destination.verify
  const asked = target === undefined || question === undefined ? null : await readAsked(job, deps)
  if (target === undefined || question === undefined || asked === null) return
  // Without the network's own id there is nothing to ask about: `accepted` is the last word.
  if (asked.trace === null || asked.attempts.size === 0) return await write(deps, target, job, [])
  const authorization = await deps.tokens.authorize(target)
  if (!('credential' in authorization) || await takeRate(deps.pool, target) !== null) return

  const request = question.request(asked.trace, target.settings, target.endpoint)
  const answer = await deps.sender.send(request, authorization.credential)
  const isTokenDead = authorization.isCached && answer.kind === 'response' && answer.response.status === 401
  if (isTokenDead) deps.tokens.forget(target)
  const judgement = isTokenDead ? null : judgeVerdict(answer, asked.seqs.length, target, deps)
  const outcomes = judgement === null ? 'isolate' : outcomesOf(judgement, asked.seqs.length)
  const settlements = asked.seqs
    .map((seq, index) =>
      verdictOf(seq, outcomes === 'isolate' ? undefined : outcomes[index], asked, question.afterSeconds, deps))
    .filter(({ seq }) => asked.attempts.has(seq))
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

async function readAsked (job: VerifyJob, deps: Deps): Promise<Asked | null> {
  const { rows: [attempt] } = await deps.pool.query<{ trace: string | null, seqs: number[], age_ms: number }>(`
    SELECT network_trace AS trace, event_seqs AS seqs,
      (extract(epoch FROM now() - coalesce(ended_at, started_at)) * 1000)::float8 AS age_ms
    FROM attempts WHERE id = $1 AND day = $2`, [job.attempt_id, job.day])
  if (attempt === undefined) return null
  const { rows } = await deps.pool.query<{ seq: number, attempts: number }>(`
    SELECT event_seq AS seq, attempts FROM deliveries
    WHERE destination_id = $1 AND day = $2 AND event_seq = ANY($3) AND attempt_id = $4 AND state = 'accepted'`,
  [job.target_id, job.day, attempt.seqs, job.attempt_id])
  const { trace, seqs, age_ms: ageMs } = attempt
  return { trace, seqs, ageMs, attempts: new Map(rows.map(row => [row.seq, row.attempts])) }
}

/** Null: nothing was learned. An answer that is none (outage, throttling) never reaches the destination's judge. */
function judgeVerdict (answer: Answer, count: number, target: Target, deps: Deps): Judgement | null {
  if (answer.kind === 'failure') return null
  const { status } = answer.response
  if (status >= 500 || status === 429 || status === 408) return null
  try {
    return target.destination.verify?.judge(answer.response, count) ?? null
  } catch (error) {
    deps.log.error({ type: target.destination.type, error: describeError(error) }, 'a verdict could not be judged')
    return null
  }
}

/** The settlement of one event. Each further question comes after as long as the network has had so far. */
function verdictOf (
  seq: number, outcome: Outcome | undefined, asked: Asked, afterSeconds: number, deps: Deps
): Settlement {
  const waitMs = Math.max(afterSeconds * 1000, Math.min(asked.ageMs, longestWaitMs))
  const later: Settlement = { seq, state: 'accepted', verifyAfterMs: waitMs }
  if (outcome === undefined) return later
  const detail = 'detail' in outcome && outcome.detail !== undefined ? scrub(outcome.detail, 500) : undefined
  switch (outcome.kind) {
    case 'delivered':
      return { seq, state: 'delivered' }
    case 'skipped':
    case 'held':
    case 'rejected':
      return { seq, state: outcome.kind, reason: outcome.reason, detail }
    case 'accepted':
      if (outcome.isLastWord === true) return { seq, state: 'accepted', detail }
      return { ...later, verifyAfterMs: Math.max(waitMs, (outcome.verifyAfterSeconds ?? 0) * 1000), detail }
    case 'pause':
      // What the network said of this request stays said: asked again after the mending, it would pause again.
      return { seq, state: 'waiting', reason: 'destination_paused', detail, pauses: detail }
    case 'retry':
      return sendAgain(seq, outcome, asked, deps)
  }
}

/** The network refused it for now: it is sent again. Too old by then, it is the worker that says so. */
function sendAgain (
  seq: number, { reason, afterSeconds, detail }: Extract<Outcome, { kind: 'retry' }>, asked: Asked, deps: Deps
): Settlement {
  const attempts = asked.attempts.get(seq) ?? 1
  const nowMs = deps.now()
  const next = nextTry({ attempts, nowMs, latestMs: Infinity, random: deps.random })
  const said = detail === undefined ? undefined : scrub(detail, 500)
  if (next === 'gave_up') return { seq, state: 'rejected', reason: 'gave_up', detail: said }
  const afterMs = Math.max(next.dueAtMs - nowMs, (afterSeconds ?? 0) * 1000)
  return { seq, state: 'waiting', reason, detail: said, afterMs }
}

/**
 * The verdict counts only where the attempt is still the delivery's newest and no verdict came before. What is still
 * open is asked for again, of the whole attempt, at the earliest of its times; without any, never.
 */
async function write (deps: Deps, target: Target, job: VerifyJob, settlements: readonly Settlement[]): Promise<void> {
  const pick = <V>(value: (one: Settlement) => V) => settlements.map(value)
  const waits = pick(one => one.verifyAfterMs ?? []).flat()
  await withTransaction(deps.pool, async tx => {
    const { rows: [clock] } = await tx.query<{ now_ms: number }>(`
      UPDATE attempts SET verify_at = now() + make_interval(secs => $3::float8 / 1000) WHERE id = $1 AND day = $2
      RETURNING floor(date_part('epoch', now()) * 1000) AS now_ms`,
    [job.attempt_id, job.day, waits.length === 0 ? null : Math.min(...waits)])
    const pause = settlements.find(one => one.pauses !== undefined)?.pauses
    if (pause !== undefined) await pauseTarget(tx, target, pause)
    const entryOf = await planAgain(tx, deps, target, job.day, settlements, clock?.now_ms ?? 0)
    // Joined by hash: a loop over both sides would be their product.
    await tx.query('SET LOCAL enable_nestloop = off')
    await tx.query(`
      UPDATE deliveries d SET state = u.state, reason = u.reason, detail = u.detail, agenda_id = u.agenda_id,
        decided_at = CASE WHEN u.state NOT IN ('waiting', 'accepted') THEN now() END
      FROM unnest($4::bigint[], $5::delivery_state[], $6::text[], $7::text[], $8::bigint[])
        AS u (event_seq, state, reason, detail, agenda_id)
      WHERE d.destination_id = $1 AND d.day = $2 AND d.attempt_id = $3 AND d.event_seq = u.event_seq
        AND d.event_seq = ANY($4) AND d.state = 'accepted'`,
    [target.id, job.day, job.attempt_id, pick(one => one.seq), pick(one => one.state), pick(one => one.reason ?? null),
      pick(one => one.detail ?? null), pick(one => entryOf.get(one.seq) ?? null)])
  })
}
