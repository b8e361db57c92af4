// Any body a sender may post → a draft of the event, and a warning for each thing that could not be used. Pure.
import { actionSources, type EventData, type UserData, type Warning } from '../schema/event.ts'
import { canonicalEventName } from '../schema/event_names.ts'
import { clickIdKind } from '../schema/identity.ts'
import { derivedEventId } from '../schema/sealing.ts'
import { judgeTime, readPageSeed, readTime, type PageSeed } from './clock.ts'
import { readAddress, readAmount, readBoolean, readCurrency, readText, readTextLike, type Coerced } from './coerce.ts'
import { readItems, readParameters } from './params.ts'
import { addToPerson, personKeyOfParameter, readPerson, safeName, type Warn } from './person.ts'
import { readBrowserTags, readClickIds, readConsent, readCookies, readId, readName } from './said.ts'

export interface ReadContext {
  receivedAtMs: number
  /** Signed senders may say whose event it is, and may tell of the past. */
  isSigned: boolean
  /** `sent_at` of the batch. */
  sentAt?: unknown
  /** The name of an event whose body gives none (leads). */
  defaultName?: string
  /** Makes an id for an event that has none. */
  newId: () => string
}

/** One body, understood. `data` holds no cookies and click ids but those of the body. */
export interface Draft {
  eventName: string
  eventId: string
  occurredAtMs: number
  data: EventData
  pageSeed?: PageSeed
  /** Whose event a signed sender says it is. */
  visitor: { ip?: string, userAgent?: string, visitorId?: string }
}

export interface ReadError { code: 'malformed_body' | 'invalid_event', message: string, path?: string }
export type ReadResult = { draft: Draft, warnings: Warning[] } | { error: ReadError }

type Field = 'page_location' | 'page_referrer' | 'page_title' | 'language' | 'screen_resolution' | 'value' |
  'currency' | 'transaction_id' | 'tax' | 'shipping' | 'coupon' | 'search_term' | 'form_id' | 'form_name' |
  'new_customer' | 'user_id' | 'action_source' | 'gpc'

const text = (longest: number) => (given: unknown) => readText(given, longest)
const actionSource = (given: unknown): Coerced<string> => {
  const word = readText(given, 40)
  if (word === null || 'refused' in word) return word
  return (actionSources as readonly string[]).includes(word.value) ? word : { refused: 'unknown_action_source' }
}

/** The keys with one value, the other names they are known under, and what reads them. */
const fields: { field: Field, also?: string[], read: (given: unknown) => Coerced<string | number | boolean> }[] = [
  { field: 'page_location', also: ['event_source_url', 'page_url', 'url'], read: readAddress },
  { field: 'page_referrer', also: ['referrer', 'referrer_url'], read: readAddress },
  { field: 'page_title', read: text(500) },
  { field: 'language', read: readTextLike(/^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$/, 'not_a_language', 35) },
  { field: 'screen_resolution', read: readTextLike(/^\d{1,5}x\d{1,5}$/, 'not_a_resolution', 11) },
  { field: 'value', read: readAmount },
  { field: 'currency', read: readCurrency },
  { field: 'transaction_id', also: ['transactionId', 'order_id', 'orderId'], read: readId },
  { field: 'tax', read: readAmount },
  { field: 'shipping', read: readAmount },
  { field: 'coupon', read: text(200) },
  { field: 'search_term', also: ['search_string'], read: text(500) },
  { field: 'form_id', read: text(200) },
  { field: 'form_name', read: text(200) },
  { field: 'new_customer', read: readBoolean },
  { field: 'user_id', also: ['userId', 'external_id'], read: text(255) },
  { field: 'action_source', read: actionSource },
  { field: 'gpc', read: readBoolean }
]

