// A line of `postern dry-run` → the event as the worker would have it, by the gateway's own reading, without a request.
import { storable, type Consent } from '../schema/consent.ts'
import type { MergedEvent, Part } from '../schema/event.ts'
import { knownCookies } from '../schema/identity.ts'
import { mergeParts } from '../schema/merge.ts'
import type { Candidate } from '../dispatch/decide.ts'
import type { MapWarning } from '../dispatch/destination.ts'
import type { SiteRules } from '../dispatch/target.ts'
import { readTime } from '../gateway/clock.ts'
import { cookieScope } from '../gateway/cookies.ts'
import { enrich, readCountry } from '../gateway/enrich.ts'
import { decideConsent, gather, storedChoice, whoseBrowser } from '../gateway/gather.ts'
import type { Warn } from '../gateway/person.ts'
import { readEvent, timeKeys, type Draft } from '../gateway/read.ts'
import type { Incoming } from '../gateway/receive.ts'
import { redact } from '../gateway/redact.ts'
import { readConsent, readCookies } from '../gateway/said.ts'
import { openSites, type Site } from '../gateway/site.ts'

/** What stands in for the request: the line's `context`. */
interface Context {
  ip?: string
  userAgent?: string
  receivedAtMs?: number
  /** As the browser sent them; what is no cookie of ours or of a network is not looked at. */
  cookies: Record<string, string>
  visitorId?: string
  country?: string
  consent?: Partial<Consent>
  isSigned: boolean
}

/** A line, understood. `nowMs` is the clock at which it is asked what would be sent. */
export interface DryRunEvent { candidate: Candidate, nowMs: number, warnings: MapWarning[] }
export type DryRunError = { error: { code: string, message: string } }

/**
 * Reads one line: a collect body with an optional `context` {ip, user_agent, received_at, cookies, visitor_id, country,
 * consent, signed}. The clock is `context.received_at`, else the event's own time, else `nowMs`.
 * `eventId` is the id of an event that has none and no transaction_id.
 */
export function readDryRunEvent (
  line: Record<string, unknown>, site: SiteRules, eventId: string, nowMs: number
): DryRunEvent | DryRunError {
  const { context: givenContext, ...body } = line
  const warnings: MapWarning[] = []
  const context = readContext(givenContext, (path, code) => warnings.push({ path: `context.${path}`, code }))
  if ('error' in context) return context
  const receivedAtMs = context.receivedAtMs ?? ownTimeMs(body) ?? nowMs
  const read = readEvent(body, { receivedAtMs, isSigned: context.isSigned, newId: () => eventId })
  if ('error' in read) return { error: { code: read.error.code, message: read.error.message } }
  warnings.push(...read.warnings.map(({ path, code }) => ({ path, code })))
  const event = mergeParts([partOf(read.draft, context, site, receivedAtMs)])
  return { candidate: candidateOf(event), nowMs: receivedAtMs, warnings }
}

function candidateOf (event: MergedEvent): Candidate {
  return {
    event,
    said: { consent: event.consent, gpc: event.gpc, country: event.country },
    trusts: [event.trust],
    isErased: false,
    firstSentAtMs: null,
    isAnswerLost: false
  }
}

/** The arrival as the gateway would store it, but for the cookies that it would make itself. */
function partOf (draft: Draft, context: Context, site: SiteRules, receivedAtMs: number): Part {
  const incoming = toIncoming(context, site, receivedAtMs)
  const given = { ...draft, data: { ...draft.data, consent: { ...context.consent, ...draft.data.consent } } }
  const said = gather(given, incoming, receivedAtMs)
  const facts = { ...whoseBrowser(draft, incoming), country: context.country }
  const visitorId = context.isSigned ? draft.visitor.visitorId ?? context.visitorId : context.visitorId
  // A line without a user agent is no request without one: that is not what makes a bot.
  const isQuiet = context.isSigned || facts.userAgent === undefined
  const enriched = enrich({ ...said, visitor_id: visitorId }, facts, isQuiet)
  const consent = decideConsent(said, facts.country, draft.occurredAtMs, incoming.site)
  return {
    receipt_id: draft.eventId,
    site: site.name,
    trust: incoming.trust,
    event_name: draft.eventName,
    event_id: draft.eventId,
    received_at_ms: receivedAtMs,
    occurred_at_ms: draft.occurredAtMs,
    data: redact(enriched, storable(consent))
  }
}

