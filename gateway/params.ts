// What senders give beside the known keys: kept as parameters, made safe for JSON, Postgres and logs; and GA4's items.
import type { Item } from '../schema/event.ts'
import { readAmount, readText, type Coerced } from './coerce.ts'
import { safeName, type Warn } from './person.ts'

const deepest = 6

/** How much of what a sender gives is kept. */
export interface ParameterLimits { entries: number, textLength: number, nameLength: number }

const parameterLimits: ParameterLimits = { entries: 100, textLength: 2000, nameLength: 100 }
/** A lead's answers: what was typed is kept whole, so the body's own cap is the limit of a text. */
export const answerLimits: ParameterLimits = { entries: 1000, textLength: 262_144, nameLength: 200 }

/** Names through which JavaScript objects reach their prototypes. */
const forbiddenNames = new Set(['__proto__', 'constructor', 'prototype'])

/** The entries of an object whose names can be stored; the others are dropped with a warning. */
function safeEntries (given: object, path: string, warn: Warn, limits: ParameterLimits): [string, unknown][] {
  const entries = Object.entries(given)
  if (entries.length > limits.entries) warn(path, 'too_many')
  return entries.slice(0, limits.entries).flatMap(([name, value]) => {
    const clean = readText(name, limits.nameLength)
    if (clean === null || 'refused' in clean || clean.warning !== undefined || forbiddenNames.has(clean.value)) {
      warn(joined(path, name), 'bad_name')
      return []
    }
    return [[clean.value, value] as [string, unknown]]
  })
}

function joined (path: string, name: string): string {
  return path === '' ? safeName(name) : `${path}.${safeName(name)}`
}

/**
 * A JSON value that can be stored: clean strings, finite numbers, bounded depth and size. Undefined: nothing is left.
 */
export function readParameter (
  given: unknown, path: string, warn: Warn, limits = parameterLimits, depth = 0
): unknown {
  if (given === null || given === undefined) return undefined
  if (typeof given === 'string' || typeof given === 'boolean') {
    if (typeof given === 'boolean') return given
    const text = readText(given, limits.textLength)
    if (text === null || 'refused' in text) return undefined
    if (text.warning !== undefined) warn(path, text.warning)
    return text.value
  }
  if (typeof given === 'number') {
    if (Number.isFinite(given)) return given
    warn(path, 'not_a_number')
    return undefined
  }
  if (typeof given !== 'object' || depth >= deepest) {
    warn(path, 'too_deep')
    return undefined
  }
  if (Array.isArray(given)) {
    if (given.length > limits.entries) warn(path, 'too_many')
    return given.slice(0, limits.entries)
      .map((one, index) => readParameter(one, `${path}[${index}]`, warn, limits, depth + 1))
      .filter(one => one !== undefined)
  }
  return readParameters(given, path, warn, limits, depth + 1)
}

/** Every entry of an object by readParameter(); undefined when none is left. */
export function readParameters (
  given: object, path: string, warn: Warn, limits = parameterLimits, depth = 0
): Record<string, unknown> | undefined {
  const kept = safeEntries(given, path, warn, limits)
    .map(([name, value]) => [name, readParameter(value, joined(path, name), warn, limits, depth)] as const)
    .filter(([, value]) => value !== undefined)
  return kept.length === 0 ? undefined : Object.fromEntries(kept)
}

const itemText = (given: unknown) => readText(given, 500)
/** GA4's item fields, with the spellings of Meta's `contents`, of shops and of Universal Analytics. */
const itemFields: { field: keyof Item, names: string[], read: (given: unknown) => Coerced<string | number> }[] = [
  { field: 'item_id', names: ['item_id', 'id', 'sku', 'product_id', 'content_id'], read: itemText },
  { field: 'item_name', names: ['item_name', 'name', 'title', 'content_name'], read: itemText },
  { field: 'item_brand', names: ['item_brand', 'brand'], read: itemText },
  { field: 'item_category', names: ['item_category', 'category', 'content_category'], read: itemText },
  { field: 'item_variant', names: ['item_variant', 'variant'], read: itemText },
  { field: 'coupon', names: ['coupon'], read: itemText },
  { field: 'discount', names: ['discount'], read: readAmount },
  { field: 'price', names: ['price', 'item_price', 'unit_price'], read: readAmount },
  { field: 'quantity', names: ['quantity', 'qty'], read: readAmount }
]
const fieldByName = new Map(itemFields.flatMap(row => row.names.map(name => [name, row] as const)))
const mostItems = 200

/** Reads `items`. What GA4 does not know is dropped with a warning; an item that says nothing is dropped. */
export function readItems (given: unknown, path: string, warn: Warn): Item[] | undefined {
  if (given === null || given === undefined) return undefined
  if (!Array.isArray(given)) {
    warn(path, 'not_a_list')
    return undefined
  }
  if (given.length > mostItems) warn(path, 'too_many')
  const items = given.slice(0, mostItems).flatMap((one: unknown, index) => {
    const item = readItem(one, `${path}[${index}]`, warn)
    return item === undefined ? [] : [item]
  })
  return items.length === 0 ? undefined : items
}

function readItem (given: unknown, path: string, warn: Warn): Item | undefined {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    warn(path, 'not_an_object')
    return undefined
  }
  const item: Record<string, string | number> = {}
  for (const [name, value] of Object.entries(given)) {
    const row = fieldByName.get(name)
    if (row === undefined) {
      warn(joined(path, name), 'unknown_field')
      continue
    }
    const read = row.read(value)
    if (read === null) continue
    if ('refused' in read) warn(joined(path, name), read.refused)
    else item[row.field] ??= read.value
  }
  return Object.keys(item).length === 0 ? undefined : item
}
