// Group commit: arrivals that come while a commit is in flight share the next one. An answer is given after its COMMIT.
import type { Keys } from '../config/keys.ts'
import { isDataError, isOutage, sqlState, type Pool } from '../config/postgres.ts'
import { appendRows, setAside, toRow, type Row } from './append.ts'
import { Unavailable, type IngestLog, type Receipt } from './arrival.ts'

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

/** Takes whole requests off the queues, leads first, up to the limits of one batch; at least one. */
function takeBatch (queues: readonly Request[][]): Request[] {
  const batch: Request[] = []
  let rows = 0
  let bytes = 0
  for (const queue of queues) {
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

/**
 * Stores rows, once more with the same receipt ids after an outage, which may have hidden a commit: then the second try
 * is recognised and answers what the first would have. Rows that Postgres refuses are found by halving.
 */
async function storeRows (rows: Row[], options: IngestOptions, isRetry = false): Promise<Receipt[]> {
  try {
    return await appendRows(options.pool, rows)
  } catch (error) {
    if (isOutage(error) && !isRetry) return await storeRows(rows, options, true)
    if (!isDataError(error)) throw error
    const [only, ...more] = rows
    if (only !== undefined && more.length === 0) return [await keepRefused(only, sqlState(error) ?? 'unknown', options)]
    const half = Math.ceil(rows.length / 2)
    return [...await storeRows(rows.slice(0, half), options), ...await storeRows(rows.slice(half), options)]
  }
}

async function keepRefused (row: Row, reason: string, { pool, onAlert }: IngestOptions): Promise<Receipt> {
  await setAside(pool, row, reason)
  onAlert({ what: 'set_aside', reason, rows: 1, receiptId: row.receiptId })
  return { status: 'stored', eventId: row.eventId, isNewEvent: false, isSetAside: true }
}

/** Stores a batch and tells every request its own fate. Never rejects. */
async function commit (batch: Request[], options: IngestOptions): Promise<void> {
  const rows = batch.flatMap(request => request.rows)
  try {
    const receipts = await storeRows(rows, options)
    const newEvents = receipts.filter(receipt => receipt.isNewEvent).length
    if (newEvents > 0) options.onCommitted?.(newEvents)
    let from = 0
    for (const request of batch) {
      request.resolve(receipts.slice(from, from + request.rows.length))
      from += request.rows.length
    }
  } catch (error) {
    const reason = sqlState(error) ?? (error instanceof Error ? error.name : 'unknown')
    options.onAlert({ what: isOutage(error) ? 'outage' : 'bug', reason, rows: rows.length })
    for (const request of batch) request.reject(new Unavailable('the event could not be stored', { cause: error }))
  }
}

/** Opens the ingest log on Postgres (design.md, "Storage and queue"). */
export function openIngestLog (options: IngestOptions): IngestLog {
  const lanes = options.lanes ?? 2
  const mostPending = options.mostPending ?? 5000
  const leads: Request[] = []
  const others: Request[] = []
  const closing: (() => void)[] = []
  let pendingRows = 0
  let inFlight = 0

  const isIdle = () => inFlight === 0 && leads.length + others.length === 0

  function pump (): void {
    while (inFlight < lanes && leads.length + others.length > 0) {
      const batch = takeBatch([leads, others])
      const after = () => {
        inFlight--
        pendingRows -= batch.reduce((sum, request) => sum + request.rows.length, 0)
        if (isIdle()) for (const done of closing.splice(0)) done()
        pump()
      }
      inFlight++
      commit(batch, options).then(after, after)
    }
  }

  return {
    append: async arrivals => {
      if (arrivals.length === 0) return []
      const isLead = arrivals.some(arrival => arrival.lead !== undefined)
      const most = isLead ? 2 * mostPending : mostPending
      if (pendingRows + arrivals.length > most) throw new Unavailable('too much is waiting to be stored')
      const rows = arrivals.map(arrival => toRow(arrival, options.keys, options.countryOf(arrival.part.site)))
      pendingRows += rows.length
      return await new Promise<Receipt[]>((resolve, reject) => {
        (isLead ? leads : others).push({ rows, resolve, reject })
        pump()
      })
    },
    close: async () => {
      if (!isIdle()) await new Promise<void>(resolve => closing.push(resolve))
    }
  }
}
