// What the fake Data Manager API demands of an event itself: time, source, consent, money, cart.
import { isPublicAddress } from './public_address.ts'
import { findLeaf, isObject, listOf, objectAt, type Json, type Path } from './json.ts'
import type { Rule } from './google_ads_rule.ts'

const currencies = new Set(Intl.supportedValuesOf('currency'))
const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/
const anEmail = /[\w.+-]+(?:@|%40)[\w-]+\.\w/i

const at = (isBroken: boolean, ...path: Path): Path | undefined => isBroken ? path : undefined
const isGiven = (value: unknown): boolean => value !== undefined && value !== ''

/** Where each enumeration stands, and its values (google.md §2.3). */
const enums: readonly { path: readonly string[], values: readonly string[] }[] = [
  { path: ['eventSource'], values: ['WEB', 'APP', 'IN_STORE', 'PHONE', 'MESSAGE', 'OTHER'] },
  ...['adUserData', 'adPersonalization'].map(key => ({
    path: ['consent', key], values: ['CONSENT_GRANTED', 'CONSENT_DENIED', 'CONSENT_STATUS_UNSPECIFIED']
  })),
  { path: ['userProperties', 'customerType'], values: ['NEW', 'RETURNING', 'REENGAGED'] },
  { path: ['userProperties', 'customerValueBucket'], values: ['LOW', 'MEDIUM', 'HIGH'] }
]

function valueAt (event: Json, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => isObject(value) ? value[key] : undefined, event)
}

const itemsOf = (event: Json): Json[] => listOf(objectAt(event, 'cartData').items).filter(isObject)

/** The place of the first item for which something holds. */
function itemWhere (event: Json, key: string, isWrong: (item: Json) => boolean): Path | undefined {
  const index = itemsOf(event).findIndex(isWrong)
  return at(index >= 0, 'cartData', 'items', index, key)
}

/** Keys that only destinations of Google Analytics know (google.md §2.3, "GA only"). */
const analyticsOnly = ['eventName', 'clientId', 'appInstanceId', 'userId', 'additionalEventParameters']

