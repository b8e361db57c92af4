// A value and its currency: what goes, in which currency, and what is said of the rest.
import { test } from 'tap'
import { candidateAt, fictionalTarget, granted } from '../test/fictional.ts'
import { effective } from '../schema/consent.ts'
import type { MapWarning } from './destination.ts'
import { moneyOf, type MoneyRules } from './money.ts'
import { outgoing } from './outgoing.ts'

const now = Date.UTC(2026, 10, 23, 12)
const defaults = { currency: 'EUR', lead_value: 50 }
type Given = Parameters<typeof moneyOf>[0]

/** `value currency warnings…`, as far as there are any. */
function worth (event: Partial<Given>, rules: Partial<MoneyRules> = {}): string {
  const warnings: MapWarning[] = []
  const given = { event_name: 'purchase', defaults, ...event }
  const { value, currency } = moneyOf(given, { sumsItems: true, ...rules }, warnings)
  return [value, currency, ...warnings.map(({ path, code }) => `${path}:${code}`)]
    .filter(one => one !== undefined).join(' ')
}

test('a value goes with its currency or not at all', t => {
  const rows: [string, Partial<Given>, Partial<MoneyRules>?][] = [
    ['12.5 USD', { value: 12.5, currency: ' usd ' }],
    ['0 USD', { value: 0, currency: 'USD', items: [{ price: 3 }] }],
    ['12 EUR', { value: 12 }],
    ['currency:missing', { value: 12, defaults: {} }],
    ['currency:unknown_currency', { value: 12, currency: 'XQQ' }],
    ['currency:unknown_currency', { value: 12, has_unknown_currency: true }],
    ['currency:not_accepted_by_network', { value: 12 }, { currencies: new Set(['USD']) }],
    ['value:negative', { value: -1 }],
    ['-1 EUR', { value: -1 }, { takesNegative: true }],
    ['', {}],
    ['5.3 EUR value:computed_from_items', { items: [{ price: 2.1, quantity: 2 }, { price: 1.1 }] }],
    ['', { items: [{ price: 2 }] }, { sumsItems: false }],
    ['', { items: [{ price: 2 }, { item_id: 'unpriced' }] }],
    ['', { items: [{ price: 1e308, quantity: 10 }] }]
  ]
  for (const [expected, event, rules] of rows) t.equal(worth(event, rules), expected, JSON.stringify(event))
  t.end()
})

test('what a lead is worth by the settings, is in their currency whatever the lead says', t => {
  const lead = { event_name: 'generate_lead' }
  t.equal(worth(lead), '50 EUR')
  t.equal(worth({ ...lead, currency: 'USD' }), '50 EUR')
  t.equal(worth({ ...lead, has_unknown_currency: true }), '50 EUR')
  t.equal(worth({ ...lead, value: 7, currency: 'USD' }), '7 USD')
  t.equal(worth({ ...lead, currency: 'USD', defaults: { lead_value: 50 } }), 'currency:missing')
  t.equal(worth({ ...lead, event_name: 'contact' }), '')
  t.end()
})

test('a currency that the door refused is not taken for the site\'s', t => {
  const unknown = [{ path: 'currency', code: 'unknown_currency' }]
  const flag = (event: Parameters<typeof candidateAt>[1]) => {
    const candidate = candidateAt(now, event)
    const consent = effective({ consent: granted, occurredAtMs: now }, fictionalTarget().site.consent)
    return outgoing(candidate.event, fictionalTarget(), consent, now).has_unknown_currency
  }
  t.equal(flag({ value: 3, warnings: unknown }), true)
  t.equal(flag({ value: 3, currency: 'EUR', warnings: unknown }), undefined, 'another part had one')
  t.equal(flag({ value: 3, warnings: [{ path: 'items[0].currency', code: 'unknown_field' }] }), undefined)
  t.end()
})
