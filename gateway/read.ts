// Any body a sender may post → a draft of the event, and a warning for each thing that could not be used. Pure.
import { actionSources, type EventData, type UserData, type Warning } from '../schema/event.ts'
import { canonicalEventName } from '../schema/event_names.ts'
import { derivedEventId } from '../schema/sealing.ts'
import { judgeTime, readPageSeed, readTime, type PageSeed } from './clock.ts'
import { readAddress, readAmount, readBoolean, readCurrency, readText, readTextLike, type Coerced } from './coerce.ts'
import { bodyKeys, openBody, type BodyKey, type OpenBody } from './keys_of_body.ts'
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

type Field = BodyKey & ('page_location' | 'page_referrer' | 'page_title' | 'language' | 'screen_resolution' | 'value' |
  'currency' | 'transaction_id' | 'tax' | 'shipping' | 'coupon' | 'search_term' | 'form_id' | 'form_name' |
  'new_customer' | 'user_id' | 'action_source' | 'gpc')

const text = (longest: number) => (given: unknown) => readText(given, longest)
const actionSource = (given: unknown): Coerced<string> => {
  const word = readText(given, 40)
  if (word === null || 'refused' in word) return word
  return (actionSources as readonly string[]).includes(word.value) ? word : { refused: 'unknown_action_source' }
}

export const timeKeys = bodyKeys.event_time

/** What reads the keys with one value. */
const fields: [field: Field, read: (given: unknown) => Coerced<string | number | boolean>][] = [
  ['page_location', readAddress],
  ['page_referrer', readAddress],
  ['page_title', text(500)],
  ['language', readTextLike(/^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$/, 'not_a_language', 35)],
  ['screen_resolution', readTextLike(/^\d{1,5}x\d{1,5}$/, 'not_a_resolution', 11)],
  ['value', readAmount],
  ['currency', readCurrency],
  ['transaction_id', readId],
  ['tax', readAmount],
  ['shipping', readAmount],
  ['coupon', text(200)],
  ['search_term', text(500)],
  ['form_id', text(200)],
  ['form_name', text(200)],
  ['new_customer', readBoolean],
  ['user_id', text(255)],
  ['action_source', actionSource],
  ['gpc', readBoolean]
]

/** Reads one event (design.md, "The event is the GA4 event"). An error only when there is no usable event. */
export function readEvent (body: unknown, context: ReadContext): ReadResult {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return { error: { code: 'invalid_event', message: 'an event is a JSON object' } }
  }
  const warnings: Warning[] = []
  const warn: Warn = (path, code, value) => {
    if (warnings.length < 50) warnings.push(value === undefined ? { path, code } : { path, code, value })
  }
  const opened = openBody(body)
  const { find } = opened

  const named = find('event_name')
  const ownName = named === undefined ? undefined : readName(named.value)
  const givenName = ownName ?? context.defaultName
  if (givenName === undefined) {
    return {
      error: {
        code: 'invalid_event',
        message: 'event_name must be a text of 1 to 100 characters',
        path: 'event_name'
      }
    }
  }
  if (named !== undefined && ownName === undefined) warn(named.name, 'unusable_name')
  const eventName = canonicalEventName(givenName)

  const data = readFields(find, warn)
  data.items = readItems(find('items')?.value, 'items', warn)
  data.user_data = readPeople(opened, warn)
  data.click_ids = readClickIds(
    { ...opened.clickIds, ...asObject(find('click_ids')?.value, 'click_ids', warn) }, 'click_ids', context.receivedAtMs,
    warn)
  data.cookies = readCookies(find('cookies')?.value, 'cookies', warn)
  data.consent = readConsent(find('consent')?.value, 'consent', warn)
  data.browser_tags = readBrowserTags(find('browser_tags')?.value, 'browser_tags', warn)
  data.params = readParameters(opened.parameters, '', warn)

  const draft: Draft = {
    eventName,
    eventId: decideId(eventName, data.transaction_id, find, context, warn),
    occurredAtMs: decideTime(find, context, warn),
    data,
    visitor: readVisitor(find, context.isSigned, warn)
  }
  const seed = readPageSeed(find('page_seed')?.value)
  if (seed !== null && 'value' in seed) draft.pageSeed = seed.value
  if (seed !== null && 'refused' in seed) warn('page_seed', seed.refused)
  if (warnings.length > 0) data.warnings = warnings
  return { draft, warnings }
}

type Find = OpenBody['find']

function asObject (given: unknown, path: string, warn: Warn): object {
  if (given === undefined || (typeof given === 'object' && given !== null && !Array.isArray(given))) return given ?? {}
  warn(path, 'not_an_object')
  return {}
}

function readFields (find: Find, warn: Warn): EventData {
  const data: Record<string, string | number | boolean> = {}
  let currencyBesideValue: string | undefined
  for (const [field, read] of fields) {
    const found = find(field)
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
function readPeople ({ find, people }: OpenBody, warn: Warn): UserData | undefined {
  const person = readPerson(find('user_data')?.value, 'user_data', warn) ?? {}
  for (const [name, value] of people) {
    const key = personKeyOfParameter(name)
    if (key !== undefined) addToPerson(person, key, value, safeName(name), warn)
  }
  return Object.keys(person).length === 0 ? undefined : person
}

function decideId (eventName: string, transactionId: string | undefined, find: Find, context: ReadContext,
  warn: Warn): string {
  const found = find('event_id')
  const id = readId(found?.value)
  if (id !== null && 'value' in id) return id.value
  if (found !== undefined && id !== null) warn(found.name, id.refused)
  if (transactionId === undefined) return context.newId()
  const derived = derivedEventId(eventName, transactionId)
  return derived.length <= 255 ? derived : context.newId()
}

function decideTime (find: Find, context: ReadContext, warn: Warn): number {
  const found = find('event_time')
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
  const sentAt = readTime(context.sentAt ?? find('sent_at')?.value)
  const sentAtMs = sentAt !== null && 'value' in sentAt ? sentAt.value : undefined
  const judged = judgeTime(given.value, { receivedAtMs: context.receivedAtMs, isSigned: context.isSigned, sentAtMs })
  if (judged.warning !== undefined) warn(found.name, judged.warning, shown)
  return judged.occurredAtMs
}

function readVisitor (find: Find, isSigned: boolean, warn: Warn): Draft['visitor'] {
  const visitor: Draft['visitor'] = {}
  for (const key of ['ip_override', 'user_agent', 'visitor_id'] as const) {
    const found = find(key)
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
