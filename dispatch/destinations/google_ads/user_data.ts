// `userData`: everything Google may match a person by, hashed where it wants hashes; what is unusable is left out.
import type { MapWarning, OutgoingEvent, PersonField } from '../../destination.ts'
import { readCountry } from '../../person/country.ts'
import { emailsOf, hashEach, inAddress, phonesOf, readClear, type Given } from '../../person/given.ts'
import { normalize } from './normalize.ts'
import type { UserIdentifier } from './payload.ts'

/** Of one event; more refuse it (google.md §2.2). */
const mostIdentifiers = 10

/** Undefined where nothing of the person is usable. A value that cannot be normalised is left out with a warning. */
export function userDataOf (
  event: OutgoingEvent, warnings: MapWarning[]
): { userIdentifiers: UserIdentifier[] } | undefined {
  const person = event.user_data ?? {}
  const country = person.address?.country ?? event.defaults.country
  const known = country === undefined ? undefined : readCountry(country) ?? undefined
  const phoneCountry = known ?? event.defaults.country ?? event.country
  const emails = hashAll('email', emailsOf(person), undefined, warnings)
  const phones = hashAll('phone', phonesOf(person), phoneCountry, warnings)
  const address = addressOf(event, known, warnings)

  const contacts: UserIdentifier[] = [
    ...emails.map(hash => ({ emailAddress: hash })), ...phones.map(hash => ({ phoneNumber: hash }))
  ]
  const room = mostIdentifiers - (address === undefined ? 0 : 1)
  if (contacts.length > room) warnings.push({ path: 'user_data', code: 'too_many' })
  const userIdentifiers = [...contacts.slice(0, room), ...address === undefined ? [] : [{ address }]]
  return userIdentifiers.length === 0 ? undefined : { userIdentifiers }
}

/** The hashes of all usable values, without repetitions. */
function hashAll (
  field: PersonField, given: readonly Given[], country: string | undefined, warnings: MapWarning[]
): string[] {
  return [...new Set(hashEach(given, value => normalize(field, value, country), warnings).map(({ sha256 }) => sha256))]
}

/**
 * First and last name, country and postal code: all four or none, because part of an address refuses the request
 * (google.md §2.3). `country` is ISO alpha-2 in lower case: the address's own, or the site's.
 */
function addressOf (
  event: OutgoingEvent, country: string | undefined, warnings: MapWarning[]
): UserIdentifier['address'] {
  const person = event.user_data ?? {}
  const { address = {} } = person
  const name = (field: 'first_name' | 'last_name') =>
    hashAll(field, [inAddress(person, field), inAddress(person, `sha256_${field}`)], undefined, warnings)[0]
  const [givenName, familyName] = [name('first_name'), name('last_name')]
  const postalCode = readClear(inAddress(person, 'postal_code'), value =>
    normalize('postal_code', value, country), warnings)
  const regionCode = country?.toUpperCase()
  if (address.country !== undefined && readCountry(address.country) === null) {
    warnings.push({ path: 'user_data.address.country', code: 'unknown_country' })
    return undefined
  }
  if (givenName !== undefined && familyName !== undefined && postalCode !== undefined && regionCode !== undefined) {
    return { givenName, familyName, regionCode, postalCode }
  }
  if (event.user_data?.address !== undefined) warnings.push({ path: 'user_data.address', code: 'incomplete' })
  return undefined
}
