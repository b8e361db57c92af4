// Cities: the networks' documents keep accents, their pixels drop every letter that has one.
import type { Reading } from './hashing.ts'

/**
 * Lower case, letters and digits only. A city in ASCII has one spelling, the pixel's, which must begin with a letter.
 * Any other has the documented one and, where letters remain, the pixel's: `münchen` and `mnchen` (meta.md §2 ct).
 */
export function readCity (text: string): Reading {
  const documented = text.toLowerCase().replace(/[^\p{L}\p{M}\p{N}]/gu, '')
  const ofPixel = documented.replace(/[^a-z0-9]/g, '')
  const pixelAccepts = /^[a-z]/.test(ofPixel)
  if (documented === ofPixel) return pixelAccepts ? { text: ofPixel } : { why: 'unusable_characters' }
  return { text: documented, also: pixelAccepts ? [ofPixel] : undefined }
}