const host = 'dry-run.invalid'
const gatewaySites = new Map<SiteRules, Site>()

/** The site as the gateway knows it, as far as it matters for reading an event. */
function gatewaySite (rules: SiteRules): Site {
  const known = gatewaySites.get(rules)
  if (known !== undefined) return known
  const site = openSites([{
    name: rules.name,
    hosts: [host],
    origins: [],
    prefix: '/_p',
    insertsScript: false,
    consentCookies: [],
    rule: rules.consent,
    consentDays: 180,
    cookies: { visitor: '_pstn', consent: '_pstn_c', keeper: '_pstn_k' },
    keepsCookies: [],
    redirectHosts: [],
    formEvents: {},
    scriptModules: [],
    apiKeys: []
  }])(host)
  if (site === undefined) throw new Error('a site is found by its own host')
  gatewaySites.set(rules, site)
  return site
}

/** The request that the line stands for. */
function toIncoming (context: Context, rules: SiteRules, receivedAtMs: number): Incoming {
  const site = gatewaySite(rules)
  const jar = new Map(Object.entries(context.cookies).map(([name, value]) => [name, [value]]))
  return {
    site,
    posts: [],
    trust: context.isSigned ? 'signed' : 'same_site',
    isStrict: false,
    isOverLimit: false,
    takesCookies: false,
    jar,
    choice: storedChoice({ jar, site }, receivedAtMs),
    scope: cookieScope(host, true),
    browser: { ip: context.ip, userAgent: context.userAgent, hints: {}, country: context.country },
    gpc: false,
    seed: { text: '', startedAtMs: 0 }
  }
}

function ownTimeMs (body: Record<string, unknown>): number | undefined {
  for (const key of timeKeys) {
    const time = readTime(body[key])
    if (time !== null && 'value' in time) return time.value
  }
  return undefined
}

function readContext (given: unknown, warn: Warn): Context | DryRunError {
  if (given === undefined || given === null) return { isSigned: false, cookies: {} }
  if (typeof given !== 'object' || Array.isArray(given)) return contextError('context must be an object')
  const context = { ...given } as Record<string, unknown>
  const received = readTime(context.received_at)
  if (received !== null && 'refused' in received) return contextError('context.received_at is not a point in time')
  return {
    ip: textOf(context.ip, 'ip', warn),
    userAgent: textOf(context.user_agent, 'user_agent', warn),
    receivedAtMs: received?.value,
    cookies: cookiesOf(context.cookies, warn),
    visitorId: textOf(context.visitor_id, 'visitor_id', warn),
    country: readCountry(textOf(context.country, 'country', warn)),
    consent: readConsent(context.consent, 'consent', warn),
    isSigned: context.signed === true
  }
}

/** Cookies by name; a network's cookie that is malformed is worth a warning, which a browser would not get. */
function cookiesOf (given: unknown, warn: Warn): Record<string, string> {
  if (given === undefined || given === null) return {}
  if (typeof given !== 'object' || Array.isArray(given)) {
    warn('cookies', 'not_an_object')
    return {}
  }
  const cookies = Object.entries(given).flatMap(([name, value]) =>
    typeof value === 'string' ? [[name, value] as const] : [])
  const ofNetworks = cookies.filter(([name]) => knownCookies.some(known => known.name.test(name)))
  readCookies(Object.fromEntries(ofNetworks), 'cookies', warn)
  return Object.fromEntries(cookies)
}

function contextError (message: string): DryRunError {
  return { error: { code: 'invalid_context', message } }
}

function textOf (given: unknown, path: string, warn: Warn): string | undefined {
  if (given === undefined || given === null || given === '') return undefined
  if (typeof given === 'string') return given
  warn(path, 'not_a_text')
  return undefined
}
