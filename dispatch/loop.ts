// A task that repeats until it is stopped: soon again while there is work, slower when idle, at once when woken then.

export interface Loop {
  /** Ends a pause of idleness. While there is work the next round comes soon, and until then more gathers for it. */
  wake: () => void
  /** Lets the current round finish and starts no other. */
  stop: () => Promise<void>
}

export interface LoopOptions {
  /** One round; true when there may be more to do at once. */
  run: () => Promise<boolean>
  busyMs: number
  idleMs: number
  /** Called with what a round throws; the loop goes on after `errorMs`. */
  onError: (error: unknown) => void
  errorMs?: number
}

interface Pause { ms: number, isIdle: boolean }

/** Starts a loop; its first round begins at once. */
export function startLoop (options: LoopOptions): Loop {
  const state = { isStopped: false, isWoken: false }
  let endPause: (() => void) | undefined
  let endIdleness: (() => void) | undefined

  async function pause ({ ms, isIdle }: Pause): Promise<void> {
    if (state.isStopped || (isIdle && state.isWoken)) return
    await new Promise<void>(resolve => {
      const end = () => {
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(resolve, ms)
      endPause = end
      if (isIdle) endIdleness = end
    })
    endPause = endIdleness = undefined
  }

  async function round (): Promise<Pause> {
    try {
      const isBusy = await options.run()
      return { ms: isBusy ? options.busyMs : options.idleMs, isIdle: !isBusy }
    } catch (error) {
      options.onError(error)
      return { ms: options.errorMs ?? 1000, isIdle: true }
    }
  }

  async function repeat (): Promise<void> {
    while (!state.isStopped) {
      state.isWoken = false
      await pause(await round())
    }
  }

  const running = repeat()
  return {
    wake () {
      state.isWoken = true
      endIdleness?.()
    },
    async stop () {
      state.isStopped = true
      endPause?.()
      await running
    }
  }
}
