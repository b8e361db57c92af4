// THE FLOW, second half: a job's deliveries become requests, and what the network answers becomes their outcome.
// load → decide → map → batch → intend → send → judge → settle
import { setTimeout } from 'node:timers/promises'
import { isOutage } from '../config/postgres.ts'
import type { Outcome } from '../schema/outcome.ts'
import type { Claim } from './agenda.ts'
import { pack } from './batch.ts'
import { describeError, type Deps } from './deps.ts'
import type { Judgement } from './destination.ts'
import { isolate, judge, outcomesOf, type Answer } from './judge.ts'
import { load, type LoadedDelivery } from './load.ts'
import { followOriginals } from './originals.ts'
import { decideAll, unreadable, type Ready } from './ready.ts'
import { reportAttempt, reportSettlements } from './report.ts'
import type { SendJob } from './schedule.ts'
import { scrub } from './scrub.ts'
import type { Credential } from './send.ts'
import { resultOf, settlementOf, type Settlement } from './settle.ts'
import { intend, settleAttempt, settleUnsent, takeRate } from './store.ts'
import type { Target } from './target.ts'
import { writeJson, writtenOf } from './written.ts'

/** Carries out one job. Throws only for outages and bugs; the promoter then gives the deliveries another job. */
export async function deliver (job: SendJob, deps: Deps): Promise<void> {
  const target = deps.targets.byId(job.target_id)
  // Its deliveries are closed by the promoter, after a grace in which wrong settings can be mended.
  if (target === undefined) return
  const prepared = await prepare(job, target, deps)
  if (prepared === null) return
  const { claim, ready } = prepared
  const postponeAll = async (left: readonly Ready[], wait: Wait) => {
    await settleUnsent(deps, claim, left.map(one => postpone(one, job, wait)))
  }
  const batches = pack(ready, target.destination.limits, envelopeBytes(ready, target))
  const startedMs = performance.now()
  for (const [index, batch] of batches.entries()) {
    const rest = batches.slice(index).flat()
    if (performance.now() - startedMs > deps.timings.jobBudgetMs) {
      return await postponeAll(rest, { afterMs: 0, reason: 'new' })
    }
    const passage = await askToSend(target, deps)
    if ('afterMs' in passage) return await postponeAll(rest, passage)
    const ended = await sendBatch(batch, claim, passage, deps)
    // Whoever has the claim now has the rest as well.
    if (ended === 'lost') return
    if (ended === 'paused') return await postponeAll(batches.slice(index + 1).flat(), paused)
  }
}

/** Loads a job, decides, and settles what is not sent. Null: there is nothing to do. */
async function prepare (job: SendJob, target: Target, deps: Deps): Promise<{ claim: Claim, ready: Ready[] } | null> {
  const loaded = await load(job, target, deps)
  if (loaded === null) return null
  const { claim } = loaded
  if (loaded.isPaused) {
    await settleUnsent(deps, claim, loaded.deliveries.map(one => postpone(one, job, paused)))
    return { claim, ready: [] }
  }
  const due = await followOriginals(deps, claim, loaded.deliveries)
  const { ready, unsent } = decideAll(due, target, deps)
  unsent.push(...loaded.gone.map(unreadable))
  if (await settleUnsent(deps, claim, unsent)) reportSettlements(deps, target, unsent)
  return { claim, ready }
}

/** What a request of this destination adds around its payloads. */
function envelopeBytes (ready: readonly Ready[], target: Target): number {
  const [first] = ready
  if (first === undefined) return 0
  try {
    const { body } = target.destination.request([first.payload], target.settings, target.endpoint, first.isTest)
    const whole = writeJson(body, writtenOf([first])) ?? ''
    return Math.max(0, Buffer.byteLength(whole) - first.bytes)
  } catch {
    // A `request` that throws is judged where it is sent, event by event.
    return 0
  }
}

interface Wait { afterMs: number, reason: string, detail?: string, pauses?: string }

const paused: Wait = { afterMs: 0, reason: 'destination_paused' }

/** A delivery that is not sent now; one that was refused with others stays apart from those that were not. */
function postpone (one: Pick<LoadedDelivery, 'seq' | 'isSuspect'>, job: SendJob, wait: Wait): Settlement {
  const isRefused = one.isSuspect || job.is_isolation
  const keepsReason = isRefused && wait.reason !== 'destination_paused'
  return {
    seq: one.seq,
    state: 'waiting',
    ...wait,
    reason: keepsReason ? 'isolating' : wait.reason,
    isolation: isRefused ? (job.is_isolation ? 0 : one.seq) : undefined
  }
}

interface Passage { credential: Credential, isCached: boolean }

/** The credential and the leave to send one request: of the token service, the circuit breaker and the rate. */
async function askToSend (target: Target, deps: Deps): Promise<Passage | Wait> {
  const authorization = await deps.tokens.authorize(target)
  if ('pause' in authorization) {
    return { ...paused, detail: authorization.pause, pauses: authorization.pause }
  }
  if ('retry' in authorization) {
    const afterMs = (authorization.afterSeconds ?? 30) * 1000
    return { afterMs, reason: 'network_error', detail: authorization.retry }
  }
  const nowMs = deps.now()
  const leave = deps.breaker.ask(target.id, nowMs)
  if (!leave.pass) return { afterMs: leave.untilMs - nowMs, reason: leave.reason }
  const waitMs = await takeRate(deps.pool, target)
  if (waitMs === null) return authorization
  deps.breaker.release(target.id)
  return { afterMs: waitMs, reason: 'rate_limited' }
}

