// What the fake Meta demands of the keys at the root of a server event, in the order in which it looks.
import {
  arrayOf, findLeaf, firstUnknown, firstWrong, isBoolean, isInteger, isObject, isText, listOf, objectAt, oneOf
} from './json.ts'
import { generalSubcode } from './meta_rule.ts'
import type { Json, Path } from './json.ts'
import type { Rule } from './meta_rule.ts'

const secondsPerDay = 86_400
const states = [0, ...Array.from({ length: 14 }, (_, index) => 1000 + index)]

/** Every key that may stand at the event's root, with the type it must have (meta.md §1.3). */
const rootKeys: Record<string, (value: unknown) => boolean> = {
  event_name: value => typeof value === 'string' && value.trim() === value && value !== '',
  event_time: isInteger,
  user_data: isObject,
  action_source: oneOf('website', 'app', 'email', 'phone_call', 'chat', 'physical_store', 'system_generated',
    'business_messaging', 'other'),
  event_source_url: isText,
  event_id: value => typeof value === 'string' && /^.{1,255}$/su.test(value),
  custom_data: isObject,
  referrer_url: isText,
  opt_out: isBoolean,
  data_processing_options: value => arrayOf(oneOf('LDU'))(value) && listOf(value).length <= 1,
  data_processing_options_country: oneOf(0, 1),
  data_processing_options_state: oneOf(...states),
  original_event_data: isObject,
  attribution_data: isObject,
  app_data: isObject,
  messaging_channel: oneOf('whatsapp', 'messenger', 'instagram'),
  advanced_measurement_table: isText
}
const required = ['event_name', 'event_time', 'user_data', 'action_source']
const originalKeys = { event_name: isText, event_time: isInteger, order_id: isText, event_id: isText }
const standardNames = ['AddPaymentInfo', 'AddToCart', 'AddToWishlist', 'CompleteRegistration', 'Contact',
  'CustomizeProduct', 'Donate', 'FindLocation', 'InitiateCheckout', 'Lead', 'Purchase', 'Schedule', 'Search',
  'StartTrial', 'SubmitApplication', 'Subscribe', 'ViewContent', 'PageView']
const standardBySound = new Map(standardNames.map(name => [name.toLowerCase(), name]))

function ageSeconds (event: Json, nowMs: number): number {
  return typeof event.event_time === 'number' ? nowMs / 1000 - event.event_time : 0
}

/** Stage names of a CRM are free-form (meta.md §1.6), so `lead` is not a misspelt `Lead` there. */
function isCrmStage (event: Json): boolean {
  return event.action_source === 'system_generated' && objectAt(event, 'custom_data').event_source === 'crm'
}

function isBadUrl (value: unknown): boolean {
  if (value === undefined) return false
  return typeof value !== 'string' || !/^https?:\/\//.test(value) || !URL.canParse(value)
}

const urlKeys = ['event_source_url', 'referrer_url']
const at = (key: string, isBroken: boolean): Path | undefined => isBroken ? [key] : undefined
const pathOf = (key: string | undefined): Path | undefined => key === undefined ? undefined : [key]
const urlWhere = (isWrong: (url: URL) => boolean) => (event: Json): Path | undefined =>
  pathOf(urlKeys.find(name => typeof event[name] === 'string' && isWrong(new URL(event[name]))))

