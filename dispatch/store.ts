// The ledger of deliveries: what is written before a request leaves and after its answer came. One transaction each.
import { createHash } from 'node:crypto'
import { prepared, withTransaction, type PoolClient, type Queryable } from '../config/postgres.ts'
import type { DeliveryState } from '../schema/outcome.ts'
import { enterAgenda, entriesOf, type Claim } from './agenda.ts'
import type { Deps } from './deps.ts'
import { planEntries } from './schedule.ts'
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
}

/** Writes new deliveries; one that is there already stays as it is: one delivery per event and destination. */
export async function insertDeliveries (
  tx: Queryable, rows: readonly (NewDelivery & { agendaId: number | null })[]
): Promise<void> {
  const keyOf = ({ targetId, day, isTest, state, reason, agendaId }: typeof rows[number]) =>
    `${targetId} ${day} ${isTest} ${state} ${reason} ${agendaId ?? ''}`
  for (const group of Map.groupBy(rows, keyOf).values()) {
    const [first] = group
    if (first === undefined) continue
    await tx.query(prepared(tx, insertStatement), [first.targetId, first.day, first.isTest, first.state, first.reason,
      first.agendaId, numberList(group.map(row => row.seq))])
  }
}

const insertStatement = { name: 'insert_deliveries', text: 'SELECT insert_deliveries($1, $2, $3, $4, $5, $6, $7)' }

/** One delivery that is about to be sent. */
export interface Intended {
  seq: number
  partSeqs: number[]
  /** The attempt whose answer was lost; the same for all of a batch (batch.ts). */
  resendOf: number | null
}

/**
 * Commits the intent to send: renews the lease of the claim and writes the attempt, whose id it answers. Null when
 * somebody else has taken the claim over. Nothing may leave before this has returned.
 */
export async function intend (deps: Deps, claim: Claim, batch: readonly Intended[]): Promise<number | null> {
  const withParts = batch.filter(one => one.partSeqs.length > 1).map(one => [one.seq, one.partSeqs])
  // One statement is a transaction, and this one is committed when it answers.
  const { rows: [begun] } = await deps.pool.query<{ id: number }>(prepared(deps.pool, beginStatement),
    [claim.target.id, claim.day, entriesOf(claim), claim.fence, deps.timings.leaseMs,
      numberList(batch.map(one => one.seq)), batch[0]?.resendOf ?? null,
      withParts.length === 0 ? null : JSON.stringify(Object.fromEntries(withParts))])
  return begun?.id ?? null
}

const beginStatement = {
  name: 'begin_attempt', text: 'SELECT id FROM begin_attempt($1, $2, $3, $4, $5, $6, $7, $8) AS id'
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
  const verdicts = settlements.flatMap(one => one.verifyAfterMs ?? [])
  const ended = [attemptId, claim.day, end.httpStatus, end.durationMs, end.result, end.trace, end.said,
    verdicts.length === 0 ? null : Math.min(...verdicts), closedBy(claim, settlements)]
  return await settle(deps, claim, { attemptId, guard: endGuard, values: ended }, settlements)
}

/**
 * Settles deliveries that were not sent: final words, or a later time. False when the claim is somebody else's by now,
 * and nothing is written.
 */
export async function settleUnsent (deps: Deps, claim: Claim, settlements: readonly Settlement[]): Promise<boolean> {
  if (settlements.length === 0) return true
  const held = [entriesOf(claim), claim.fence]
  return await settle(deps, claim, { attemptId: null, guard: holdGuard, values: held }, settlements)
}

/** What must be true before anything is settled, as SQL that locks it and answers one row with the time, or none. */
interface Condition { attemptId: number | null, guard: Guard, values: unknown[] }

interface Guard {
  /** The statement by itself, for a transaction that goes on after it. */
  alone: { name: string, text: string }
  /** With the settlement in one statement, which is a transaction: what the guard refuses leaves nothing to settle. */
  settling: { name: string, text: string }
}

/** A call of a function whose parameters come after `before` others. */
const callOf = (name: string, count: number, before = 0) =>
  `${name}(${Array.from({ length: count }, (_, index) => `$${before + index + 1}`).join(', ')})`

const settleCall = (before: number) => callOf('settle_deliveries', 12, before)

