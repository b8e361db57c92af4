// What the fake GA4 demands of a request around its events: whose they are, when, where, with what consent.
import { at, firstEntry, type Ga4Rule } from './ga4_rule.ts'
import {
  findLeaf, firstUnknown, firstWrong, isBoolean, isInteger, isNumber, isObject, isText, listOf, objectAt, oneOf
} from './json.ts'
import type { Json, Path } from './json.ts'
import { isPublicAddress } from './public_address.ts'

const hourMs = 3_600_000

/** Every key that may stand in the body, with its type (google.md §3 "Body"). */
const bodyKeys: Record<string, (value: unknown) => boolean> = {
  client_id: isText,
  user_id: isText,
  timestamp_micros: isNumber,
  user_properties: isObject,
  user_data: isObject,
  consent: isObject,
  non_personalized_ads: isBoolean,
  user_location: isObject,
  ip_override: isText,
  user_agent: isText,
  device: isObject,
  validation_behavior: oneOf('RELAXED', 'ENFORCE_RECOMMENDATIONS'),
  events: Array.isArray
}
const consentKeys = { ad_user_data: oneOf('GRANTED', 'DENIED'), ad_personalization: oneOf('GRANTED', 'DENIED') }

const matching = (pattern: RegExp) => (value: unknown): boolean => typeof value === 'string' && pattern.test(value)
const locationKeys = {
  city: matching(/\S/),
  region_id: matching(/^[A-Z]{2}-[A-Z0-9]{1,3}$/),
  country_id: matching(/^[A-Z]{2}$/),
  subcontinent_id: matching(/^\d{3}$/),
  continent_id: matching(/^\d{3}$/)
}
const deviceKeys = {
  category: oneOf('desktop', 'mobile', 'tablet', 'smart TV'),
  language: matching(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$/),
  screen_resolution: matching(/^\d+x\d+$/),
  operating_system: isText,
  operating_system_version: isText,
  model: isText,
  brand: isText,
  browser: isText,
  browser_version: isText
}
const reservedUserProperties = ['first_open_time', 'first_visit_time', 'last_deep_link_referrer', 'user_id',
  'first_open_after_install']

/** The times of a request and of its events, each with its place. */
function timesOf (body: Json): [micros: number, path: Path][] {
  const own: [unknown, Path][] = [[body.timestamp_micros, ['timestamp_micros']]]
  const events = listOf(body.events).map((event, index): [unknown, Path] =>
    [isObject(event) ? event.timestamp_micros : undefined, ['events', index, 'timestamp_micros']])
  return [...own, ...events].flatMap(([value, path]) => typeof value === 'number' ? [[value, path]] : [])
}

const firstTime = (body: Json, isWrong: (micros: number) => boolean): Path | undefined =>
  timesOf(body).find(([micros]) => isWrong(micros))?.[1]

const userProperty = (isWrong: (name: string, value: unknown) => boolean) => (body: Json): Path | undefined =>
  firstEntry(objectAt(body, 'user_properties'), (name, property) =>
    isWrong(name, isObject(property) ? property.value : undefined), ['user_properties'])

