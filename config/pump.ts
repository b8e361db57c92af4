// Takes jobs out of a queue and hands them to a limited number of handlers. One look for jobs per announcement, however
// many handlers are free; what looks and what handles is given.

/** A job as it was taken: whose it is decides what it may run beside. */
export interface Taken { groupId?: string | null }

export interface PumpOptions<J extends Taken> {
  /** Handlers at once. */
  concurrency: number
  /** Of these, handlers of one group. */
  perGroup: number
  /** Jobs taken at once. */
  jobsAtOnce: number
  /** How late a job may be noticed that nobody announced. */
  pollMs: number
  /** The jobs that may run now, but for those of some groups: at most `jobsAtOnce`. They are nobody else's then. */
  take: (busyGroups: string[]) => Promise<J[]>
  /** Divides jobs of one group that were taken together; each part goes to a handler of its own. */
  divide: (jobs: J[]) => J[][]
  /** Handles a part, and tells the queue what became of it. */
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

const groupOf = ([job]: readonly Taken[]) => job?.groupId ?? ''

/** How many handlers run for each group. */
function countGroups (most: number) {
  const counts = new Map<string, number>()
  const of = (group: string) => counts.get(group) ?? 0
  const isFull = (group: string) => group !== '' && of(group) >= most
  return {
    isFull,
    full: () => [...counts.keys()].filter(isFull),
    begin: (group: string) => { counts.set(group, of(group) + 1) },
    end (group: string) {
      if (of(group) > 1) counts.set(group, of(group) - 1)
      else counts.delete(group)
    }
  }
}

/**
 * The handlers of a pump, and what was taken and waits for one: while a handler is free, only parts of groups that have
 * their share. `onEnd` is told whether a group that was full has room now for what is still to be taken.
 */
function openHandlers<J extends Taken> (
  { concurrency, perGroup, handle, onError }: PumpOptions<J>, onEnd: (hasGroupRoom: boolean) => void
) {
  const running = new Set<Promise<void>>()
  const groups = countGroups(perGroup)
  const waiting: J[][] = []
  let isGivenUp = false

  function begin (jobs: J[]): void {
    const group = groupOf(jobs)
    groups.begin(group)
    const run = handle(jobs).catch(onError).finally(() => {
      running.delete(run)
      const wasFull = groups.isFull(group)
      groups.end(group)
      beginWaiting()
      onEnd(wasFull && !groups.isFull(group))
    })
    running.add(run)
  }

  const hasRoom = () => !isGivenUp && running.size < concurrency

  function beginWaiting (): void {
    while (hasRoom()) {
      const next = waiting.findIndex(jobs => !groups.isFull(groupOf(jobs)))
      if (next < 0) return
      begin(waiting.splice(next, 1)[0] ?? [])
    }
  }

  return {
    full: groups.full,
    hasRoom,
    add (parts: J[][]) {
      waiting.push(...parts)
      beginWaiting()
    },
    giveUp () { isGivenUp = true },
    async end () { while (running.size > 0) await Promise.all(running) }
  }
}

/** Starts to look for jobs. */
export function startPump<J extends Taken> (options: PumpOptions<J>): Pump {
  let mayHaveMore = true
  let isStopped = false
  let looking: Promise<void> | undefined
  const handlers = openHandlers(options, hasGroupRoom => {
    // What the full group kept out of the last look may be taken now.
    if (hasGroupRoom) mayHaveMore = true
    goOn()
  })

  async function look (): Promise<void> {
    mayHaveMore = false
    try {
      const jobs = await options.take(handlers.full())
      if (jobs.length >= options.jobsAtOnce) mayHaveMore = true
      const byGroup = Map.groupBy(jobs, job => groupOf([job]))
      handlers.add([...byGroup.values()].flatMap(options.divide))
    } catch (error) {
      // The next poll looks again.
      options.onError(error)
    }
    looking = undefined
    goOn()
  }

  function goOn (): void {
    if (mayHaveMore && !isStopped && looking === undefined && handlers.hasRoom()) looking = look()
  }

  const wake = () => {
    mayHaveMore = true
    goOn()
  }
  const poll = setInterval(wake, options.pollMs)
  goOn()
  return {
    wake,
    giveUp: handlers.giveUp,
    async stop () {
      isStopped = true
      clearInterval(poll)
      await looking
      await handlers.end()
    }
  }
}
