// What an answer of the Conversions API means for each event of the request.
import type { Outcome } from '../../../schema/outcome.ts'
import type { Judgement, NetworkResponse } from '../../destination.ts'
import { objectOf, textOf, type Json } from '../../json.ts'
import { classify, explain } from './errors.ts'

/** A policy block lasts from hours to days; asking more often does not shorten it (meta.md §5). */
const policyWaitSeconds = 4 * 3600

function numberOf (value: unknown): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined
}

/**
 * Judges by code and subcode, never by status alone (throttling comes as 400, 403 or 500) and never by words (they are
 * localised). One invalid event refuses its whole request and none of it was processed, so its neighbours are sent
 * again; where the answer names the event by `$['data'][i]`, only that one is refused (meta.md §1.2, §5).
 */
export function judge (response: NetworkResponse, payloads: readonly unknown[]): Judgement {
  const { status, body } = response
  const answer = objectOf(body)
  const error = answer.error === undefined ? undefined : objectOf(answer.error)
  const trace = textOf(error?.fbtrace_id) ?? textOf(answer.fbtrace_id) ??
    response.headers['x-fb-trace-id'] ?? response.headers['x-fb-request-id']
  if (error !== undefined) return { ...judgeError(error, response, payloads.length), trace, said: saidOf(error) }
  if (status === 200 && typeof body === 'object' && body !== null) {
    const judgement = judgeReceipt(answer, payloads.length)
    // An expired version is served on as a newer one, and only this header says so (meta.md §1.1).
    return { ...judgement, trace, said: judgement.said ?? response.headers['x-ad-api-version-warning'] }
  }
  return { ...judgeForeign(response, payloads.length), trace }
}

/** 200: every event must have been received. Sent again under the same event_id, none counts twice (meta.md §4). */
function judgeReceipt (answer: Json, count: number): Judgement {
  const received = numberOf(answer.events_received)
  const { messages: list } = answer
  const messages = Array.isArray(list) && list.length > 0 ? JSON.stringify(list) : undefined
  if (received === count) return { all: { kind: 'delivered' }, said: messages }
  const detail = `events_received was ${received ?? 'missing'} of ${count}`
  if (count > 1 && received !== undefined) return { isolate: true, said: messages ?? detail }
  return { all: { kind: 'retry', reason: 'network_error', detail }, said: messages ?? detail }
}

/** An answer that is not Graph's: a proxy's page, an empty body. Only the status can be gone by. */
function judgeForeign ({ status, headers }: NetworkResponse, count: number): Judgement {
  const detail = `HTTP ${status} without an answer of Meta's`
  const afterSeconds = waitSecondsOf(headers)
  if (status === 429) return { all: { kind: 'retry', reason: 'throttled', afterSeconds, detail } }
  if (status === 413) {
    return count > 1 ? { isolate: true, said: detail } : { all: { kind: 'rejected', reason: 'too_large', detail } }
  }
  return { all: { kind: 'retry', reason: 'network_error', afterSeconds, detail } }
}

function judgeError (error: Json, { status, headers }: NetworkResponse, count: number): Judgement {
  const code = numberOf(error.code)
  const subcode = numberOf(error.error_subcode)
  const detail = explain(code, subcode)
  const afterSeconds = waitSecondsOf(headers)
  const found = status === 429 ? 'throttled' : classify(code, subcode, error.is_transient === true)
  switch (found) {
    case 'throttled': return { all: { kind: 'retry', reason: 'throttled', afterSeconds, detail } }
    case 'policy_block': return {
      all: { kind: 'retry', reason: 'throttled', afterSeconds: Math.max(afterSeconds ?? 0, policyWaitSeconds), detail }
    }
    case 'credential':
    case 'configuration': return { all: { kind: 'pause', detail } }
    case 'passing': return { all: { kind: 'retry', reason: 'network_error', afterSeconds, detail } }
    case 'payload': return judgePayload(error, count, detail)
  }
}

function judgePayload (error: Json, count: number, detail: string): Judgement {
  const refused: Outcome = { kind: 'rejected', reason: 'network_refused', detail }
  if (count === 1) return { all: refused }
  const culprits = culpritsOf(error, count)
  if (culprits.size === 0) return { isolate: true }
  const detailOfOthers = 'its request was refused because of another event'
  const again: Outcome = { kind: 'retry', reason: 'isolating', afterSeconds: 0, detail: detailOfOthers }
  return { each: Array.from({ length: count }, (_, index) => culprits.has(index) ? refused : again) }
}

/** The places that the answer names, wherever it names them: the path is the one thing that is not translated. */
function culpritsOf (error: Json, count: number): Set<number> {
  const words = [error.message, error.error_user_msg, error.error_user_title, error.error_data]
    .map(value => typeof value === 'string' ? value : JSON.stringify(value) ?? '')
    .join(' ')
  const indexes = [...words.matchAll(/\$\[\\?['"]data\\?['"]\]\[(\d+)\]/g)].map(match => Number(match[1]))
  return new Set(indexes.filter(index => index < count))
}

function saidOf (error: Json): string | undefined {
  const said = [textOf(error.error_user_title), textOf(error.error_user_msg), textOf(error.message)]
    .filter(text => text !== undefined)
  return said.length === 0 ? undefined : [...new Set(said)].join(' · ')
}

/**
 * How long Meta asks to wait, in seconds: the longest of Retry-After, the minutes until access is regained, and the
 * seconds until the account's window ends. The usage header has two names (meta.md §5).
 */
function waitSecondsOf (headers: Record<string, string>): number | undefined {
  const usages = [headers['x-business-use-case-usage'], headers['x-business-use-case'], headers['x-ad-account-usage']]
    .flatMap(header => Object.values(parsed(header)).flatMap(value => Array.isArray(value) ? value : []).map(objectOf))
  const minutes = usages.map(usage => numberOf(usage.estimated_time_to_regain_access) ?? 0)
  const account = parsed(headers['x-ad-account-usage'])
  const isUsedUp = (numberOf(account.acc_id_util_pct) ?? 0) >= 100
  const seconds = [
    ...minutes.map(count => count * 60),
    isUsedUp ? numberOf(account.reset_time_duration) ?? 0 : 0,
    numberOf(headers['retry-after']) ?? 0
  ]
  const longest = Math.max(...seconds)
  return longest > 0 ? Math.ceil(longest) : undefined
}

function parsed (header: string | undefined): Json {
  if (header === undefined) return {}
  try {
    return objectOf(JSON.parse(header))
  } catch (error) {
    // A header that is no JSON says nothing about waiting.
    if (error instanceof SyntaxError) return {}
    throw error
  }
}