const nameKeys = ['event_name', 'event', 'eventName']
const idKeys = ['event_id', 'eventId', 'eventID']
export const timeKeys = ['event_time', 'eventTime', 'timestamp', 'timestamp_micros']
const mapKeys = ['user_data', 'items', 'click_ids', 'cookies', 'consent', 'browser_tags', 'params', 'page_seed',
  'sent_at']
const signedKeys = ['ip_override', 'user_agent', 'visitor_id']

/** Every key that means something of its own in a body; any other is a parameter, or a lead's answer. */
export const eventKeys: ReadonlySet<string> = new Set([...nameKeys, ...idKeys, ...timeKeys, ...mapKeys, ...signedKeys,
  ...fields.flatMap(({ field, also }) => [field, ...also ?? []])])

/** Looks keys up in a body and, behind it, in its `params`. */
function openBody (body: object): (names: readonly string[]) => { name: string, value: unknown } | undefined {
  const nested: unknown = Object.hasOwn(body, 'params') ? Reflect.get(body, 'params') : undefined
  const places = [body, ...typeof nested === 'object' && nested !== null && !Array.isArray(nested) ? [nested] : []]
  return names => {
    for (const place of places) {
      for (const name of names) {
        const value: unknown = Object.hasOwn(place, name) ? Reflect.get(place, name) : undefined
        if (value !== undefined && value !== null && value !== '') return { name, value }
      }
    }
    return undefined
  }
}

/** Reads one event (design.md, "The event is the GA4 event"). An error only when there is no usable event. */
export function readEvent (body: unknown, context: ReadContext): ReadResult {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return { error: { code: 'invalid_event', message: 'an event is a JSON object' } }
  }
  const warnings: Warning[] = []
  const warn: Warn = (path, code, value) => {
    if (warnings.length < 50) warnings.push(value === undefined ? { path, code } : { path, code, value })
  }
  const find = openBody(body)

  const named = find(nameKeys)
  const givenName = named === undefined ? context.defaultName : readName(named.value) ?? context.defaultName
  if (givenName === undefined) {
    return {
      error: {
        code: 'invalid_event',
        message: 'event_name must be a text of 1 to 100 characters',
        path: 'event_name'
      }
    }
  }
  if (named !== undefined && readName(named.value) === undefined) warn(named.name, 'unusable_name')
  const eventName = canonicalEventName(givenName)

  const data = readFields(find, warn)
  data.items = readItems(find(['items'])?.value, 'items', warn)
  data.user_data = readPeople(body, find, warn)
  const flatClicks = Object.fromEntries(Object.entries(body).filter(([name]) => clickIdKind(name) !== undefined))
  data.click_ids = readClickIds(
    { ...flatClicks, ...asObject(find(['click_ids'])?.value, 'click_ids', warn) }, 'click_ids', context.receivedAtMs,
    warn)
  data.cookies = readCookies(find(['cookies'])?.value, 'cookies', warn)
  data.consent = readConsent(find(['consent'])?.value, 'consent', warn)
  data.browser_tags = readBrowserTags(find(['browser_tags'])?.value, 'browser_tags', warn)
  data.params = readRest(body, warn)

  const draft: Draft = {
    eventName,
    eventId: decideId(eventName, data.transaction_id, find, context, warn),
    occurredAtMs: decideTime(find, context, warn),
    data,
    visitor: readVisitor(find, context.isSigned, warn)
  }
  const seed = readPageSeed(find(['page_seed'])?.value)
  if (seed !== null && 'value' in seed) draft.pageSeed = seed.value
  if (seed !== null && 'refused' in seed) warn('page_seed', seed.refused)
  if (warnings.length > 0) data.warnings = warnings
  return { draft, warnings }
}

type Find = ReturnType<typeof openBody>

function asObject (given: unknown, path: string, warn: Warn): object {
  if (given === undefined || (typeof given === 'object' && given !== null && !Array.isArray(given))) return given ?? {}
  warn(path, 'not_an_object')
  return {}
}

