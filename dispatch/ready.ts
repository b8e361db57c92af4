// From the deliveries of a job to those that are ready to be sent: opens, decides and maps each event.
import { packableOf, type Packable } from './batch.ts'
import { decide, tryLimits, type Candidate, type Decision, type TryLimits } from './decide.ts'
import { describeError, type Deps } from './deps.ts'
import type { LoadedDelivery } from './load.ts'
import { settlementOfDecision, type Settlement } from './settle.ts'
import type { Target } from './target.ts'

/** A delivery that goes, with the payload that its destination made of it, and its JSON. Its event is not kept. */
export type Ready = Omit<LoadedDelivery, 'read'> & Packable & { payload: unknown, json: string, limits: TryLimits }

/**
 * Events that are opened before they are mapped. A large job's thousand would outlive young collections: a quarter of
 * what the collector copies. One by one, each step's code is out of the processor's caches when its turn comes again.
 */
const openedAtOnce = 128

/** Opens, decides and maps each delivery by itself: one that breaks any of it must not block the others. */
export function decideAll (
  deliveries: readonly LoadedDelivery[], target: Target, deps: Deps
): { ready: Ready[], unsent: Settlement[] } {
  const ready: Ready[] = []
  const unsent: Settlement[] = []
  const nowMs = deps.now()
  for (let at = 0; at < deliveries.length; at += openedAtOnce) {
    const opened = deliveries.slice(at, at + openedAtOnce).map(delivery => (
      { delivery, candidate: readSafely(delivery, target, deps) }))
    for (const { delivery, candidate } of opened) {
      if (candidate === null) {
        unsent.push(unreadable(delivery.seq))
        continue
      }
      const decision = decideSafely(delivery.seq, candidate, target, nowMs, deps)
      if ('go' in decision) ready.push(readyOf(delivery, decision, tryLimits(candidate, target), target))
      else unsent.push(settlementOfDecision(decision, delivery.seq))
    }
  }
  return { ready, unsent }
}

export const unreadable = (seq: number): Settlement =>
  ({ seq, state: 'rejected', reason: 'invalid_event', detail: 'the stored event cannot be opened' })

/** What another version stored may be nothing that this one can read. */
function readSafely ({ seq, read }: LoadedDelivery, target: Target, deps: Deps): Candidate | null {
  try {
    return read()
  } catch (error) {
    deps.log.error({ event_seq: seq, type: target.destination.type, error: describeError(error) }, 'opening failed')
    return null
  }
}

function decideSafely (seq: number, candidate: Candidate, target: Target, nowMs: number, deps: Deps): Decision {
  try {
    return decide(candidate, target, nowMs)
  } catch (error) {
    const { type } = target.destination
    deps.log.error({ event_seq: seq, type, error: describeError(error) }, 'mapping failed')
    return { rejected: 'invalid_event', detail: `mapping failed: ${describeError(error).name}` }
  }
}

/** Field by field: with `read` it would keep the rows of its event. */
function readyOf (
  { seq, day, attempts, isTest, isSuspect, receivedAtMs, partSeqs, resendOf, afterSeq }: LoadedDelivery,
  decision: Extract<Decision, { go: true }>, limits: TryLimits, target: Target
): Ready {
  const { payload, bytes, batchKey } = packableOf(decision, target)
  return {
    seq,
    day,
    attempts,
    isTest,
    isSuspect,
    receivedAtMs,
    partSeqs,
    resendOf,
    afterSeq,
    payload,
    json: decision.json,
    bytes,
    batchKey,
    limits
  }
}
