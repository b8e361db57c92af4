// `userData`: everything Google may match a person by, hashed where it wants hashes; what is unusable is left out.
import type { MapWarning, OutgoingEvent, PersonField } from '../../destination.ts'
import { readCountry } from '../../person/country.ts'
import { readGivenHash } from '../../person/hashing.ts'
import { normalize } from './normalize.ts'
import type { UserIdentifier } from './payload.ts'

/** Of one event; more refuse it (google.md §2.2). */
const mostIdentifiers = 10

/** A value and where it stood in the event; `isHash` when the sender says that it is hashed already. */
interface Given { value: string, path: string, isHash: boolean }

/** Undefined where nothing of the person is usable. A value that cannot be normalised is left out with a warning. */
export function userDataOf (
  event: OutgoingEvent, warnings: MapWarning[]
): { userIdentifiers: UserIdentifier[] } | undefined {
  const person = event.user_data ?? {}
  const country = person.address?.country ?? event.defaults.country
  const known = country === undefined ? undefined : readCountry(country) ?? undefined
  const phoneCountry = known ?? event.defaults.country ?? event.country
  const emails = hashAll('email', [...listed(person.email, 'email'),
    ...listed(person.sha256_email_address, 'sha256_email_address')], undefined, warnings)
  const phones = hashAll('phone', [...listed(person.phone_number, 'phone_number'),
    ...listed(person.sha256_phone_number, 'sha256_phone_number')], phoneCountry, warnings)
  const address = addressOf(event, known, warnings)

  const contacts: UserIdentifier[] = [
    ...emails.map(hash => ({ emailAddress: hash })), ...phones.map(hash => ({ phoneNumber: hash }))
  ]
  const room = mostIdentifiers - (address === undefined ? 0 : 1)
  if (contacts.length > room) warnings.push({ path: 'user_data', code: 'too_many' })
  const userIdentifiers = [...contacts.slice(0, room), ...address === undefined ? [] : [{ address }]]
  return userIdentifiers.length === 0 ? undefined : { userIdentifiers }
}

const listed = (values: string[] | undefined, key: string): Given[] => (values ?? []).map((value, index) =>
  ({ value, path: `user_data.${key}.${index}`, isHash: key.startsWith('sha256_') }))

/** The hashes of all usable values, without repetitions. */
function hashAll (
  field: PersonField, given: readonly Given[], country: string | undefined, warnings: MapWarning[]
): string[] {
  return [...new Set(given.flatMap(one => hashOf(field, one, country, warnings) ?? []))]
}

function hashOf (
  field: PersonField, { value, path, isHash }: Given, country: string | undefined, warnings: MapWarning[]
): string | undefined {
  const { sha256, why } = isHash
    ? { sha256: readGivenHash(value), why: 'not_a_hash' }
    : normalize(field, value, country)
  if (sha256 === null) warnings.push({ path, code: why ?? 'unusable' })
  return sha256 ?? undefined
}

/**
 * First and last name, country and postal code: all four or none, because part of an address refuses the request
 * (google.md §2.3). `country` is ISO alpha-2 in lower case: the address's own, or the site's.
 */
function addressOf (
  event: OutgoingEvent, country: string | undefined, warnings: MapWarning[]
): UserIdentifier['address'] {
  const address = event.user_data?.address ?? {}
  const name = (field: 'first_name' | 'last_name') => {
    const given = (key: 'first_name' | 'last_name' | 'sha256_first_name' | 'sha256_last_name'): Given[] => {
      const { [key]: value } = address
      return value === undefined
        ? []
        : [{ value, path: `user_data.address.${key}`, isHash: key !== field }]
    }
    return hashAll(field, [...given(field), ...given(`sha256_${field}`)], undefined, warnings)[0]
  }
  const [givenName, familyName] = [name('first_name'), name('last_name')]
  const postalCode = clear('postal_code', address.postal_code, country, warnings)
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

function clear (
  field: 'postal_code', value: string | undefined, country: string | undefined, warnings: MapWarning[]
): string | undefined {
  if (value === undefined) return undefined
  const { normalized, why } = normalize(field, value, country)
  if (normalized === null) warnings.push({ path: `user_data.address.${field}`, code: why ?? 'unusable' })
  return normalized ?? undefined
}