export const envelopeRules: readonly Ga4Rule[] = [
  {
    name: 'too_large',
    from: 'google.md §3 Limits: 130 kB',
    broken: (_body, { bytes }) => bytes >= 130_000 ? [] : undefined
  },
  {
    name: 'unexpected_key',
    from: 'google.md §3 Body',
    code: 'VALUE_INVALID',
    when: 'enforced',
    broken: body => firstUnknown(body, bodyKeys, [])
  },
  {
    name: 'wrong_type',
    from: 'google.md §3 Body; Debug: validation_behavior',
    code: 'VALUE_INVALID',
    broken: body => firstWrong(body, bodyKeys, [])
  },
  {
    name: 'client_id_missing',
    from: 'google.md §3 Body: client_id (web)',
    code: 'VALUE_REQUIRED',
    broken: body => at('client_id', body.client_id === undefined || body.client_id === '')
  },
  {
    name: 'client_id_form',
    from: 'google.md §3 "Cookies → ids": the last two dot parts, not the whole cookie',
    code: 'VALUE_INVALID',
    when: 'enforced',
    broken: body => at('client_id', !/^[1-9]\d*\.[1-9]\d*$/.test(String(body.client_id)))
  },
  {
    name: 'user_id_personal',
    from: 'ours: GA4\'s terms forbid a user_id that tells who a person is; longer than 256 it is dropped',
    broken: ({ user_id: id }) => at('user_id', typeof id === 'string' &&
      (/[^\s@]@[^\s@]|%40/.test(id) || /^(\+|00?[1-9])[\d\s().\-/]{8,}$/.test(id) || id.length > 256))
  },
  {
    name: 'timestamp_unit',
    from: 'google.md §3 Body: timestamp_micros is in microseconds',
    code: 'VALUE_INVALID',
    when: 'enforced',
    broken: body => firstTime(body, micros => !isInteger(micros) || micros < 1e15 || micros >= 1e16)
  },
  {
    name: 'timestamp_too_old',
    from: 'google.md §3 Body: timestamp_micros, 72 h back',
    code: 'VALUE_INVALID',
    when: 'enforced',
    broken: (body, { nowMs }) => firstTime(body, micros => nowMs - micros / 1000 > 72 * hourMs)
  },
  {
    name: 'timestamp_in_future',
    from: 'ours: google.md §3 Body knows events of the past only',
    broken: (body, { nowMs }) => firstTime(body, micros => micros / 1000 - nowMs > 60_000)
  },
  {
    name: 'consent_value',
    from: 'google.md §3 Body: consent GRANTED or DENIED',
    code: 'VALUE_INVALID',
    broken: body => firstUnknown(objectAt(body, 'consent'), consentKeys, ['consent']) ??
      firstWrong(objectAt(body, 'consent'), consentKeys, ['consent'])
  },
  {
    name: 'consent_unsaid',
    from: 'ours: google.md §6 "What an API sender must send": both states, else an older visit\'s would hold',
    broken: body => Object.keys(consentKeys).map(key => at(key, objectAt(body, 'consent')[key] === undefined))
      .find(path => path !== undefined)
  },
  {
    name: 'user_location',
    from: 'google.md §3 Body: user_location',
    code: 'VALUE_INVALID',
    when: 'enforced',
    broken: body => firstUnknown(objectAt(body, 'user_location'), locationKeys, ['user_location']) ??
      firstWrong(objectAt(body, 'user_location'), locationKeys, ['user_location'])
  },
  {
    name: 'ip_address',
    from: 'ours: google.md §3 Body: ip_override is the visitor\'s, and a place can be read from it',
    broken: ({ ip_override: ip }) => at('ip_override', ip !== undefined && !isPublicAddress(String(ip)))
  },
  {
    name: 'ip_beside_location',
    from: 'ours: GA4 ignores ip_override beside user_location, so that an address would leave for nothing',
    broken: body => at('ip_override', body.ip_override !== undefined && body.user_location !== undefined)
  },
  {
    name: 'device',
    from: 'google.md §3 Body: device',
    code: 'VALUE_INVALID',
    when: 'enforced',
    broken: body => firstUnknown(objectAt(body, 'device'), deviceKeys, ['device']) ??
      firstWrong(objectAt(body, 'device'), deviceKeys, ['device'])
  },
  {
    name: 'user_agent',
    from: 'ours: google.md §3 Body: a browser\'s, not padded, not hashed, and not ignored beside a device',
    broken: ({ user_agent: agent, device }) => at('user_agent', typeof agent === 'string' &&
      (agent.trim() !== agent || agent.length < 2 || /^[a-f0-9]{64}$/i.test(agent) || device !== undefined))
  },
  {
    name: 'too_many_user_properties',
    from: 'google.md §3 Limits: 25 user properties',
    code: 'EXCEEDED_MAX_ENTITIES',
    when: 'enforced',
    broken: body => at('user_properties', Object.keys(objectAt(body, 'user_properties')).length > 25)
  },
  {
    name: 'user_property_name',
    from: 'google.md §3 Limits: ≤24; Names: reserved user props',
    code: 'NAME_INVALID',
    broken: userProperty(name => !/^(?!ga_|google_|firebase_)[A-Za-z]\w{0,23}$/.test(name) ||
      reservedUserProperties.includes(name))
  },
  {
    name: 'user_property_value',
    from: 'google.md §3 Body: k:{value}; Limits: value ≤36',
    code: 'VALUE_OUT_OF_BOUNDS',
    when: 'enforced',
    broken: userProperty((_name, value) => !(isNumber(value) || (typeof value === 'string' && value.length <= 36)))
  },
  {
    name: 'strict_in_production',
    from: 'ours: google.md §3 Debug: asked to be strict, GA4 drops what it would have taken',
    broken: (body, { isDebug }) => at('validation_behavior',
      !isDebug && body.validation_behavior === 'ENFORCE_RECOMMENDATIONS')
  },
  {
    name: 'events_missing',
    from: 'google.md §3 Body: events[]',
    code: 'VALUE_REQUIRED',
    broken: body => at('events', listOf(body.events).length === 0)
  },
  {
    name: 'too_many_events',
    from: 'google.md §3 Limits: 25 events',
    code: 'EXCEEDED_MAX_ENTITIES',
    broken: body => at('events', listOf(body.events).length > 25)
  },
  {
    name: 'empty_value',
    from: 'ours: nulls, empty texts, lists and objects say nothing, or something else than was meant',
    broken: body => findLeaf(body, (leaf, path) => leaf === null || leaf === '' ||
      (typeof leaf === 'object' && Object.keys(leaf).length === 0 && path.at(-1) !== 'params'))
  },
  {
    name: 'stringified_nothing',
    from: 'ours: what a mapping writes when it glues a missing value into a string',
    broken: body => findLeaf(body, leaf => typeof leaf === 'string' &&
      /^(undefined|null|NaN|\[object \w+\]|Invalid Date)$/.test(leaf))
  },
  {
    name: 'raw_email',
    from: 'ours: an e-mail address in clear, which GA4\'s terms forbid',
    broken: body => findLeaf(body, leaf => typeof leaf === 'string' &&
      /[\w.+-]+(@|%40)[\w-]+\.\w/i.test(leaf))
  }
]
