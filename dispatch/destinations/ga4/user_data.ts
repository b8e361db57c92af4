// `user_data`: what GA4 may match a person by. Only with the consent that it is for: ad_user_data.
import type { MapWarning, OutgoingEvent, PersonField } from '../../destination.ts'
import { readCountry } from '../../person/country.ts'
import { readGivenHash } from '../../person/hashing.ts'
import { normalize } from './normalize.ts'
import type { Ga4Address, Ga4UserData } from './payload.ts'

/** GA4 takes this many e-mail addresses and phone numbers each. */
const mostOfEach = 3

/**
 * What is known of the person, hashed where GA4 wants hashes; undefined when nothing is, or without consent
 * (google.md §6: an event goes without its user_data then). What cannot be normalised is left out with a warning.
 */
export function userDataOf (event: OutgoingEvent, warnings: MapWarning[]): Ga4UserData | undefined {
  if (event.consent.ad_user_data !== 'granted') return undefined
  const { user_data: person = {} } = event
  const address = person.address ?? {}
  const known = address.country === undefined ? undefined : readCountry(address.country) ?? undefined
  const phoneCountry = known ?? event.defaults.country ?? event.country
  const data: Ga4UserData = {
    sha256_email_address: listOf('email', person.email, person.sha256_email_address, warnings),
    sha256_phone_number: listOf('phone', person.phone_number, person.sha256_phone_number, warnings, phoneCountry),
    address: addressOf(address, warnings)
  }
  return Object.values(data).every(value => value === undefined) ? undefined : data
}

const lists = {
  email: ['email', 'sha256_email_address'], phone: ['phone_number', 'sha256_phone_number']
} as const

/** The hashes of all usable values, without repetitions: every value's first spelling before any further one. */
function listOf (
  field: 'email' | 'phone', typed: string[] | undefined, given: string[] | undefined, warnings: MapWarning[],
  country?: string
): string[] | undefined {
  const [typedKey, givenKey] = lists[field]
  const first: string[] = []
  const further: string[] = []
  for (const [index, value] of (typed ?? []).entries()) {
    const { sha256, also = [], why } = normalize(field, value, country)
    if (sha256 === null) warnings.push({ path: `user_data.${typedKey}.${index}`, code: why ?? 'unusable' })
    else first.push(sha256)
    further.push(...also.flatMap(spelling => spelling.sha256 ?? []))
  }
  for (const [index, value] of (given ?? []).entries()) {
    const hash = readGivenHash(value)
    if (hash === null) warnings.push({ path: `user_data.${givenKey}.${index}`, code: 'not_a_hash' })
    else first.push(hash)
  }
  const hashes = [...new Set([...first, ...further])]
  if (new Set(first).size > mostOfEach) warnings.push({ path: `user_data.${typedKey}`, code: 'too_many' })
  return hashes.length === 0 ? undefined : hashes.slice(0, mostOfEach)
}

type Given = NonNullable<NonNullable<OutgoingEvent['user_data']>['address']>

function addressOf (given: Given, warnings: MapWarning[]): Ga4Address[] | undefined {
  const read = (field: PersonField, key: keyof Given) => {
    const value = given[key]
    if (value === undefined) return undefined
    const { normalized, sha256, why } = normalize(field, value)
    if (normalized === null && sha256 === null) {
      warnings.push({ path: `user_data.address.${key}`, code: why ?? 'unusable' })
    }
    return { normalized: normalized ?? undefined, sha256: sha256 ?? undefined }
  }
  const hashOf = (field: PersonField, key: keyof Given, hashKey: keyof Given) => {
    const value = given[hashKey]
    const hash = value === undefined ? undefined : readGivenHash(value)
    if (hash === null) warnings.push({ path: `user_data.address.${hashKey}`, code: 'not_a_hash' })
    return read(field, key)?.sha256 ?? hash ?? undefined
  }
  const address: Ga4Address = {
    sha256_first_name: hashOf('first_name', 'first_name', 'sha256_first_name'),
    sha256_last_name: hashOf('last_name', 'last_name', 'sha256_last_name'),
    sha256_street: hashOf('street', 'street', 'sha256_street'),
    city: read('city', 'city')?.normalized,
    region: read('region', 'region')?.normalized,
    postal_code: read('postal_code', 'postal_code')?.normalized,
    country: read('country', 'country')?.normalized
  }
  return Object.values(address).every(value => value === undefined) ? undefined : [address]
}
