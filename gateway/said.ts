// The maps that a body may carry: consent, click ids, the networks' cookies, what the page's own tags did.
import { consentKeys, type Consent, type ConsentState } from '../schema/consent.ts'
import { browserTagStates, type BrowserTagState, type ClickId } from '../schema/event.ts'
import { clickIdKind, isClickId, knownCookie } from '../schema/identity.ts'
import { readBoolean, readText } from './coerce.ts'
import { safeName, type Warn } from './person.ts'

/** The entries of a map in a body; none, with a warning, when it is no object. */
function entriesOf (given: unknown, path: string, warn: Warn): [string, unknown][] {
  if (given === null || given === undefined) return []
  if (typeof given !== 'object' || Array.isArray(given)) {
    warn(path, 'not_an_object')
    return []
  }
  const entries = Object.entries(given)
  if (entries.length > 100) warn(path, 'too_many')
  return entries.slice(0, 100)
}

/** A word for yes or no. What somebody answered and we cannot read is never taken for a yes. */
function readState (given: unknown, path: string, warn: Warn): ConsentState | undefined {
  if (given === 'granted' || given === 'denied') return given
  const answer = readBoolean(given)
  if (answer === null) return undefined
  if ('value' in answer) return answer.value ? 'granted' : 'denied'
  warn(path, 'unreadable_taken_as_denied')
  return 'denied'
}

/** Consent mode's four keys; a missing key was not answered. */
export function readConsent (given: unknown, path: string, warn: Warn): Partial<Consent> | undefined {
  const consent: Partial<Consent> = {}
  for (const [name, value] of entriesOf(given, path, warn)) {
    const key = consentKeys.find(known => known === name)
    const state = key === undefined ? undefined : readState(value, `${path}.${name}`, warn)
    if (key !== undefined && state !== undefined) consent[key] = state
  }
  return Object.keys(consent).length === 0 ? undefined : consent
}

/** Click ids under their canonical names. Values are opaque: kept byte for byte, or dropped. */
export function readClickIds (given: unknown, path: string, seenAtMs: number, warn: Warn): Record<string,
  ClickId> | undefined {
  const ids: Record<string, ClickId> = {}
  for (const [name, value] of entriesOf(given, path, warn)) {
    const kind = clickIdKind(name)
    if (kind === undefined) warn(`${path}.${safeName(name)}`, 'unknown_click_id')
    else if (typeof value === 'string' && isClickId(value)) ids[kind.param] = { value, seen_at_ms: seenAtMs }
    else if (value !== null && value !== undefined && value !== '') warn(`${path}.${kind.param}`, 'malformed_click_id')
  }
  return Object.keys(ids).length === 0 ? undefined : ids
}

/** The cookies of networks and analytics tools that we know, with values of the right form. */
export function readCookies (given: unknown, path: string, warn: Warn): Record<string, string> | undefined {
  const cookies: Record<string, string> = {}
  for (const [name, value] of entriesOf(given, path, warn)) {
    if (typeof value === 'string' && knownCookie(name, value) !== undefined) cookies[name] = value
    else if (value !== null && value !== undefined && value !== '') {
      warn(`${path}.${safeName(name)}`,
        'unknown_or_malformed_cookie')
    }
  }
  return Object.keys(cookies).length === 0 ? undefined : cookies
}

/** What each network's own tag did, by destination type or name. */
export function readBrowserTags (given: unknown, path: string, warn: Warn): Record<string,
  BrowserTagState> | undefined {
  const tags: Record<string, BrowserTagState> = {}
  for (const [name, value] of entriesOf(given, path, warn)) {
    const state = browserTagStates.find(known => known === value)
    if (state !== undefined && /^[a-z][a-z0-9_]{0,39}$/.test(name)) tags[name] = state
    else warn(`${path}.${safeName(name)}`, 'unknown_tag_state')
  }
  return Object.keys(tags).length === 0 ? undefined : tags
}

/** An id that is kept verbatim: 1 to 255 characters, all of them printable, not all of them spaces. */
export function readId (given: unknown): { value: string } | { refused: string } | null {
  if (given === null || given === undefined || given === '') return null
  if (typeof given === 'number' && Number.isSafeInteger(given)) return { value: String(given) }
  if (typeof given !== 'string') return { refused: 'not_a_text' }
  if (given.length > 255) return { refused: 'too_long' }
  return given.isWellFormed() && /^[^\p{Cc}\p{Zl}\p{Zp}]+$/u.test(given) && given.trim() !== ''
    ? { value: given }
    : { refused: 'not_printable' }
}

/** An event's name: up to 100 characters, clean. */
export function readName (given: unknown): string | undefined {
  const text = typeof given === 'string' ? readText(given, 100) : null
  return text !== null && 'value' in text && text.warning === undefined &&
    !/[\t\r\n]/.test(text.value)
    ? text.value
    : undefined
}
