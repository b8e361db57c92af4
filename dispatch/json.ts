// Reading a network's JSON, which may be anything: each function gives what is there, if it is of the kind asked for.

export type Json = Record<string, unknown>

/** The object, or an empty one for any other value. */
export function objectOf (value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Json : {}
}

/** The list, or an empty one for any other value. */
export function listOf (value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

/** The text, unless it is empty. */
export const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined
