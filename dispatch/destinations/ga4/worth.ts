// What an event was worth, with tax and shipping beside it (google.md §3 "Money").
import type { MapWarning, OutgoingEvent } from '../../destination.ts'
import { currencyOf, moneyOf } from '../../money.ts'
import type { Ga4Params } from './payload.ts'

type Worth = Pick<Ga4Params, 'currency' | 'value' | 'tax' | 'shipping'>

/**
 * The value of an event under its name at GA4; a purchase without one is worth its items, as GA4 itself defines the
 * value: without tax and shipping. Prices have a currency too, where the whole has no value; nothing goes without one.
 */
export function worthOf (event: OutgoingEvent, name: string, warnings: MapWarning[]): Worth {
  const { tax, shipping, items = [] } = event
  const money = moneyOf(event, { sumsItems: name === 'purchase', takesNegative: true }, warnings)
  const isPriced = items.some(({ price, discount }) => price !== undefined || discount !== undefined)
  if (money.value === undefined && tax === undefined && shipping === undefined && !isPriced) return {}
  const isSaid = warnings.some(({ path }) => path === 'currency')
  const currency = money.currency ?? currencyOf(event, {}, isSaid ? [] : warnings)
  return currency === undefined ? {} : { value: money.value, currency, tax, shipping }
}
