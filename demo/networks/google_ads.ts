// The strict fake of Google's Data Manager API for Google Ads, of its token service and of the page's conversion tag.
import { eventRules } from './google_ads_event_rules.ts'
import { errorAnswer, requestIdOf, type Refusal, type Violation } from './google_ads_error.ts'
import { matchRules } from './google_ads_match_rules.ts'
import type { FakeGoogleAdsOptions } from './google_ads_options.ts'
import { addresseesOf, checkRequest, readBody, type Addressee } from './google_ads_request.ts'
import type { Rule } from './google_ads_rule.ts'
import { fieldWarningsOf, openStatuses, processingReasonOf, type FakeStatuses } from './google_ads_status.ts'
import { receiveTag, transactionKey } from './google_ads_tag.ts'
import { openTokens } from './google_ads_token.ts'
import { isObject, listOf, type Json } from './json.ts'
import type { Copy, FakeAnswer, FakeNetwork, FakeRequest, Received } from './network.ts'

export type { FakeGoogleAdsOptions } from './google_ads_options.ts'

/** Every rule an event must keep, in the order in which they are tried; the first broken one is told. */
export const googleAdsRules: readonly Rule[] = [...eventRules, ...matchRules]

const minuteMs = 60_000
const dayMs = 86_400_000

/**
 * `POST /token`, `POST /v1/events:ingest`, `GET /v1/requestStatus:retrieve`, and the page's tag. A request with one
 * invalid event counts none (google.md §2.6); an event under a transactionId that its action knows is an adjustment and
 * counts nothing more, whether the page's tag or a server sent the first one (§2.4, §2.5).
 */
export function makeFakeGoogleAds (options: FakeGoogleAdsOptions = {}): FakeNetwork {
  const tokens = openTokens(options)
  const statuses = openStatuses(options)
  const [writes, reads] = [openQuota(options), openQuota(options)]
  const only = (answer: FakeAnswer): Received => ({ answer, copies: [] })
  return {
    type: 'google_ads',
    // No end is named for adjustments (google.md §2.5); an older event would not count anyway.
    windowMs: 90 * dayMs,
    routes: [
      {
        methods: ['POST'],
        path: '/token',
        source: 'server',
        part: 'token',
        receive: async request => only(tokens.give(request))
      },
      {
        methods: ['POST'],
        // A single colon would begin a parameter.
        path: '/v1/events::ingest',
        source: 'server',
        receive: async request => {
          const refused = checkAccess(tokens.check(request)) ?? writes.take(request.nowMs)
          return ingest(request, refused, statuses, options)
        }
      },
      {
        methods: ['GET'],
        path: '/v1/requestStatus::retrieve',
        source: 'server',
        part: 'status',
        receive: async request => {
          const refused = checkAccess(tokens.check(request)) ?? reads.take(request.nowMs)
          return only(refused === undefined ? statuses.retrieve(request) : errorAnswer(refused, request))
        }
      },
      {
        methods: ['GET', 'POST'],
        path: '/pagead/conversion/:customer/',
        source: 'browser',
        receive: async request => receiveTag(request, options)
      }
    ],
    fail: ({ status }, request) => errorAnswer(failureOf(status), request)
  }
}

/** An ordered failure in Google's words. */
function failureOf (status: number): Refusal {
  if (status === 429) return exhausted('IngestionRequestsPerMinutePerProject')
  const reason = { 401: 'ACCESS_TOKEN_EXPIRED', 403: 'PERMISSION_DENIED', 500: 'INTERNAL_ERROR' }[status]
  return { status, message: 'Ordered by a test.', reason, violations: [] }
}

function exhausted (quota: string): Refusal {
  return { status: 429, message: `Quota exceeded for ${quota}.`, reason: 'RATE_LIMIT_EXCEEDED', violations: [], quota }
}

function checkAccess (reason: string | undefined): Refusal | undefined {
  const message = 'Request had invalid authentication credentials.'
  return reason === undefined ? undefined : { status: 401, message, reason, violations: [] }
}

/** google.md §2.2: so many requests a minute and a day; reads and writes are counted apart. */
function openQuota ({ quota = {} }: FakeGoogleAdsOptions): { take (nowMs: number): Refusal | undefined } {
  const windows = [
    { name: 'IngestionRequestsPerMinutePerProject', ms: minuteMs, most: quota.perMinute ?? 300, at: -1, used: 0 },
    { name: 'IngestionRequestsPerDayPerProject', ms: dayMs, most: quota.perDay ?? 100_000, at: -1, used: 0 }
  ]
  return {
    take (nowMs) {
      for (const window of windows) {
        const at = Math.floor(nowMs / window.ms)
        if (at !== window.at) Object.assign(window, { at, used: 0 })
        if (window.used >= window.most) return exhausted(window.name)
      }
      for (const window of windows) window.used++
      return undefined
    }
  }
}

