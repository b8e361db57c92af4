// Turns what senders write (amounts with symbols, numbers as text, yes in several languages) into values, or drops it.
import { readPageAddress } from './address.ts'

/** A value that was understood; or why it was not; or null when nothing was said (absent, null, an empty string). */
export type Coerced<T> = { value: T, warning?: string } | { refused: string } | null

/** No stored text is longer than this, in UTF-16 units, unless its reader says so. */
export const longestText = 8192

/** Control characters except tab and line breaks: Postgres refuses NUL, and terminals obey the rest. */
// eslint-disable-next-line no-control-regex
const controls = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]/g

/** Well-formed text without control characters, trimmed. Lone surrogates become U+FFFD. */
export function cleanText (text: string): string {
  return odd.test(text) ? text.toWellFormed().replace(controls, '').trim() : text.trim()
}

/** Whether there may be anything to clean: a control character or half of a pair. */
// eslint-disable-next-line no-control-regex
const odd = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\uD800-\uDFFF]/

/** Text of at most `longest` UTF-16 units; longer text is cut, never through a character. */
export function readText (given: unknown, longest = longestText): Coerced<string> {
  if (given === null || given === undefined) return null
  if (typeof given === 'number' ? !Number.isFinite(given) : typeof given !== 'string' && typeof given !== 'boolean') {
    return { refused: 'not_a_text' }
  }
  const text = cleanText(String(given))
  if (text === '') return null
  if (text.length <= longest) return { value: text }
  return { value: text.slice(0, longest).replace(/[\uD800-\uDBFF]$/, ''), warning: 'too_long' }
}

/** A reader of texts that must look like `pattern`. */
export function readTextLike (pattern: RegExp, code: string, longest = 512): (given: unknown) => Coerced<string> {
  return given => {
    const text = readText(given, longest)
    if (text === null || 'refused' in text) return text
    return text.warning === undefined && pattern.test(text.value) ? text : { refused: code }
  }
}

const currencies = new Set(Intl.supportedValuesOf('currency'))
/** Signs that mean one currency only. `$`, `¥` and `kr` mean several. */
const currencySigns: Record<string, string> = {
  '€': 'EUR',
  '£': 'GBP',
  '₹': 'INR',
  '₺': 'TRY',
  '₽': 'RUB',
  '₴': 'UAH',
  zł: 'PLN'
}

/** An ISO 4217 code in capitals, from a code in any case or an unambiguous sign. */
export function readCurrency (given: unknown): Coerced<string> {
  const text = readText(given, 16)
  if (text === null || 'refused' in text) return text
  const code = currencySigns[text.value.toLowerCase()] ?? text.value.toUpperCase()
  return currencies.has(code) ? { value: code } : { refused: 'unknown_currency' }
}

const money = new RegExp('^(?<before>[^\\d.,+-]*)(?<sign>[+-]?)(?<between>[^\\d.,+-]*)' +
  '(?<digits>\\d[\\d.,\'’\\s]*?|[.,]\\d+)(?<dash>[.,][-–—]{1,2})?(?<after>[^\\d]*)$', 'u')
const unit = /^(\p{Sc}|\p{L}{1,3}\.?|\p{L}{1,2}\p{Sc})?$/u

/**
 * A number as people and programs write amounts: `150`, `"150,00"`, `"€ 1.234,56"`, `"150.00 EUR"`, `"1'234.50"`,
 * `"99,-"`. One separator followed by exactly three digits (`"1.500"`) may be thousands or decimals: refused, for a
 * guess would be wrong by a factor of a thousand. Never 0 for what is not understood. `unit` is the currency that stood
 * beside it.
 */
export function readAmount (given: unknown): Coerced<number> & { currency?: string } | null {
  if (given === null || given === undefined) return null
  if (typeof given === 'number') return isUsable(given) ? { value: given } : { refused: 'not_a_number' }
  if (typeof given !== 'string') return { refused: 'not_a_number' }
  const text = given.slice(0, 64).replace(/[\s\u00A0\u2007\u2009\u202F]+/gu, ' ').trim()
  if (text === '') return null
  const parts = money.exec(text)?.groups
  const beside = [parts?.before, parts?.between, parts?.after].map(part => (part ??
    '').trim()).filter(part => part !== '')
  const written = beside[0] ?? ''
  if (parts === undefined || given.length > 64 || beside.length > 1 ||
    !unit.test(written)) return { refused: 'not_a_number' }
  const number = readDigits(parts.digits ?? '', parts.dash !== undefined)
  if (typeof number === 'string') return { refused: number }
  const signed = parts.sign === '-' ? -number : number
  if (!isUsable(signed)) return { refused: 'not_a_number' }
  const currency = readCurrency(written)
  return { value: signed, currency: currency !== null && 'value' in currency ? currency.value : undefined }
}

/** Beyond this an amount is no amount, and a database or a network may choke on it. */
const largestAmount = 1e15

function isUsable (number: number): boolean {
  return Number.isFinite(number) && Math.abs(number) <= largestAmount
}

/** The number that digits with separators mean, or why it is not known. */
function readDigits (given: string, endsWithDash: boolean): number | string {
  const text = given.trim().replace(/(?<=\d)['’ ](?=\d{3}(?!\d))/g, '')
  const marks = text.replace(/\d/g, '')
  if (/[^.,]/.test(marks)) return 'not_a_number'
  const last = marks.at(-1)
  if (last === undefined) return Number(text)
  const isRepeated = marks.length > 1 && new Set(marks).size === 1
  const decimalAt = isRepeated || endsWithDash ? text.length : text.lastIndexOf(last)
  const whole = text.slice(0, decimalAt)
  const decimals = text.slice(decimalAt + 1)
  // Between groups of thousands stands one kind of mark, and it is not the one before the decimals.
  const grouped = /^\d{1,3}(?<mark>[.,])\d{2,3}(\k<mark>\d{2,3})*$/.exec(whole)
  if (/[.,]/.test(whole)) {
    const mark = grouped?.groups?.mark
    if (mark === undefined || (decimalAt < text.length && mark === last) || !/\d{3}$/.test(whole)) return 'not_a_number'
  } else if (decimals.length === 3 && /^[1-9]\d{0,2}$/.test(whole)) {
    return 'ambiguous_number'
  }
  return Number(`${whole.replace(/[.,]/g, '') || '0'}.${decimals || '0'}`)
}

const yes = new Set(['true', '1', 'yes', 'y', 'on', 'granted', 'ja', 'oui', 'si', 'sí', 'sim', 'tak', 'ok', 'checked',
  'accepted', 'agree', 'agreed'])
const no = new Set(['false', '0', 'no', 'n', 'off', 'denied', 'nein', 'nee', 'non', 'não', 'nao', 'nie', 'declined'])

/** Yes or no, as a boolean, a number or a word. */
export function readBoolean (given: unknown): Coerced<boolean> {
  if (typeof given === 'boolean') return { value: given }
  const text = readText(given, 32)
  if (text === null || 'refused' in text) return text
  const word = text.value.toLowerCase()
  return yes.has(word) ? { value: true } : no.has(word) ? { value: false } : { refused: 'not_a_boolean' }
}

/** An http(s) address, verbatim but for control characters. */
export function readAddress (given: unknown): Coerced<string> {
  const text = readText(given)
  if (text === null || 'refused' in text) return text
  return readPageAddress(text.value)?.isWeb === true ? text : { refused: 'not_an_address' }
}
