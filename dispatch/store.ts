// The ledger of deliveries: what is written before a request leaves and after its answer came. One transaction each.
import { createHash } from 'node:crypto'
import { prepared, withTransaction, type PoolClient, type Queryable } from '../config/postgres.ts'
import type { DeliveryState } from '../schema/outcome.ts'
import type { Deps } from './deps.ts'
import { enqueuePlan, planJobs, type Plan } from './schedule.ts'
import type { Settlement } from './settle.ts'
import { numberList } from './sql_lists.ts'
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
  const alike = Map.groupBy(rows, row => `${row.targetId} ${row.day} ${row.isTest} ${row.state} ${row.reason}`)
  for (const group of alike.values()) {
    const [first] = group
    if (first === undefined) continue
    await tx.query(prepared(tx, insertStatement),
      [first.targetId, first.day, first.isTest, first.state, first.reason, numberList(column(group, row => row.seq)),
        numberList(column(group, row => row.dueAtMs)), numberList(column(group, row => row.holdMs))])
  }
}

const insertStatement = {
  name: 'insert_deliveries', text: 'SELECT insert_deliveries($1, $2, $3, $4, $5, $6, $7, $8)'
}

/** Promises the deliveries of planned jobs to them. */
export async function promise (tx: Queryable, jobs: Plan['jobs']): Promise<void> {
  for (const { data } of jobs) {
    await tx.query('SELECT promise_deliveries($1, $2, $3, $4)',
      [data.target_id, data.day, numberList(data.event_seqs), data.promised_ms])
  }
}

/** The events of one job that are still its own, as one claim names them. */
export interface Claim {
  target: Target
  day: string
  /** The promise of its job, in Unix milliseconds. It holds what carries this promise, or one that has run out. */
  promisedMs: number
  /** The promises of the jobs that were joined with it. */
  alsoPromisedMs?: readonly number[]
}

const promisesOf = ({ promisedMs, alsoPromisedMs = [] }: Claim) => [promisedMs, ...alsoPromisedMs]

/** One delivery that is about to be sent. */
export interface Intended {
  seq: number
  partSeqs: number[]
  /** The attempt whose answer was lost; the same for all of a batch (batch.ts). */
  resendOf: number | null
}

export interface Attempt {
  id: number
  /** The deliveries that were still ours; the others are somebody else's by now. */
  seqs: Set<number>
}

/**
 * Commits the intent to send: claims the deliveries for the length of the lease and writes the attempt; a lost one that
 * it repeats is ended as such, so that its worker, if it still lives, knows. Null when none is ours any more. Nothing
 * may leave before this has returned.
 */
export async function intend (deps: Deps, claim: Claim, batch: readonly Intended[]): Promise<Attempt | null> {
  const { target, day } = claim
  const withParts = batch.filter(one => one.partSeqs.length > 1).map(one => [one.seq, one.partSeqs])
  // One statement is a transaction, and this one is committed when it answers.
  const { rows: [begun] } = await deps.pool.query<{ id: number, event_seqs: number[] }>(
    prepared(deps.pool, beginStatement),
    [target.id, day, promisesOf(claim), deps.timings.leaseMs, numberList(column(batch, one => one.seq)),
      batch[0]?.resendOf ?? null,
      withParts.length === 0 ? null : JSON.stringify(Object.fromEntries(withParts))])
  return begun === undefined ? null : { id: begun.id, seqs: new Set(begun.event_seqs) }
}

const beginStatement = {
  name: 'begin_attempt', text: 'SELECT id, event_seqs FROM begin_attempt($1, $2, $3, $4, $5, $6, $7)'
}

/** How an attempt ended, for its row. */
export interface AttemptEnd {
  httpStatus: number | null
  durationMs: number
  result: string
  trace: string | null
  said: string | null
}

const endAttempt = 'end_attempt($1, $2, $3, $4, $5, $6, $7)'

/**
 * Ends an attempt and settles its deliveries, with their follow-up jobs. False when the attempt was ended before: the
 * lease ran out and somebody else took over, so we are the zombie, and nothing is written.
 */
