// The grammar of the consent cookie (`_pstn_c`): what the visitor chose and when. The script writes, the gateway reads.
import type { Consent, ConsentState } from './consent.ts'

/** A choice as the cookie keeps it. Keys that the visitor was not asked about are absent. */
export interface ConsentChoice {
  consent: Partial<Consent>
  /** When it was made, in whole Unix seconds. */
  chosenAtSeconds: number
}

/** The order of the four marks. Kept here so that the script's bundle does not carry the schema library. */
export const consentCookieKeys = ['ad_storage', 'ad_user_data', 'ad_personalization', 'analytics_storage'] as const

/** Position 1 and 2 of the marks; the first mark is for a key that is in neither. */
const states: ReadonlyArray<ConsentState | undefined> = ['denied', 'granted']
const marks = '-01'

/** One mark per key, in the order of `consentCookieKeys`: `1` granted, `0` denied, `-` not asked. */
export function consentMarks (consent: Partial<Consent>): string {
  return consentCookieKeys.map(key => marks[states.indexOf(consent[key]) + 1]).join('')
}

/** Writes a choice as `1.<four marks>.<unix seconds>`; the 1 is the grammar's version. Example: `1.11-0.1764000000`. */
export function formatConsentCookie (consent: Partial<Consent>, chosenAtSeconds: number): string {
  return `1.${consentMarks(consent)}.${chosenAtSeconds}`
}

/** Reads a choice; null for anything that formatConsentCookie() did not write, other versions included. */
export function parseConsentCookie (value: string): ConsentChoice | null {
  const [, written, seconds] = /^1\.([01-]{4})\.(\d{9,11})$/.exec(value) ?? []
  if (!written) return null
  const consent: Partial<Consent> = {}
  consentCookieKeys.forEach((key, index) => {
    const state = states[marks.indexOf(written[index] as string) - 1]
    if (state) consent[key] = state
  })
  return { consent, chosenAtSeconds: Number(seconds) }
}