function ingest (
  request: FakeRequest, refused: Refusal | undefined, statuses: FakeStatuses, options: FakeGoogleAdsOptions
): Received {
  const read = readBody(request)
  const body = 'body' in read ? read.body : lenient(request.body)
  const refusal = refused ?? ('refusal' in read ? read.refusal : undefined) ?? checkRequest(body, options) ??
    checkEvents(body, request.nowMs, options)
  const events = listOf(body.events).filter(isObject)
  if (refusal !== undefined) {
    const copies = events.length === 0 ? [body] : events
    return {
      answer: errorAnswer(refusal, request),
      copies: copies.map((event, index) => copyOf(event, undefined, reasonFor(refusal, index)))
    }
  }
  const fieldWarnings = fieldWarningsOf(events)
  const warnings = fieldWarnings.length === 0 ? {} : { fieldWarnings }
  const addressed = events.map(event => ({ event, addressees: addresseesOf(event, body, options) ?? [] }))
  if (body.validateOnly === true) {
    const copies = addressed.map(({ event, addressees: [first] }) => copyOf(event, first, 'validate_only'))
    return { answer: { status: 200, body: warnings }, copies }
  }
  const requestId = requestIdOf(request)
  const judged = addressed.map(one => ({ ...one, reason: processingReasonOf(one.event, request.nowMs, options) }))
  statuses.keep(requestId, {
    atMs: request.nowMs,
    rows: listOf(body.destinations).filter(isObject).map((destination, place) => ({
      destination,
      events: judged.flatMap(({ addressees, reason }, index) =>
        addressees.some(one => one.index === place) ? [{ index, reason }] : [])
    }))
  })
  return {
    answer: { status: 200, body: { requestId, ...warnings } },
    copies: judged.flatMap(({ event, addressees, reason }) =>
      addressees.map(one => copyOf(event, one, reason ?? undefined)))
  }
}

/** What can be read of a body that was refused, for the receipts. */
function lenient (body: Buffer): Json {
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'))
    return isObject(parsed) ? parsed : {}
  } catch (error) {
    if (error instanceof SyntaxError) return {}
    throw error
  }
}

/** google.md §2.6: every invalid event is named, each with its first fault. */
function checkEvents (body: Json, nowMs: number, options: FakeGoogleAdsOptions): Refusal | undefined {
  const violations = listOf(body.events).filter(isObject).flatMap((event, index): Violation[] => {
    const at = (name: string, path: (string | number)[], reason: string): Violation[] =>
      [{ rule: name, path: ['events', index, ...path], reason, description: `Refused by the rule ${name}.` }]
    const addressees = addresseesOf(event, body, options)
    if (addressees === undefined) return at('destination_reference', ['destinationReferences'], 'INVALID_DESTINATION')
    const context = { nowMs, kinds: addressees.map(({ kind }) => kind), encoding: body.encoding }
    for (const { name, reason, broken } of googleAdsRules) {
      const path = broken(event, context)
      if (path !== undefined) return at(name, path, reason)
    }
    return []
  })
  const [first] = violations
  if (first === undefined) return undefined
  return { status: 400, message: 'There was a problem with the request.', reason: first.reason, violations }
}

function reasonFor ({ status, reason, violations, message }: Refusal, index: number): string {
  if (violations.length === 0) return `${status} ${reason ?? message}`
  const own = violations.find(({ path }) => path[0] !== 'events' || path.length < 2 || path[1] === index)
  if (own === undefined) return 'batch_rejected'
  return [own.reason ?? status, own.rule, own.path.slice(own.path[0] === 'events' ? 2 : 0).join('.')].join(' ').trim()
}

function copyOf (event: Json, addressee: Addressee | undefined, refused: string | undefined): Copy {
  const { transactionId } = event
  const id = typeof transactionId === 'string' ? transactionId : null
  const keys = addressee === undefined || id === null
    ? []
    : [transactionKey(addressee.customer, addressee.action, id)]
  const eventName = addressee?.name ?? null
  return { source: 'server', eventName, eventId: id, body: event, refused, finds: keys, leaves: keys }
}
