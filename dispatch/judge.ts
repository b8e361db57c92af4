// What an answer means, where the network's own `judge` does not say: by transport failure and by HTTP status.
import type { Outcome } from '../schema/outcome.ts'
import type { Destination, Judgement, NetworkResponse } from './destination.ts'
import { readRetryAfter } from './retry.ts'

/** A request that got no answer. Codes only: error texts of the network layer may quote what was sent. */
export interface TransportFailure {
  code: string
  /** `no`: not one byte of the request can have arrived; `maybe`: it can have been carried out. */
  sent: 'no' | 'maybe'
}

/** What became of one request. */
export type Answer =
  | { kind: 'response', response: NetworkResponse, durationMs: number }
  | { kind: 'failure', failure: TransportFailure, durationMs: number }

/**
 * Judges one answer for all payloads of its request. A network that never recognises a second copy is not asked again
 * when the first one may have arrived: `rejected(unknown_whether_sent)`.
 */
export function judge (
  destination: Pick<Destination, 'judge' | 'dedupes'>, answer: Answer, payloads: unknown[], nowMs: number
): Judgement {
  if (answer.kind === 'failure') {
    const { code, sent } = answer.failure
    if (sent === 'maybe' && destination.dedupes === false) {
      return { all: { kind: 'rejected', reason: 'unknown_whether_sent', detail: code } }
    }
    return { all: { kind: 'retry', reason: 'network_error', detail: code } }
  }
  return destination.judge?.(answer.response, payloads) ?? judgeStatus(answer.response, payloads.length, nowMs)
}

/**
 * Judges by the status alone. What only says that the request was bad is the event's fault, and in a batch nobody knows
 * whose; what says that the address or the credential is wrong, is the settings' fault and pauses the destination.
 */
export function judgeStatus (response: NetworkResponse, payloadCount: number, nowMs: number): Judgement {
  const { status } = response
  const detail = `HTTP ${status}`
  const afterSeconds = readRetryAfter(response.headers['retry-after'], nowMs)
  if (status >= 200 && status < 300) return { all: { kind: 'delivered' } }
  if (status === 429) return { all: { kind: 'retry', reason: 'throttled', afterSeconds, detail } }
  // A redirect is not followed (it may lead anywhere); it is an answer from something that is not the network.
  if (status < 400 || status >= 500 || status === 408 || status === 425) {
    return { all: { kind: 'retry', reason: 'network_error', afterSeconds, detail } }
  }
  if ([401, 402, 403, 404, 405, 407, 410].includes(status)) return { all: { kind: 'pause', detail } }
  if (payloadCount > 1) return { isolate: true, said: detail }
  return { all: { kind: 'rejected', reason: 'network_refused', detail } }
}

/**
 * One outcome per payload, or `isolate`. A judge that answers for another number of payloads than were sent is a bug of
 * its destination; the safe reading is that nothing is known.
 */
export function outcomesOf (judgement: Judgement, payloadCount: number): Outcome[] | 'isolate' {
  if ('isolate' in judgement) {
    if (payloadCount > 1) return 'isolate'
    return [{ kind: 'rejected', reason: 'network_refused', detail: judgement.said }]
  }
  const given = 'all' in judgement ? [judgement.all] : judgement.each
  // Sent again for another's fault, but no other is named: that is an unknown culprit.
  if (given.length > 0 && given.every(one => one.kind === 'retry' && one.reason === 'isolating')) {
    return outcomesOf({ isolate: true, said: judgement.said }, payloadCount)
  }
  if ('all' in judgement) return new Array<Outcome>(payloadCount).fill(judgement.all)
  if (judgement.each.length === payloadCount) return judgement.each
  const detail = `the judge gave ${judgement.each.length} outcomes for ${payloadCount} events`
  return new Array<Outcome>(payloadCount).fill({ kind: 'retry', reason: 'network_error', detail })
}

/** Splits a refused batch: small ones into single events, large ones in halves, so that n events cost ≈ 2·log2(n). */
export function isolate<T> (batch: T[]): T[][] {
  if (batch.length <= 4) return batch.map(item => [item])
  const middle = Math.ceil(batch.length / 2)
  return [batch.slice(0, middle), batch.slice(middle)]
}
