// A line of `postern dry-run` → the event as the worker would have it, by the gateway's own reading, without a request.
import type { Consent } from '../schema/consent.ts'
import type { MergedEvent, Part } from '../schema/event.ts'
import { mergeParts } from '../schema/merge.ts'
import type { Candidate } from '../dispatch/decide.ts'
import type { MapWarning } from '../dispatch/destination.ts'
import { collectClickIds } from '../gateway/clicks.ts'
import { readTime } from '../gateway/clock.ts'
import { enrich, readCountry } from '../gateway/enrich.ts'
import type { Warn } from '../gateway/person.ts'
import { readEvent, timeKeys, type Draft } from '../gateway/read.ts'
import { readConsent, readCookies } from '../gateway/said.ts'

/** What stands in for the request: the line's `context`. */
interface Context {
  ip?: string
  userAgent?: string
  receivedAtMs?: number
  cookies?: Record<string, string>
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
  line: Record<string, unknown>, site: string, eventId: string, nowMs: number
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

/** The arrival, as the gateway would store it with every consent: what may leave is decided when it is sent. */
function partOf (draft: Draft, context: Context, site: string, receivedAtMs: number): Part {
  const { isSigned } = context
  const facts = {
    ip: isSigned ? draft.visitor.ip : context.ip,
    userAgent: isSigned ? draft.visitor.userAgent : context.userAgent,
    country: context.country,
    hints: {}
  }
  // A line without a user agent is no request without one: that is not what makes a bot.
  const data = enrich(draft.data, facts, isSigned || facts.userAgent === undefined)
  data.cookies = { ...data.cookies, ...context.cookies }
  data.click_ids = collectClickIds(data, receivedAtMs)
  data.consent = { ...context.consent, ...data.consent }
  data.visitor_id = isSigned ? draft.visitor.visitorId ?? context.visitorId : context.visitorId
  return {
    receipt_id: draft.eventId,
    site,
    trust: isSigned ? 'signed' : 'same_site',
    event_name: draft.eventName,
    event_id: draft.eventId,
    received_at_ms: receivedAtMs,
    occurred_at_ms: draft.occurredAtMs,
    data
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
  if (given === undefined || given === null) return { isSigned: false }
  if (typeof given !== 'object' || Array.isArray(given)) return contextError('context must be an object')
  const context = { ...given } as Record<string, unknown>
  const received = readTime(context.received_at)
  if (received !== null && 'refused' in received) return contextError('context.received_at is not a point in time')
  return {
    ip: textOf(context.ip, 'ip', warn),
    userAgent: textOf(context.user_agent, 'user_agent', warn),
    receivedAtMs: received?.value,
    cookies: readCookies(context.cookies, 'cookies', warn),
    visitorId: textOf(context.visitor_id, 'visitor_id', warn),
    country: readCountry(textOf(context.country, 'country', warn)),
    consent: readConsent(context.consent, 'consent', warn),
    isSigned: context.signed === true
  }
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
