// The ledger of deliveries: what is written before a request leaves and after its answer came. One transaction each.
import { createHash } from 'node:crypto'
import { withTransaction, type PoolClient, type Queryable } from '../config/postgres.ts'
import type { DeliveryState } from '../schema/outcome.ts'
import type { Deps } from './deps.ts'
import { enqueuePlan, planJobs, type Due } from './schedule.ts'
import type { Settlement } from './settle.ts'
import type { Target } from './target.ts'

/** A delivery as the router writes it. */
export interface NewDelivery {
  seq: number
  day: string
  targetId: number
  isTest: boolean
  state: DeliveryState
  reason: string
  dueAtMs: number
}

const column = <T, V>(rows: readonly T[], pick: (row: T) => V): V[] => rows.map(pick)

/** Writes new deliveries; one that is there already stays as it is: one delivery per event and destination. */
export async function insertDeliveries (
  tx: Queryable, rows: readonly (NewDelivery & { holdMs: number })[]
): Promise<void> {
  if (rows.length === 0) return
  await tx.query(`
    INSERT INTO deliveries (event_seq, day, destination_id, is_test, state, reason, due_at, hold_until)
    SELECT u.event_seq, u.day, u.destination_id, u.is_test, u.state, u.reason,
      to_timestamp(u.due_ms / 1000), to_timestamp(u.hold_ms / 1000)
    FROM unnest($1::bigint[], $2::date[], $3::smallint[], $4::boolean[], $5::delivery_state[], $6::text[],
      $7::float8[], $8::float8[]) AS u (event_seq, day, destination_id, is_test, state, reason, due_ms, hold_ms)
    ON CONFLICT DO NOTHING`,
  [column(rows, row => row.seq), column(rows, row => row.day), column(rows, row => row.targetId),
    column(rows, row => row.isTest), column(rows, row => row.state), column(rows, row => row.reason),
    column(rows, row => row.dueAtMs), column(rows, row => row.holdMs)])
}

/**
 * Who may act on a waiting delivery: the job that it is promised to, or anybody once the promise has run out.
 * $1 destination, $2 day, $3 promise in Unix milliseconds.
 */
const isOurs = `d.destination_id = $1 AND d.day = $2 AND d.state = 'waiting'
  AND (d.hold_until <= now() OR d.hold_until = to_timestamp($3::float8 / 1000))`

/** The events of one job that are still its own, as one claim names them. */
export interface Claim {
  target: Target
  day: string
  promisedMs: number
}

/** One delivery that is about to be sent. */
export interface Intended {
  seq: number
  partSeqs: number[]
  /** The attempt whose answer was lost; it is ended as such, so that its worker, if it still lives, knows. */
  resendOf: number | null
}

export interface Attempt {
  id: number
  /** The deliveries that were still ours; the others are somebody else's by now. */
  seqs: Set<number>
}

/**
 * Commits the intent to send: claims the deliveries for the length of the lease and writes the attempt. Null when none
 * is ours any more. Nothing may leave before this has returned.
 */
export async function intend (deps: Deps, claim: Claim, batch: readonly Intended[]): Promise<Attempt | null> {
  const { target, day, promisedMs } = claim
  return await withTransaction(deps.pool, async tx => {
    const { rows: [fence] } = await tx.query<{ id: number }>('SELECT nextval(\'attempt_id\') AS id')
    if (fence === undefined) throw new Error('nextval gave no row')
    const { rows } = await tx.query<{ event_seq: number }>(`
      UPDATE deliveries d SET hold_until = now() + make_interval(secs => $5::float8 / 1000), attempts = attempts + 1,
        attempt_id = $6, first_attempt_id = coalesce(first_attempt_id, $6)
      WHERE ${isOurs} AND d.event_seq = ANY($4) RETURNING d.event_seq`,
    [target.id, day, promisedMs, column(batch, one => one.seq), deps.timings.leaseMs, fence.id])
    if (rows.length === 0) return null
    const seqs = new Set(rows.map(row => row.event_seq))
    const claimed = batch.filter(one => seqs.has(one.seq))
    const lost = [...new Set(claimed.flatMap(one => one.resendOf ?? []))]
    if (lost.length > 0) {
      await tx.query(`UPDATE attempts SET ended_at = now(), result = 'lost'
        WHERE id = ANY($1) AND day = $2 AND ended_at IS NULL`, [lost, day])
    }
    const withParts = claimed.filter(one => one.partSeqs.length > 1).map(one => [one.seq, one.partSeqs])
    await tx.query(`
      INSERT INTO attempts (id, day, destination_id, lease_until, resend_of, event_seqs, part_seqs)
      VALUES ($1, $2, $3, now() + make_interval(secs => $4::float8 / 1000), $5, $6, $7)`,
    [fence.id, day, target.id, deps.timings.leaseMs, lost[0] ?? null, claimed.map(one => one.seq),
      withParts.length === 0 ? null : JSON.stringify(Object.fromEntries(withParts))])
    return { id: fence.id, seqs }
  })
}

/** How an attempt ended, for its row. */
export interface AttemptEnd {
  httpStatus: number | null
  durationMs: number
  result: string
  trace: string | null
  said: string | null
}

/**
 * Ends an attempt and settles its deliveries, with their follow-up jobs. False when the attempt was ended before: the
 * lease ran out and somebody else took over, so we are the zombie, and nothing is written.
 */
