// How each thing known of a person is normalised for Meta, by the table in meta.md §2 ("suggested for us").
import type { Normalized, PersonField } from '../../destination.ts'
import { readBirthDate } from '../../person/birth_date.ts'
import { readCity } from '../../person/city.ts'
import { readCountry } from '../../person/country.ts'
import { readEmail } from '../../person/email.ts'
import { hashed, notAccepted, type Reading } from '../../person/hashing.ts'
import { readName } from '../../person/name.ts'
import { readPhoneDigits } from '../../person/phone.ts'
import { readPostalCode } from '../../person/postal_code.ts'
import { hasRegionTable, readRegionCode } from '../../person/region.ts'
import { rememberShared } from '../../person/names_and_places.ts'

const genders = new Map([['f', 'f'], ['female', 'f'], ['m', 'm'], ['male', 'm']])

/**
 * The value as Meta hashes it. `country` (code or name) is the region of a phone number without country code, and
 * decides how a state and a postal code are read. `nowMs` makes later birth dates impossible.
 */
export const normalize = rememberShared(normalizeField)

function normalizeField (field: PersonField, value: string, country?: string, nowMs?: number): Normalized {
  const region = country === undefined ? undefined : readCountry(country) ?? undefined
  switch (field) {
    case 'email': return hashed(value, readEmail)
    case 'phone': return hashed(value, text => readPhoneDigits(text, region))
    case 'first_name':
    case 'last_name': return hashed(value, readName)
    case 'city': return hashed(value, readCity)
    case 'region': return hashed(value, text => readRegion(text, region))
    case 'postal_code': return hashed(value, text => readPostalCode(text, region))
    case 'country': return hashed(value, text => known(readCountry(text), 'unknown_country'))
    case 'birth_date': return hashed(value, text => readBirthDate(text, nowMs))
    case 'gender': return hashed(value, text => known(genders.get(text.toLowerCase()) ?? null, 'not_a_gender'))
    case 'external_id': return hashed(value, readExternalId)
    case 'street': return notAccepted
  }
}

function known (text: string | null, why: 'unknown_country' | 'not_a_gender'): Reading {
  return text === null ? { why } : { text }
}

/** Two letters in the United States and Canada; elsewhere the name in lower case without spaces and punctuation. */
function readRegion (text: string, country: string | undefined): Reading {
  const code = readRegionCode(text, country)
  if (code !== null) return { text: code }
  const name = text.toLowerCase().replace(/[^\p{L}\p{M}\p{N}]/gu, '')
  const mustBeCode = country !== undefined && hasRegionTable(country)
  return name === '' || mustBeCode ? { why: 'unusable_characters' } : { text: name }
}

/** As Meta's pixel and parameter builder do it: an id in another case would be another person (meta.md §2). */
function readExternalId (text: string): Reading {
  return { text: text.toLowerCase().replace(/\s/g, '') }
}
