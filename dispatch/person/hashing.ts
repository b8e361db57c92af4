// SHA-256 as the ad networks want it, and recognising values that were hashed before they reached us.
import { hash } from 'node:crypto'
import type { Normalized, WhyNot } from '../destination.ts'

/** SHA-256 of the text's UTF-8, as 64 lower-case hex digits. */
export function sha256Hex (text: string): string {
  return hash('sha256', text)
}

/**
 * 64 hex digits and nothing else (an unanchored pattern would take any text that contains them), or followed by the
 * mark that Meta's parameter builder appends to its hashes: 2 known letters or 8 base64url characters (meta.md §3.1).
 */
const givenHash = /^([0-9a-f]{64})(?:\.(?:A[Qgw]|B[AQg]|AQ[\w-]{6}))?$/i

/** The hash in a value that is one already, in lower case and without such a mark; null for any other value. */
export function readGivenHash (value: string): string | null {
  return givenHash.exec(value.trim())?.[1]?.toLowerCase() ?? null
}

/** What a reader of one kind of value found: the normalised text, or why there is none. */
export type Reading = { text: string, also?: string[] } | { why: WhyNot }

/** The text every reader starts from: composed (NFC), without invisible characters, trimmed. */
export function cleanText (value: string): string {
  return value.normalize('NFC').replace(/\p{Cf}/gu, '').trim()
}

/**
 * A reading as `postern hash` and the mappings want it, hashed. A value that is a hash already is passed on in lower
 * case, never hashed twice; blank text is never hashed.
 */
export function hashed (value: string, read: (text: string) => Reading): Normalized {
  const given = readGivenHash(value)
  if (given !== null) return { normalized: null, sha256: given, why: 'already_hashed' }
  const text = cleanText(value)
  if (text === '') return { normalized: null, sha256: null, why: 'empty' }
  const reading = read(text)
  if ('why' in reading) return { normalized: null, sha256: null, why: reading.why }
  const also = (reading.also ?? []).map(spelling => ({ normalized: spelling, sha256: sha256Hex(spelling) }))
  return {
    normalized: reading.text,
    sha256: sha256Hex(reading.text),
    also: also.length > 0 ? also : undefined
  }
}

/** The answer of a network that has no such field. */
export const notAccepted: Normalized = { normalized: null, sha256: null, why: 'not_accepted_by_network' }
