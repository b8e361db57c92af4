// A task that repeats until it is stopped: soon again while there is work, slower when idle, at once when woken.

export interface Loop {
  /** Ends the current pause. */
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

/** Starts a loop; its first round begins at once. */
export function startLoop (options: LoopOptions): Loop {
  const state = { isStopped: false, isWoken: false }
  let endPause: (() => void) | undefined

  async function pause (ms: number): Promise<void> {
    if (state.isStopped || state.isWoken) return
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, ms)
      endPause = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    endPause = undefined
  }

  async function round (): Promise<number> {
    try {
      return await options.run() ? options.busyMs : options.idleMs
    } catch (error) {
      options.onError(error)
      return options.errorMs ?? 1000
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
      endPause?.()
    },
    async stop () {
      state.isStopped = true
      endPause?.()
      await running
    }
  }
}
