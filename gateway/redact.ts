// Takes out of an arrival what the visitor's consent does not let us store. Pure.
import type { Storable } from '../schema/consent.ts'
import type { EventData } from '../schema/event.ts'
import { clickIdKind, clickIdKinds, knownCookie, knownCookies } from '../schema/identity.ts'
import { withoutClickIds } from './clicks.ts'

function isIdName (name: string): boolean {
  const isBareCookie = name.toLowerCase() === 'fbc' || name.toLowerCase() === 'fbp'
  return isBareCookie || clickIdKind(name) !== undefined ||
    knownCookies.some(cookie => cookie.purpose === 'ads' && cookie.name.test(name))
}

/**
 * Whether a parameter or a form's field is named after a click id or an ad network's cookie, alone or with what form
 * builders put around it: `gclid`, `form_fields[gclid]`, `hidden-gclid`, `gclid_field`, `_fbc`.
 */
function holdsId (name: string): boolean {
  return [...name.split(/[^A-Za-z0-9_]+/), ...name.split(/[^A-Za-z0-9]+/)].some(isIdName)
}

/** A click id anywhere in a text: behind a question mark, in a fragment, in an address inside an address. */
const idInText = new RegExp(
  `(^|[?&#;\\s]|%(?:25)*(?:3F|26|23))(?:${[...clickIdKinds.map(({ param }) => param), '_gl'].join('|')})` +
  '(?:=|%(?:25)*3D)(?:(?!%(?:25)*(?:26|23))[^&#;\\s"\'<>])*', 'gi')

const strip = (text: string) =>
  (/^https?:\/\//i.test(text) ? withoutClickIds(text) : text).replace(idInText, '$1')

/** Any JSON value without the entries that are named after an id, and without the click ids in its texts. */
function stripWithin (value: unknown): unknown {
  if (typeof value === 'string') return strip(value)
  if (Array.isArray(value)) return value.map(stripWithin)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).filter(([name]) => !holdsId(name))
    .map(([name, inner]) => [name, stripWithin(inner)]))
}

/**
 * What may be stored of `data` (design.md, "What leaves"): without `adIds` no click id, no network's cookie and no
 * text with a click id in it; without `analyticsIds` no analytics cookie; without `visitor` no visitor.
 */
export function redact (data: EventData, storable: Storable): EventData {
  let cookies: EventData['cookies']
  for (const name in data.cookies) {
    const value = data.cookies[name] ?? ''
    const purpose = knownCookie(name, value)?.purpose
    const isKept = purpose === 'ads' ? storable.adIds : purpose === 'analytics' && storable.analyticsIds
    if (isKept) (cookies ??= {})[name] = value
  }
  const kept: EventData = { ...data, cookies }
  if (!storable.visitor) {
    kept.visitor_id = undefined
    kept.visitor_verified = undefined
  }
  if (storable.adIds) return kept
  for (const field of ['page_location', 'page_referrer', 'page_title', 'search_term'] as const) {
    const text = kept[field]
    if (text !== undefined) kept[field] = strip(text)
  }
  return {
    ...kept,
    click_ids: undefined,
    params: stripWithin(data.params) as EventData['params'],
    fields: stripWithin(data.fields) as EventData['fields']
  }
}
