// Group commit: arrivals that come while a commit is in flight share the next one. An answer is given after its COMMIT.
import { Unavailable, type IngestLog, type Receipt } from './arrival.ts'
import { countRows, openDurable, type Durable, type DurableOptions, type Request } from './durable.ts'

export interface IngestOptions extends DurableOptions {
  /** Commits in flight at once. */
  lanes?: number
  /** What may wait before new arrivals are turned away; leads may wait in twice as many rows and bytes. */
  mostPending?: number
  mostPendingBytes?: number
}

const mostRows = 500
/** A second commit begins beside the first when it is worth it: fewer and larger ones cost Postgres less. */
const worthwhileRows = 32
const mostBytes = 1 << 20

/** Takes whole requests off the queues, leads first, up to the limits of one batch; at least one. */
function takeBatch (queues: readonly Request[][]): Request[] {
  const batch: Request[] = []
  let rows = 0
  let bytes = 0
  for (const queue of queues) {
    for (let next = queue[0]; next !== undefined; next = queue[0]) {
      const isTooMuch = rows + next.arrivals.length > mostRows || bytes + next.bytes > mostBytes
      if (batch.length > 0 && isTooMuch) return batch
      queue.shift()
      batch.push(next)
      rows += next.arrivals.length
      bytes += next.bytes
    }
  }
  return batch
}

/** Arrivals of one request as they came. */
type Fresh = Omit<Request, 'rows' | 'records' | 'bytes'>

interface Queue {
  durable: Durable
  lanes: number
  /** What came in this turn of the event loop. */
  fresh: Fresh[]
  leads: Request[]
  others: Request[]
  /** What is owed an answer: waiting, and in flight. The bytes are known of what is sealed. */
  pendingRows: number
  pendingBytes: number
  inFlight: number
  inFlightRows: number
  /** Who waits until nothing is pending. */
  closing: (() => void)[]
}

const isIdle = ({ inFlight, fresh, leads, others }: Queue) =>
  inFlight === 0 && fresh.length + leads.length + others.length === 0

function tellIfIdle (queue: Queue): void {
  if (isIdle(queue)) for (const done of queue.closing.splice(0)) done()
}

/**
 * Seals what came in this turn of the event loop, and commits. Nobody waits longer for it, and a busy gateway needs a
 * fifth less CPU: what comes in one turn is sealed in one go, with code and data still in the processor's caches, and
 * shares one commit. An arrival that cannot be sealed is nobody's fate but its own.
 */
function takeIn (queue: Queue): void {
  for (const fresh of queue.fresh.splice(0)) {
    try {
      const sealed = queue.durable.seal(fresh.arrivals)
      queue.pendingBytes += sealed.bytes
      queue[fresh.isLead ? 'leads' : 'others'].push({ ...fresh, ...sealed })
    } catch (error) {
      queue.pendingRows -= fresh.arrivals.length
      fresh.reject(error)
    }
  }
  pump(queue)
  tellIfIdle(queue)
}

/** Whether another commit may begin now: always when none is in flight, so that nobody waits for nothing. */
function mayBegin ({ inFlight, lanes, pendingRows, inFlightRows }: Queue): boolean {
  const waitingRows = pendingRows - inFlightRows
  return waitingRows > 0 && (inFlight === 0 || (inFlight < lanes && waitingRows >= worthwhileRows))
}

function pump (queue: Queue): void {
  // Those will be sealed before this turn is over, and then share the commit.
  if (queue.fresh.length > 0) return
  while (mayBegin(queue)) {
    const batch = takeBatch([queue.leads, queue.others])
    const rows = countRows(batch)
    const after = () => {
      queue.inFlight--
      queue.inFlightRows -= rows
      queue.pendingRows -= rows
      queue.pendingBytes -= batch.reduce((sum, { bytes }) => sum + bytes, 0)
      tellIfIdle(queue)
      pump(queue)
    }
    queue.inFlight++
    queue.inFlightRows += rows
    queue.durable.commit(batch).then(after, after)
  }
}

/** Opens the ingest log on Postgres, with the spool beside it (design.md, "Storage and queue"). */
export function openIngestLog (options: IngestOptions): IngestLog {
  const { onAlert, lanes = 2, mostPending = 5000, mostPendingBytes = 32 << 20 } = options
  const durable = openDurable(options)
  const queue: Queue = {
    durable,
    lanes,
    fresh: [],
    leads: [],
    others: [],
    pendingRows: 0,
    pendingBytes: 0,
    inFlight: 0,
    inFlightRows: 0,
    closing: []
  }
  let closed: Promise<void> | undefined

  /** Leads may wait where events may not: what a visitor typed comes once. */
  function refuseOver (rows: number, isLead: boolean): void {
    const share = isLead ? 2 : 1
    if (queue.pendingRows + rows <= share * mostPending && queue.pendingBytes <= share * mostPendingBytes) return
    onAlert({ what: 'shed', reason: 'queue_full', rows })
    throw new Unavailable('too much is waiting to be stored')
  }

  return {
    append: async arrivals => {
      if (arrivals.length === 0) return []
      const isLead = arrivals.some(arrival => arrival.lead !== undefined)
      refuseOver(arrivals.length, isLead)
      queue.pendingRows += arrivals.length
      return await new Promise<Receipt[]>((resolve, reject) => {
        queue.fresh.push({ arrivals, isLead, resolve, reject })
        if (queue.fresh.length === 1) setImmediate(takeIn, queue)
      })
    },
    close: async () => {
      if (!isIdle(queue)) await new Promise<void>(resolve => queue.closing.push(resolve))
      await (closed ??= durable.close())
    }
  }
}