function readFields (find: Find, warn: Warn): EventData {
  const data: Record<string, string | number | boolean> = {}
  let currencyBesideValue: string | undefined
  for (const { field, also, read } of fields) {
    const found = find([field, ...also ?? []])
    if (found === undefined) continue
    const result = read(found.value)
    if (result === null) continue
    if ('refused' in result) {
      warn(found.name, result.refused, typeof found.value === 'number' ? String(found.value) : undefined)
      continue
    }
    if (result.warning !== undefined) warn(found.name, result.warning)
    data[field] = result.value
    if (field === 'value') currencyBesideValue = readAmount(found.value)?.currency
  }
  if (currencyBesideValue !== undefined) {
    if (data.currency === undefined) data.currency = currencyBesideValue
    else if (data.currency !== currencyBesideValue) warn('value', 'other_currency')
  }
  return data
}

/** `user_data`, and behind it flat keys that can mean nothing but a person. */
function readPeople (body: object, find: Find, warn: Warn): UserData | undefined {
  const person = readPerson(find(['user_data'])?.value, 'user_data', warn) ?? {}
  for (const [name, value] of Object.entries(body)) {
    const key = eventKeys.has(name) ? undefined : personKeyOfParameter(name)
    if (key !== undefined) addToPerson(person, key, value, safeName(name), warn)
  }
  return Object.keys(person).length === 0 ? undefined : person
}

/** What is no known key: parameters, those of `params` behind those of the body. */
function readRest (body: object, warn: Warn): EventData['params'] {
  const isRest = ([name]: [string, unknown]) =>
    !eventKeys.has(name) && personKeyOfParameter(name) === undefined && clickIdKind(name) === undefined
  const nested: unknown = Object.hasOwn(body, 'params') ? Reflect.get(body, 'params') : undefined
  const inner = typeof nested === 'object' && nested !== null ? Object.entries(nested).filter(isRest) : []
  const own = Object.entries(body).filter(isRest)
  return readParameters(Object.fromEntries([...inner, ...own]), '', warn)
}

function decideId (eventName: string, transactionId: string | undefined, find: Find, context: ReadContext,
  warn: Warn): string {
  const found = find(idKeys)
  const id = readId(found?.value)
  if (id !== null && 'value' in id) return id.value
  if (found !== undefined && id !== null) warn(found.name, id.refused)
  if (transactionId === undefined) return context.newId()
  const derived = derivedEventId(eventName, transactionId)
  return derived.length <= 255 ? derived : context.newId()
}

function decideTime (find: Find, context: ReadContext, warn: Warn): number {
  const found = find(timeKeys)
  const given = readTime(found?.value)
  if (found === undefined || given === null) return context.receivedAtMs
  const shown = typeof found.value === 'number' ||
    typeof found.value === 'string'
    ? safeName(String(found.value))
    : undefined
  if ('refused' in given) {
    warn(found.name, given.refused, shown)
    return context.receivedAtMs
  }
  const sentAt = readTime(context.sentAt ?? find(['sent_at'])?.value)
  const sentAtMs = sentAt !== null && 'value' in sentAt ? sentAt.value : undefined
  const judged = judgeTime(given.value, { receivedAtMs: context.receivedAtMs, isSigned: context.isSigned, sentAtMs })
  if (judged.warning !== undefined) warn(found.name, judged.warning, shown)
  return judged.occurredAtMs
}

function readVisitor (find: Find, isSigned: boolean, warn: Warn): Draft['visitor'] {
  const visitor: Draft['visitor'] = {}
  for (const key of signedKeys) {
    const found = find([key])
    if (found === undefined) continue
    const read = isSigned ? readText(found.value, 512) : { refused: 'only_from_signed_senders' }
    if (read === null) continue
    if ('refused' in read) warn(key, read.refused)
    else if (key === 'ip_override') visitor.ip = read.value
    else if (key === 'user_agent') visitor.userAgent = read.value
    else visitor.visitorId = read.value
  }
  return visitor
}