export const eventRules: readonly Rule[] = [
  {
    name: 'timestamp_missing',
    from: 'google.md §2.3 Event: all optional except eventTimestamp',
    reason: 'REQUIRED_FIELD_MISSING',
    broken: event => at(!isGiven(event.eventTimestamp), 'eventTimestamp')
  },
  {
    name: 'source_missing',
    from: 'google.md §2.3 eventSource: REQUIRED_FIELD_MISSING without it for Ads',
    reason: 'REQUIRED_FIELD_MISSING',
    broken: event => at(!isGiven(event.eventSource), 'eventSource')
  },
  {
    name: 'timestamp_format',
    from: 'google.md §2.3 eventTimestamp: RFC 3339',
    reason: 'INVALID_FORMAT',
    broken: ({ eventTimestamp: time }) =>
      at(!rfc3339.test(String(time)) || Number.isNaN(Date.parse(String(time))), 'eventTimestamp')
  },
  {
    name: 'event_in_future',
    from: 'google.md §2.6 EVENT_TIME_INVALID',
    reason: 'EVENT_TIME_INVALID',
    broken: ({ eventTimestamp: time }, { nowMs }) => at(Date.parse(String(time)) > nowMs + 60_000, 'eventTimestamp')
  },
  {
    name: 'enum_value',
    from: 'google.md §2.3, the enumerations; §2.6 INVALID_ENUM_VALUE',
    reason: 'INVALID_ENUM_VALUE',
    broken: event => enums.map(({ path, values }) => {
      const value = valueAt(event, path)
      return at(value !== undefined && !values.includes(String(value)), ...path)
    }).find(found => found)
  },
  {
    name: 'tag_without_transaction',
    from: 'google.md §2.3 transactionId: required for WEBPAGE actions',
    reason: 'REQUIRED_FIELD_MISSING',
    broken: (event, { kinds }) => at(kinds.includes('WEBPAGE') && !isGiven(event.transactionId), 'transactionId')
  },
  {
    name: 'transaction_missing',
    from: 'ours: google.md §2.2 Retry: without a transactionId a resend may count twice',
    reason: 'REQUIRED_FIELD_MISSING',
    broken: event => at(!isGiven(event.transactionId), 'transactionId')
  },
  {
    name: 'transaction_personal',
    from: 'google.md §0 decision 6: no personal data in a transactionId, checks exist',
    reason: 'INVALID_FORMAT',
    broken: event => at(anEmail.test(String(event.transactionId)), 'transactionId')
  },
  {
    name: 'transaction_length',
    from: 'google.md §2.6 FIELD_VALUE_TOO_LONG; the bound is ours: more than an event_id may have',
    reason: 'FIELD_VALUE_TOO_LONG',
    broken: event => at(String(event.transactionId).length > 255, 'transactionId')
  },
  {
    name: 'currency_code',
    from: 'google.md §2.3 currency; §2.6 INVALID_CURRENCY_CODE',
    reason: 'INVALID_CURRENCY_CODE',
    broken: ({ currency }) => at(currency !== undefined && !currencies.has(String(currency)), 'currency')
  },
  {
    name: 'value_without_currency',
    from: 'ours: google.md §2.3 conversionValue + currency; the cart\'s amounts are in it too',
    reason: 'REQUIRED_FIELD_MISSING',
    broken: event => at(event.currency === undefined && (event.conversionValue !== undefined ||
      itemsOf(event).some(item => item.unitPrice !== undefined)), 'currency')
  },
  {
    name: 'negative_value',
    from: 'ours: google.md §2.5: nothing can be taken back, so that nothing is worth less than 0',
    reason: 'INVALID_EVENT',
    broken: event => at(Number(event.conversionValue) < 0, 'conversionValue')
  },
  {
    name: 'merchant_id',
    from: 'google.md §2.6 INVALID_MERCHANT_ID',
    reason: 'INVALID_MERCHANT_ID',
    broken: event => {
      const { merchantId } = objectAt(event, 'cartData')
      return at(merchantId !== undefined && !/^\d+$/.test(String(merchantId)), 'cartData', 'merchantId')
    }
  },
  {
    name: 'cart_empty',
    from: 'ours: google.md §9 "cartData emitted empty"',
    reason: 'INVALID_EVENT',
    broken: event => at(event.cartData !== undefined && itemsOf(event).length === 0, 'cartData', 'items')
  },
  {
    name: 'item_quantity',
    from: 'google.md §2.3 cartData items quantity',
    reason: 'INVALID_NUMBER_FORMAT',
    broken: event => itemWhere(event, 'quantity', ({ quantity }) => quantity !== undefined && Number(quantity) < 1)
  },
  {
    name: 'item_of_analytics',
    from: 'ours: google.md §2.3 itemId belongs to Analytics; Ads has merchantProductId',
    reason: 'INVALID_EVENT',
    broken: event => itemWhere(event, 'itemId', ({ itemId }) => itemId !== undefined)
  },
  {
    name: 'key_of_analytics',
    from: 'google.md §2.3 "GA only"',
    reason: 'INVALID_EVENT',
    broken: event => {
      const key = analyticsOnly.find(name => event[name] !== undefined)
      return key === undefined ? undefined : [key]
    }
  },
  {
    name: 'variable_personal',
    from: 'google.md §2.6 CUSTOM_VARIABLE_VALUE_CONTAINS_PII',
    reason: 'CUSTOM_VARIABLE_VALUE_CONTAINS_PII',
    broken: event => {
      const index = listOf(event.customVariables).findIndex(one => isObject(one) && anEmail.test(String(one.value)))
      return at(index >= 0, 'customVariables', index, 'value')
    }
  },
  {
    name: 'third_party_data',
    from: 'google.md §2.6 THIRD_PARTY_USER_DATA_NOT_ALLOWED',
    reason: 'THIRD_PARTY_USER_DATA_NOT_ALLOWED',
    broken: event => at(event.thirdPartyUserData !== undefined, 'thirdPartyUserData')
  },
  {
    name: 'ip_address',
    from: 'ours: a private or malformed address is nobody\'s (google.md §2.3 eventDeviceInfo)',
    reason: 'INVALID_FORMAT',
    broken: event => {
      const { ipAddress } = objectAt(event, 'eventDeviceInfo')
      return at(ipAddress !== undefined && !isPublicAddress(String(ipAddress)), 'eventDeviceInfo', 'ipAddress')
    }
  },
  {
    name: 'raw_email',
    from: 'ours: an e-mail in clear (design.md "What leaves")',
    reason: 'INVALID_EVENT',
    broken: event => findLeaf(event, leaf => typeof leaf === 'string' && anEmail.test(leaf))
  },
  {
    name: 'empty_value',
    from: 'ours: google.md §9: what is not known is left out, not sent empty',
    reason: 'INVALID_EVENT',
    broken: event => findLeaf(event, leaf => leaf === null || leaf === '' ||
      (typeof leaf === 'object' && Object.keys(leaf).length === 0))
  },
  {
    name: 'stringified_nothing',
    from: 'ours: what a mapping writes when it glues a missing value into a string',
    reason: 'INVALID_EVENT',
    broken: event => findLeaf(event, leaf => typeof leaf === 'string' &&
      /^(undefined|null|NaN|\[object \w+\]|Invalid Date)$/.test(leaf))
  }
]
