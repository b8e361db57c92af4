// What an answer of the Events API means for each event of the request.
import type { Outcome } from '../../../schema/outcome.ts'
import type { Judgement, NetworkResponse } from '../../destination.ts'
import { objectOf, textOf, type Json } from '../../json.ts'
import { classify, explain } from './errors.ts'

/** A code as a number; TikTok writes an integer. */
function codeOf (answer: Json): number | undefined {
  const { code } = answer
  return typeof code === 'number' && Number.isInteger(code) ? code : undefined
}

/**
 * Judges by the code in the body, whatever the HTTP status: TikTok answers 200 to nearly everything. A refused request
 * took none of its events; where the message names places in it, only the events there are refused, and the others are
 * sent again (other-networks.md §1.10).
 */
export function judge (response: NetworkResponse, payloads: readonly unknown[]): Judgement {
  const answer = objectOf(response.body)
  const code = codeOf(answer)
  const trace = textOf(answer.request_id) ?? response.headers['x-tt-logid']
  if (code === undefined) return { ...judgeForeign(response, payloads.length), trace }
  return { ...judgeCode(code, answer, response, payloads.length), trace, said: saidOf(code, answer) }
}

/** An answer that is not the API's: a proxy's page, an empty body. Only the status can be gone by. */
function judgeForeign ({ status, headers }: NetworkResponse, count: number): Judgement {
  const detail = `HTTP ${status} without an answer of TikTok's`
  const afterSeconds = waitSecondsOf(headers)
  if (status === 429) return { all: { kind: 'retry', reason: 'throttled', afterSeconds, detail } }
  if (status === 413) return tooLarge(count, detail)
  return { all: { kind: 'retry', reason: 'network_error', afterSeconds, detail } }
}

function judgeCode (code: number, answer: Json, { headers }: NetworkResponse, count: number): Judgement {
  const detail = explain(code)
  const afterSeconds = waitSecondsOf(headers)
  switch (classify(code)) {
    case 'done':
    case 'partly': return { all: { kind: 'delivered' } }
    case 'settings': return { all: { kind: 'pause', detail } }
    case 'throttled': return { all: { kind: 'retry', reason: 'throttled', afterSeconds, detail } }
    case 'passing': return { all: { kind: 'retry', reason: 'network_error', afterSeconds, detail } }
    case 'batch_size': return tooLarge(count, detail)
    case 'payload': return judgePayload(textOf(answer.message) ?? '', count, detail)
  }
}

function tooLarge (count: number, detail: string): Judgement {
  return count > 1 ? { isolate: true } : { all: { kind: 'rejected', reason: 'too_large', detail } }
}

/** Keys of the envelope, which the settings fill: a fault there is no event's. */
const ofSettings = /\b(event_source_id|event_source|test_event_code|partner_name)\b/

function judgePayload (message: string, count: number, detail: string): Judgement {
  const culprits = culpritsOf(message, count)
  if (culprits.size === 0) {
    const [key] = ofSettings.exec(message) ?? []
    if (key !== undefined) return { all: { kind: 'pause', detail: `${detail} (${key})` } }
    if (count > 1) return { isolate: true }
  }
  const refused: Outcome = { kind: 'rejected', reason: 'network_refused', detail }
  if (count === 1) return { all: refused }
  const detailOfOthers = 'its request was refused because of another event'
  const again: Outcome = { kind: 'retry', reason: 'isolating', afterSeconds: 0, detail: detailOfOthers }
  return { each: Array.from({ length: count }, (_, index) => culprits.has(index) ? refused : again) }
}

/** The places that the message names: `Batch.0.properties.…`, `data.0`, `data[0]`. */
function culpritsOf (message: string, count: number): Set<number> {
  const indexes = [...message.matchAll(/\b(?:batch|data)(?:\.|\[)(\d+)(?!\d)/gi)].map(match => Number(match[1]))
  return new Set(indexes.filter(index => index < count))
}

/** TikTok's words, but not its OK; with what it adds where it took a request in part. */
function saidOf (code: number, { message, data }: Json): string | undefined {
  if (code === 0) return undefined
  const further = objectOf(data)
  const hasMore = Object.keys(further).length > 0
  return [textOf(message), hasMore ? JSON.stringify(further) : undefined].filter(Boolean).join(' · ') || undefined
}

function waitSecondsOf (headers: Record<string, string>): number | undefined {
  const seconds = Number(headers['retry-after'])
  return Number.isFinite(seconds) && seconds > 0 ? Math.ceil(seconds) : undefined
}
