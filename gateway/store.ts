// Stores rows in Postgres however bad one of them is: what Postgres refuses is found, set aside, and told.
import type { Keys } from '../config/keys.ts'
import { isDataError, isOutage, sqlState, type Pool } from '../config/postgres.ts'
import { appendRows, setAside, touchName, toRow, type Row } from './append.ts'
import type { Arrival, Receipt } from './arrival.ts'
import type { Known } from '../config/bounded.ts'
import type { SeenKeys } from './seen_keys.ts'

/** An arrival on its way into Postgres. */
export interface Pending { arrival: Arrival, row: Row }

export interface StoreDeps {
  pool: Pool
  keys: Keys
  /** A site's country, for phone numbers without a prefix. */
  countryOf: (site: string) => string | undefined
  /** Touches that this process has committed. */
  keptTouches: Known
  /** Keys that this process has stored. */
  seenKeys: SeenKeys
  /** Until when a failed statement is tried once more. */
  quickMs?: number
  /** A row was set aside in failed_events. */
  onSetAside: (reason: string, receiptId: string) => void
}

/** A failure that took longer than this was a time-out: trying again would only double the wait. */
const defaultQuickMs = 250

/** A deadlock or serialization failure (SQLSTATE class 40) is over when it is told, however long it took. */
function isWorthRetrying (error: unknown, afterMs: number, quickMs: number): boolean {
  return isOutage(error) && (afterMs < quickMs || sqlState(error)?.startsWith('40') === true)
}

/** What is told of an error: never its message, which may quote a row. */
export function reasonOf (error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return sqlState(error) ?? ('code' in error && typeof error.code === 'string' ? error.code : error.name)
}

/** Seals an arrival for Postgres. */
export function toPending (arrival: Arrival, deps: Pick<StoreDeps, 'keys' | 'keptTouches' | 'countryOf'>): Pending {
  return { arrival, row: toRow(arrival, deps, deps.countryOf(arrival.part.site)) }
}

/** Stores rows, and remembers which touches are kept from now on. */
async function appendPending (pending: readonly Pending[], deps: StoreDeps): Promise<Receipt[]> {
  const { pool, keptTouches, seenKeys } = deps
  const rows = pending.map(({ row }) => row)
  const receipts = await appendRows(pool, rows, seenKeys)
  for (const row of rows) {
    if (row.touch !== null && row.visitor !== null) keptTouches.add(touchName(row, row.visitor, row.touch))
  }
  return receipts
}

/** Keeps an arrival that Postgres refuses, whole and sealed, for a person. */
async function keep (arrival: Arrival, reason: string, { pool, keys, onSetAside }: StoreDeps): Promise<Receipt> {
  await setAside(pool, arrival, keys, reason)
  onSetAside(reason, arrival.part.receipt_id)
  return { status: 'stored', eventId: arrival.part.event_id, isNewEvent: false, isSetAside: true }
}

/**
 * Stores rows; receipts in the same order. Once more with the same receipt ids after an outage that was quick, which
 * may have hidden a commit: then the second try is recognised and answers what the first would have. Rows that Postgres
 * refuses are found by halving. Rejects as `pg` does.
 */
export async function storePending (pending: readonly Pending[], deps: StoreDeps, isRetry = false): Promise<Receipt[]> {
  const startedMs = performance.now()
  try {
    return await appendPending(pending, deps)
  } catch (error) {
    if (!isRetry && isWorthRetrying(error, performance.now() - startedMs, deps.quickMs ?? defaultQuickMs)) {
      return await storePending(pending, deps, true)
    }
    if (!isDataError(error)) throw error
    const [only, ...more] = pending
    if (only !== undefined && more.length === 0) return [await keep(only.arrival, sqlState(error) ?? 'unknown', deps)]
    const half = Math.ceil(pending.length / 2)
    return [...await storePending(pending.slice(0, half), deps), ...await storePending(pending.slice(half), deps)]
  }
}

type Tried = { receipt: Receipt } | { error: unknown, arrival: Arrival }

async function tryAll (pending: readonly Pending[], deps: StoreDeps): Promise<Tried[]> {
  try {
    return (await storePending(pending, deps)).map(receipt => ({ receipt }))
  } catch (error) {
    if (isOutage(error)) throw error
    const [only, ...more] = pending
    if (only !== undefined && more.length === 0) return [{ error, arrival: only.arrival }]
    const half = Math.ceil(pending.length / 2)
    return [...await tryAll(pending.slice(0, half), deps), ...await tryAll(pending.slice(half), deps)]
  }
}

/** An arrival of another version may be one that this version cannot seal. */
function trySeal (arrival: Arrival, deps: StoreDeps): Pending | { error: unknown, arrival: Arrival } {
  try {
    return toPending(arrival, deps)
  } catch (error) {
    return { error, arrival }
  }
}

const atOnce = 50

/** Tries to store arrivals; in the same order, what became of each. */
async function tryArrivals (arrivals: readonly Arrival[], deps: StoreDeps): Promise<Tried[]> {
  const sealed: ReturnType<typeof trySeal>[] = []
  for (const arrival of arrivals) {
    sealed.push(trySeal(arrival, deps))
    // Requests are answered meanwhile.
    if (sealed.length % atOnce === 0) await new Promise(resolve => { setImmediate(resolve) })
  }
  const stored = await tryAll(sealed.filter(one => 'row' in one), deps)
  return sealed.flatMap(one => 'row' in one ? stored.splice(0, 1) : [one])
}

/**
 * Stores arrivals that were spooled; receipts in the same order. One that fails in a way that nobody foresaw would
 * block those behind it for ever, so it is set aside, too; but only when a neighbour was stored, for otherwise the
 * fault is not in the arrival. Rejects when nothing could be stored, and on an outage.
 */
export async function storeSpooled (arrivals: readonly Arrival[], deps: StoreDeps): Promise<Receipt[]> {
  const tried = await tryArrivals(arrivals, deps)
  const failed = tried.find(one => 'error' in one)
  if (failed !== undefined && !tried.some(one => 'receipt' in one)) throw failed.error
  const receipts: Receipt[] = []
  for (const one of tried) {
    receipts.push('receipt' in one ? one.receipt : await keep(one.arrival, reasonOf(one.error), deps))
  }
  return receipts
}
