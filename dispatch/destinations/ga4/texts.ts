// Texts as GA4 takes them: not empty, not too long, and nobody's e-mail address, which its terms forbid.
import type { MapWarning } from '../../destination.ts'

const anEmail = /[^\s@]+@[^\s@]+\.[^\s@]+/

/** The text's first `most` UTF-16 units, without half a character at the end. */
export function cutTo (text: string, most: number): string {
  return text.length <= most ? text : text.slice(0, most).replace(/[\uD800-\uDBFF]$/, '')
}

/** A text in clear, cut to what GA4 keeps; undefined, with a warning, if it holds an e-mail address. */
export function plainTextOf (
  value: string | undefined, path: string, most: number, warnings: MapWarning[]
): string | undefined {
  const text = value?.trim() ?? ''
  if (text === '') return undefined
  if (anEmail.test(text)) {
    warnings.push({ path, code: 'personal_data' })
    return undefined
  }
  if (text.length > most) warnings.push({ path, code: 'cut' })
  return cutTo(text, most)
}

/** An id is never cut: what is left of it could be another's. */
export function idOf (
  value: string | undefined, path: string, most: number, warnings: MapWarning[]
): string | undefined {
  if (value !== undefined && value.trim().length > most) {
    warnings.push({ path, code: 'too_long' })
    return undefined
  }
  return plainTextOf(value, path, most, warnings)
}

/** A page's address; one that is too long loses its query first, and is left out if that is not enough. */
export function webAddressOf (
  address: string | undefined, path: string, most: number, warnings: MapWarning[]
): string | undefined {
  if (address === undefined) return undefined
  if (!/^https?:\/\//i.test(address)) {
    warnings.push({ path, code: 'not_a_web_address' })
    return undefined
  }
  if (address.length <= most) return address
  warnings.push({ path, code: 'cut' })
  const [page = ''] = address.split(/[?#]/)
  return page.length <= most ? page : undefined
}
