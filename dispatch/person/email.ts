// E-mail addresses as most ad networks hash them; a network that folds dots or "+tag" adds its own function here.
import type { Reading } from './hashing.ts'

/** Something, one @, a domain with a dot; no spaces or controls inside: such an address would never match. */
const address = /^[^\s\p{Cc}@<>()[\],;:"\\]+@[^\s\p{Cc}@<>()[\],;:"\\.]+(?:\.[^\s\p{Cc}@<>()[\],;:"\\.]+)+$/u
const maxLength = 254

/** Trimmed and in lower case; dots and "+tag" stay (meta.md §2 em; other-networks.md §10 family A). */
export function readEmail (text: string): Reading {
  const email = text.toLowerCase()
  return address.test(email) && email.length <= maxLength ? { text: email } : { why: 'not_an_email' }
}
