// What the conformance suite looks for in any value: leaves, times, personal texts, open objects.
import type { TSchema } from 'typebox'
import type { Destination, OutgoingRequest } from '../dispatch/destination.ts'
import type { Example } from './goldens.ts'

/** Freezes a value and all that is in it. */
export function deepFreeze<T> (value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) deepFreeze(inner)
  }
  return value
}

/** Every string and number inside a value, with the name of its key. */
export function leavesOf (value: unknown, key = ''): { key: string, leaf: unknown }[] {
  if (Array.isArray(value)) return value.flatMap(inner => leavesOf(inner, key))
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([name, inner]) => leavesOf(inner, name))
  }
  return [{ key, leaf: value }]
}

/** A leaf as a time in Unix milliseconds, whatever its unit; undefined if it is none. */
export function timesOf (leaf: unknown): number[] {
  if (typeof leaf === 'number') return [leaf, leaf * 1000, leaf / 1000]
  if (typeof leaf !== 'string') return []
  return /^\d{4}-\d\d-\d\dT/.test(leaf) ? [Date.parse(leaf)] : /^\d{10,16}$/.test(leaf) ? timesOf(Number(leaf)) : []
}

interface PersonalTexts { emails: string[], phones: string[], names: string[] }

type Normalizing = Pick<Destination, 'normalize'>

/** What was typed of a person and must never leave as it is. A user id may where the network wants it in clear. */
function personalTexts ({ event }: Example, destination: Normalizing): PersonalTexts {
  const { user_data: person = {}, user_id: givenUserId } = event.candidate.event
  const { first_name: first, last_name: last, street } = person.address ?? {}
  const wanted = givenUserId === undefined ? undefined : destination.normalize('external_id', givenUserId)
  const isInClear = wanted !== undefined && wanted.normalized !== null && wanted.sha256 === null
  const userId = isInClear ? undefined : givenUserId
  return {
    emails: (person.email ?? []).map(email => email.trim().toLowerCase()),
    phones: (person.phone_number ?? []).map(phone => phone.replace(/\D/g, '').replace(/^0+/, '').slice(-7))
      .filter(phone => phone.length === 7),
    names: [first, last, street, userId].flatMap(name => name === undefined ? [] : [name.trim().toLowerCase()])
      .filter(name => name.length > 2)
  }
}

const isHash = (text: string) => /^[0-9a-f]{64}$/.test(text)

/** What of a person's data stands readable in a request of an example. */
export function leaksOf (request: OutgoingRequest, example: Example, destination: Normalizing): string[] {
  const { emails, phones, names } = personalTexts(example, destination)
  const texts = leavesOf([request.url, request.headers, request.body]).map(({ leaf }) => String(leaf).toLowerCase())
    .filter(text => !isHash(text) && text !== example.event.candidate.event.event_id)
  return texts.flatMap(text => [
    ...[...emails, ...names].filter(secret => decodeURIComponent(text).includes(secret)),
    ...phones.filter(phone => text.replace(/[\s()/-]/g, '').includes(phone))
  ])
}

/** The events in a request: the longest list in its body. */
export function eventsIn (body: unknown): number {
  if (typeof body !== 'object' || body === null) return 1
  return Math.max(...Object.values(body).map(value => Array.isArray(value) ? value.length : 0))
}

/** The objects of a schema that let keys pass that nobody described. */
export function openObjects (schema: TSchema, path: string): string[] {
  const { type, properties = {}, items, additionalProperties, patternProperties } = schema as TSchema & {
    type?: string,
    properties?: Record<string, TSchema>,
    items?: TSchema,
    additionalProperties?: unknown,
    patternProperties?: unknown
  }
  const isOpen = type === 'object' && patternProperties === undefined &&
    (additionalProperties === undefined || additionalProperties === true)
  const inner = Object.entries(properties).flatMap(([key, value]) => openObjects(value, `${path}.${key}`))
  return [...isOpen ? [path] : [], ...inner, ...items === undefined ? [] : openObjects(items, `${path}[]`)]
}
