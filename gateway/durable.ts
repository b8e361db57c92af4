// Makes batches durable: in Postgres, or in the spool while Postgres is away. The circuit says which.
import { isOutage } from '../config/postgres.ts'
import { Unavailable, type Arrival, type Receipt } from './arrival.ts'
import type { Row } from './append.ts'
import { rememberKnown, type Known } from '../config/bounded.ts'
import { openCircuit, type Circuit } from './circuit.ts'
import { startDrain, type Drain } from './drain.ts'
import { SpoolFull, type Spool } from './spool/spool.ts'
import { rememberKeys } from './seen_keys.ts'
import { reasonOf, storePending, storeSpooled, toPending, type StoreDeps } from './store.ts'

/** What the operator should hear. `reason` is a code. */
export type IngestAlert =
  /** A row was refused by Postgres and lies in failed_events. */
  | { what: 'set_aside', reason: string, rows: number, receiptId: string }
  /** Storing failed and there is no spool: the rows were turned away. */
  | { what: 'outage', reason: string, rows: number }
  /** Storing failed in a way that nobody foresaw. */
  | { what: 'bug', reason: string, rows: number }
  | { what: 'spooling_began', reason: string }
  | { what: 'spooling_ended', seconds: number, waiting: number }
  | { what: 'drained', rows: number, seconds: number }
  /** The spool is full (`spool_full`, `disk_full`), its disk failed, or too much waits in memory (`queue_full`). */
  | { what: 'shed', reason: string, rows: number }
  | { what: 'spool_trouble', reason: string }

export interface DurableOptions extends Omit<StoreDeps, 'onSetAside' | 'keptTouches' | 'seenKeys'> {
  onAlert: (alert: IngestAlert) => void
  /** Touches that this process has committed, for whoever deletes some. */
  keptTouches?: Known
  /** New events were committed: where the router lives in this process, it need not wait for its poll. */
  onCommitted?: (newEvents: number) => void
  /** Spooled arrivals were committed: only now it is known what they are. */
  onDrained?: (arrivals: readonly Arrival[], receipts: readonly Receipt[]) => void
  /** Where arrivals go while Postgres is away; without one they are turned away. */
  spool?: Spool
  /** Given where Postgres was away at the start: must succeed once before anything is written to it. */
  admit?: () => Promise<void>
}

/** Arrivals of one request. */
export interface Request {
  arrivals: readonly Arrival[]
  /** Sealed for where they were to go when they came: for Postgres or for the spool. */
  rows?: readonly Row[]
  records?: readonly Buffer[]
  isLead: boolean
  bytes: number
  resolve: (receipts: Receipt[]) => void
  reject: (error: unknown) => void
}

export interface Durable {
  /** Throws what a request is to hear whose arrivals cannot be sealed. */
  seal: (arrivals: readonly Arrival[]) => Pick<Request, 'rows' | 'records' | 'bytes'>
  /** Never rejects; each request hears its own fate. */
  commit: (batch: readonly Request[]) => Promise<void>
  close: () => Promise<void>
}

/** Every page view of a visitor who came over an advertisement tells of the same landing again. */
export const rememberTouches = (): Known => rememberKnown(20_000)

interface Keeper extends DurableOptions {
  deps: StoreDeps
  circuit: Circuit
  drain: Drain | undefined
}

export const countRows = (requests: readonly Request[]): number =>
  requests.reduce((sum, { arrivals }) => sum + arrivals.length, 0)
const countBytes = (sealed: readonly { length: number }[]) => sealed.reduce((sum, { length }) => sum + length, 0)

/** Opens the way to Postgres and the spool; closes the spool, but not the pool. */
export function openDurable (options: DurableOptions): Durable {
  const { spool, onAlert } = options
  const circuit = openCircuit({
    clock: () => performance.now(),
    onOpened: reason => { if (spool !== undefined) onAlert({ what: 'spooling_began', reason }) },
    onClosed: openForMs => {
      const waiting = spool?.state().records ?? 0
      onAlert({ what: 'spooling_ended', seconds: openForMs / 1000, waiting })
    }
  })
  const deps: StoreDeps = {
    ...options,
    keptTouches: options.keptTouches ?? rememberTouches(),
    seenKeys: rememberKeys(),
    onSetAside: (reason, receiptId) => { onAlert({ what: 'set_aside', reason, rows: 1, receiptId }) }
  }
  if (options.admit !== undefined) circuit.trip('away_at_start', performance.now())
  const keeper: Keeper = { ...options, deps, circuit, drain: undefined }
  if (spool !== undefined) keeper.drain = startDraining(keeper, spool)
  return {
    seal: arrivals => seal(keeper, arrivals),
    commit: async batch => { await commit(keeper, batch) },
    close: async () => {
      await keeper.drain?.stop()
      await spool?.close()
    }
  }
}