export async function settleAttempt (
  deps: Deps, claim: Claim, attemptId: number, end: AttemptEnd, settlements: readonly Settlement[]
): Promise<boolean> {
  return await withTransaction(deps.pool, async tx => {
    const { rows: [ended] } = await tx.query<{ now_ms: number }>(`
      UPDATE attempts SET ended_at = now(), http_status = $3, duration_ms = $4, result = $5, network_trace = $6,
        network_said = $7
      WHERE id = $1 AND day = $2 AND ended_at IS NULL RETURNING (extract(epoch FROM now()) * 1000)::bigint AS now_ms`,
    [attemptId, claim.day, end.httpStatus, end.durationMs, end.result, end.trace, end.said])
    if (ended === undefined) return false
    await write(tx, deps, claim, settlements, ended.now_ms, 'd.attempt_id = $11', attemptId)
    return true
  })
}

/** Settles deliveries that were not sent: final words, or a later time. What is not ours any more stays as it is. */
export async function settleUnsent (deps: Deps, claim: Claim, settlements: readonly Settlement[]): Promise<void> {
  if (settlements.length === 0) return
  await withTransaction(deps.pool, async tx => {
    const { rows: [clock] } = await tx.query<{ now_ms: number }>(
      'SELECT (extract(epoch FROM now()) * 1000)::bigint AS now_ms')
    const isStillOurs = '(d.hold_until <= now() OR d.hold_until = to_timestamp($11::float8 / 1000))'
    await write(tx, deps, claim, settlements, clock?.now_ms ?? 0, isStillOurs, claim.promisedMs)
  })
}

/** `guard` says, with its one value $11, whose the deliveries must still be. */
async function write (
  tx: PoolClient, deps: Deps, claim: Claim, settlements: readonly Settlement[], nowMs: number, guard: string,
  guardValue: number
): Promise<void> {
  const { target, day } = claim
  const pause = settlements.find(one => one.pauses !== undefined)
  if (pause?.pauses !== undefined) await pauseTarget(tx, target, pause.pauses)
  const dues = settlements.map(one => one.state === 'waiting' ? nowMs + (one.afterMs ?? 0) : nowMs)
  const plan = planDues(settlements, dues, target, day, nowMs, deps.timings.promiseMs)
  await tx.query(`
    UPDATE deliveries d SET state = u.state, reason = u.reason, detail = u.detail, attempts = d.attempts - u.refund,
      due_at = to_timestamp(u.due_ms / 1000), hold_until = to_timestamp(u.hold_ms / 1000),
      verify_at = to_timestamp(u.verify_ms / 1000)
    FROM unnest($3::bigint[], $4::delivery_state[], $5::text[], $6::text[], $7::smallint[], $8::float8[], $9::float8[],
      $10::float8[]) AS u (event_seq, state, reason, detail, refund, due_ms, hold_ms, verify_ms)
    WHERE d.destination_id = $1 AND d.day = $2 AND d.event_seq = u.event_seq AND d.state = 'waiting'
      AND ${guard}`,
  [target.id, day, column(settlements, one => one.seq), column(settlements, one => one.state),
    column(settlements, one => one.reason ?? null), column(settlements, one => one.detail ?? null),
    column(settlements, one => one.refundsAttempt === true ? 1 : 0), dues, plan.holdsMs,
    column(settlements, one => one.verifyAfterMs === undefined ? null : nowMs + one.verifyAfterMs), guardValue])
  await enqueuePlan(tx, deps.enqueue, plan.jobs, () => target.destination.type)
}

/** Jobs for what waits and is near; a paused destination's deliveries get none. */
function planDues (
  settlements: readonly Settlement[], duesMs: readonly number[], target: Target, day: string, nowMs: number,
  promiseMs: number
): ReturnType<typeof planJobs> {
  const dues: Due[] = []
  const places: number[] = []
  settlements.forEach((one, index) => {
    if (one.state !== 'waiting' || one.reason === 'destination_paused') return
    dues.push({ seq: one.seq, day, targetId: target.id, dueAtMs: duesMs[index] ?? nowMs, isolation: one.isolation })
    places.push(index)
  })
  const plan = planJobs(dues, nowMs, promiseMs)
  const holdsMs = new Array<number>(settlements.length).fill(0)
  places.forEach((place, index) => { holdsMs[place] = plan.holdsMs[index] ?? 0 })
  return { jobs: plan.jobs, holdsMs }
}

/** Pauses a destination until its settings change; the first cause stays. */
export async function pauseTarget (tx: Queryable, target: Target, detail: string): Promise<void> {
  await tx.query(`UPDATE destinations SET paused_at = coalesce(paused_at, now()),
    paused_detail = coalesce(paused_detail, $2) WHERE id = $1`, [target.id, detail])
}

/** Whose quota a target's requests use up. What several destinations share is named by its digest. */
function budgetOf ({ id, destination, settings }: Target): string {
  const { sharedBy } = destination.rate
  if (sharedBy === undefined) return `destination ${id}`
  return `${destination.type} ${createHash('sha256').update(sharedBy(settings)).digest('base64url')}`
}

/** Takes one request from the destination's rate. Null when granted, else when the next one will be. */
export async function takeRate (db: Queryable, target: Target): Promise<number | null> {
  const { perMinute, perDay } = target.destination.rate
  let untilMs: number | null = null
  for (const [per, limit, seconds] of [['minute', perMinute, 60], ['day', perDay, 86_400]] as const) {
    if (limit === undefined || untilMs !== null) continue
    // A tenth may go at once, the rest flows evenly: together never more than the limit in any minute (or day).
    const capacity = Math.max(1, limit / 10)
    const perSecond = Math.max(limit - capacity, limit / 2) / seconds
    const { rows } = await db.query<{ wait_ms: number | null }>(`SELECT (extract(epoch FROM
      take_rate_token($1, $2, $3, $4) - clock_timestamp()) * 1000)::float8 AS wait_ms`,
    [budgetOf(target), per, capacity, perSecond])
    untilMs = rows[0]?.wait_ms ?? null
  }
  return untilMs === null ? null : Math.max(untilMs, 1)
}
