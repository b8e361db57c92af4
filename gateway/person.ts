// Who the visitor says they are: any form of gtag's user_data, and flat fields under known names, as UserData.
import type { Address, UserData } from '../schema/event.ts'
import { formFieldNames, type PersonKey } from '../schema/lead.ts'
import { readText } from './coerce.ts'
import { remember } from '../config/bounded.ts'

/** Notes what could not be used: the path in the body, a code, and the value where it can be nobody's personal data. */
export type Warn = (path: string, code: string, value?: string) => void

const keyByName = new Map(Object.entries(formFieldNames)
  .flatMap(([key, names]) => names.map(name => [name, key as PersonKey] as const)))

/** Events name their parameters freely: only names that can mean nothing but a person count there. */
const certainKeys = new Set<PersonKey>(['email', 'phone_number', 'first_name', 'last_name', 'sha256_email_address',
  'sha256_phone_number'])
const uncertainNames = new Set(['em', 'ph', 'fn', 'ln', 'mobile', 'portable', 'cell', 'mobil', 'via', 'nom', 'nome',
  'nombre',
  'movil', 'handy', 'gsm', 'secondname'])

const prefixes = /^(your|my|contact|customer|client|billing|lead|form|visitor|field|input|user_?data)[\s._-]+(?=.)/
const leadingUser = /^user[\s._-]+(?=e?mail|phone|tel)/

/** A field's own name without what form builders put around it: `form_fields[your-email][]` is `email`. */
function plainName (name: string): string {
  const inBrackets = [...name.matchAll(/\[([^\]]+)\]/g)].map(found => found[1] ??
    '').filter(part => !/^\d*$/.test(part))
  const own = (inBrackets.at(-1) ?? name.replace(/\[\d*\]$/, '')).replace(/([a-z])([A-Z])/g, '$1_$2').toLowerCase()
  return own.replace(prefixes, '').replace(leadingUser, '')
    .replace(/ä/g, 'ae').replace(/ö/g, 'oe').replace(/ü/g, 'ue').replace(/ß/g, 'ss').replace(/ł/g, 'l')
    .normalize('NFD').replace(/[^\p{L}\p{N}]/gu, '')
}

const keyOfName = remember(4000, name => keyByName.get(plainName(name)) ?? null)

/** What a lead form's field holds, by its name; undefined for the visitor's other answers. */
export function personKeyOfField (name: string): PersonKey | undefined {
  return name.length > 100 ? undefined : keyOfName(name) ?? undefined
}

/** What an event's own parameter holds, if its name can mean nothing else. */
export function personKeyOfParameter (name: string): PersonKey | undefined {
  const key = personKeyOfField(name)
  return key !== undefined && certainKeys.has(key) && !uncertainNames.has(plainName(name)) ? key : undefined
}

type ListKey = 'email' | 'phone_number' | 'sha256_email_address' | 'sha256_phone_number'
const lists: readonly PersonKey[] = ['email', 'phone_number', 'sha256_email_address', 'sha256_phone_number']
const mostValues = 10
const longestValue = 512
const hash = /^[0-9a-f]{64}$/i

/** The list a value belongs to: what came as an e-mail or phone may be a hash already. */
function listOf (key: PersonKey, value: string): ListKey {
  const isPhone = key === 'phone_number' || key === 'sha256_phone_number'
  if (hash.test(value)) return isPhone ? 'sha256_phone_number' : 'sha256_email_address'
  return isPhone ? 'phone_number' : 'email'
}

/** False when a value could not be used. */
function addToList (person: UserData, key: PersonKey, given: unknown, path: string, warn: Warn): boolean {
  const all = Array.isArray(given) ? given : [given]
  let isUsed = all.length <= mostValues
  if (!isUsed) warn(path, 'too_many')
  for (const one of all.slice(0, mostValues)) {
    const text = readText(one, longestValue)
    if (text === null) continue
    if ('refused' in text || text.warning !== undefined) {
      warn(path, 'refused' in text ? text.refused : 'too_long')
      isUsed = false
    } else if (key.startsWith('sha256_') && !hash.test(text.value)) {
      warn(path, 'not_a_hash')
      isUsed = false
    } else {
      const list = listOf(key, text.value)
      const known = person[list] ?? []
      if (!known.includes(text.value)) person[list] = [...known, text.value]
    }
  }
  return isUsed
}

