// What the fake GA4 demands of each event of a request: its name, its parameters and their limits, money and products.
import { at, firstEntry, type Ga4Rule } from './ga4_rule.ts'
import { firstUnknown, firstWrong, isInteger, isNumber, isObject, isText, listOf, objectAt } from './json.ts'
import type { Json, Path } from './json.ts'

const eventKeys = { name: isText, params: isObject, timestamp_micros: isInteger }
const reservedEvents = ('ad_activeview ad_click ad_exposure ad_query ad_reward adunit_exposure app_clear_data ' +
  'app_exception app_install app_remove app_store_refund app_update app_upgrade dynamic_link_app_open ' +
  'dynamic_link_app_update dynamic_link_first_open error first_open first_visit notification_dismiss ' +
  'notification_foreground notification_open notification_receive notification_send os_update session_start ' +
  'user_engagement ad_impression in_app_purchase screen_view').split(' ')
const reservedPrefix = /^(ga_|google_|firebase_|_|gtag\.)/i
const longest: Record<string, number> = { page_title: 300, page_referrer: 420, page_location: 1000 }
const amounts = ['value', 'tax', 'shipping']
const ids = ['transaction_id', 'coupon', 'search_term', 'form_id', 'form_name', 'page_location', 'page_referrer',
  'page_title', 'currency', 'customer_type']
const itemTexts = ['item_id', 'item_name', 'item_brand', 'item_category', 'item_variant', 'coupon', 'affiliation']
const itemAmounts = ['price', 'quantity', 'discount', 'index']
/** Names under which other networks and our own shapes would put what GA4 has another name for. */
const foreignNames = ['gclid', 'gbraid', 'wbraid', 'dclid', 'fbclid', 'ttclid', 'msclkid', 'client_id', 'user_agent',
  'ip_override', 'order_id', 'contents', 'content_ids', 'new_customer', 'event_time']

const params = (event: Json): Json => objectAt(event, 'params')
const below = (path: Path | undefined): Path | undefined => path === undefined ? undefined : ['params', ...path]

/** Where a test fails among the products. */
function firstItem (event: Json, find: (item: Json) => Path | undefined): Path | undefined {
  for (const [index, item] of listOf(params(event).items).entries()) {
    const path = isObject(item) ? find(item) : []
    if (path !== undefined) return ['params', 'items', index, ...path]
  }
  return undefined
}

const missing = (event: Json, keys: string[]): Path | undefined => {
  const key = keys.find(name => params(event)[name] === undefined)
  return key === undefined ? undefined : ['params', key]
}

const addressOf = (isWrong: (text: string) => boolean) => (event: Json): Path | undefined =>
  firstEntry(params(event), (name, value) => ['page_location', 'page_referrer'].includes(name) &&
    isWrong(String(value)), ['params'])

