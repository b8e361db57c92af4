// Phone numbers: from what a visitor typed to E.164, by the numbering plans of all countries (libphonenumber).
import { getCountryCallingCode, isSupportedCountry, parsePhoneNumberFromString } from 'libphonenumber-js/max'
import type { CountryCode, PhoneNumber } from 'libphonenumber-js/max'
import type { Reading } from './hashing.ts'
import { remember } from '../../config/bounded.ts'
import { readCountry } from './country.ts'

const fewestDigits = 7

/** Only a number that is one as a whole: a text around it, or two numbers in one field, are no phone number. */
function parse (text: string, country?: CountryCode): PhoneNumber | undefined {
  return parsePhoneNumberFromString(text, { defaultCountry: country, extract: false })
}

/** What stands in the box: compatibility forms of digits made plain, a `tel:` or `p:` (Meta's exports) taken away. */
function typed (value: string): string {
  return value.normalize('NFKC').replace(/^\s*(?:tel|p):/i, '').trim()
}

/**
 * The number that a text means, where `country` (ISO alpha-2, any case) is the region of numbers without a country
 * code. A number written internationally (`+`, `00`) must be possible; a bare one must be valid there or, as exports
 * often lose the `+`, with it; last of all a possible one of that country (meta.md §2 ph). A national number without
 * a known country is none: no network could match its hash.
 */
export function readPhoneNumber (value: string, country = ''): PhoneNumber | null {
  return country.includes('\0') ? null : recallNumber(`${country}\0${value}`)
}

/** An event's number is read once for each of its destinations, soon one after another. */
const recallNumber = remember(5000, key => {
  const country = key.slice(0, key.indexOf('\0'))
  return findNumber(key.slice(country.length + 1), country === '' ? undefined : country)
})

function findNumber (value: string, country: string | undefined): PhoneNumber | null {
  const text = typed(value)
  const digits = text.replace(/\D/g, '')
  if (/\p{L}/u.test(text.replace(/(?:ext|x)\.?\s*\d+$/i, ''))) return null
  const region = regionOf(country)
  if (text.startsWith('+')) return possible(parse(text))
  if (text.startsWith('00')) return possible(parse(`+${text.replace(/^00/, '')}`)) ?? possible(parse(text, region))
  const withPlus = valid(digits.startsWith('0') ? undefined : parse(`+${digits}`))
  if (region === undefined) return withPlus
  if (withPlus !== null && digits.startsWith(getCountryCallingCode(region))) return withPlus
  const national = parse(text, region)
  const found = valid(national) ?? withPlus
  if (found !== null) return found
  return digits.length >= fewestDigits ? possible(national) : null
}

/** Country code and number, digits only, no `+` (meta.md §2 ph; other-networks.md §10 phone.B). */
export function readPhoneDigits (value: string, country?: string): Reading {
  const number = readPhoneNumber(value, country)
  return number === null ? { why: 'not_a_phone' } : { text: number.number.slice(1) }
}

function regionOf (country: string | undefined): CountryCode | undefined {
  if (country === undefined) return undefined
  const code = readCountry(country)?.toUpperCase()
  return code !== undefined && isSupportedCountry(code) ? code : undefined
}

function valid (number: PhoneNumber | undefined): PhoneNumber | null {
  return number?.isValid() === true ? number : null
}

function possible (number: PhoneNumber | undefined): PhoneNumber | null {
  return number?.isPossible() === true ? number : null
}
