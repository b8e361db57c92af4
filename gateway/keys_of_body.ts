// The keys that mean something in an event's body, and one look through a body that finds them all.
import { clickIdKind } from '../schema/identity.ts'
import { remember } from '../config/bounded.ts'
import { personKeyOfParameter } from './person.ts'

/** The keys with a meaning of their own, each with the other names it is known under. */
export const bodyKeys = {
  event_name: ['event_name', 'event', 'eventName'],
  event_id: ['event_id', 'eventId', 'eventID'],
  event_time: ['event_time', 'eventTime', 'timestamp', 'timestamp_micros'],
  page_location: ['page_location', 'event_source_url', 'page_url', 'url'],
  page_referrer: ['page_referrer', 'referrer', 'referrer_url'],
  page_title: ['page_title'],
  language: ['language'],
  screen_resolution: ['screen_resolution'],
  value: ['value'],
  currency: ['currency'],
  transaction_id: ['transaction_id', 'transactionId', 'order_id', 'orderId'],
  tax: ['tax'],
  shipping: ['shipping'],
  coupon: ['coupon'],
  search_term: ['search_term', 'search_string'],
  form_id: ['form_id'],
  form_name: ['form_name'],
  new_customer: ['new_customer'],
  user_id: ['user_id', 'userId', 'external_id'],
  action_source: ['action_source'],
  gpc: ['gpc'],
  user_data: ['user_data'],
  items: ['items'],
  click_ids: ['click_ids'],
  cookies: ['cookies'],
  consent: ['consent'],
  browser_tags: ['browser_tags'],
  page_seed: ['page_seed'],
  sent_at: ['sent_at'],
  ip_override: ['ip_override'],
  user_agent: ['user_agent'],
  visitor_id: ['visitor_id']
} as const satisfies Record<string, readonly string[]>

export type BodyKey = keyof typeof bodyKeys

const placeByName = new Map<string, { key: BodyKey, rank: number }>(Object.entries(bodyKeys)
  .flatMap(([key, names]) => names.map((name, rank) => [name, { key: key as BodyKey, rank }] as const)))

/** Every key that means something of its own in a body; any other is a parameter, or a lead's answer. */
export const eventKeys: ReadonlySet<string> = new Set([...placeByName.keys(), 'params'])

/** What a key that is none of them may be: a click id, somebody's e-mail under a known name, or a parameter. */
type RestKind = 'click_id' | 'person' | 'parameter'

const judgeRest = (name: string): RestKind =>
  clickIdKind(name) !== undefined ? 'click_id' : personKeyOfParameter(name) === undefined ? 'parameter' : 'person'
const judgeRestOnce = remember(4000, judgeRest)
const kindOfRest = (name: string): RestKind => name.length > 100 ? judgeRest(name) : judgeRestOnce(name)

export interface Found { name: string, value: unknown }

/** A body, looked through. */
export interface OpenBody {
  /** The value of a key under the first of its names that has one; in the body before in its `params`. */
  find: (key: BodyKey) => Found | undefined
  clickIds: Record<string, unknown>
  people: [name: string, value: unknown][]
  /** What is left: those of `params` behind those of the body. */
  parameters: Record<string, unknown>
}

const isEmpty = (value: unknown) => value === undefined || value === null || value === ''

/** Looks through a body once, and through its `params`. */
export function openBody (body: object): OpenBody {
  const found = new Map<BodyKey, Found & { rank: number }>()
  const clickIds: Record<string, unknown> = {}
  const people: [string, unknown][] = []
  const own: [string, unknown][] = []
  let nested: unknown
  for (const [name, value] of Object.entries(body) as [string, unknown][]) {
    const place = placeByName.get(name)
    if (place !== undefined) {
      const known = found.get(place.key)
      if (!isEmpty(value) && (known === undefined || place.rank < known.rank)) {
        found.set(place.key, { name, value, rank: place.rank })
      }
    } else if (name === 'params') {
      nested = value
    } else {
      const kind = kindOfRest(name)
      if (kind === 'click_id') clickIds[name] = value
      else if (kind === 'person') people.push([name, value])
      else own.push([name, value])
    }
  }
  const inner = typeof nested === 'object' && nested !== null ? openParams(nested, found) : []
  return {
    find: key => found.get(key),
    clickIds,
    people,
    parameters: inner.length + own.length === 0 ? {} : Object.fromEntries([...inner, ...own])
  }
}

/** Adds what only `params` has; returns its parameters. People and click ids in there are nobody's. */
function openParams (params: object, found: Map<BodyKey, Found & { rank: number }>): [string, unknown][] {
  const inBody = new Set(found.keys())
  const rest: [string, unknown][] = []
  for (const [name, value] of Object.entries(params) as [string, unknown][]) {
    const place = placeByName.get(name)
    if (place === undefined) {
      if (name !== 'params' && kindOfRest(name) === 'parameter') rest.push([name, value])
      continue
    }
    const known = found.get(place.key)
    if (Array.isArray(params) || isEmpty(value) || inBody.has(place.key)) continue
    if (known === undefined || place.rank < known.rank) found.set(place.key, { name, value, rank: place.rank })
  }
  return rest
}
