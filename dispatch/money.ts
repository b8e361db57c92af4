// What an event is worth: a value goes with its currency or not at all, for every network by the same rules.
import type { MapWarning, OutgoingEvent } from './destination.ts'

/** Every currency there is. */
const existing: ReadonlySet<string> = new Set(Intl.supportedValuesOf('currency'))

type Facts = Pick<OutgoingEvent, 'event_name' | 'value' | 'currency' | 'has_unknown_currency' | 'items' | 'defaults'>

export interface Money { value: number, currency: string }

/** How a network wants it. */
export interface MoneyRules {
  /** Whether a value that is missing is the sum of the items, where all of them have a price. */
  sumsItems: boolean
  /** Whether a negative value goes (GA4 takes one). */
  takesNegative?: boolean
  /** The currencies that it takes; absent: all there are. */
  currencies?: ReadonlySet<string>
}

/**
 * Value and currency of an event, or neither, with the reason as a warning. A lead that says no value is worth the
 * site's `lead_value`, in the site's own currency whatever the lead says.
 */
export function moneyOf (event: Facts, rules: MoneyRules, warnings: MapWarning[]): Partial<Money> {
  const leadValue = isNumber(event.value) || event.event_name !== 'generate_lead'
    ? undefined
    : event.defaults.lead_value
  const value = leadValue ?? valueOf(event, rules, warnings)
  if (value === undefined) return {}
  if (value < 0 && rules.takesNegative !== true) {
    warnings.push({ path: 'value', code: 'negative' })
    return {}
  }
  const currency = leadValue === undefined
    ? currencyOf(event, rules, warnings)
    : currencyOf({ currency: event.defaults.currency, defaults: {} }, rules, warnings)
  return currency === undefined ? {} : { value, currency }
}

function valueOf ({ value, items = [] }: Facts, { sumsItems }: MoneyRules, warnings: MapWarning[]): number | undefined {
  if (isNumber(value)) return value
  if (!sumsItems || items.length === 0 || !items.every(item => isNumber(item.price))) return undefined
  const sum = items.reduce((total, { price = 0, quantity = 1 }) => total + price * quantity, 0)
  // Beyond this the rounding below, and with it the sum, is no number any more.
  if (!Number.isFinite(sum * 1e6)) return undefined
  warnings.push({ path: 'value', code: 'computed_from_items' })
  return Math.round(sum * 1e6) / 1e6
}

/**
 * The currency of an event's amounts, in capital letters: its own, or the site's for what it does not say. One that was
 * said and is none is not the site's: 100 of what nobody knows are not 100 euros.
 */
export function currencyOf (
  event: Pick<Facts, 'currency' | 'has_unknown_currency' | 'defaults'>, { currencies }: Pick<MoneyRules, 'currencies'>,
  warnings: MapWarning[]
): string | undefined {
  const ofSite = event.has_unknown_currency === true ? undefined : event.defaults.currency
  const code = (event.currency ?? ofSite)?.trim().toUpperCase()
  if (code !== undefined && (currencies ?? existing).has(code)) return code
  warnings.push({ path: 'currency', code: faultOf(code, event.has_unknown_currency === true, currencies) })
  return undefined
}

function faultOf (code: string | undefined, isUnknown: boolean, currencies: MoneyRules['currencies']): string {
  if (code === undefined) return isUnknown ? 'unknown_currency' : 'missing'
  return currencies === undefined ? 'unknown_currency' : 'not_accepted_by_network'
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)
