// Cleans a page address before it leaves: origin, path and allow-listed query keys, nothing that looks personal.
import { remember } from '../config/bounded.ts'

/** Query keys that always may leave: they describe the campaign, not the visitor. */
const campaignKeys = ['utm_source', 'utm_medium', 'utm_campaign', 'utm_term', 'utm_content', 'utm_id']

const email = /[^\s/@]+@[^\s/@]+\.[^\s/@]{2,}/
/** Hex of 16 bytes and more, with or without the dashes of a UUID. */
const longHex = /[0-9a-f]{32,}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/i

/** Whether text reads as an e-mail address, a phone number or a secret token. Errs on the side of yes. */
export function looksPersonal (text: string): boolean {
  // Most segments and values are words: too short for a token, without the sign of an address or a number's digits.
  if (text.length < 20 && !/[@%\d]/.test(text) && !text.includes('eyJ')) return false
  const decoded = decode(text)
  return email.test(text) || email.test(decoded) || looksLikePhone(decoded) || looksLikeToken(decoded)
}

/** Addresses may be escaped twice; three rounds settle every one that a browser makes. */
function decode (text: string): string {
  // A plus sign that was read as a space still begins a phone number.
  let decoded = text.replaceAll('+', ' ').replace(/^ (?=\d)/, '+')
  for (let round = 0; round < 3 && decoded.includes('%'); round++) {
    try {
      decoded = decodeURIComponent(decoded)
    } catch (error) {
      // Not an escape after all: what is there, is judged as it stands.
      if (!(error instanceof URIError)) throw error
      return decoded
    }
  }
  return decoded
}

/** International, or a national number with its leading zero; a bare article number is neither. */
function looksLikePhone (text: string): boolean {
  const shape = /^\s*(\+|00|\(?0)[\d\s().\-/]{6,24}$/
  const digits = text.replace(/\D/g, '').length
  return shape.test(text) && digits >= 8 && digits <= 17
}

/** A JWT, long hex, or twenty letters and digits mixed without a break, as words never are. */
function looksLikeToken (text: string): boolean {
  if (/eyJ[\w-]{5,}\./.test(text) || longHex.test(text)) return true
  return text.split(/[^A-Za-z0-9]+/).some(run => run.length >= 20 && /\d/.test(run) && /[A-Za-z]/.test(run))
}

export interface AddressRules {
  queryKeys: readonly string[]
  sensitivePaths: readonly string[]
}

/**
 * The address as it may leave: without fragment, credentials and unlisted query keys; path segments and values that
 * look personal are `redacted` or dropped; below a sensitive path the origin alone. Undefined for anything but http(s).
 */
export function cleanAddress (given: string | undefined, rules: AddressRules): string | undefined {
  if (given === undefined) return undefined
  let cleaner = cleaners.get(rules)
  if (cleaner === undefined) {
    cleaner = remember(2000, address => clean(address, rules) ?? '')
    cleaners.set(rules, cleaner)
  }
  const cleaned = cleaner(given)
  return cleaned === '' ? undefined : cleaned
}

/** Pages and referrers come again and again, and each event's own for each of its destinations. */
const cleaners = new WeakMap<AddressRules, (address: string) => string>()

function clean (given: string, rules: AddressRules): string | undefined {
  if (!URL.canParse(given)) return undefined
  const url = new URL(given)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return undefined
  if (rules.sensitivePaths.some(path => isBelow(url.pathname, path))) return `${url.origin}/`
  const path = url.pathname.split('/').map(segment => looksPersonal(segment) ? 'redacted' : segment).join('/')
  const allowed = new Set([...campaignKeys, ...rules.queryKeys])
  const query = [...url.searchParams].filter(([key, value]) => allowed.has(key) && !looksPersonal(value))
  const search = new URLSearchParams(query).toString()
  return `${url.origin}${path}${search === '' ? '' : `?${search}`}`
}

function isBelow (pathname: string, prefix: string): boolean {
  const folder = prefix.endsWith('/') ? prefix : `${prefix}/`
  return pathname === prefix || `${pathname}/`.startsWith(folder)
}