export async function settleAttempt (
  deps: Deps, claim: Claim, attemptId: number, end: AttemptEnd, settlements: readonly Settlement[]
): Promise<boolean> {
  const ended = [attemptId, claim.day, end.httpStatus, end.durationMs, end.result, end.trace, end.said]
  if (settlements.every(isLastWord)) {
    // One statement is a transaction: an end that is not ours leaves nothing to settle.
    const { rows } = await deps.pool.query(
      prepared(deps.pool, settleStatement),
      [...ended, ...groups(claim, attemptId, settlements, [])])
    return rows.length > 0
  }
  return await withTransaction(deps.pool, async tx => {
    const { rows: [clock] } = await tx.query<{ now_ms: number }>(`SELECT now_ms FROM ${endAttempt}`, ended)
    if (clock === undefined) return false
    await write(tx, deps, claim, attemptId, settlements, clock.now_ms)
    return true
  })
}

/** Settles deliveries that were not sent: final words, or a later time. What is not ours any more stays as it is. */
export async function settleUnsent (deps: Deps, claim: Claim, settlements: readonly Settlement[]): Promise<void> {
  if (settlements.length === 0) return
  if (settlements.every(isLastWord)) {
    await deps.pool.query(prepared(deps.pool, deliveriesStatement), groups(claim, null, settlements, []))
    return
  }
  await withTransaction(deps.pool, async tx => {
    const { rows: [clock] } = await tx.query<{ now_ms: number }>(
      'SELECT floor(date_part(\'epoch\', now()) * 1000) AS now_ms')
    await write(tx, deps, claim, null, settlements, clock?.now_ms ?? 0)
  })
}

/** Needs neither a job nor a pause. */
const isLastWord = (one: Settlement) => one.state !== 'waiting' && one.pauses === undefined

/** Writes settlements of an attempt, or of what was not sent; those that wait and are near get their jobs. */
async function write (
  tx: PoolClient, deps: Deps, claim: Claim, attemptId: number | null, settlements: readonly Settlement[], nowMs: number
): Promise<void> {
  const { target, day } = claim
  const pause = settlements.find(one => one.pauses !== undefined)
  if (pause?.pauses !== undefined) await pauseTarget(tx, target, pause.pauses)
  // A paused destination's deliveries get no jobs.
  const next = settlements.filter(one => one.state === 'waiting' && one.reason !== 'destination_paused')
  const plan = planJobs(next.map(one => (
    { seq: one.seq, day, targetId: target.id, dueAtMs: nowMs + (one.afterMs ?? 0), isolation: one.isolation }
  )), nowMs, deps.timings.promiseMs)
  await tx.query(prepared(tx, deliveriesStatement), groups(claim, attemptId, settlements, plan.jobs))
  await enqueuePlan(tx, deps.enqueue, plan.jobs, () => target.destination.type)
}

/** The parameters of settle_deliveries(), `before` others. */
const places = (before: number) => Array.from({ length: 13 }, (_, index) => `$${before + index + 1}`).join(', ')

const deliveriesStatement = { name: 'settle_deliveries', text: `SELECT settle_deliveries(${places(0)})` }

/** What settle_deliveries() is given: deliveries of the same settlement together. */
function groups (
  claim: Claim, attemptId: number | null, settlements: readonly Settlement[], jobs: Plan['jobs']
): unknown[] {
  const holdOf = new Map(jobs.flatMap(({ data }) => data.event_seqs.map(seq => [seq, data.promised_ms])))
  const wordsOf = ({ seq, ...one }: Settlement) => JSON.stringify([one, holdOf.get(seq)])
  // Nearly all are this one, about which there is nothing more to say.
  const isPlain = ({ state, reason, detail }: Settlement) => state === 'delivered' && (reason ?? detail) === undefined
  const keyOf = (one: Settlement) => isPlain(one) ? one.state : wordsOf(one)
  const alike = [...Map.groupBy(settlements, keyOf).values()]
  const each = <V>(pick: (one: Settlement) => V) => alike.map(([first]) => first === undefined ? null : pick(first))
  return [claim.target.id, claim.day, attemptId, promisesOf(claim), numberList(alike.flat().map(one => one.seq)),
    alike.map(group => group.length), each(one => one.state), each(one => one.reason ?? null),
    each(one => one.detail ?? null), each(one => one.refundsAttempt === true ? 1 : 0),
    each(one => one.state === 'waiting' ? one.afterMs ?? 0 : 0), each(one => holdOf.get(one.seq) ?? 0),
    each(one => one.verifyAfterMs ?? null)]
}

/** Ends an attempt and, if it was ours, settles its deliveries. */
const settleStatement = { name: 'settle_attempt', text: `SELECT settle_deliveries(${places(7)}) FROM ${endAttempt}` }

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
