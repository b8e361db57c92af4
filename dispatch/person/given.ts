// What an event says of a person, value by value with its place; and what of it is usable, with a warning for the rest.
import type { Address, UserData } from '../../schema/event.ts'
import type { MapWarning, Normalized } from '../destination.ts'
import { readGivenHash } from './hashing.ts'

/** A value and where it stood in the event; `isHash` when the sender says that it is hashed already. */
export interface Given { value: string | undefined, path: string, isHash: boolean }

type ListKey = 'email' | 'phone_number' | 'sha256_email_address' | 'sha256_phone_number'

const isHashKey = (key: string) => key.startsWith('sha256_')

const listed = (person: UserData, key: ListKey): Given[] => (person[key] ?? []).map((value, index) =>
  ({ value, path: `user_data.${key}.${index}`, isHash: isHashKey(key) }))

/** The e-mail addresses of an event, those that came hashed last. */
export const emailsOf = (person: UserData): Given[] =>
  [...listed(person, 'email'), ...listed(person, 'sha256_email_address')]

/** The phone numbers of an event, those that came hashed last. */
export const phonesOf = (person: UserData): Given[] =>
  [...listed(person, 'phone_number'), ...listed(person, 'sha256_phone_number')]

/** One line of the address. */
export const inAddress = (person: UserData, key: keyof Address): Given =>
  ({ value: person.address?.[key], path: `user_data.address.${key}`, isHash: isHashKey(key) })

/** The hash of each usable value, with those of its further spellings. */
export function hashEach (
  given: readonly Given[], read: (value: string) => Normalized, warnings: MapWarning[]
): { sha256: string, further: string[] }[] {
  return given.flatMap(({ value, path, isHash }) => {
    if (value === undefined) return []
    const { sha256, also = [], why }: Pick<Normalized, 'sha256' | 'also'> & { why?: string } = isHash
      ? { sha256: readGivenHash(value), why: 'not_a_hash' }
      : read(value)
    if (sha256 !== null) return [{ sha256, further: also.flatMap(spelling => spelling.sha256 ?? []) }]
    warnings.push({ path, code: why ?? 'unusable' })
    return []
  })
}

/** A value where the network wants it in clear. */
export function readClear (
  { value, path }: Given, read: (value: string) => Normalized, warnings: MapWarning[]
): string | undefined {
  if (value === undefined) return undefined
  const { normalized, why } = read(value)
  if (normalized === null) warnings.push({ path, code: why ?? 'unusable' })
  return normalized ?? undefined
}
