// `user_data`: what GA4 may match a person by. Only with the consent that it is for: ad_user_data.
import type { MapWarning, OutgoingEvent } from '../../destination.ts'
import { readCountry } from '../../person/country.ts'
import { emailsOf, hashEach, inAddress, phonesOf, readClear, type Given } from '../../person/given.ts'
import { normalize } from './normalize.ts'
import type { Ga4Address, Ga4UserData } from './payload.ts'
import type { UserData } from '../../../schema/event.ts'

/** GA4 takes this many e-mail addresses and phone numbers each. */
const mostOfEach = 3

/**
 * What is known of the person, hashed where GA4 wants hashes; undefined when nothing is, or without consent
 * (google.md §6: an event goes without its user_data then). What cannot be normalised is left out with a warning.
 */
export function userDataOf (event: OutgoingEvent, warnings: MapWarning[]): Ga4UserData | undefined {
  if (event.consent.ad_user_data !== 'granted') return undefined
  const { user_data: person = {} } = event
  const country = person.address?.country
  const known = country === undefined ? undefined : readCountry(country) ?? undefined
  const phoneCountry = known ?? event.defaults.country ?? event.country
  const data: Ga4UserData = {
    sha256_email_address: listOf('email', emailsOf(person), warnings),
    sha256_phone_number: listOf('phone', phonesOf(person), warnings, phoneCountry),
    address: addressOf(person, warnings)
  }
  return Object.values(data).every(value => value === undefined) ? undefined : data
}

/** The hashes of all usable values, without repetitions: every value's first spelling before any further one. */
function listOf (
  field: 'email' | 'phone', given: readonly Given[], warnings: MapWarning[], country?: string
): string[] | undefined {
  const each = hashEach(given, value => normalize(field, value, country), warnings)
  const first = new Set(each.map(({ sha256 }) => sha256))
  const hashes = [...new Set([...first, ...each.flatMap(({ further }) => further)])]
  const path = field === 'email' ? 'user_data.email' : 'user_data.phone_number'
  if (first.size > mostOfEach) warnings.push({ path, code: 'too_many' })
  return hashes.length === 0 ? undefined : hashes.slice(0, mostOfEach)
}

function addressOf (person: UserData, warnings: MapWarning[]): Ga4Address[] | undefined {
  const hashOf = (field: 'first_name' | 'last_name' | 'street') =>
    hashEach([inAddress(person, field), inAddress(person, `sha256_${field}`)], value => normalize(field, value),
      warnings)[0]?.sha256
  const clear = (field: 'city' | 'region' | 'postal_code' | 'country') =>
    readClear(inAddress(person, field), value => normalize(field, value), warnings)
  const address: Ga4Address = {
    sha256_first_name: hashOf('first_name'),
    sha256_last_name: hashOf('last_name'),
    sha256_street: hashOf('street'),
    city: clear('city'),
    region: clear('region'),
    postal_code: clear('postal_code'),
    country: clear('country')
  }
  return Object.values(address).every(value => value === undefined) ? undefined : [address]
}
