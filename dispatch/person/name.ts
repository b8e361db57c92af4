// First and last names as networks with a browser pixel hash them.
import type { Reading } from './hashing.ts'

const asciiPunctuation = /[\s!"#$%&'()*+,\-./:;<=>?@[\\\]^_`{|}~]+/g
const anyPunctuation = /[\s\p{P}\p{S}]+/gu

/**
 * Lower case without spaces and ASCII punctuation, accents kept (meta.md §2 fn, ln). Phones type `’` where the pixel's
 * rule only knows `'`: where that leaves punctuation standing, the spelling without it is given as well.
 */
export function readName (text: string): Reading {
  const name = text.toLowerCase().replace(asciiPunctuation, '')
  const bare = text.toLowerCase().replace(anyPunctuation, '')
  if (bare === '') return { why: 'unusable_characters' }
  return { text: name, also: bare === name ? undefined : [bare] }
}
