// How each thing known of a person is normalised for Google Ads, by google.md §4.
import type { Normalized, PersonField, WhyNot } from '../../destination.ts'
import { readCountry } from '../../person/country.ts'
import { readEmail } from '../../person/email.ts'
import { cleanText, hashed, notAccepted, type Reading } from '../../person/hashing.ts'
import { readPhoneNumber } from '../../person/phone.ts'
import { rememberShared } from '../../person/names_and_places.ts'

/** Only with its dot, and nothing behind it but a name: Google's own tools leave `Dr.Alex` and `Mr Alex` whole. */
const title = /^(?:mr|mrs|ms|dr)\.(?:\s+|$)/
/** As Google's own tools cut it off: after a comma or a space, `jr` and `sr` with their dot. */
const suffix = /(?:,\s*|\s+)(?:jr\.|sr\.|2nd|3rd|ii|iii|iv|v|vi|cpa|dc|dds|vm|jd|md|phd)$/
const gmail = /^([^@]+)@(gmail\.com|googlemail\.com)$/
const unitedStates = /^(\d{5})(?:[ -]?(\d{4}))?$/
const otherCode = /^[a-z0-9]+(?:[ -][a-z0-9]+)*$/i
const longestPostalCode = 12

/**
 * The value as it goes to Google Ads. Country and postal code go in clear (`sha256` null); street, city and region are
 * for Analytics destinations only. `country` (code or name) is the region of a phone number without country code, and
 * decides how a postal code is read.
 */
export const normalize = rememberShared(normalizeField)

function normalizeField (field: PersonField, value: string, country?: string): Normalized {
  const region = country === undefined ? undefined : readCountry(country) ?? undefined
  switch (field) {
    case 'email': return hashed(value, readGoogleEmail)
    case 'phone': return hashed(value, text => readE164(text, region))
    case 'first_name': return hashed(value, text => named(text.toLowerCase().replace(title, '').trim()))
    case 'last_name': return hashed(value, text => named(withoutSuffixes(text.toLowerCase())))
    case 'country': return inClear(value, readRegionCode)
    case 'postal_code': return inClear(value, text => readPostalCode(text, region))
    case 'street':
    case 'city':
    case 'region':
    case 'birth_date':
    case 'gender':
    case 'external_id': return notAccepted
  }
}

/** A value that the network wants readable. */
function inClear (value: string, read: (text: string) => Reading): Normalized {
  const text = cleanText(value)
  const reading: Reading = text === '' ? { why: 'empty' } : read(text)
  return 'why' in reading
    ? { normalized: null, sha256: null, why: reading.why }
    : { normalized: reading.text, sha256: null }
}

/** Gmail delivers without regard to dots and `+tag`, and so Google matches it; no other domain is touched. */
function readGoogleEmail (text: string): Reading {
  const reading = readEmail(text)
  if ('why' in reading) return reading
  const [, local, domain] = gmail.exec(reading.text) ?? []
  if (local === undefined || domain === undefined) return reading
  const folded = local.replace(/\+.*$/, '').replaceAll('.', '')
  return folded === '' ? { why: 'not_an_email' } : { text: `${folded}@${domain}` }
}

function readE164 (text: string, region: string | undefined): Reading {
  const number = readPhoneNumber(text, region)
  return number === null ? { why: 'not_a_phone' } : { text: number.number }
}

/** A name is what it is, hyphens and dots included; marks alone are none. */
function named (name: string): Reading {
  return /[\p{L}\p{N}]/u.test(name) ? { text: name } : { why: 'unusable_characters' }
}

function withoutSuffixes (name: string): string {
  let left = name
  while (suffix.test(left)) left = left.replace(suffix, '')
  return left.trim()
}

function readRegionCode (text: string): Reading {
  const code = readCountry(text)
  return code === null ? { why: 'unknown_country' } : { text: code.toUpperCase() }
}

/**
 * As people write it. `country` is ISO alpha-2 in lower case: in the United States five digits, or five and four with
 * a dash. Elsewhere a dash is part of the code (`00-950`), and nothing tells an extension from it.
 */
function readPostalCode (text: string, country: string | undefined): Reading {
  const no: { why: WhyNot } = { why: 'not_a_postal_code' }
  const code = text.replace(/\s+/g, ' ').replace(/\p{Pd}/gu, '-')
  if (country === 'us') {
    const [, five, four] = unitedStates.exec(code) ?? []
    return five === undefined ? no : { text: four === undefined ? five : `${five}-${four}` }
  }
  return otherCode.test(code) && code.length >= 2 && code.length <= longestPostalCode ? { text: code } : no
}
