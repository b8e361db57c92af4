// How each thing known of a person is normalised for TikTok, by the table in other-networks.md §1.4.
import type { Normalized, PersonField, WhyNot } from '../../destination.ts'
import { readCountry } from '../../person/country.ts'
import { readEmail } from '../../person/email.ts'
import { cleanText, hashed, notAccepted, readGivenHash, type Reading } from '../../person/hashing.ts'
import { readPhoneNumber } from '../../person/phone.ts'
import { readPostalCode } from '../../person/postal_code.ts'
import { rememberShared } from '../../person/names_and_places.ts'

const maxPlaceLength = 100

/**
 * The value as TikTok hashes it, or in clear where TikTok wants it so (city, region, country). `country` (code or name)
 * is the region of a phone number without country code, and decides how a postal code is read.
 */
export const normalize = rememberShared(normalizeField)

function normalizeField (field: PersonField, value: string, country?: string): Normalized {
  const region = country === undefined ? undefined : readCountry(country) ?? undefined
  switch (field) {
    case 'email': return hashed(value, readEmail)
    case 'phone': return hashed(value, text => readPhone(text, region))
    case 'first_name':
    case 'last_name': return hashed(value, readName)
    case 'postal_code': return hashed(value, text => readPostalCode(text, region))
    case 'external_id': return hashed(value, readExternalId)
    case 'city':
    case 'region': return inClear(value, readPlace)
    case 'country': return inClear(value, readCountryCode)
    case 'street':
    case 'birth_date':
    case 'gender': return notAccepted
  }
}

/** With its `+`, unlike Meta's: the hashes of the two are different ones. */
function readPhone (text: string, region: string | undefined): Reading {
  const number = readPhoneNumber(text, region)
  return number === null ? { why: 'not_a_phone' } : { text: number.number }
}

/** Lower case, without punctuation of any alphabet and without spaces. */
function readName (text: string): Reading {
  const name = text.toLowerCase().replace(/[\s\p{P}\p{S}]+/gu, '')
  return name === '' ? { why: 'unusable_characters' } : { text: name }
}

/** TikTok's template keeps the case, others do not, and the pixel's copy must be the same: both, where they differ. */
function readExternalId (text: string): Reading {
  const lower = text.toLowerCase()
  return { text, also: lower === text ? undefined : [lower] }
}

function readCountryCode (text: string): Reading {
  const code = readCountry(text)
  return code === null ? { why: 'unknown_country' } : { text: code }
}

/** Lower case. It leaves in clear, so that what may be a number or an e-mail in the wrong box stays here. */
function readPlace (text: string): Reading {
  const place = text.toLowerCase().replace(/\s+/g, ' ')
  const isPlace = /\p{L}/u.test(place) && !/[@\p{Cc}]|\d{4}/u.test(place) && place.length <= maxPlaceLength
  return isPlace ? { text: place } : { why: 'unusable_characters' }
}

/** A value that leaves as it is: a hash can be none. */
function inClear (value: string, read: (text: string) => Reading): Normalized {
  const given = readGivenHash(value)
  if (given !== null) return { normalized: null, sha256: given, why: 'already_hashed' }
  const text = cleanText(value)
  const reading: Reading = text === '' ? { why: 'empty' satisfies WhyNot } : read(text)
  if ('why' in reading) return { normalized: null, sha256: null, why: reading.why }
  return { normalized: reading.text, sha256: null }
}
