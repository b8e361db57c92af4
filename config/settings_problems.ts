// Says what is wrong with a value of the settings: where, what, and how to mend it.
import type { TSchema } from 'typebox'
import { Settings } from 'typebox/system'
import Value from 'typebox/value'

export interface Problem { keys: string[], text: string }

interface SchemaNode {
  type?: string
  properties?: Record<string, SchemaNode>
  items?: SchemaNode
  description?: string
  enum?: unknown[]
}

/** Everything that is wrong with a value, each with the keys that lead to it. Empty when the value fits. */
export function findProblems (schema: TSchema, value: unknown): Problem[] {
  const problems = new Map<string, Problem>()
  for (const error of errorsOf(schema, value)) {
    const keys = error.instancePath.split('/').slice(1).map(unescapePointer)
    const place = keys.join('.')
    switch (error.keyword) {
      case 'boolean': break
      case 'additionalProperties':
        for (const key of error.params.additionalProperties) {
          const known = knownKeys(schema, keys)
          problems.set(`${place}.${key}`, { keys: [...keys, key], text: `unknown key. ${suggest(key, known)}` })
        }
        break
      case 'required':
        for (const key of error.params.requiredProperties) {
          const meaning = nodeAt(schema, [...keys, key])?.description
          problems.set(`${place}.${key}`, {
            keys: [...keys, key], text: `is missing.${meaning === undefined ? '' : ` ${meaning}`}`
          })
        }
        break
      default:
        if (!problems.has(place)) {
          problems.set(place, { keys, text: describe(error, valueAt(value, keys), schema, keys) })
        }
    }
  }
  return [...problems.values()]
}

type ValueError = ReturnType<typeof Value.Errors>[number]

/** All of them: unasked, typebox stops at eight. */
function errorsOf (schema: TSchema, value: unknown): ValueError[] {
  const { maxErrors } = Settings.Get()
  Settings.Set({ maxErrors: 1000 })
  try {
    return Value.Errors(schema, value)
  } finally {
    Settings.Set({ maxErrors })
  }
}

function describe (error: ValueError, given: unknown, schema: TSchema, keys: string[]): string {
  const meaning = meaningAt(schema, keys)
  const hint = meaning === undefined ? '' : ` ${meaning}`
  switch (error.keyword) {
    case 'enum': {
      const allowed = error.params.allowedValues.map(String)
      return `${show(given)} is not one of ${allowed.join(', ')}. ${suggest(String(given), allowed)}`.trimEnd()
    }
    case 'type': {
      const types = [error.params.type].flat().map(String)
      const needed = types.map(type => kinds[type] ?? type).join(' or ')
      return `${show(given)} is ${kindOf(given)}; ${needed} is needed.${hint}`
    }
    case 'minItems': return `is an empty list; at least ${error.params.limit} entry is needed.${hint}`
    case 'pattern': return `${show(given)} does not have the form that is needed.${hint || ` It ${error.message}`}`
    default: return `the value ${error.message}.${hint}`
  }
}

const kinds: Record<string, string> = {
  string: 'a text (in quotes)',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
  object: 'a map of keys',
  array: 'a list'
}

function kindOf (value: unknown): string {
  if (value === null) return 'empty'
  if (Array.isArray(value)) return 'a list'
  return kinds[typeof value]?.replace(' (in quotes)', '') ?? typeof value
}

/** Only short plain values are repeated: a longer text may be a secret at the wrong place. */
function show (value: unknown): string {
  return typeof value === 'number' || typeof value === 'boolean' || (typeof value === 'string' && value.length <= 20)
    ? JSON.stringify(value)
    : 'the value'
}

function unescapePointer (key: string): string {
  return key.replaceAll('~1', '/').replaceAll('~0', '~')
}

function valueAt (value: unknown, keys: readonly string[]): unknown {
  return keys.reduce<unknown>((inner, key) =>
    typeof inner === 'object' && inner !== null ? Reflect.get(inner, key) : undefined, value)
}

function nodeAt (schema: TSchema, keys: readonly string[]): SchemaNode | undefined {
  return keys.reduce<SchemaNode | undefined>((node, key) =>
    node?.properties?.[key] ?? (/^\d+$/.test(key) ? node?.items : undefined), schema as SchemaNode)
}

/** What a key means; of an entry in a map that the owner names, what the map means. */
function meaningAt (schema: TSchema, keys: readonly string[]): string | undefined {
  for (let length = keys.length; length > 0; length--) {
    const node = nodeAt(schema, keys.slice(0, length))
    if (node !== undefined) return node.description
  }
  return undefined
}

function knownKeys (schema: TSchema, keys: readonly string[]): string[] {
  return Object.keys(nodeAt(schema, keys)?.properties ?? {})
}

const plain = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, '')

const letters = (text: string) => [...plain(text)].sort().join('')

/** Whether `wanted` is the word without one of its letters: orgins for origins. */
function missesOne (word: string, wanted: string): boolean {
  return [...word].some((_, at) => word.slice(0, at) + word.slice(at + 1) === wanted)
}

/** The known word that was probably meant, else all of them. */
export function suggest (given: string, known: readonly string[]): string {
  const wanted = plain(given)
  const best = known.find(word => plain(word) === wanted) ??
    known.find(word => letters(word) === letters(given) || missesOne(plain(word), wanted)) ??
    known.find(word => plain(word).startsWith(wanted.slice(0, 4)) || wanted.startsWith(plain(word).slice(0, 4)))
  return best === undefined ? `Known: ${known.join(', ')}` : `Did you mean ${best}?`
}

/** Our own paths, which a vendor's would hide. */
const ownPaths = ['/v1', '/livez', '/readyz']

/** A vendor's path (`/gt`) that lies in the way of a path of ours. */
export function findTakenPath (keys: string[], path: string | undefined, prefix: string): Problem[] {
  const taken = [...ownPaths, prefix].find(own => own === path || own.startsWith(`${path}/`))
  return path === undefined || taken === undefined
    ? []
    : [{ keys: [...keys, 'vendors', 'google', 'path'], text: `${path} is in the way of ${taken}, a path of Postern's` }]
}
