// What the fake TikTok demands of the keys at the root of an event, in the order in which it looks.
import {
  findLeaf, firstUnknown, firstWrong, isBoolean, isInteger, isNumber, isObject, isText, objectAt
} from './json.ts'
import type { Json, Path } from './json.ts'
import { isPublicAddress } from './public_address.ts'
import { at, type TiktokRule } from './tiktok_rule.ts'

const secondsPerDay = 86_400
const notEmpty = (value: unknown): boolean => typeof value === 'string' && value.trim() === value && value !== ''

/** Every key that may stand at the event's root, with the type it must have (§1.3). */
const rootKeys: Record<string, (value: unknown) => boolean> = {
  event: value => notEmpty(value) && String(value).length <= 100,
  event_time: isInteger,
  event_id: value => typeof value !== 'string' || /^.{1,255}$/su.test(value),
  user: isObject,
  properties: isObject,
  page: isObject,
  app: isObject,
  ad: isObject,
  lead: isObject,
  limited_data_use: isBoolean,
  device: isObject
}
const required = ['event', 'event_time', 'user']

/** The objects below the root, but for `user` and `properties`, which have rules of their own. */
const innerKeys: Record<string, Record<string, (value: unknown) => boolean>> = {
  page: { url: isText, referrer: isText },
  app: { app_id: isText, app_name: isText, app_version: isText },
  lead: { lead_id: notEmpty, lead_event_source: notEmpty },
  ad: {
    callback: isText,
    campaign_id: isText,
    ad_id: isText,
    creative_id: isText,
    is_retargeting: isBoolean,
    attributed: isBoolean,
    attribution_type: isText,
    attribution_provider: isText,
    attribution_share: isNumber,
    attribution_value: isNumber,
    attribution_model: isText,
    attribution_method: isText,
    touchpoint_type: isText,
    touchpoint_ts: isInteger,
    touchpoint_url: isText,
    attribution_window_hr_click: isInteger,
    attribution_window_hr_view: isInteger,
    decline_reason: isText,
    utm_source: isText,
    utm_medium: isText,
    utm_campaign: isText,
    utm_term: isText,
    utm_content: isText
  },
  device: {
    architecture: isText,
    bitness: isText,
    browser_version_list: () => true,
    mobile: isBoolean,
    model: isText,
    platform: isText,
    platform_version: isText
  }
}

const standardNames = ['AddPaymentInfo', 'AddToCart', 'AddToWishlist', 'ApplicationApproval', 'CompleteRegistration',
  'Contact', 'CustomizeProduct', 'Download', 'FindLocation', 'InitiateCheckout', 'Lead', 'Purchase', 'Schedule',
  'Search', 'StartTrial', 'SubmitApplication', 'Subscribe', 'ViewContent']
const acceptedStill = ['CompletePayment', 'SubmitForm', 'PlaceAnOrder', 'ClickButton']
const bySound = new Map([...standardNames, ...acceptedStill, 'Pageview'].map(name => [name.toLowerCase(), name]))

function firstInner (
  event: Json, find: (value: Json, tests: Record<string, (value: unknown) => boolean>, path: Path) => Path | undefined
): Path | undefined {
  for (const [key, tests] of Object.entries(innerKeys)) {
    const found = find(objectAt(event, key), tests, [key])
    if (found !== undefined) return found
  }
  return undefined
}

function ageSeconds (event: Json, nowMs: number): number {
  return typeof event.event_time === 'number' ? nowMs / 1000 - event.event_time : 0
}

const addresses = ['url', 'referrer']
function addressWhere (isWrong: (url: string) => boolean): (event: Json) => Path | undefined {
  return event => {
    const page = objectAt(event, 'page')
    const key = addresses.find(name => typeof page[name] === 'string' && isWrong(page[name]))
    return key === undefined ? undefined : ['page', key]
  }
}

