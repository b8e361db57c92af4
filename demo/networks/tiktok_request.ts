// What the fake TikTok checks of a request before it looks at the events: version, token, source, envelope.
import { isObject, type Json } from './json.ts'
import type { FakeRequest } from './network.ts'
import { tiktokSources, type TiktokSource } from './tiktok_rule.ts'

/** The sources of one ad account: pixel codes and event set ids. */
export type FakeTiktokAccount = Partial<Record<TiktokSource, string[]>>

export interface FakeTiktokOptions {
  /** Access token → what it may report for. Without it every plausible token and id is known. */
  accounts?: Record<string, FakeTiktokAccount>
}

/** Why TikTok refuses a request: the code tells, the HTTP status is 200 (other-networks.md §1.10). */
export interface TiktokRefusal {
  code: number
  /** Stable name of the rule, for the receipt. */
  name: string
  message: string
  /** The event and the place in it, when one event is the cause. */
  index?: number
  path?: (string | number)[]
}

const maxBytes = 1_048_576
const maxEvents = 1000
/** The keys of the envelope (§1.2). */
const bodyKeys = ['event_source', 'event_source_id', 'partner_name', 'test_event_code', 'data']

/** §1.1 "Version": v1.3; another one is offline (§1.10). */
export function checkVersion ({ params }: FakeRequest): TiktokRefusal | undefined {
  return params.version === 'v1.3' ? undefined : { code: 40006, name: 'version', message: 'The version is offline.' }
}

/** §1.1 "Headers": the token in Access-Token; §1.10: 40104 without one, 40105 for a wrong one. */
export function checkToken ({ headers }: FakeRequest, { accounts }: FakeTiktokOptions): TiktokRefusal | undefined {
  const token = headers['access-token']
  if (token === undefined || token === '') return { code: 40104, name: 'no_token', message: 'Access token is empty.' }
  // A mask, a placeholder or an unresolved variable is no token.
  const isKnown = accounts === undefined ? /^[\w.|-]+$/.test(token) : Object.hasOwn(accounts, token)
  return isKnown ? undefined : { code: 40105, name: 'token', message: 'Access token is incorrect or has been revoked.' }
}

/** The body as JSON; undefined when it cannot be read. §1.1 "Headers": application/json. */
export function readBody ({ headers, body }: FakeRequest): Json | undefined {
  if (!/^application\/json\b/i.test(headers['content-type'] ?? '')) return undefined
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'))
    return isObject(parsed) ? parsed : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function invalid (name: string, key: string, words: string): TiktokRefusal {
  return { code: 40002, name: `${name} ${key}`, message: `Invalid value for ${key}: ${words}` }
}

/** §1.2: known keys, one source, 1 to 1,000 events; §1.1: at most 1 MB, as careful senders keep it. */
export function checkEnvelope (body: Json | undefined, bytes: number): TiktokRefusal | undefined {
  if (body === undefined) return { code: 40000, name: 'unreadable_body', message: 'The body is not valid JSON.' }
  const unknown = Object.keys(body).find(key => !bodyKeys.includes(key))
  if (unknown !== undefined) return invalid('unexpected_body_key', unknown, 'unknown field.')
  if (!tiktokSources.some(source => source === body.event_source)) {
    return invalid('envelope', 'event_source', 'must be one of web, app, offline, crm.')
  }
  if (typeof body.event_source_id !== 'string' || body.event_source_id === '') {
    return invalid('envelope', 'event_source_id', 'not a valid string.')
  }
  if (body.partner_name !== undefined) return { code: 40063, name: 'partner_name', message: 'Invalid partner name.' }
  const { data, test_event_code: testCode } = body
  if (testCode !== undefined && !(typeof testCode === 'string' && /^[\w-]{1,64}$/.test(testCode))) {
    return invalid('envelope', 'test_event_code', 'not a valid code.')
  }
  if (!Array.isArray(data) || data.length === 0) return invalid('envelope', 'data', 'missing data for required field.')
  if (data.length > maxEvents) return { code: 40061, name: 'batch_size', message: 'The batch size exceeds 1000.' }
  return bytes > maxBytes ? { code: 40061, name: 'batch_bytes', message: 'The batch is too large.' } : undefined
}

/**
 * §1.1 (a): a token serves the sources of its own ad account (40001 for another's); §1.10: 40007 for a source that does
 * not exist. An id of another kind of source is 40002, and so is a pixel code where an event set is meant
 * (github.com/stape-io/tiktok-tag/issues/33).
 */
export function checkSource (
  { headers }: FakeRequest, body: Json, { accounts }: FakeTiktokOptions
): TiktokRefusal | undefined {
  const id = String(body.event_source_id)
  const source = body.event_source as TiktokSource
  const wrongKind = invalid('source_kind', 'event_source_id', 'not a valid string.')
  const unknown = { code: 40007, name: 'unknown_source', message: 'The pixel does not exist.' }
  if (accounts === undefined) {
    const isEventSet = source === 'offline' || source === 'crm'
    if (!/^[A-Za-z0-9]{5,40}$/.test(id)) return unknown
    return isEventSet === /^\d+$/.test(id) || source === 'app' ? undefined : wrongKind
  }
  const own = accounts[headers['access-token'] ?? ''] ?? {}
  if (own[source]?.includes(id) === true) return undefined
  if (tiktokSources.some(kind => own[kind]?.includes(id) === true)) return wrongKind
  const isOthers = Object.values(accounts).some(account => tiktokSources.some(kind => account[kind]?.includes(id)))
  return isOthers ? { code: 40001, name: 'permission', message: 'No permission to operate the pixel.' } : unknown
}
