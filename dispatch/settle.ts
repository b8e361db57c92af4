// What is written about each delivery after a decision or an answer. Pure: from outcomes to settlements.
import type { DeliveryState, Outcome } from '../schema/outcome.ts'
import { latestTryMs, type Decision, type TryLimits } from './decide.ts'
import { nextTry } from './retry.ts'
import { scrub } from './scrub.ts'
import type { Target } from './target.ts'

/** The new state of one delivery. Durations count from the database's clock at the moment of writing. */
export interface Settlement {
  seq: number
  state: DeliveryState
  reason?: string
  detail?: string
  /** Waiting: when to try again. */
  afterMs?: number
  /** Accepted: when to ask what became of it. */
  verifyAfterMs?: number
  /** The attempt does not count against the delivery: it was not its fault. */
  refundsAttempt?: boolean
  /** Waiting deliveries of one number are sent again together and apart from all others. */
  isolation?: number
  /** The destination is to be paused, and why. */
  pauses?: string
}

/** What settling must know of a delivery whose request was answered. */
export interface Answered {
  seq: number
  /** Attempts so far, this one included. */
  attempts: number
  /** It went as a test. */
  isTest: boolean
  limits: TryLimits
}

const detailLength = 500

const detailOf = (detail: string | undefined) => detail === undefined ? undefined : scrub(detail, detailLength)

/** The settlement of one delivery by what the network's answer means for it. */
export function settlementOf (
  outcome: Outcome, { seq, attempts, isTest, limits }: Answered, target: Target, nowMs: number, random: () => number
): Settlement {
  switch (outcome.kind) {
    case 'delivered':
      return { seq, state: 'delivered' }
    case 'accepted': {
      const { verify } = target.destination
      const isLastWord = verify === undefined || isTest || outcome.isLastWord === true
      const verifyAfterMs = isLastWord ? undefined : (outcome.verifyAfterSeconds ?? verify.afterSeconds) * 1000
      return { seq, state: 'accepted', detail: detailOf(outcome.detail), verifyAfterMs }
    }
    case 'skipped':
    case 'held':
    case 'rejected':
      return { seq, state: outcome.kind, reason: outcome.reason, detail: detailOf(outcome.detail) }
    case 'pause':
      return {
        seq,
        state: 'waiting',
        reason: 'destination_paused',
        detail: detailOf(outcome.detail),
        refundsAttempt: true,
        pauses: scrub(outcome.detail, detailLength)
      }
    case 'retry': {
      // The culprit is named: its neighbours are sent again together.
      if (outcome.reason === 'isolating') {
        return { seq, state: 'waiting', reason: 'isolating', refundsAttempt: true, isolation: 0 }
      }
      const { afterSeconds } = outcome
      const latestMs = latestTryMs(limits, nowMs)
      const next = nextTry({ attempts, afterSeconds, nowMs, latestMs, random })
      const detail = detailOf(outcome.detail)
      if (next === 'gave_up') return { seq, state: 'rejected', reason: 'gave_up', detail }
      return { seq, state: 'waiting', reason: outcome.reason, detail, afterMs: next.dueAtMs - nowMs }
    }
  }
}

/** The settlement of a delivery that was decided not to be sent. */
export function settlementOfDecision (decision: Exclude<Decision, { go: true }>, seq: number): Settlement {
  if ('held' in decision) return { seq, state: 'held', reason: decision.held }
  const detail = detailOf(decision.detail)
  if ('skipped' in decision) return { seq, state: 'skipped', reason: decision.skipped, detail }
  return { seq, state: 'rejected', reason: decision.rejected, detail }
}

/** One word for the attempt's row and the metrics: what became of its events, or `mixed`. */
export function resultOf (outcomes: readonly Outcome[] | 'isolate'): string {
  if (outcomes === 'isolate') return 'retry'
  const kinds = new Set(outcomes.map(outcome => outcome.kind))
  const [only] = kinds
  return kinds.size === 1 && only !== undefined ? only : 'mixed'
}
