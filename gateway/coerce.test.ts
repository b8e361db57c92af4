// Amounts, currencies, yes and no, times: what is understood, what is refused, and that nothing is guessed.
import { test } from 'tap'
import { judgeTime, readPageSeed, readTime } from './clock.ts'
import { readAmount, readBoolean, readCurrency } from './coerce.ts'

const nowMs = Date.UTC(2026, 10, 23, 12)
const minuteMs = 60_000
const dayMs = 86_400_000

const amounts: [given: unknown, value: number | string | null, currency?: string][] = [
  [150, 150], [0, 0], [-5, -5], [0.1, 0.1], [Number.POSITIVE_INFINITY, 'not_a_number'],
  [Number.NaN, 'not_a_number'], [1e16,
    'not_a_number'],
  [null, null], [undefined, null], ['', null], ['   ', null],
  ['150', 150], ['150.00', 150], ['150,00', 150], ['150,5', 150.5], ['0.125', 0.125], ['12.3456', 12.3456], ['.5', 0.5],
  ['€ 1.234,56', 1234.56, 'EUR'], ['1.234,56 €', 1234.56, 'EUR'], ['150.00 EUR', 150, 'EUR'], ['EUR150', 150, 'EUR'],
  ['usd 12', 12, 'USD'], ['$1,000.00', 1000], ['1,234.56', 1234.56], ['1.234.567', 1234567], ['1,234,567.89',
    1234567.89],
  ['1\u00A0234,50', 1234.5], ['1 234,50', 1234.5], ['1\'234.50', 1234.5], ['CHF 1’234.50', 1234.5, 'CHF'],
  ['1,50,000.00', 150000], ['99,-', 99], ['99,--', 99], ['-5,50', -5.5], ['100 zł', 100, 'PLN'], ['R$ 10,00', 10],
  ['1.234', 'ambiguous_number'], ['1,234', 'ambiguous_number'], ['12,500 EUR', 'ambiguous_number'],
  ['abc', 'not_a_number'], ['5 apples', 'not_a_number'], ['1.23.45', 'not_a_number'], ['1,2,3', 'not_a_number'],
  ['1..5', 'not_a_number'], ['1e5', 'not_a_number'], ['EUR 5 USD', 'not_a_number'], ['١٥٠', 'not_a_number'],
  ['9'.repeat(65), 'not_a_number'], [true, 'not_a_number'], [[150], 'not_a_number'], [{}, 'not_a_number']
]

test('an amount is parsed or refused, and never becomes 0 by mistake', t => {
  for (const [given, value, currency] of amounts) {
    const result = readAmount(given)
    const got = result === null ? null : 'value' in result ? result.value : result.refused
    t.equal(got, value, `${typeof given} ${JSON.stringify(given)}`)
    if (result !== null) t.equal(result.currency, currency, `currency of ${JSON.stringify(given)}`)
  }
  t.end()
})

test('currencies are ISO codes, in any case, or signs that mean one', t => {
  const cases: [unknown, string | null][] = [['EUR', 'EUR'], ['eur', 'EUR'], [' Usd ', 'USD'], ['€', 'EUR'], ['$',
    null],
  ['XYZ', null], ['EURO', null], [978, null], ['zł', 'PLN']]
  for (const [given, expected] of cases) {
    const result = readCurrency(given)
    t.equal(result !== null && 'value' in result ? result.value : null, expected, JSON.stringify(given))
  }
  t.end()
})

test('yes and no are understood in several languages', t => {
  for (const given of [true, 1, '1', 'true', 'YES', 'on', 'ja', 'oui', 'sí',
    'granted']) t.strictSame(readBoolean(given), { value: true })
  for (const given of [false, 0, '0', 'false', 'No', 'off', 'nein', 'não', 'denied']) {
    t.strictSame(readBoolean(given),
      { value: false })
  }
  for (const given of ['maybe', 2, {}, []]) t.match(readBoolean(given), { refused: String })
  for (const given of [null, undefined, '']) t.equal(readBoolean(given), null)
  t.end()
})

const at = Date.UTC(2026, 10, 23, 10)
const times: [given: unknown, atMs: number | string | null][] = [
  [at / 1000, at], [at, at], [at * 1000, at], [at * 1e6, at], [String(at / 1000), at], [at / 1000 + 0.25, at + 250],
  ['2026-11-23T10:00:00Z', at], ['2026-11-23T11:00:00+01:00', at], ['2026-11-23 11:00:00 +0100', at],
  ['2026-11-23T10:00Z', at], ['2026-11-23T10:00:00.123456Z', at + 123], ['2026-11-23t10:00:00z', at],
  ['2026-11-23T05:00:00-05', at], ['2026-11-23T10:00:00', 'time_without_offset'], ['23.11.2026', 'not_a_time'],
  ['2026-13-45T10:00:00Z', 'not_a_time'], [0, 'not_a_time'], [-1, 'not_a_time'], [1e300, 'not_a_time'],
  [Number.POSITIVE_INFINITY, 'not_a_time'], [{}, 'not_a_time'], [true, 'not_a_time'], [null, null], ['', null]
]

test('times are read by magnitude, or as ISO 8601 with an offset', t => {
  for (const [given, expected] of times) {
    const result = readTime(given)
    t.equal(result === null ? null : 'value' in result ? result.value : result.refused, expected, JSON.stringify(given))
  }
  t.end()
})

test('a time is judged by our clock', t => {
  const judged: [name: string, givenMs: number, sentAtMs: number | undefined, isSigned: boolean, occurredAtMs: number,
    warning?: string][] = [
    ['just now', nowMs - 500, undefined, false, nowMs - 500],
    ['a little ahead', nowMs + 3000, undefined, false, nowMs],
    ['an hour ahead', nowMs + 60 * minuteMs, undefined, false, nowMs, 'in_the_future'],
    ['years ahead', nowMs + 900 * dayMs, undefined, false, nowMs, 'implausible_time'],
    ['an hour ahead by a clock that is', nowMs + 59 * minuteMs, nowMs + 60 * minuteMs, false, nowMs - minuteMs],
    ['behind by a clock that is', nowMs - 500 * dayMs, nowMs - 499 * dayMs, false, nowMs - dayMs],
    ['sent_at within the network\'s time', nowMs - 5000, nowMs - 900, false, nowMs - 5000],
    ['a week old, unsigned', nowMs - 8 * dayMs, undefined, false, nowMs, 'implausible_time'],
    ['a year old, signed', nowMs - 365 * dayMs, undefined, true, nowMs - 365 * dayMs],
    ['1970, signed', 86_400_000, undefined, true, nowMs, 'implausible_time'],
    ['signed senders\' clocks are believed', nowMs - 60 * minuteMs, nowMs - 30 * minuteMs, true, nowMs - 60 * minuteMs]
  ]
  for (const [name, givenMs, sentAtMs, isSigned, occurredAtMs, warning] of judged) {
    const result = judgeTime(givenMs, { receivedAtMs: nowMs, isSigned, sentAtMs })
    t.equal(result.occurredAtMs, occurredAtMs, name)
    t.equal(result.warning, warning, `${name}: warning`)
  }
  t.end()
})

test('a page seed is the script\'s, or nothing', t => {
  t.match(readPageSeed('1764000000000.123456789012345678'), { value: { startedAtMs: 1764000000000 } })
  for (const given of ['x', '1764000000000', '1.2', 1764000000000.5, {}]) {
    t.match(readPageSeed(given),
      { refused: 'not_a_page_seed' })
  }
  t.end()
})
