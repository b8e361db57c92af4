// The strict fake of GA4's Measurement Protocol, its validation server and the address gtag reports to: google.md §3.
import { envelopeRules } from './ga4_envelope_rules.ts'
import { eventRules } from './ga4_event_rules.ts'
import type { Ga4Context, Ga4Rule } from './ga4_rule.ts'
import { purchaseKeys, receiveTag } from './ga4_tag.ts'
import { userDataRules } from './ga4_user_data_rules.ts'
import { isObject, listOf, objectAt, type Json, type Path } from './json.ts'
import type { Copy, FakeAnswer, FakeNetwork, FakeRequest, Received } from './network.ts'

export interface FakeGa4Options {
  /** Measurement id → API secret. Without it every such id and every plausible secret is known. */
  streams?: Record<string, string>
}

/** What a whole request must keep, in the order in which it is tried. */
export const ga4RequestRules: readonly Ga4Rule[] = [...envelopeRules, ...userDataRules]
/** What each of its events must keep. */
export const ga4EventRules: readonly Ga4Rule[] = eventRules

/**
 * `POST /mp/collect` answers 204 to everything; what GA4 would have counted of it is in the receipts alone (google.md
 * §3 "Answer"). `POST /debug/mp/collect` says what is wrong and records nothing (§3 "Debug"). `GET` and `POST
 * /g/collect` are gtag's. Purchases with one transaction_id count once, everything else each time (§3 "Dedupe").
 */
export function makeFakeGa4 (options: FakeGa4Options = {}): FakeNetwork {
  return {
    type: 'ga4',
    // No end of it is documented.
    windowMs: Number.MAX_SAFE_INTEGER,
    routes: [
      {
        methods: ['POST'],
        path: '/mp/collect',
        source: 'server',
        receive: async request => collect(request, options)
      },
      {
        methods: ['POST'],
        path: '/debug/mp/collect',
        source: 'server',
        receive: async request => ({ answer: validate(request), copies: [] })
      },
      {
        methods: ['GET', 'POST'],
        path: '/g/collect',
        source: 'browser',
        receive: async request => receiveTag(request, options.streams)
      }
    ],
    // GA4 has no error format: what answers with another status is a machine in front of it.
    fail: ({ status }) => ({
      status, headers: { 'content-type': 'text/html' }, body: Buffer.from(`<html><title>Error ${status}</title></html>`)
    })
  }
}

function read (request: FakeRequest): Json | undefined {
  try {
    const parsed: unknown = JSON.parse(request.body.toString('utf8'))
    return isObject(parsed) ? parsed : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function contextOf (request: FakeRequest, isDebug: boolean): Ga4Context {
  return { nowMs: request.nowMs, bytes: request.body.length, isDebug }
}

function collect (request: FakeRequest, options: FakeGa4Options): Received {
  const body = read(request)
  const context = contextOf(request, false)
  const refused = checkStream(request, options) ??
    (body === undefined ? 'unreadable_body' : firstBroken(ga4RequestRules, body, context))
  const events = listOf(body?.events)
  const copies = (events.length === 0 ? [null] : events).map(event => copyOf(event, body, request, refused ??
    (isObject(event) ? firstBroken(ga4EventRules, event, context) : 'event_type')))
  return { answer: { status: 204, body: Buffer.alloc(0) }, copies }
}

/** google.md §3 "Query": a stream and its secret. Nobody is told that they are wrong (§3 "Answer"). */
function checkStream ({ query }: FakeRequest, { streams }: FakeGa4Options): string | undefined {
  const id = query.get('measurement_id') ?? ''
  const secret = query.get('api_secret') ?? ''
  // A placeholder, a mask or an unresolved variable is none.
  if (!/^G-[A-Z0-9]{4,16}$/.test(id)) return 'measurement_id'
  if (!/^[\w-]+$/.test(secret)) return 'api_secret'
  if (streams === undefined) return undefined
  if (!Object.hasOwn(streams, id)) return 'unknown_stream'
  return streams[id] === secret ? undefined : 'api_secret'
}

const reasonOf = (name: string, path: Path): string => [name, path.join('.')].filter(Boolean).join(' ')

function firstBroken (rules: readonly Ga4Rule[], given: Json, context: Ga4Context): string | undefined {
  for (const { name, isAdvice, broken } of rules) {
    const path = isAdvice === true ? undefined : broken(given, context)
    if (path !== undefined) return reasonOf(name, path)
  }
  return undefined
}

/** One event with what stands around it, which is a part of what arrived. */
function copyOf (event: unknown, body: Json | undefined, request: FakeRequest, refused: string | undefined): Copy {
  const { name } = isObject(event) ? event : {}
  const { transaction_id: transactionId, event_id: eventId } = isObject(event) ? objectAt(event, 'params') : {}
  const keys = purchaseKeys(request.query.get('measurement_id'), name, transactionId)
  const id = eventId ?? transactionId
  return {
    source: 'server',
    eventName: typeof name === 'string' ? name : null,
    eventId: typeof id === 'string' ? id : null,
    body: body === undefined ? null : { ...body, events: event === null ? body.events : [event] },
    refused,
    finds: keys,
    leaves: keys
  }
}

/** The validation server looks at neither stream nor secret, and is lenient unless it is asked not to be. */
function validate (request: FakeRequest): FakeAnswer {
  const body = read(request)
  if (body === undefined) {
    return messages([{ path: [], name: 'unreadable_body', code: 'VALUE_INVALID' }])
  }
  const context = contextOf(request, true)
  const isStrict = body.validation_behavior === 'ENFORCE_RECOMMENDATIONS'
  const find = (rules: readonly Ga4Rule[], given: Json, parent: Path) =>
    rules.flatMap(({ name, code, when, broken }) => {
      const path = code === undefined || (when === 'enforced' && !isStrict) ? undefined : broken(given, context)
      return path === undefined ? [] : [{ name, code, path: [...parent, ...path] }]
    })
  return messages([
    ...find(ga4RequestRules, body, []),
    ...listOf(body.events).flatMap((event, index) => find(ga4EventRules, isObject(event) ? event : {},
      ['events', index]))
  ])
}

function messages (found: { path: Path, name: string, code?: string }[]): FakeAnswer {
  return {
    status: 200,
    body: {
      validationMessages: found.map(({ path, name, code }) => ({
        fieldPath: path.join('.'), description: `The request breaks the rule ${name}.`, validationCode: code
      }))
    }
  }
}