function startDraining (keeper: Keeper, spool: Spool): Drain {
  const { circuit, deps, pool, onAlert, onDrained } = keeper
  let isAdmitted = keeper.admit === undefined
  const beAdmitted = async () => {
    if (!isAdmitted) await keeper.admit?.()
    isAdmitted = true
  }
  return startDrain({
    spool,
    circuit,
    async store (arrivals) {
      await beAdmitted()
      return await storeSpooled(arrivals, deps)
    },
    async ping () {
      await beAdmitted()
      return await pool.query('SELECT 1')
    },
    onStored: (arrivals, receipts) => {
      tellCommitted(keeper, receipts)
      onDrained?.(arrivals, receipts)
    },
    onEmpty: (rows, seconds) => { onAlert({ what: 'drained', rows, seconds }) },
    onTrouble: reason => { onAlert({ what: 'spool_trouble', reason }) }
  })
}

function tellCommitted ({ onCommitted }: Keeper, receipts: readonly Receipt[]): void {
  const newEvents = receipts.filter(receipt => receipt.isNewEvent).length
  if (newEvents > 0) onCommitted?.(newEvents)
}

function seal ({ spool, circuit, deps }: Keeper, arrivals: readonly Arrival[]): ReturnType<Durable['seal']> {
  if (spool !== undefined && circuit.isOpen()) {
    const records = arrivals.map(spool.seal)
    return { records, bytes: countBytes(records) }
  }
  const rows = arrivals.map(arrival => toPending(arrival, deps).row)
  return { rows, bytes: rows.reduce((sum, { bytes }) => sum + bytes, 0) }
}

async function commit (keeper: Keeper, batch: readonly Request[]): Promise<void> {
  const { spool, circuit, onAlert } = keeper
  if (spool !== undefined && circuit.isOpen()) return await spoolBatch(keeper, batch, spool)
  const startedMs = performance.now()
  try {
    await storeBatch(keeper, batch)
  } catch (error) {
    const reason = reasonOf(error)
    const rows = countRows(batch)
    if (!isOutage(error)) onAlert({ what: 'bug', reason, rows })
    else if (spool === undefined) onAlert({ what: 'outage', reason, rows })
    if (spool === undefined) {
      for (const { reject } of batch) reject(new Unavailable('the event could not be stored', { cause: error }))
      return
    }
    circuit.trip(reason, startedMs)
    await spoolBatch(keeper, batch, spool)
  }
}

async function storeBatch (keeper: Keeper, batch: readonly Request[]): Promise<void> {
  const receipts = await storePending(batch.flatMap(({ arrivals, rows }) => arrivals.map((arrival, at) => {
    const row = rows?.[at]
    return row === undefined ? toPending(arrival, keeper.deps) : { arrival, row }
  })), keeper.deps)
  tellCommitted(keeper, receipts)
  let from = 0
  for (const { arrivals, resolve } of batch) {
    resolve(receipts.slice(from, from + arrivals.length))
    from += arrivals.length
  }
}

/** Leads have a reserve of the spool for themselves. */
async function spoolBatch (keeper: Keeper, batch: readonly Request[], spool: Spool): Promise<void> {
  await Promise.all([
    spoolRequests(keeper, batch.filter(({ isLead }) => isLead), spool, true),
    spoolRequests(keeper, batch.filter(({ isLead }) => !isLead), spool, false)
  ])
}

async function spoolRequests (keeper: Keeper, requests: readonly Request[], spool: Spool,
  isLead: boolean): Promise<void> {
  if (requests.length === 0) return
  try {
    await spool.append(requests.flatMap(({ records, arrivals }) => records ?? arrivals.map(spool.seal)), isLead)
    keeper.drain?.wake()
    for (const { arrivals, resolve } of requests) {
      resolve(arrivals.map(({ part }) =>
        ({ status: 'stored', eventId: part.event_id, isNewEvent: false, isSpooled: true })))
    }
  } catch (error) {
    const reason = error instanceof SpoolFull ? error.reason : reasonOf(error)
    keeper.onAlert({ what: 'shed', reason, rows: countRows(requests) })
    for (const { reject } of requests) reject(new Unavailable('the event could not be spooled', { cause: error }))
  }
}