/** One request: intend, send, judge, settle. `lost`: nothing was sent, for somebody else has taken the claim over. */
async function sendBatch (
  batch: readonly Ready[], claim: Claim, passage: Passage, deps: Deps
): Promise<'sent' | 'paused' | 'lost'> {
  const { target } = claim
  const attemptId = await intend(deps, claim, batch)
  const [first] = batch
  if (attemptId === null || first === undefined) {
    deps.breaker.release(target.id)
    return 'lost'
  }
  const isTest = first.isTest || target.mode === 'test'
  const { answer, judgement } = await exchange(batch, isTest, target, passage, deps)
  const nowMs = deps.now()
  const outcomes = outcomesOf(judgement, batch.length)
  tellBreaker(target, answer, outcomes, nowMs, deps)

  const settlements = settle(batch, outcomes, isTest, target, nowMs, deps)
  const isOurs = await untilServed(deps, async () => await settleAttempt(deps, claim, attemptId, {
    httpStatus: answer?.kind === 'response' ? answer.response.status : null,
    durationMs: answer?.durationMs ?? 0,
    result: resultOf(outcomes),
    trace: traceOf(judgement),
    said: saidOf(answer, judgement, outcomes)
  }, settlements))
  const trace = traceOf(judgement)
  reportAttempt(deps, target, { attemptId, going: batch, answer, outcomes, settlements, isOurs, trace })
  return settlements.some(one => one.pauses !== undefined) ? 'paused' : 'sent'
}

/**
 * The answer is known to this process alone: while Postgres is away it is kept and offered again, for a part of the
 * lease. Only then is it given up, and the attempt is sent again by whoever finds its lease run out.
 */
async function untilServed<T> (deps: Deps, write: () => Promise<T>): Promise<T> {
  const startedMs = performance.now()
  for (;;) {
    try {
      return await write()
    } catch (error) {
      if (!isOutage(error) || performance.now() - startedMs > deps.timings.leaseMs / 3) throw error
      await setTimeout(250)
    }
  }
}

/** Sends and judges. A bug in a destination's `request` or `judge` is an outcome too: it must not send for ever. */
async function exchange (
  going: readonly Ready[], isTest: boolean, target: Target, passage: Passage, deps: Deps
): Promise<{ answer: Answer | null, judgement: Judgement }> {
  const { destination } = target
  const payloads = going.map(one => one.payload)
  let answer: Answer | null = null
  try {
    const request = destination.request(payloads, target.settings, target.endpoint, isTest)
    answer = await deps.sender.send(request, passage.credential, writtenOf(going))
    if (passage.isCached && answer.kind === 'response' && answer.response.status === 401) {
      deps.tokens.forget(target)
      return { answer, judgement: { all: { kind: 'retry', reason: 'network_error', detail: 'the token ended early' } } }
    }
    return { answer, judgement: judge(destination, answer, payloads, deps.now()) }
  } catch (error) {
    deps.log.error({ type: destination.type, error: describeError(error) }, 'a destination failed')
    const detail = `${answer === null ? 'request' : 'judge'} failed: ${describeError(error).name}`
    if (answer !== null) return { answer, judgement: { all: { kind: 'retry', reason: 'network_error', detail } } }
    const all: Outcome = { kind: 'rejected', reason: 'invalid_event', detail }
    return { answer, judgement: payloads.length > 1 ? { isolate: true, said: detail } : { all } }
  }
}

function settle (
  going: readonly Ready[], outcomes: Outcome[] | 'isolate', isTest: boolean, target: Target, nowMs: number, deps: Deps
): Settlement[] {
  if (outcomes === 'isolate') {
    return isolate([...going]).flatMap((group, isolation) => group.map(one => (
      { seq: one.seq, state: 'waiting', reason: 'isolating', refundsAttempt: true, isolation })))
  }
  // One throw of the dice: what failed together is sent again together, and apart from other requests.
  const chance = deps.random()
  return going.flatMap((one, index) => {
    const outcome = outcomes[index]
    if (outcome === undefined) return []
    const { seq, attempts, limits } = one
    return settlementOf(outcome, { seq, attempts: attempts + 1, isTest, limits }, target, nowMs, () => chance)
  })
}

function tellBreaker (
  target: Target, answer: Answer | null, outcomes: Outcome[] | 'isolate', nowMs: number, deps: Deps
): void {
  const retries = outcomes === 'isolate' ? [] : outcomes.filter(outcome => outcome.kind === 'retry')
  const isDown = answer?.kind === 'failure' || retries.some(outcome => outcome.reason === 'network_error')
  deps.breaker.report(target.id, isDown, nowMs)
  for (const { reason, afterSeconds } of retries) {
    if (reason === 'throttled') deps.breaker.slowDown(target.id, nowMs + Math.min(afterSeconds ?? 5, 3600) * 1000)
  }
}

function traceOf (judgement: Judgement): string | null {
  return judgement.trace === undefined ? null : judgement.trace.replace(/[^\x21-\x7e]/g, '').slice(0, 200)
}

const saidLength = 2000

/** What the network said, if its judge or the outcome makes it worth keeping; without personal data. */
function saidOf (answer: Answer | null, judgement: Judgement, outcomes: Outcome[] | 'isolate'): string | null {
  if (judgement.said !== undefined) return scrub(judgement.said, saidLength)
  if (outcomes !== 'isolate' && outcomes.every(({ kind }) => kind === 'delivered' || kind === 'accepted')) return null
  if (answer?.kind !== 'response') return answer?.failure.code ?? null
  const { body } = answer.response
  return scrub(typeof body === 'string' ? body : JSON.stringify(body) ?? '', saidLength)
}
