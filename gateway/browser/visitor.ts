// The visitor's choice on this page: read from our one cookie, changed by the banner; and the writing of cookies.
import { consentMarks, formatConsentCookie, parseConsentCookie } from '../../schema/consent_cookie.ts'
import { decide, type Allowed, type Said } from './choice.ts'
import { cookieDomain, cookieNames, missingMetaCookies, parseJar } from './identifiers.ts'
import type { PublicSite } from './public_site.ts'

declare global {
  interface Window { fbq?: unknown }
}

export const metaCookies = ['_fbp', '_fbc']

// One page has one visitor, so this is the module's own state: the bundle is a third smaller than with a parameter.
export let said: Said = {}
export let allowed: Allowed
export let gpc = false
let site: PublicSite
/** Domain of the cookies we write; '' is the page's host. */
let domain = ''

/** Sets a cookie for the whole site, or deletes it (0 days). */
function writeCookie (name: string, value: string, days: number): void {
  document.cookie = `${name}=${value}; Path=/; SameSite=Lax; Max-Age=${days * 86_400}` +
    (domain && '; Domain=' + domain) + (/^https/.test(location.href) ? '; Secure' : '')
}

/** Learns the site and what the visitor chose on an earlier page. No other cookie is looked at. */
export function openVisitor (ofSite: PublicSite): void {
  site = ofSite
  domain = cookieDomain(location.hostname, site.cookie_domain)
  gpc = !!(navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl
  said = parseConsentCookie(parseJar(document.cookie, /^/)[site.consent_cookie] ?? '')?.consent ?? {}
  allowed = decide(said, site, gpc)
}

/** The cookies of a purpose, if it is allowed. */
export function readCookies (purpose: 'ads' | 'analytics'): Record<string, string> {
  return allowed[purpose] ? parseJar(document.cookie, cookieNames[purpose]) : {}
}

/** Makes Meta's cookies before its pixel runs; where the pixel is on the page already, they are its own. */
export function writeMetaCookies (clickedAtMs: number, random: string, fbclid: string | undefined): void {
  if (!allowed.ads || window.fbq) return
  const metaCookieDays = 90
  const missing = missingMetaCookies(readCookies('ads'), domain, clickedAtMs, random, fbclid)
  for (const name in missing) writeCookie(name, missing[name] as string, metaCookieDays)
}

/**
 * Takes a choice, or a part of one. A choice that allows something is kept in the cookie; a refusal only where silence
 * would be a yes. An unchanged choice keeps its time, and `onChange` does not hear of it. Ad storage taken back takes
 * Meta's cookies with it.
 */
export function choose (given: Said, onChange: () => void): void {
  const next = { ...said, ...given }
  const before = allowed
  if (consentMarks(next) === consentMarks(said)) return
  said = next
  allowed = decide(said, site, gpc)
  const kept = allowed.events || site.consent === 'opt_out'
  if (kept || before.events) {
    const choice = formatConsentCookie(said, Math.floor(Date.now() / 1000))
    writeCookie(site.consent_cookie, choice, kept ? site.consent_days : 0)
  }
  if (before.ads && !allowed.ads) for (const name of metaCookies) writeCookie(name, '', 0)
  onChange()
}
