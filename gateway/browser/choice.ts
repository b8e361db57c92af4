// What the visitor's choice, the site's rule and Global Privacy Control allow the script to do. Pure.
import type { Consent } from '../../schema/consent.ts'
import { consentCookieKeys } from '../../schema/consent_cookie.ts'
import { findCookie } from './identifiers.ts'

/**
 * The choice as the consent cookie has it (schema/consent_cookie.ts): one mark per key, `1` granted, `0` denied, `-`
 * not asked; in the order ad_storage, ad_user_data, ad_personalization, analytics_storage.
 */
export type Marks = string

/**
 * Whether the key at this place is granted, by the rules of effective() in schema/consent.ts (a test compares the two);
 * gateway and dispatcher decide again. `unsaid` is the site's mark for keys that nobody answered, `gpc` whether GPC is
 * on, `rule` the place of the site's rule for it in `gpcOrder`.
 */
export function isGranted (
  at: number, marks: Marks, unsaid: string, gpc: boolean, rule: number
): boolean {
  return (gpc && at < 3 && rule ? rule > 1 && marks[at] : marks[at] === '-' ? unsaid : marks[at]) === '1'
}

/**
 * A choice after the answers in what a banner passes (`granted` or true, `denied` or false), or in consent mode's own
 * state, where an update counts and a default does not. Anything else is left alone.
 */
export function addAnswers (marks: Marks, given: unknown): Marks {
  return consentCookieKeys.map((key, at) => {
    const value = (given as Record<string, { update?: unknown } | undefined> | undefined)?.[key]
    const word = `${value?.update ?? value}`
    return /^(granted|true)$/.test(word) ? 1 : /^[df]/.test(word) ? 0 : marks[at]
  }).join('')
}

/** The choice in consent mode's words. */
export const toConsent = (marks: Marks): Partial<Consent> => Object.fromEntries(
  consentCookieKeys.map((key, at) => [key, { 0: 'denied', 1: 'granted' }[marks[at] as string]]))

/** The choice in a `document.cookie` string, in the consent cookie of this name; none asked for any other grammar. */
export const findChoice = (cookies: string, name: string): Marks =>
  /^1\.([01-]{4})\.\d+$/.exec(findCookie(cookies, name))?.[1] ?? '----'