export const eventRules: readonly Rule[] = [
  {
    name: 'unexpected_key',
    from: 'meta.md §1.3 "Unknown keys"',
    subcode: generalSubcode,
    broken: event => firstUnknown(event, rootKeys, [])
  },
  {
    name: 'missing_key',
    from: 'meta.md §1.3 event_name, event_time, user_data, action_source: required',
    subcode: generalSubcode,
    broken: event => pathOf(required.find(name => event[name] === undefined))
  },
  {
    name: 'wrong_type',
    from: 'meta.md §1.3, the column of types; §7.13 an event_id is a string',
    subcode: generalSubcode,
    broken: event => firstWrong(event, rootKeys, [])
  },
  {
    name: 'event_too_old',
    from: 'meta.md §1.3 event_time: 7 days back, physical_store 62',
    subcode: 2804003,
    broken: (event, { nowMs }) => at('event_time',
      ageSeconds(event, nowMs) > (event.action_source === 'physical_store' ? 62 : 7) * secondsPerDay)
  },
  {
    name: 'event_in_future',
    from: 'meta.md §1.3 event_time: at most one minute ahead, so milliseconds fail',
    subcode: 2804004,
    broken: (event, { nowMs }) => at('event_time', ageSeconds(event, nowMs) < -60)
  },
  {
    name: 'url_missing',
    from: 'meta.md §1.3 event_source_url: required for website',
    subcode: generalSubcode,
    broken: event => at('event_source_url', event.action_source === 'website' && event.event_source_url === undefined)
  },
  {
    name: 'url_scheme',
    from: 'meta.md §1.3 event_source_url: http(s); §7.14 both addresses come from the page',
    subcode: generalSubcode,
    broken: event => pathOf(urlKeys.find(name => isBadUrl(event[name])))
  },
  {
    name: 'ldu_country',
    from: 'meta.md §1.3 data_processing_options_country: required with LDU; §5 2804030',
    subcode: 2804030,
    broken: event => at('data_processing_options_country',
      listOf(event.data_processing_options).includes('LDU') && event.data_processing_options_country === undefined)
  },
  {
    name: 'ldu_state',
    from: 'meta.md §1.3 data_processing_options_state: must be set when the country is',
    subcode: 2804030,
    broken: event => at('data_processing_options_state',
      event.data_processing_options_country !== undefined && event.data_processing_options_state === undefined)
  },
  {
    name: 'ldu_without_options',
    from: 'ours: country and state mean nothing without data_processing_options; a state needs its country (§1.3)',
    subcode: 2804030,
    broken: ({ data_processing_options: options, ...event }) => at('data_processing_options',
      (options === undefined || listOf(options).length === 0) && (event.data_processing_options_country !== undefined ||
        event.data_processing_options_state !== undefined)) ??
      at('data_processing_options_country', event.data_processing_options_country === 0 &&
        Number(event.data_processing_options_state) > 0)
  },
  {
    name: 'original_event_key',
    from: 'meta.md §1.3 original_event_data; §7.7 keys with an underscore before them',
    subcode: generalSubcode,
    broken: event => firstUnknown(objectAt(event, 'original_event_data'), originalKeys, ['original_event_data']) ??
      firstWrong(objectAt(event, 'original_event_data'), originalKeys, ['original_event_data'])
  },
  {
    name: 'attribution_key_missing',
    from: 'meta.md §1.3 attribution_data: four required keys',
    subcode: generalSubcode,
    broken ({ attribution_data: data }) {
      const needed = ['ad_id', 'touchpoint_ts', 'attribution_share', 'attribution_value']
      const key = isObject(data) ? needed.find(name => data[name] === undefined) : undefined
      return key === undefined ? undefined : ['attribution_data', key]
    }
  },
  {
    name: 'app_data',
    from: 'meta.md §1.3 app_data: tracking flags and 16 extinfo strings; §5 2804043',
    subcode: 2804043,
    broken (event) {
      if (event.action_source !== 'app') return undefined
      const app = objectAt(event, 'app_data')
      const { extinfo } = app
      const isInfo = Array.isArray(extinfo) && extinfo.length === 16 && extinfo.every(isText) &&
        ['i2', 'a2'].includes(String(extinfo[0])) && extinfo[4] !== ''
      if (!isInfo) return ['app_data', 'extinfo']
      const flag = ['advertiser_tracking_enabled', 'application_tracking_enabled'].find(name => !oneOf(0, 1)(app[name]))
      return flag === undefined ? undefined : ['app_data', flag]
    }
  },
  {
    name: 'messaging_channel_missing',
    from: 'meta.md §1.3 messaging_channel; §5 2804063',
    subcode: 2804063,
    broken: event => at('messaging_channel',
      event.action_source === 'business_messaging' && event.messaging_channel === undefined)
  },
  {
    name: 'misspelt_standard_name',
    from: 'meta.md §1.3 event_name: case-sensitive; a near miss is another event than the pixel\'s',
    subcode: generalSubcode,
    broken (event) {
      const name = String(event.event_name)
      const meant = standardBySound.get(name.toLowerCase().replace(/[\s_-]/g, ''))
      return at('event_name', meant !== undefined && meant !== name && !isCrmStage(event))
    }
  },
  {
    name: 'sdk_appendix',
    from: 'ours: meta.md §3.1 appendix identifies Meta\'s own SDK and has no place in an address',
    broken: urlWhere(url => /\.(A[Qg]|Aw|B[AQg]|AQ[A-Za-z0-9_-]{6})$/.test(url.href))
  },
  {
    name: 'collect_address',
    from: 'ours: meta.md §7.14 the address of the gateway in place of the page\'s',
    broken: urlWhere(url => /\/(v1\/(e|events|leads)|s\.js)$/.test(url.pathname))
  },
  {
    name: 'private_address',
    from: 'ours: design.md "What leaves": no fragment, no user name, no e-mail in an address',
    broken: urlWhere(url => url.hash !== '' || url.username !== '' || /[\w.+-]+(@|%40)[\w-]+\.\w/i.test(url.href))
  },
  {
    name: 'raw_email',
    from: 'ours: an e-mail in clear outside the hashed fields (design.md "What leaves")',
    broken: event => findLeaf({ ...event, event_id: 'x' }, leaf => typeof leaf === 'string' &&
      /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(leaf))
  },
  {
    name: 'empty_value',
    from: 'ours: meta.md §7.6 nulls, empty strings and empty objects must be pruned, also nested ones',
    broken: event => findLeaf(event, (leaf, path) => leaf === null ||
      // The places in extinfo are positional.
      (leaf === '' && !path.includes('extinfo')) ||
      // An empty list switches limited data use off (§1.3); an empty custom_data says nothing wrong.
      (typeof leaf === 'object' && Object.keys(leaf).length === 0 &&
        !['data_processing_options', 'custom_data'].includes(path.join('.'))))
  },
  {
    name: 'stringified_nothing',
    from: 'ours: what a mapping writes when it glues a missing value into a string',
    broken: event => findLeaf(event, leaf => typeof leaf === 'string' &&
      /^(undefined|null|NaN|\[object \w+\]|Invalid Date)$/.test(leaf))
  }
]
