// Who the visitor is: the signed visitor cookie, and Meta's browser cookies where nobody has made them yet.
import type { Keys } from '../config/keys.ts'
import { makeFbc, makeFbp, parseFbValue } from '../schema/identity.ts'
import type { EventData } from '../schema/event.ts'
import type { Storable } from '../schema/consent.ts'
import type { PageSeed } from './clock.ts'
import { rememberKnown, type Known } from '../config/bounded.ts'
import { plausibleStart } from './clock.ts'
import { setCookie, type CookieScope, type Jar } from './cookies.ts'

const daySeconds = 86_400
const longestVisitorDays = 396
const metaCookieDays = 90
const purpose = 'visitor_cookie'

export interface VisitorFacts {
  cookieName: string
  jar: Jar
  scope: CookieScope
  nowMs: number
  /** For how many days the visitor's grant holds, and when it was given. */
  consentDays: number
  grantedAtMs: number
}

/** A visitor id of the cookie's grammar; also what a signed sender may name. */
const visitorIdPattern = /^v[\w-]{22}$/

export function isVisitorId (given: string): boolean {
  return visitorIdPattern.test(given)
}

/**
 * The visitor whose cookie verifies; of several cookies of one name, the last that does: browsers send first what was
 * set for a narrower path (RFC 6265bis §5.8.3), as a host beside ours could do to make everybody its own visitor, and
 * ours is set for the whole domain. The signature binds the cookie's name and domain and the time of the grant, so a
 * cookie cannot be moved or kept past its end.
 */
export function verifyVisitor (facts: Omit<VisitorFacts, 'grantedAtMs'>, keys: Keys): string | undefined {
  const values = facts.jar.get(facts.cookieName) ?? []
  for (let at = values.length - 1; at >= 0; at--) {
    const [, id = '', grantedAt = '', mac = ''] = cookieForm.exec(values[at] ?? '') ?? []
    if (id === '') continue
    const endsAtMs = (Number(grantedAt) + lifeSeconds(facts.consentDays)) * 1000
    if (endsAtMs <= facts.nowMs) continue
    if (wasMade([facts.cookieName, facts.scope.boundTo, id, grantedAt], mac, keys)) return id
  }
  return undefined
}

const cookieForm = /^v1\.(v[\w-]{22})\.(\d{9,11})\.([\w-]{43})$/

/** The signatures that verified lately under these keys: a visitor's events come one after another. */
const verified = new WeakMap<Keys, Known>()
const rememberedVisitors = 10_000

/** Whether a signature is ours. Only what verified is remembered, by everything that it binds. */
function wasMade (parts: string[], mac: string, keys: Keys): boolean {
  const known = verified.get(keys) ?? rememberKnown(rememberedVisitors)
  verified.set(keys, known)
  const whole = `${parts.join(' ')} ${mac}`
  if (known.has(whole)) return true
  if (!keys.macMatches(Buffer.from(mac, 'base64url'), purpose, ...parts)) return false
  known.add(whole)
  return true
}

function lifeSeconds (consentDays: number): number {
  return Math.min(longestVisitorDays, consentDays) * daySeconds
}

/** A new visitor's id: of a page load by its seed, so that parallel first hits agree. */
export function makeVisitorId (seed: PageSeed, scope: CookieScope, keys: Keys): string {
  return `v${keys.mac('visitor_id', scope.boundTo, seed.text).subarray(0, 16).toString('base64url')}`
}

/** The Set-Cookie line of a new visitor. Not rolling: made once, and it ends with the grant. */
export function visitorCookie (id: string, facts: VisitorFacts, keys: Keys): string {
  const nowSeconds = Math.floor(facts.nowMs / 1000)
  const grantedAt = Math.min(nowSeconds, Math.floor(facts.grantedAtMs / 1000))
  const leftSeconds = Math.max(0, grantedAt + lifeSeconds(facts.consentDays) - nowSeconds)
  const mac = keys.mac(purpose, facts.cookieName, facts.scope.boundTo, id, String(grantedAt)).toString('base64url')
  return setCookie(facts.cookieName, `v1.${id}.${grantedAt}.${mac}`, leftSeconds, facts.scope, true)
}

export interface MetaCookieFacts {
  data: EventData
  storable: Storable
  isFirstHit: boolean
  seed: PageSeed
  scope: CookieScope
  nowMs: number
  /** When something was first seen, remembered for a while: clicks and pages without a usable time of their own. */
  firstSeenMs: (key: string, nowMs: number) => number
}

/**
 * `_fbp` and `_fbc` for an event that has none (meta.md §3). Never in place of a value that the browser has; not on the
 * first hit of a page that has the pixel, which makes its own; equal for all hits of one page and for one click.
 */
export function makeMetaCookies (facts: MetaCookieFacts, keys: Keys): Record<string, string> {
  const { data, seed, scope, nowMs } = facts
  const tag = data.browser_tags?.meta
  const leavesToPixel = facts.isFirstHit && tag !== undefined && tag !== 'absent' && tag !== 'blocked'
  if (!facts.storable.adIds || leavesToPixel) return {}
  const made: Record<string, string> = {}
  const startedAtMs = plausibleStart(seed, nowMs)
  if (data.cookies?._fbp === undefined) {
    const random = keys.mac('fbp', scope.boundTo, seed.text).readBigUInt64BE() % 10n ** 18n
    made._fbp = makeFbp(scope.boundTo, startedAtMs ?? facts.firstSeenMs(`page ${seed.text}`, nowMs), random)
  }
  const click = data.click_ids?.fbclid
  // A longer fbclid would make a cookie that Meta's own library ignores; a dot would make another grammar of it.
  if (data.cookies?._fbc === undefined && click !== undefined && click.value.length <= 500 &&
    !click.value.includes('.')) {
    made._fbc = makeFbc(scope.boundTo, facts.firstSeenMs(`${scope.boundTo} ${click.value}`, startedAtMs ?? nowMs),
      click.value)
  }
  return made
}

/**
 * The Set-Cookie line of a value that makeMetaCookies() made, for what is left of its 90 days. The pixel must read
 * it.
 */
export function metaCookieLine (name: string, value: string, scope: CookieScope, nowMs: number): string {
  const ageSeconds = Math.max(0, (nowMs - (parseFbValue(value)?.createdAtMs ?? nowMs)) / 1000)
  return setCookie(name, value, Math.max(0, metaCookieDays * daySeconds - ageSeconds), scope, false)
}
