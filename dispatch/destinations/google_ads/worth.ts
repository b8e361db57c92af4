// What a conversion is worth: value and currency, the cart of a purchase, and what the owner says of the customer.
import type { MapWarning, OutgoingEvent } from '../../destination.ts'
import { looksPersonal } from '../../address.ts'
import { currencyOf, moneyOf } from '../../money.ts'
import type { AdIdentifiers, CartData, CartItem, GoogleAdsPayload } from './payload.ts'
import type { GoogleAdsSettings } from './settings.ts'

const anEmail = /[^\s@]+@[^\s@]+\.[^\s@]+/
const buckets = ['LOW', 'MEDIUM', 'HIGH'] as const

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)

/**
 * Value and currency, and the cart of a purchase, whose prices are in the same currency. Where the event names none,
 * a lead is worth the site's `lead_value` and a purchase its items.
 */
export function worthOf (
  event: OutgoingEvent, identifiers: AdIdentifiers | undefined, settings: GoogleAdsSettings, warnings: MapWarning[]
): Pick<GoogleAdsPayload, 'conversionValue' | 'currency' | 'cartData'> {
  const { value, currency } = moneyOf(event, { sumsItems: event.event_name === 'purchase' }, warnings)
  const ofPrices = currencyOf(event, {}, [])
  const cartData = cartOf(event, identifiers, settings, ofPrices !== undefined, warnings)
  const isPriced = cartData?.items.some(item => item.unitPrice !== undefined) === true
  return { conversionValue: value, currency: currency ?? (isPriced ? ofPrices : undefined), cartData }
}

/**
 * The cart of a purchase, where the items have ids. With a gbraid or wbraid Google ignores it (google.md §2.6), and
 * without a currency its amounts mean nothing.
 */
function cartOf (
  event: OutgoingEvent, identifiers: AdIdentifiers | undefined, settings: GoogleAdsSettings, hasCurrency: boolean,
  warnings: MapWarning[]
): CartData | undefined {
  if (event.event_name !== 'purchase' || (event.items ?? []).length === 0) return undefined
  if (identifiers?.gbraid !== undefined || identifiers?.wbraid !== undefined) return undefined
  const items = (event.items ?? []).flatMap((item, index): CartItem[] => {
    const id = item.item_id?.trim() ?? ''
    const { quantity = 1 } = item
    if (id === '' || anEmail.test(id)) {
      warnings.push({ path: `items.${index}.item_id`, code: id === '' ? 'missing' : 'personal_data' })
    } else if (!Number.isSafeInteger(quantity) || quantity < 1) {
      warnings.push({ path: `items.${index}.quantity`, code: 'unusable' })
    } else {
      const unitPrice = hasCurrency && isNumber(item.price) && item.price >= 0 ? item.price : undefined
      return [{ merchantProductId: id, quantity, unitPrice }]
    }
    return []
  })
  if (items.length === 0) return undefined
  return {
    merchantId: settings.merchant_id,
    merchantFeedLabel: settings.merchant_feed_label,
    merchantFeedLanguageCode: settings.merchant_feed_language,
    items
  }
}

/** `new_customer`, and the parameter `customer_value_bucket` (LOW, MEDIUM, HIGH) where `params` lets it out. */
export function userPropertiesOf (event: OutgoingEvent, warnings: MapWarning[]): GoogleAdsPayload['userProperties'] {
  const { new_customer: isNew, params } = event
  const given = params?.customer_value_bucket
  const customerValueBucket = typeof given === 'string'
    ? buckets.find(bucket => bucket === given.trim().toUpperCase())
    : undefined
  if (given !== undefined && customerValueBucket === undefined) {
    warnings.push({ path: 'params.customer_value_bucket', code: 'unusable' })
  }
  if (isNew === undefined && customerValueBucket === undefined) return undefined
  return { customerType: isNew === undefined ? undefined : isNew ? 'NEW' : 'RETURNING', customerValueBucket }
}

/** The owner's own variables. A value that looks personal would refuse the whole request (google.md §2.6). */
export function customVariablesOf (
  event: OutgoingEvent, settings: GoogleAdsSettings, warnings: MapWarning[]
): GoogleAdsPayload['customVariables'] {
  const variables = Object.entries(settings.custom_variables).flatMap(([param, variable]) => {
    const given = event.params !== undefined && Object.hasOwn(event.params, param) ? event.params[param] : undefined
    if (given === undefined || given === null) return []
    const isPlain = typeof given === 'string' || typeof given === 'boolean' || isNumber(given)
    const value = isPlain ? String(given).trim() : ''
    if (value !== '' && value.length <= 100 && !looksPersonal(value)) return [{ variable, value }]
    warnings.push({ path: `params.${param}`, code: looksPersonal(value) ? 'personal_data' : 'unusable' })
    return []
  })
  return variables.length === 0 ? undefined : variables
}
