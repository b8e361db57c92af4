// Keeps one vendor's trouble from becoming anybody else's: a bound on what is under way, and a pause after failures.

export interface BreakerOptions {
  /** Monotonic milliseconds. */
  clock: () => number
  /** How many requests may be under way at once. */
  most: number
  /** `failure`: how the last of them failed, as a code. */
  onOpened: (failure: string) => void
  onClosed: () => void
}

/** `go`: the request may leave, and `leave` must be called once, with what failed. `paused`, `busy`: it may not. */
export type Admission = { kind: 'go', leave: (failure?: string) => void } | { kind: 'paused' | 'busy' }

export interface Breaker { enter: () => Admission }

const failuresInARow = 5
export const breakerPauseMs = 10_000

/**
 * Five failures in a row (no connection, no answer in time) open it: for ten seconds nothing is sent, then one request
 * tries. Its success closes the breaker, its failure opens it for ten seconds more.
 */
export function createBreaker ({ clock, most, onOpened, onClosed }: BreakerOptions): Breaker {
  let underWay = 0
  let failures = 0
  let openedMs: number | undefined
  let isTrying = false

  function settle (failure: string | undefined, isTrial: boolean): void {
    underWay--
    if (isTrial) isTrying = false
    if (failure === undefined) {
      failures = 0
      // What was sent before it opened says nothing of now.
      if (openedMs === undefined || !isTrial) return
      openedMs = undefined
      onClosed()
      return
    }
    failures++
    if (isTrial) openedMs = clock()
    if (openedMs !== undefined || failures < failuresInARow) return
    openedMs = clock()
    onOpened(failure)
  }

  return {
    enter () {
      const isTrial = openedMs !== undefined
      if (openedMs !== undefined && (isTrying || clock() - openedMs < breakerPauseMs)) return { kind: 'paused' }
      if (underWay >= most) return { kind: 'busy' }
      underWay++
      isTrying = isTrial
      let isLeft = false
      return {
        kind: 'go',
        leave: failure => {
          if (isLeft) return
          isLeft = true
          settle(failure, isTrial)
        }
      }
    }
  }
}
