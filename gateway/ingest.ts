// Group commit: arrivals that come while a commit is in flight share the next one. An answer is given after its COMMIT.
import type { Keys } from '../config/keys.ts'
import { isDataError, isOutage, sqlState, type Pool } from '../config/postgres.ts'
import { appendRows, setAside, toRow, type Row } from './append.ts'
import { Unavailable, type Arrival, type IngestLog, type Receipt } from './arrival.ts'

export interface IngestOptions {
  pool: Pool
  keys: Keys
  /** A site's country, for phone numbers without a prefix. */
  countryOf: (site: string) => string | undefined
  /** New events were committed: where the router lives in this process, it need not wait for its poll. */
  onCommitted?: (newEvents: number) => void
  /** A row was set aside, or storing failed in a way that nobody foresaw. */
  onAlert: (alert: { what: 'set_aside' | 'outage' | 'bug', reason: string, rows: number, receiptId?: string }) => void
  /** Commits in flight at once. */
  lanes?: number
  /** Rows that may wait before new ones are turned away; leads may wait in twice as many. */
  mostPending?: number
}

const mostRows = 500
const mostBytes = 1 << 20

interface Request {
  rows: Row[]
  resolve: (receipts: Receipt[]) => void
  reject: (error: Error) => void
}

/** Opens the ingest log on Postgres (design.md, "Storage and queue"). */
export function openIngestLog (options: IngestOptions): IngestLog {
  const { pool, keys, onAlert } = options
  const lanes = options.lanes ?? 2
  const mostPending = options.mostPending ?? 5000
  const leads: Request[] = []
  const others: Request[] = []
  const closing: (() => void)[] = []
  let pendingRows = 0
  let inFlight = 0

  /** Takes whole requests, leads first, up to the limits of one batch; at least one. */
  function takeBatch (): Request[] {
    const batch: Request[] = []
    let rows = 0
    let bytes = 0
    for (const queue of [leads, others]) {
      for (let next = queue[0]; next !== undefined; next = queue[0]) {
        const nextBytes = next.rows.reduce((sum, row) => sum + row.bytes, 0)
        if (batch.length > 0 && (rows + next.rows.length > mostRows || bytes + nextBytes > mostBytes)) return batch
        queue.shift()
        batch.push(next)
        rows += next.rows.length
        bytes += nextBytes
      }
    }
    return batch
  }

  function pump (): void {
    while (inFlight < lanes && leads.length + others.length > 0) {
      inFlight++
      void commit(takeBatch()).finally(() => {
        inFlight--
        if (inFlight === 0 && leads.length + others.length === 0) for (const done of closing.splice(0)) done()
        pump()
      })
    }
  }

  /** Never rejects: every request of the batch learns its own fate. */
  async function commit (batch: Request[]): Promise<void> {
    const rows = batch.flatMap(request => request.rows)
    try {
      const receipts = await store(rows)
      const newEvents = receipts.filter(receipt => receipt.isNewEvent).length
      if (newEvents > 0) options.onCommitted?.(newEvents)
      let from = 0
      for (const request of batch) {
        request.resolve(receipts.slice(from, from + request.rows.length))
        from += request.rows.length
      }
    } catch (error) {
      const reason = sqlState(error) ?? (error instanceof Error ? error.name : 'unknown')
      onAlert({ what: isOutage(error) ? 'outage' : 'bug', reason, rows: rows.length })
      for (const request of batch) request.reject(new Unavailable('the event could not be stored', { cause: error }))
    } finally {
      pendingRows -= rows.length
    }
  }

  /**
   * Stores rows, once more with the same receipt ids after an outage, which may have hidden a commit: then the second
   * try is recognised and answers what the first would have. Rows that Postgres refuses are found by halving.
   */
  async function store (rows: Row[], isRetry = false): Promise<Receipt[]> {
    try {
      return await appendRows(pool, rows)
    } catch (error) {
      if (isOutage(error) && !isRetry) return await store(rows, true)
      if (!isDataError(error)) throw error
      const [only, ...more] = rows
      if (only !== undefined && more.length === 0) return [await keepRefused(only, sqlState(error) ?? 'unknown')]
      const half = Math.ceil(rows.length / 2)
      return [...await store(rows.slice(0, half)), ...await store(rows.slice(half))]
    }
  }

  async function keepRefused (row: Row, reason: string): Promise<Receipt> {
    await setAside(pool, row, reason)
    onAlert({ what: 'set_aside', reason, rows: 1, receiptId: row.receiptId })
    return { status: 'stored', eventId: row.eventId, isNewEvent: false, isSetAside: true }
  }

  async function append (arrivals: readonly Arrival[]): Promise<Receipt[]> {
    if (arrivals.length === 0) return []
    const isLead = arrivals.some(arrival => arrival.lead !== undefined)
    if (pendingRows + arrivals.length > mostPending * (isLead ? 2 : 1)) throw new Unavailable('too much is waiting to be stored')
    const rows = arrivals.map(arrival => toRow(arrival, keys, options.countryOf(arrival.part.site)))
    pendingRows += rows.length
    return await new Promise<Receipt[]>((resolve, reject) => {
      (isLead ? leads : others).push({ rows, resolve, reject })
      pump()
    })
  }

  return {
    append,
    close: async () => {
      if (inFlight === 0 && leads.length + others.length === 0) return
      await new Promise<void>(resolve => closing.push(resolve))
    }
  }
}
