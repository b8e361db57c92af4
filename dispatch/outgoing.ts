// What may leave of an event for one target: everything else is taken away here, before a destination sees it.
import type { EffectiveConsent } from '../schema/consent.ts'
import { clickIdKind, isClickIdAlive, knownCookie, parseFbValue } from '../schema/identity.ts'
import type { EventData, MergedEvent } from '../schema/event.ts'
import type { OutgoingEvent } from './destination.ts'
import type { Target } from './target.ts'
import { cleanAddress } from './address.ts'
import { landingOf } from './landing.ts'

/** Personal data that leaves only where the target's settings name it. */
const namedOnly = ['birth_date', 'gender'] as const

/**
 * The event as the target's destination may see it (design.md, "What leaves"). The given event is not changed.
 * Click ids and cookies need `ad_storage`, analytics cookies `analytics_storage`, and both must be within their life.
 */
export function outgoing (event: MergedEvent, target: Target, consent: EffectiveConsent, nowMs: number): OutgoingEvent {
  const { purpose } = target.destination
  const rules = target.site
  // Copied whole and overwritten: a copy that leaves fields out takes several times as long.
  return {
    ...event,
    warnings: undefined,
    page_location: cleanAddress(event.page_location, rules),
    page_referrer: cleanAddress(event.page_referrer, rules),
    page_title: purpose === 'analytics' ? event.page_title : undefined,
    user_data: personOf(event.user_data, target),
    click_ids: consent.ad_storage === 'granted' ? aliveClickIds(event.click_ids, nowMs) : undefined,
    landing: consent.ad_storage === 'granted' ? landingOf(event, rules) : undefined,
    cookies: cookiesOf(event.cookies, consent, nowMs),
    visitor_id: consent.ad_storage === 'granted' || consent.analytics_storage === 'granted'
      ? event.visitor_id
      : undefined,
    params: namedParams(event.params, target.params),
    fields: purpose === 'first_party' ? event.fields : undefined,
    has_unknown_currency: event.currency === undefined && lostCurrency(event.warnings) ? true : undefined,
    consent,
    defaults: rules.defaults
  }
}

/** Whether the door took a currency away because there is none of that name (gateway/read.ts). */
function lostCurrency (warnings: MergedEvent['warnings']): boolean {
  return warnings?.some(({ path, code }) => path === 'currency' && code === 'unknown_currency') ?? false
}

function personOf (person: EventData['user_data'], target: Target): EventData['user_data'] {
  if (person === undefined) return undefined
  const isWithheld = namedOnly.some(field => person[field] !== undefined && !target.params.includes(field))
  if (!isWithheld) return person
  const left = { ...person }
  for (const field of namedOnly) if (!target.params.includes(field)) delete left[field]
  return left
}

function namedParams (params: EventData['params'], names: readonly string[]): EventData['params'] {
  if (params === undefined || names.length === 0) return undefined
  const left = Object.entries(params).filter(([name]) => names.includes(name))
  return left.length === 0 ? undefined : Object.fromEntries(left)
}

function aliveClickIds (clickIds: EventData['click_ids'], nowMs: number): EventData['click_ids'] {
  if (clickIds === undefined) return undefined
  const alive = Object.entries(clickIds).filter(([param, { seen_at_ms: seenAtMs }]) =>
    isClickIdAlive(param, seenAtMs, nowMs))
  return alive.length === 0 ? undefined : Object.fromEntries(alive)
}

function cookiesOf (cookies: EventData['cookies'], consent: EffectiveConsent, nowMs: number): EventData['cookies'] {
  if (cookies === undefined) return undefined
  const left = Object.entries(cookies).filter(([name, value]) => {
    const known = knownCookie(name, value)
    if (known === undefined) return false
    if (known.purpose === 'analytics') return consent.analytics_storage === 'granted'
    return consent.ad_storage === 'granted' && isCookieAlive(name, value, nowMs)
  })
  return left.length === 0 ? undefined : Object.fromEntries(left)
}

/** Which click id a cookie carries, whose life it shares. */
const clickCookies: Record<string, string> = { _fbc: 'fbclid', _gcl_aw: 'gclid', _gcl_gb: 'wbraid', _gcl_dc: 'dclid' }

/** Cookies that carry a click id say when the click was: Meta in milliseconds, Google in seconds. */
function isCookieAlive (name: string, value: string, nowMs: number): boolean {
  const param = clickCookies[name]
  if (param === undefined || clickIdKind(param) === undefined) return true
  const clickedAtMs = name === '_fbc'
    ? parseFbValue(value)?.createdAtMs
    : Number(/^(?:GCL|\d+)\.(\d{10})\./.exec(value)?.[1]) * 1000
  return clickedAtMs === undefined || Number.isNaN(clickedAtMs) || isClickIdAlive(param, clickedAtMs, nowMs)
}
