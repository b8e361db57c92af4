// Listens for what Postgres announces, and goes on trying where it is refused: what nobody hears of, the polls find.

/** A subscription that mends itself once it stands. */
export interface Subscription { close: () => Promise<void> }

export interface EarOptions {
  /** Rejects when it is refused. */
  subscribe: () => Promise<Subscription>
  /** Told once, however often it is refused. */
  onRefused: (error: unknown) => void
  againMs: number
}

/** Resolves when the first attempt is over, whatever became of it. `close` ends whatever there is. */
export async function openEar ({ subscribe, onRefused, againMs }: EarOptions): Promise<Subscription> {
  let subscription: Subscription | undefined
  let timer: NodeJS.Timeout | undefined
  let isClosed = false
  let isTold = false

  async function attempt (): Promise<void> {
    try {
      subscription = await subscribe()
    } catch (error) {
      if (isClosed) return
      timer = setTimeout(() => { trying = attempt() }, againMs)
      if (isTold) return
      isTold = true
      onRefused(error)
    }
  }

  let trying = attempt()
  await trying
  return {
    async close () {
      isClosed = true
      clearTimeout(timer)
      await trying
      await subscription?.close()
    }
  }
}
