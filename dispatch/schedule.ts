// Plans what waits: which deliveries fall due together, and which of them get a job now. Pure. An entry of the agenda
// is the truth (agenda.ts); a job only wakes a worker for it.

/** Work further away than this has no job: the promoter makes it when it comes near. */
export const horizonMs = 15 * 60_000

/** What a job of a destination's queue carries: which entries of the agenda it is about. */
export interface SendJob {
  kind: 'send'
  target_id: number
  day: string
  agenda_ids: number[]
  /** How many deliveries they hold. */
  events: number
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

/** Whether it is a job as we make them: one of an older build is not, and what it was about is left to the promoter. */
export const isJob = (given: Job): boolean =>
  given.kind === 'verify' ? Number.isInteger(given.attempt_id) : Array.isArray(given.agenda_ids)

/** The queue of a destination type. */
export const queueName = (type: string) => `deliver_${type}`

/** A delivery that waits. */
export interface Due {
  seq: number
  day: string
  targetId: number
  dueAtMs: number
  /** Deliveries that were refused together are scheduled apart from all others. */
  isolation?: number
  /** Others may take it along. */
  lingers?: boolean
  /** Its destination is paused: no job before that has ended. */
  isPaused?: boolean
}

/** Deliveries of one destination and day that fall due together. */
export interface Entry {
  targetId: number
  day: string
  seqs: number[]
  dueAtMs: number
  /** When the promoter makes a job for it, be it the first or in place of one that got lost. */
  wakeAtMs: number
  isIsolation: boolean
  lingers: boolean
  /** Null: it gets none now. `startAtMs` null: at once, with a notification. */
  job: { startAtMs: number | null } | null
}

export interface Plan {
  entries: Entry[]
  /** The place in `entries` of each delivery, in the order given. */
  places: number[]
}

const largestEntry = 1000
/** What falls due within it is one entry. */
export const bucketMs = 1000

/**
 * One entry per destination, day and second, of up to 1,000 deliveries. A job has `jobWithinMs` to be begun, from when
 * the entry falls due; then the promoter makes another.
 */
export function planEntries (dues: readonly Due[], nowMs: number, jobWithinMs: number): Plan {
  const open = new Map<string, number>()
  const entries: Entry[] = []
  const places = dues.map(due => {
    const { targetId, day, isolation, lingers = false, isPaused = false } = due
    const dueAtMs = due.dueAtMs <= nowMs ? nowMs : Math.ceil(due.dueAtMs / bucketMs) * bucketMs
    const key = `${targetId} ${day} ${dueAtMs} ${isolation ?? ''} ${lingers} ${isPaused}`
    const place = open.get(key)
    const entry = place === undefined ? undefined : entries[place]
    if (place !== undefined && entry !== undefined && entry.seqs.length < largestEntry) {
      entry.seqs.push(due.seq)
      return place
    }
    const next = wakingOf(dueAtMs, isPaused, nowMs, jobWithinMs)
    open.set(key, entries.length)
    return entries.push({
      targetId, day, seqs: [due.seq], dueAtMs, isIsolation: isolation !== undefined, lingers, ...next
    }) - 1
  })
  return { entries, places }
}

function wakingOf (
  dueAtMs: number, isPaused: boolean, nowMs: number, jobWithinMs: number
): Pick<Entry, 'wakeAtMs' | 'job'> {
  if (isPaused) return { wakeAtMs: nowMs, job: null }
  if (dueAtMs > nowMs + horizonMs) return { wakeAtMs: dueAtMs - horizonMs, job: null }
  return { wakeAtMs: dueAtMs + jobWithinMs, job: { startAtMs: dueAtMs <= nowMs ? null : dueAtMs } }
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
    if (first !== undefined && first.events + job.events <= largestEntry) {
      first.agenda_ids.push(...job.agenda_ids)
      first.events += job.events
      continue
    }
    const copy = { ...job, agenda_ids: [...job.agenda_ids] }
    open.set(key, copy)
    joined.push(copy)
  }
  return joined
}