/** A full name falls into first and last name only where it has two words, or one comma. */
function splitName (name: string): Pick<Address, 'first_name' | 'last_name'> | undefined {
  const byComma = /^([^,]+),\s*([^,]+)$/.exec(name)
  if (byComma !== null) return { last_name: byComma[1]?.trim(), first_name: byComma[2]?.trim() }
  const words = name.split(/\s+/)
  return words.length === 2 ? { first_name: words[0], last_name: words[1] } : undefined
}

/**
 * Adds one value under a known key to `person`. The first value of a key stays; e-mails and phones are lists.
 * Returns false when a value could not be used, or (a full name) not with certainty.
 */
export function addToPerson (person: UserData, key: PersonKey, given: unknown, path: string, warn: Warn): boolean {
  if (lists.includes(key)) return addToList(person, key, given, path, warn)
  const text = readText(Array.isArray(given) ? given[0] : given, longestValue)
  if (text === null) return true
  if ('refused' in text) {
    warn(path, text.refused)
    return false
  }
  if (key === 'birth_date' || key === 'gender') {
    person[key] ??= text.value
    return true
  }
  const address: Address = person.address ?? {}
  if (key === 'full_name') {
    // Beside a first name, `name` is the last name.
    const split = address.first_name !== undefined && address.last_name === undefined
      ? { last_name: text.value }
      : splitName(text.value)
    if (split === undefined || address.last_name !== undefined) return false
    person.address = {
      ...address,
      ...split,
      ...(address.first_name === undefined ? {} : { first_name: address.first_name })
    }
    return true
  }
  const field = key as Exclude<keyof Address, 'sha256_first_name' | 'sha256_last_name' | 'sha256_street'>
  person.address = { ...address, [field]: address[field] ?? text.value }
  return true
}

const addressKeys = ['first_name', 'last_name', 'sha256_first_name', 'sha256_last_name', 'street', 'sha256_street',
  'city',
  'region', 'postal_code', 'country'] as const

/** Reads `user_data.address`: an object, or gtag's list of objects, of which the first counts. */
function addAddress (person: UserData, given: unknown, path: string, warn: Warn): void {
  const record: unknown = Array.isArray(given) ? given[0] : given
  if (typeof record !== 'object' || record === null) {
    if (given !== null && given !== undefined) warn(path, 'not_an_object')
    return
  }
  for (const [name, value] of Object.entries(record)) {
    const hashed = /^sha256_(first_name|last_name|street)$/.test(name)
    const key = hashed ? undefined : personKeyOfField(name)
    if (key !== undefined && !lists.includes(key)) {
      addToPerson(person, key, value, `${path}.${safeName(name)}`, warn)
      continue
    }
    const text = readText(value, longestValue)
    if (text === null) continue
    const field = addressKeys.find(known => known === name)
    if (field === undefined) warn(`${path}.${name}`, 'unknown_field')
    else if ('refused' in text || (hashed && !hash.test(text.value))) warn(`${path}.${name}`, 'not_a_hash')
    else person.address = { ...person.address, [field]: text.value }
  }
}

/** Reads `user_data` in any of gtag's forms, Meta's short keys included. Undefined when there is nothing in it. */
export function readPerson (given: unknown, path: string, warn: Warn): UserData | undefined {
  if (given === null || given === undefined) return undefined
  if (typeof given !== 'object' || Array.isArray(given)) {
    warn(path, 'not_an_object')
    return undefined
  }
  const person: UserData = {}
  for (const [name, value] of Object.entries(given)) {
    if (name === 'address' && typeof value === 'object') {
      addAddress(person, value, `${path}.address`, warn)
      continue
    }
    const key = personKeyOfField(name)
    if (key === undefined) warn(`${path}.${safeName(name)}`, 'unknown_field')
    else addToPerson(person, key, value, `${path}.${safeName(name)}`, warn)
  }
  return Object.keys(person).length === 0 ? undefined : person
}

/** A name from outside, fit for a path in a warning. */
export function safeName (name: string): string {
  return name.replace(/[^\w.[\]-]/g, '?').slice(0, 64)
}
