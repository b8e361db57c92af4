// The circuit breaker of each destination: stops a worker from hammering a network that is down. One per process.

/** Convoy's numbers (reliability-and-security.md §1): ten failures in a row, or 70 % of at least ten in 5 minutes. */
const minRequests = 10
const failureShare = 0.7
const windowMs = 300_000
const coolDownMs = 30_000

interface Circuit {
  /** Times of the window's answers; failures are listed again in `failed`. */
  answers: number[]
  failed: number[]
  inARow: number
  /** Nobody passes before this; afterwards one probe at a time until an answer arrives. */
  closedUntilMs: number
  isOpen: boolean
  probeStartedMs: number | null
}

/** `pass`: send; `wait`: not before then. */
export type Passage = { pass: true } | { pass: false, untilMs: number, reason: 'network_error' | 'throttled' }

export interface Breaker {
  /** Asks to send one request; to be followed by `report` or `release`. */
  ask: (targetId: number, nowMs: number) => Passage
  /** Says how the request went: whether the network answered at all in a useful way. */
  report: (targetId: number, isFailure: boolean, nowMs: number) => void
  /** The network asked the whole account to slow down. */
  slowDown: (targetId: number, untilMs: number) => void
  /** A request that was asked for is not sent after all. */
  release: (targetId: number) => void
  isOpen: (targetId: number) => boolean
}

/** Makes the breaker of one process. */
export function createBreaker (): Breaker {
  const circuits = new Map<number, Circuit>()
  const throttledUntilMs = new Map<number, number>()

  function circuitOf (targetId: number): Circuit {
    const known = circuits.get(targetId)
    if (known !== undefined) return known
    const circuit = { answers: [], failed: [], inARow: 0, closedUntilMs: 0, isOpen: false, probeStartedMs: null }
    circuits.set(targetId, circuit)
    return circuit
  }

  return {
    ask (targetId, nowMs) {
      const slowUntilMs = throttledUntilMs.get(targetId) ?? 0
      if (nowMs < slowUntilMs) return { pass: false, untilMs: slowUntilMs, reason: 'throttled' }
      const circuit = circuitOf(targetId)
      if (!circuit.isOpen) return { pass: true }
      if (nowMs < circuit.closedUntilMs) return { pass: false, untilMs: circuit.closedUntilMs, reason: 'network_error' }
      if (circuit.probeStartedMs !== null && nowMs - circuit.probeStartedMs < coolDownMs) {
        return { pass: false, untilMs: circuit.probeStartedMs + coolDownMs, reason: 'network_error' }
      }
      circuit.probeStartedMs = nowMs
      return { pass: true }
    },

    report (targetId, isFailure, nowMs) {
      const circuit = circuitOf(targetId)
      const since = nowMs - windowMs
      circuit.answers = [...circuit.answers.filter(at => at > since), nowMs].slice(-1000)
      circuit.failed = circuit.failed.filter(at => at > since).slice(-1000)
      circuit.probeStartedMs = null
      if (!isFailure) {
        circuit.inARow = 0
        if (circuit.isOpen) Object.assign(circuit, { isOpen: false, answers: [], failed: [] })
        return
      }
      circuit.failed.push(nowMs)
      circuit.inARow++
      const isMostlyFailing = circuit.answers.length >= minRequests &&
        circuit.failed.length / circuit.answers.length >= failureShare
      if (circuit.isOpen || circuit.inARow >= minRequests || isMostlyFailing) {
        circuit.isOpen = true
        circuit.closedUntilMs = nowMs + coolDownMs
      }
    },

    slowDown (targetId, untilMs) {
      throttledUntilMs.set(targetId, Math.max(untilMs, throttledUntilMs.get(targetId) ?? 0))
    },

    release (targetId) {
      const circuit = circuitOf(targetId)
      circuit.probeStartedMs = null
    },

    isOpen: targetId => circuitOf(targetId).isOpen
  }
}
