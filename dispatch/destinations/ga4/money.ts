// What an event was worth: a value goes with its currency or not at all (google.md §3 "Money").
import type { MapWarning, OutgoingEvent } from '../../destination.ts'
import type { Ga4Params } from './payload.ts'

const currencies = new Set(Intl.supportedValuesOf('currency'))

type Money = Pick<Ga4Params, 'currency' | 'value' | 'tax' | 'shipping'>

/**
 * Value, tax and shipping with the event's currency, or the site's for what it does not say. A lead without a value is
 * worth the site's `lead_value`; a purchase without one is worth its items, as GA4 itself defines the value: without
 * tax and shipping. Nothing of it goes without a currency that exists.
 */
export function moneyOf (event: OutgoingEvent, name: string, warnings: MapWarning[]): Money {
  const { tax, shipping, items = [] } = event
  const value = valueOf(event, name, warnings)
  const isPriced = items.some(({ price, discount }) => price !== undefined || discount !== undefined)
  if (value === undefined && tax === undefined && shipping === undefined && !isPriced) return {}
  const currency = (event.currency ?? event.defaults.currency)?.trim().toUpperCase()
  if (currency !== undefined && currencies.has(currency)) return { currency, value, tax, shipping }
  warnings.push({ path: 'currency', code: currency === undefined ? 'missing' : 'unknown_currency' })
  return {}
}

function valueOf (event: OutgoingEvent, name: string, warnings: MapWarning[]): number | undefined {
  if (event.value !== undefined) return event.value
  if (event.event_name === 'generate_lead') return event.defaults.lead_value
  const items = event.items ?? []
  if (name !== 'purchase' || items.length === 0 || items.some(({ price }) => price === undefined)) return undefined
  warnings.push({ path: 'value', code: 'computed_from_items' })
  const sum = items.reduce((total, { price = 0, quantity = 1 }) => total + price * quantity, 0)
  return Math.round(sum * 1e6) / 1e6
}
