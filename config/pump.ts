// Takes jobs out of a queue and hands them to a limited number of handlers. One look for jobs per announcement, however
// many handlers are free; what looks and what handles is given.

/** A job as it was taken: whose it is decides what it may run beside. */
export interface Taken { groupId?: string | null }

export interface PumpOptions<J extends Taken> {
  /** Handlers at once. */
  concurrency: number
  /** Of these, handlers of one group. */
  perGroup: number
  /** Jobs taken at once; those of one group go to one handler together. */
  jobsAtOnce: number
  /** How late a job may be noticed that nobody announced. */
  pollMs: number
  /** The jobs that may run now, but for those of some groups: at most `jobsAtOnce`. They are nobody else's then. */
  take: (busyGroups: string[]) => Promise<J[]>
  /** Handles jobs of one group, and tells the queue what became of them. */
  handle: (jobs: J[]) => Promise<void>
  /** Called with what `take` and `handle` throw; the pump goes on. */
  onError: (error: unknown) => void
}

export interface Pump {
  /** There may be new jobs. */
  wake: () => void
  /** Takes no more, and resolves when all that were taken are handled. */
  stop: () => Promise<void>
  /** Begins nothing more: what was taken and still waits is left undone. */
  giveUp: () => void
}

const groupOf = (job: Taken) => job.groupId ?? ''

/** How many handlers run for each group. */
function countGroups (most: number) {
  const counts = new Map<string, number>()
  const of = (group: string) => counts.get(group) ?? 0
  return {
    isFull: (group: string) => of(group) >= most,
    full: () => [...counts.keys()].filter(group => group !== '' && of(group) >= most),
    begin: (group: string) => { counts.set(group, of(group) + 1) },
    end (group: string) {
      if (of(group) > 1) counts.set(group, of(group) - 1)
      else counts.delete(group)
    }
  }
}

/** Starts to look for jobs. */
export function startPump<J extends Taken> (options: PumpOptions<J>): Pump {
  const running = new Set<Promise<void>>()
  const groups = countGroups(options.perGroup)
  /** Taken, and waiting for a handler. */
  const waiting: J[][] = []
  const state = { mayHaveMore: true, isStopped: false, isGivenUp: false }
  let looking: Promise<void> | undefined

  function begin (jobs: J[]): void {
    const group = jobs[0] === undefined ? '' : groupOf(jobs[0])
    groups.begin(group)
    const run = options.handle(jobs).catch(options.onError).finally(() => {
      running.delete(run)
      // What a full group kept out of the last look may be taken now.
      if (groups.isFull(group)) state.mayHaveMore = true
      groups.end(group)
      goOn()
    })
    running.add(run)
  }

  async function look (): Promise<void> {
    state.mayHaveMore = false
    try {
      const jobs = await options.take(groups.full())
      if (jobs.length >= options.jobsAtOnce) state.mayHaveMore = true
      waiting.push(...Map.groupBy(jobs, groupOf).values())
    } catch (error) {
      // The next poll looks again.
      options.onError(error)
    }
    looking = undefined
    goOn()
  }

  function goOn (): void {
    if (state.isGivenUp) return
    while (running.size < options.concurrency && waiting.length > 0) begin(waiting.shift() ?? [])
    const hasRoom = waiting.length === 0 && running.size < options.concurrency
    if (state.mayHaveMore && hasRoom && looking === undefined && !state.isStopped) looking = look()
  }

  const wake = () => {
    state.mayHaveMore = true
    goOn()
  }
  const poll = setInterval(wake, options.pollMs)
  goOn()
  return {
    wake,
    giveUp () { state.isGivenUp = true },
    async stop () {
      state.isStopped = true
      clearInterval(poll)
      await looking
      while (running.size > 0) await Promise.all(running)
    }
  }
}