const guardOf = (name: string, count: number): Guard => ({
  alone: { name, text: `SELECT now_ms FROM ${callOf(name, count)}` },
  settling: { name: `${name}_settling`, text: `SELECT ${settleCall(count)} FROM ${callOf(name, count)}` }
})

const endGuard = guardOf('end_attempt', 9)
const holdGuard = guardOf('hold_entries', 2)

/** Needs neither an entry nor a pause. */
const isLastWord = (one: Settlement) => one.state !== 'waiting' && one.pauses === undefined

async function settle (
  deps: Deps, claim: Claim, condition: Condition, settlements: readonly Settlement[]
): Promise<boolean> {
  const isDone = settlements.every(isLastWord)
    ? (await deps.pool.query(prepared(deps.pool, condition.guard.settling),
        [...condition.values, ...groups(claim, condition.attemptId, settlements, new Map())])).rows.length > 0
    : await withTransaction(deps.pool, async tx => await settleAndGoOn(tx, deps, claim, condition, settlements))
  if (isDone) for (const { seq } of settlements) claim.open.delete(seq)
  return isDone
}

/** Settlements of which some wait on: those that are near get their jobs. */
async function settleAndGoOn (
  tx: PoolClient, deps: Deps, claim: Claim, condition: Condition, settlements: readonly Settlement[]
): Promise<boolean> {
  const { target } = claim
  const { rows: [clock] } = await tx.query<{ now_ms: number }>(
    prepared(tx, condition.guard.alone), condition.values)
  if (clock === undefined) return false
  const pause = settlements.find(one => one.pauses !== undefined)
  if (pause?.pauses !== undefined) await pauseTarget(tx, target, pause.pauses)
  const entryOf = await planAgain(tx, deps, target, claim.day, settlements, clock.now_ms)
  await tx.query(prepared(tx, settleStatement), groups(claim, condition.attemptId, settlements, entryOf))
  return true
}

const settleStatement = { name: 'settle_deliveries', text: `SELECT ${settleCall(0)}` }

/** Writes the entries of those settlements that wait on: in which each of their deliveries is. */
export async function planAgain (
  tx: Queryable, deps: Deps, target: Target, day: string, settlements: readonly Settlement[], nowMs: number
): Promise<Map<number, number>> {
  const waiting = settlements.filter(one => one.state === 'waiting')
  const { entries, places } = planEntries(waiting.map(one => ({
    seq: one.seq,
    day,
    targetId: target.id,
    dueAtMs: nowMs + (one.afterMs ?? 0),
    isolation: one.isolation,
    isPaused: one.reason === 'destination_paused'
  })), nowMs, deps.timings.jobWithinMs)
  const ids = await enterAgenda(tx, deps.enqueue, entries, () => target.destination.type)
  return new Map(waiting.map(({ seq }, index) => [seq, ids[places[index] ?? -1] ?? 0]))
}

/** The entries that are done with when these settlements are written. */
function closedBy (claim: Claim, settlements: readonly Settlement[]): string {
  const seqs = new Set(settlements.map(one => one.seq))
  const isAll = claim.open.size <= seqs.size && [...claim.open].every(seq => seqs.has(seq))
  return numberList(isAll ? claim.agendaIds : [])
}

/** What settle_deliveries() is given: deliveries of the same settlement together. */
function groups (
  claim: Claim, attemptId: number | null, settlements: readonly Settlement[], entryOf: ReadonlyMap<number, number>
): unknown[] {
  const wordsOf = ({ seq, ...one }: Settlement) => JSON.stringify([one, entryOf.get(seq)])
  // Nearly all are this one, about which there is nothing more to say.
  const isPlain = ({ state, reason, detail }: Settlement) => state === 'delivered' && (reason ?? detail) === undefined
  const keyOf = (one: Settlement) => isPlain(one) ? one.state : wordsOf(one)
  const alike = [...Map.groupBy(settlements, keyOf).values()]
  const each = <V>(pick: (one: Settlement) => V) => alike.map(([first]) => first === undefined ? null : pick(first))
  const countOf = (one: Settlement) => attemptId === null || one.refundsAttempt === true ? 0 : 1
  return [claim.target.id, claim.day, attemptId, entriesOf(claim), closedBy(claim, settlements),
    numberList(alike.flat().map(one => one.seq)), alike.map(group => group.length), each(one => one.state),
    each(one => one.reason ?? null), each(one => one.detail ?? null), each(countOf),
    each(one => entryOf.get(one.seq) ?? null)]
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
