// Turns deliveries that fall due into jobs. A job is a wake-up with a promise; the row in `deliveries` is the truth.
import type { Queryable } from '../config/postgres.ts'
import type { QueueJob } from '../config/queue.ts'

/** Work further away than this has no job: the promoter makes it when it comes near. */
export const horizonMs = 15 * 60_000

/** What a job of a destination's queue carries: ids only. */
export interface SendJob {
  kind: 'send'
  target_id: number
  day: string
  event_seqs: number[]
  /** The `hold_until` (Unix ms) that the rows were given with this job: it may act on them while they still have it. */
  promised_ms: number
  /** The promises of jobs that were joined with it. */
  also_promised_ms?: number[]
  /** They were refused together, and are tried again together: half of the batch that held a culprit. */
  is_isolation: boolean
}

/** Asks the network what became of an attempt that it had accepted. */
export interface VerifyJob {
  kind: 'verify'
  target_id: number
  day: string
  attempt_id: number
}

export type Job = SendJob | VerifyJob

/** A job as it lies in the queue: its events as text, of which neighbours are a few characters. */
export type QueuedJob = Omit<SendJob, 'event_seqs'> & { event_seqs: string } | VerifyJob

/** Puts jobs into a queue, inside the caller's transaction. config/queue.ts implements it. */
export type Enqueue = (tx: Queryable, queue: string, jobs: QueueJob<QueuedJob>[]) => Promise<void>

/** Numbers in their order; those that follow upon each other as the first and the last of them: `1-3,7`. */
function writeRanges (numbers: readonly number[]): string {
  const ranges: [first: number, last: number][] = []
  for (const number of numbers) {
    const open = ranges.at(-1)
    if (open !== undefined && number === open[1] + 1) open[1] = number
    else ranges.push([number, number])
  }
  return ranges.map(([first, last]) => first === last ? first : `${first}-${last}`).join(',')
}

function readRanges (text: string): number[] {
  if (text === '') return []
  return text.split(',').flatMap(range => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })
}

export const toQueued = (job: SendJob): QueuedJob => ({ ...job, event_seqs: writeRanges(job.event_seqs) })

export const fromQueued = (job: QueuedJob): Job =>
  job.kind === 'verify' ? job : { ...job, event_seqs: readRanges(job.event_seqs) }

/** The queue of a destination type. */
export const queueName = (type: string) => `deliver_${type}`

/** A delivery that is to be sent at a time. */
export interface Due {
  seq: number
  day: string
  targetId: number
  dueAtMs: number
  /** Deliveries that were refused together are scheduled apart from all others. */
  isolation?: number
}

export interface Plan {
  /** `startAtMs` null: at once, with a notification. */
  jobs: { data: SendJob, startAtMs: number | null }[]
  /** `hold_until` per delivery, in the order given. */
  holdsMs: number[]
}

const largestJob = 1000
const bucketMs = 1000

/**
 * One job per destination, day and second, of up to 1,000 deliveries. Each delivery is promised to its job for
 * `promiseMs` after it falls due; what the job has not begun by then, the promoter gives to another.
 */
export function planJobs (dues: readonly Due[], nowMs: number, promiseMs: number): Plan {
  const open = new Map<string, SendJob>()
  const jobs: Plan['jobs'] = []
  const holdsMs = dues.map(due => {
    if (due.dueAtMs > nowMs + horizonMs) return 0
    const startAtMs = due.dueAtMs <= nowMs ? null : Math.ceil(due.dueAtMs / bucketMs) * bucketMs
    const key = `${due.targetId} ${due.day} ${startAtMs ?? ''} ${due.isolation ?? ''}`
    let job = open.get(key)
    if (job === undefined || job.event_seqs.length >= largestJob) {
      job = {
        kind: 'send',
        target_id: due.targetId,
        day: due.day,
        event_seqs: [],
        promised_ms: (startAtMs ?? nowMs) + promiseMs,
        is_isolation: due.isolation !== undefined
      }
      open.set(key, job)
      jobs.push({ data: job, startAtMs })
    }
    job.event_seqs.push(due.seq)
    return job.promised_ms
  })
  return { jobs, holdsMs }
}

/**
 * A backlog's jobs as fewer and larger ones: those of one destination and day together, up to 1,000 deliveries. What is
 * isolated stays apart. In the order of the first of each.
 */
export function joinJobs (jobs: readonly Job[]): Job[] {
  const open = new Map<string, SendJob>()
  const joined: Job[] = []
  for (const job of jobs) {
    if (job.kind === 'verify' || job.is_isolation) {
      joined.push(job)
      continue
    }
    const key = `${job.target_id} ${job.day}`
    const first = open.get(key)
    if (first !== undefined && first.event_seqs.length + job.event_seqs.length <= largestJob) {
      first.event_seqs.push(...job.event_seqs)
      first.also_promised_ms?.push(job.promised_ms)
      continue
    }
    const copy = { ...job, event_seqs: [...job.event_seqs], also_promised_ms: [] }
    open.set(key, copy)
    joined.push(copy)
  }
  return joined
}

/** Puts planned jobs into the queues of their destinations' types. */
export async function enqueuePlan (
  tx: Queryable, enqueue: Enqueue, jobs: Plan['jobs'], typeOf: (targetId: number) => string
): Promise<void> {
  const byType = Map.groupBy(jobs, job => typeOf(job.data.target_id))
  for (const [type, ofType] of byType) {
    await enqueue(tx, queueName(type), ofType.map(({ data, startAtMs }) =>
      ({ data: toQueued(data), startAtMs, group: String(data.target_id) })))
  }
}
