// An event's parameters: the page, money, products, and what else the settings let out, within GA4's limits.
import type { MapWarning, OutgoingEvent } from '../../destination.ts'
import { clickIdKind } from '../../../schema/identity.ts'
import { itemsOf } from './items.ts'
import { worthOf } from './worth.ts'
import { parameterNameFault } from './names.ts'
import type { Ga4Params } from './payload.ts'
import type { Ga4Settings } from './settings.ts'
import { cutTo, idOf, plainTextOf, webAddressOf } from './texts.ts'

const mostParams = 25
/** What GA4 keeps of each (google.md §3 "Limits"). */
const longest = { page_location: 1000, page_referrer: 420, page_title: 300, other: 100 }
/** The event's own: a parameter of that name never takes their place. */
const ownKeys = new Set(['session_id', 'debug_mode', 'page_location', 'page_referrer', 'page_title', 'currency',
  'value', 'transaction_id', 'tax', 'shipping', 'coupon', 'customer_type', 'search_term', 'form_id', 'form_name',
  'items', 'user_id', 'client_id', 'timestamp_micros'])

/** What the recommended events need to be worth anything in GA4's reports (google.md §3 "Money"). */
const recommended = new Map<string, (keyof Ga4Params)[]>([
  ['purchase', ['transaction_id', 'items', 'value']],
  ['refund', ['transaction_id', 'value']]
])

/**
 * The parameters of an event under its name at GA4. What GA4 would ignore is cut or left out with a warning. A purchase
 * without what the recommendations ask for goes all the same: GA4 takes it, and counts it without its revenue, or
 * without recognising a second copy.
 */
export function paramsOf (
  event: OutgoingEvent, name: string, sessionId: string | undefined, settings: Ga4Settings, warnings: MapWarning[]
): Ga4Params {
  const text = (value: string | undefined, path: string, most = longest.other) =>
    plainTextOf(value, path, most, warnings)
  const own: Ga4Params = {
    session_id: sessionId,
    engagement_time_msec: sessionId === undefined ? undefined : engagementOf(event.params),
    debug_mode: settings.debug_view ? true : undefined,
    page_location: webAddressOf(event.page_location, 'page_location', longest.page_location, warnings),
    page_referrer: webAddressOf(event.page_referrer, 'page_referrer', longest.page_referrer, warnings),
    page_title: text(event.page_title, 'page_title', longest.page_title),
    ...worthOf(event, name, warnings),
    transaction_id: idOf(event.transaction_id, 'transaction_id', longest.other, warnings),
    coupon: text(event.coupon, 'coupon'),
    customer_type: customerTypeOf(event.new_customer),
    search_term: text(event.search_term, 'search_term'),
    form_id: text(event.form_id, 'form_id'),
    form_name: text(event.form_name, 'form_name'),
    items: itemsOf(event.items ?? [], longest.other, warnings)
  }
  for (const key of recommended.get(name) ?? []) {
    if (own[key] === undefined) warnings.push({ path: key, code: 'recommended' })
  }
  return withOthers(own, othersOf(event, settings, warnings), warnings)
}

/** One millisecond, where the sender says nothing: enough to be an active user, nothing added to anybody's average. */
function engagementOf (params: OutgoingEvent['params']): number {
  const given = params?.engagement_time_msec
  return typeof given === 'number' && given > 0 && Number.isFinite(given) ? given : 1
}

function customerTypeOf (isNew: boolean | undefined): Ga4Params['customer_type'] {
  if (isNew === undefined) return undefined
  return isNew ? 'new' : 'returning'
}

/** The event's id where the owner wants it, then the parameters, already reduced to those that the settings name. */
function othersOf (
  event: OutgoingEvent, settings: Ga4Settings, warnings: MapWarning[]
): [key: string, value: string | number][] {
  const { event_id_parameter: idKey } = settings
  const eventId = idKey === undefined ? undefined : idOf(event.event_id, 'event_id', longest.other, warnings)
  const others: [string, string | number][] = idKey === undefined || eventId === undefined ? [] : [[idKey, eventId]]
  for (const [key, value] of Object.entries(event.params ?? {})) {
    // Read above.
    if (key === 'engagement_time_msec') continue
    const fault = parameterNameFault(key) ?? (ownKeys.has(key) || clickIdKind(key) !== undefined ? 'unusable' : null)
    const plain = fault === null ? plainOf(value, `params.${key}`, warnings) : undefined
    if (fault !== null) warnings.push({ path: `params.${key}`, code: fault })
    else if (plain !== undefined) others.push([key, plain])
  }
  return others
}

/** A truth value is a word in GA4's reports. */
function plainOf (value: unknown, path: string, warnings: MapWarning[]): string | number | undefined {
  if (typeof value === 'boolean') return String(value)
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (typeof value === 'string') return plainTextOf(value, path, longest.other, warnings)
  warnings.push({ path, code: 'unusable' })
  return undefined
}

/** No more than GA4 takes; the event's own come first. */
function withOthers (own: Ga4Params, others: [string, string | number][], warnings: MapWarning[]): Ga4Params {
  const room = mostParams - Object.values(own).filter(value => value !== undefined).length
  for (const [key] of others.slice(room)) warnings.push({ path: `params.${cutTo(key, 40)}`, code: 'too_many_params' })
  return { ...own, ...Object.fromEntries(others.slice(0, room)) }
}
