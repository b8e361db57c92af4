// Small tests of JSON values, which every fake network reads requests and writes its rules with.

export type Json = Record<string, unknown>
export type Path = (string | number)[]

export function isObject (value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The object below a key, or an empty one, for rules that look further down. */
export function objectAt (event: Json, key: string): Json {
  const value = event[key]
  return isObject(value) ? value : {}
}

/** A value as a list: one of them, or several. */
export function listOf (value: unknown): unknown[] {
  if (value === undefined) return []
  return Array.isArray(value) ? value : [value]
}

export function oneOf (...values: unknown[]): (value: unknown) => boolean {
  return value => values.includes(value)
}

export function arrayOf (test: (value: unknown) => boolean): (value: unknown) => boolean {
  return value => Array.isArray(value) && value.every(test)
}

export const isText = (value: unknown): boolean => typeof value === 'string'
export const isNumber = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value)
export const isInteger = (value: unknown): boolean => Number.isSafeInteger(value)
export const isBoolean = (value: unknown): boolean => typeof value === 'boolean'

/** The first entry of `value` whose test fails, below `path`; keys without a test pass. */
export function firstWrong (
  value: Json, tests: Record<string, (value: unknown) => boolean>, path: Path
): Path | undefined {
  const key = Object.keys(value).find(name => Object.hasOwn(tests, name) && tests[name]?.(value[name]) !== true)
  return key === undefined ? undefined : [...path, key]
}

/** The first key of `value` that is not in `tests`. */
export function firstUnknown (value: Json, tests: Record<string, unknown>, path: Path): Path | undefined {
  const key = Object.keys(value).find(name => !Object.hasOwn(tests, name))
  return key === undefined ? undefined : [...path, key]
}

/** The path of the first value for which `isWrong` holds, depth first. */
export function findLeaf (
  value: unknown, isWrong: (leaf: unknown, path: Path) => boolean, path: Path = []
): Path | undefined {
  if (isWrong(value, path)) return path
  if (typeof value !== 'object' || value === null) return undefined
  for (const [key, inner] of Object.entries(value)) {
    const found = findLeaf(inner, isWrong, [...path, Array.isArray(value) ? Number(key) : key])
    if (found !== undefined) return found
  }
  return undefined
}