export const eventRules: readonly Ga4Rule[] = [
  {
    name: 'event_key',
    from: 'google.md §3 Body: events[], timestamps per event',
    code: 'VALUE_INVALID',
    broken: event => firstUnknown(event, eventKeys, []) ?? firstWrong(event, eventKeys, [])
  },
  {
    name: 'event_name_missing',
    from: 'google.md §3 Body: events[]',
    code: 'VALUE_REQUIRED',
    broken: event => at('name', event.name === undefined || event.name === '')
  },
  {
    name: 'event_name_reserved',
    from: 'google.md §3 Names: prefixes and reserved events',
    code: 'NAME_RESERVED',
    broken: ({ name }) => at('name', reservedPrefix.test(String(name)) || reservedEvents.includes(String(name)))
  },
  {
    name: 'event_name',
    from: 'google.md §3 Names: letters, digits, underscores; Limits: names ≤40',
    code: 'NAME_INVALID',
    broken: ({ name }) => at('name', !/^[A-Za-z]\w{0,39}$/.test(String(name)))
  },
  {
    name: 'too_many_params',
    from: 'google.md §3 Limits: 25 params an event',
    code: 'EXCEEDED_MAX_ENTITIES',
    broken: event => at('params', Object.keys(params(event)).length > 25)
  },
  {
    name: 'param_name_reserved',
    from: 'google.md §3 Names: not starting ga_, google_, firebase_, _, gtag.',
    code: 'NAME_RESERVED',
    broken: event => firstEntry(params(event), name => reservedPrefix.test(name), ['params'])
  },
  {
    name: 'param_name',
    from: 'google.md §3 Names; Limits: names ≤40',
    code: 'NAME_INVALID',
    broken: event => firstEntry(params(event), name => !/^[A-Za-z]\w{0,39}$/.test(name), ['params'])
  },
  {
    name: 'param_type',
    from: 'google.md §3 Body: a parameter is a text or a number; items a list',
    code: 'VALUE_INVALID',
    when: 'enforced',
    broken: event => firstEntry(params(event), (name, value) => {
      if (name === 'items') return !Array.isArray(value)
      if (name === 'debug_mode') return ![true, 1].includes(value as boolean)
      return !(isNumber(value) || isText(value)) || (ids.includes(name) && !isText(value))
    }, ['params'])
  },
  {
    name: 'param_value_length',
    from: 'google.md §3 Limits: value ≤100, page_title 300, page_referrer 420, page_location 1000',
    code: 'VALUE_OUT_OF_BOUNDS',
    when: 'enforced',
    broken: event => firstEntry(params(event), (name, value) =>
      typeof value === 'string' && value.length > (longest[name] ?? 100), ['params'])
  },
  {
    name: 'amount_type',
    from: 'google.md §3 Money: value is a number',
    code: 'VALUE_INVALID',
    when: 'enforced',
    broken: event => firstEntry(params(event), (name, value) => amounts.includes(name) && !isNumber(value), ['params'])
  },
  {
    name: 'value_without_currency',
    from: 'google.md §3 Money: value ⇒ currency',
    code: 'VALUE_REQUIRED',
    broken: event => below(at('currency', params(event).value !== undefined && params(event).currency === undefined))
  },
  {
    name: 'currency_code',
    from: 'google.md §3 Money: currency is 3 upper-case letters',
    code: 'VALUE_INVALID',
    broken: event => below(at('currency', params(event).currency !== undefined &&
      !/^[A-Z]{3}$/.test(String(params(event).currency))))
  },
  {
    name: 'item_without_id',
    from: 'google.md §3 Money: items need item_id or item_name',
    code: 'VALUE_REQUIRED',
    broken: event => firstItem(event, ({ item_id: id, item_name: name }) =>
      at('item_id', [id, name].every(value => typeof value !== 'string' || value === '')))
  },
  {
    name: 'item_value',
    from: 'google.md §3 Limits, for the parameters of an item',
    code: 'VALUE_OUT_OF_BOUNDS',
    when: 'enforced',
    broken: event => firstItem(event, item => firstEntry(item, (name, value) => reservedPrefix.test(name) ||
      !/^[A-Za-z]\w{0,39}$/.test(name) || !(isNumber(value) || isText(value)) || String(value).length > 100, []))
  },
  {
    name: 'item_type',
    from: 'google.md §3 Money: prices and quantities are numbers, names are texts',
    code: 'VALUE_INVALID',
    when: 'enforced',
    broken: event => firstItem(event, item => firstEntry(item, (name, value) =>
      (itemTexts.includes(name) && !isText(value)) || (itemAmounts.includes(name) && !isNumber(value)), []))
  },
  {
    name: 'too_many_items',
    from: 'ours: GA4 takes 200 products of an event (its page on the e-commerce events)',
    broken: event => below(at('items', listOf(params(event).items).length > 200))
  },
  {
    name: 'session_id',
    from: 'google.md §3 "Cookies → ids": the session is a number, not the cookie around it',
    code: 'VALUE_INVALID',
    when: 'enforced',
    broken: event => below(at('session_id', params(event).session_id !== undefined &&
      !/^[1-9]\d*$/.test(String(params(event).session_id))))
  },
  {
    name: 'session_without_engagement',
    from: 'google.md §3 Reports: session_id and engagement_time_msec, both',
    broken: event => below(at('engagement_time_msec', params(event).session_id !== undefined &&
      params(event).engagement_time_msec === undefined))
  },
  {
    name: 'engagement',
    from: 'google.md §3 Reports: engagement_time_msec is a positive number',
    code: 'VALUE_INVALID',
    when: 'enforced',
    broken: event => below(at('engagement_time_msec', params(event).engagement_time_msec !== undefined &&
      !(isNumber(params(event).engagement_time_msec) && Number(params(event).engagement_time_msec) > 0)))
  },
  {
    name: 'purchase_recommendations',
    from: 'google.md §3 Money: purchase has transaction_id, items, value; counted without',
    code: 'VALUE_REQUIRED',
    when: 'enforced',
    isAdvice: true,
    broken: event => event.name === 'purchase' ? missing(event, ['transaction_id', 'items', 'value']) : undefined
  },
  {
    name: 'refund_recommendations',
    from: 'google.md §3 Money: refund has transaction_id, value; counted without',
    code: 'VALUE_REQUIRED',
    when: 'enforced',
    isAdvice: true,
    broken: event => event.name === 'refund' ? missing(event, ['transaction_id', 'value']) : undefined
  },
  {
    name: 'foreign_param',
    from: 'ours: google.md §6: no click ids; and what stands in a parameter by mistake was meant for elsewhere',
    broken: event => firstEntry(params(event), name => foreignNames.includes(name), ['params'])
  },
  {
    name: 'address_form',
    from: 'ours: an address is the page\'s, http(s)',
    broken: addressOf(text => !/^https?:\/\//.test(text) || !URL.canParse(text))
  },
  {
    name: 'collect_address',
    from: 'ours: the address of the gateway in place of the page\'s',
    broken: addressOf(text => /\/(v1\/(e|events|leads)|s\.js)$/.test(URL.parse(text)?.pathname ?? ''))
  },
  {
    name: 'private_address',
    from: 'ours: design.md "What leaves": no fragment, no user name, no click id in an address',
    broken: addressOf(text => {
      const url = URL.parse(text)
      return url !== null && (url.hash !== '' || url.username !== '' || /[?&](\w*clid|[gw]braid)=/i.test(url.search))
    })
  }
]