export const tiktokEventRules: readonly TiktokRule[] = [
  {
    name: 'unexpected_key',
    from: 'other-networks.md §1.3, the keys of an event and of page, app, ad, lead, device',
    code: 40002,
    broken: event => firstUnknown(event, rootKeys, []) ?? firstInner(event, firstUnknown)
  },
  {
    name: 'missing_key',
    from: 'other-networks.md §1.3 event, event_time, user: required',
    code: 40002,
    broken (event) {
      const key = required.find(name => event[name] === undefined)
      return at(key !== undefined, key ?? '')
    }
  },
  {
    name: 'event_id_not_text',
    from: 'other-networks.md §1.3 event_id: number → code 40002; its message names no place (stape-io/tiktok-tag#10)',
    code: 40002,
    isSilent: true,
    broken: event => at(event.event_id !== undefined && typeof event.event_id !== 'string', 'event_id')
  },
  {
    name: 'wrong_type',
    from: 'other-networks.md §1.3, the column of types; event ≤ 100',
    code: 40002,
    broken: event => firstWrong(event, rootKeys, []) ?? firstInner(event, firstWrong)
  },
  {
    name: 'event_too_old',
    from: 'other-networks.md §1.3 event_time: not older than 7 d',
    code: 40002,
    broken: (event, { nowMs }) => at(ageSeconds(event, nowMs) > 7 * secondsPerDay, 'event_time')
  },
  {
    name: 'event_in_future',
    from: 'other-networks.md §1.3 event_time: no future, so milliseconds fail',
    code: 40002,
    broken: (event, { nowMs }) => at(ageSeconds(event, nowMs) < 0, 'event_time')
  },
  {
    name: 'event_id_of_app',
    from: 'other-networks.md §1.3 event_id: not valid for app source',
    code: 40002,
    broken: (event, { source }) => at(source === 'app' && event.event_id !== undefined, 'event_id')
  },
  {
    name: 'page_url_missing',
    from: 'other-networks.md §1.3 page: url ✓ web',
    code: 40002,
    broken: (event, { source }) => at(source === 'web' && objectAt(event, 'page').url === undefined, 'page', 'url')
  },
  {
    name: 'app_missing',
    from: 'other-networks.md §1.3 app: app_id for the source app',
    code: 40002,
    broken: (event, { source }) => at(source === 'app' && objectAt(event, 'app').app_id === undefined, 'app', 'app_id')
  },
  {
    name: 'lead_missing',
    from: 'other-networks.md §1.3 lead: lead_id ✓ crm',
    code: 40002,
    broken: (event, { source }) =>
      at(source === 'crm' && objectAt(event, 'lead').lead_id === undefined, 'lead', 'lead_id')
  },
  {
    name: 'block_of_another_source',
    from: 'other-networks.md §1.3: page is the web\'s, app and ad an app\'s, lead a CRM\'s',
    code: 40002,
    broken (event, { source }) {
      const owners = { page: ['web'], app: ['app'], ad: ['app'], lead: ['crm'], device: ['web', 'app'] }
      const key = Object.entries(owners).find(([name, sources]) =>
        event[name] !== undefined && !sources.includes(source))?.[0]
      return at(key !== undefined, key ?? '')
    }
  },
  {
    name: 'page_address',
    from: 'ours: other-networks.md §1.3 page: the addresses of pages, as a browser shows them',
    code: 40002,
    broken: addressWhere(url => !/^https?:\/\//.test(url) || !URL.canParse(url))
  },
  {
    name: 'offline_name',
    from: 'other-networks.md §1.6 offline source: web standard names only',
    code: 40002,
    broken: (event, { source }) =>
      at(source === 'offline' && ![...standardNames, ...acceptedStill].includes(String(event.event)), 'event')
  },
  {
    name: 'crm_name',
    from: 'ours: other-networks.md §1.6 crm source: sources disagree about standard names, so that we send none',
    code: 40002,
    broken: (event, { source }) => at(source === 'crm' && standardNames.includes(String(event.event)), 'event')
  },
  {
    name: 'misspelt_standard_name',
    from: 'ours: other-networks.md §1.6 browser and server must use the same spelling or dedupe breaks',
    code: 40002,
    broken (event) {
      const meant = bySound.get(String(event.event).toLowerCase().replace(/[\s_-]/g, ''))
      return at(meant !== undefined && meant !== event.event, 'event')
    }
  },
  {
    name: 'limited_data_use_source',
    from: 'other-networks.md §1.3 limited_data_use: web/app only',
    code: 40002,
    broken: (event, { source }) =>
      at(event.limited_data_use !== undefined && (source === 'offline' || source === 'crm'), 'limited_data_use')
  },
  {
    name: 'limited_data_use_address',
    from: 'other-networks.md §1.3 limited_data_use: if true a public user.ip must be present',
    code: 40002,
    broken (event) {
      const ip = String(objectAt(event, 'user').ip)
      const isPublic = isPublicAddress(ip) && !/^(127\.|::1$)/.test(ip)
      return at(event.limited_data_use === true && !isPublic, 'user', 'ip')
    }
  },
  {
    name: 'collect_address',
    from: 'ours: the address of the gateway in place of the page\'s',
    code: 40002,
    broken: addressWhere(url => /\/(v1\/(e|events|leads)|s\.js)$/.test(new URL(url).pathname))
  },
  {
    name: 'private_address',
    from: 'ours: design.md "What leaves": no fragment, no user name, no e-mail in an address',
    code: 40002,
    broken: addressWhere(url => new URL(url).hash !== '' || new URL(url).username !== '' ||
      /[\w.+-]+(@|%40)[\w-]+\.\w/i.test(url))
  },
  {
    name: 'raw_email',
    from: 'ours: an e-mail in clear outside the hashed fields (design.md "What leaves")',
    code: 40002,
    broken: ({ user, ...event }) => findLeaf({ ...event, event_id: 'x', user: placesOf(user) }, leaf =>
      typeof leaf === 'string' && /[^\s@]+@[^\s@]+\.[^\s@]+/.test(leaf))
  },
  {
    name: 'empty_value',
    from: 'ours: other-networks.md §1.11 "sends [] / \'\' for missing keys"; nulls and empty objects alike',
    code: 40002,
    broken: event => findLeaf(event, leaf => leaf === null || leaf === '' ||
      (typeof leaf === 'object' && Object.keys(leaf).length === 0))
  },
  {
    name: 'stringified_nothing',
    from: 'ours: what a mapping writes when it glues a missing value into a string',
    code: 40002,
    broken: event => findLeaf(event, leaf => typeof leaf === 'string' &&
      /^(undefined|null|NaN|\[object \w+\]|Invalid Date)$/.test(leaf))
  }
]

/** The parts of `user` that are in clear; the others are looked at by the rule about hashes. */
function placesOf (user: unknown): Json {
  const { city, state, country } = isObject(user) ? user : {}
  return Object.fromEntries(Object.entries({ city, state, country }).filter(([, value]) => value !== undefined))
}
