// Postal codes: compared without spaces and dashes, those of the United States by their first five digits.
import type { Reading } from './hashing.ts'

/** The territories use the codes of the United States. */
const usCountries = new Set(['us', 'pr', 'gu', 'vi', 'as', 'mp', 'um'])

/**
 * Lower case, letters and digits (meta.md §2 zp). `country` is ISO alpha-2 in lower case; where it is unknown, nine
 * digits (`94025-1234`) are read as a code of the United States. Elsewhere the part after a dash belongs to the code.
 */
export function readPostalCode (text: string, country?: string): Reading {
  const code = text.toLowerCase().replace(/[\s\p{Pd}]/gu, '')
  if (!/^[a-z0-9]{2,12}$/.test(code)) return { why: 'not_a_postal_code' }
  if (country !== undefined && !usCountries.has(country)) return { text: code }
  if (/^\d{5}(?:\d{4})?$/.test(code)) return { text: code.slice(0, 5) }
  return country === undefined ? { text: code } : { why: 'not_a_postal_code' }
}
