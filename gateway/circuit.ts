// Whether arrivals go to Postgres or, while it is away, straight to the spool, and when Postgres is asked again.

export interface Circuit {
  /** Postgres is away: nobody waits for it. */
  isOpen: () => boolean
  /** Postgres failed. `sinceMs`: when the statement began; an old failure says nothing of a Postgres that is back. */
  trip: (reason: string, sinceMs: number) => void
  /** Postgres was asked while the circuit was open, and failed again. */
  stayOpen: () => void
  /** Postgres has stored something. */
  heal: () => void
  /** How long to wait before Postgres is asked again. */
  waitMs: () => number
}

export interface CircuitOptions {
  /** Monotonic milliseconds. */
  clock: () => number
  onOpened: (reason: string) => void
  onClosed: (openForMs: number) => void
}

const firstWaitMs = 500
const longestWaitMs = 4000
/** A Postgres that fails again within this time is asked less often, so that a flapping one costs little. */
const calmMs = 30_000

/** Makes a circuit; Postgres is taken to be there. */
export function openCircuit ({ clock, onOpened, onClosed }: CircuitOptions): Circuit {
  let openedMs: number | undefined
  let healedMs = Number.NEGATIVE_INFINITY
  let failures = 0
  return {
    isOpen: () => openedMs !== undefined,
    trip: (reason, sinceMs) => {
      if (openedMs !== undefined || sinceMs < healedMs) return
      openedMs = clock()
      failures = openedMs - healedMs < calmMs ? failures + 1 : 0
      onOpened(reason)
    },
    stayOpen: () => { failures++ },
    heal: () => {
      if (openedMs === undefined) return
      healedMs = clock()
      const openForMs = healedMs - openedMs
      openedMs = undefined
      onClosed(openForMs)
    },
    // Gateways that lost Postgres together should not all come back in the same moment.
    waitMs: () => Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(failures, 10)) * (0.8 + Math.random() * 0.2)
  }
}
