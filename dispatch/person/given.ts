// What an event says of a person, value by value with its place; and what of it is usable, with a warning for the rest.
import type { Address, UserData } from '../../schema/event.ts'
import type { MapWarning, Normalized } from '../destination.ts'
import { readGivenHash } from './hashing.ts'

/** A value and where it stood in the event; `isHash` when the sender says that it is hashed already. */
export interface Given { value: string | undefined, path: string, isHash: boolean }

type ListKey = 'email' | 'phone_number' | 'sha256_email_address' | 'sha256_phone_number'

const isHashKey = (key: string) => key.startsWith('sha256_')

function addListed (list: Given[], person: UserData, key: ListKey): void {
  const values = person[key]
  if (values === undefined) return
  for (const [index, value] of values.entries()) {
    list.push({ value, path: `user_data.${key}.${index}`, isHash: isHashKey(key) })
  }
}

function listed (person: UserData, inClear: ListKey, hashed: ListKey): Given[] {
  const list: Given[] = []
  addListed(list, person, inClear)
  addListed(list, person, hashed)
  return list
}

/** The e-mail addresses of an event, those that came hashed last. */
export const emailsOf = (person: UserData): Given[] => listed(person, 'email', 'sha256_email_address')

/** The phone numbers of an event, those that came hashed last. */
export const phonesOf = (person: UserData): Given[] => listed(person, 'phone_number', 'sha256_phone_number')

/** One line of the address. */
export const inAddress = (person: UserData, key: keyof Address): Given =>
  ({ value: person.address?.[key], path: `user_data.address.${key}`, isHash: isHashKey(key) })

const none: readonly string[] = []

/** A hash, and those of the value's further spellings. */
export interface Hashes { sha256: string, further: readonly string[] }

/** The hash of each usable value, with those of its further spellings. */
export function hashEach (
  given: readonly Given[], read: (value: string) => Normalized, warnings: MapWarning[]
): Hashes[] {
  return given.flatMap(one => one.value === undefined ? [] : hashOne(one, one.value, read, warnings) ?? [])
}

/** The hash of one value; null with a warning where it is unusable. */
export function hashOne (
  { path, isHash }: Given, value: string, read: (value: string) => Normalized, warnings: MapWarning[]
): Hashes | null {
  const { sha256, also, why }: Pick<Normalized, 'sha256' | 'also'> & { why?: string } = isHash
    ? { sha256: readGivenHash(value), why: 'not_a_hash' }
    : read(value)
  if (sha256 !== null) return { sha256, further: also?.flatMap(spelling => spelling.sha256 ?? []) ?? none }
  warnings.push({ path, code: why ?? 'unusable' })
  return null
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
