// What a request says around its body: the choice in the consent cookie, the networks' cookies, the page, the browser.
import { effective, type Consent, type EffectiveConsent } from '../schema/consent.ts'
import { parseConsentCookie, type ConsentChoice } from '../schema/consent_cookie.ts'
import { consentPlatforms, type ConsentPlatform, type PlatformChoice } from '../schema/consent_platforms.ts'
import type { EventData } from '../schema/event.ts'
import { knownCookie } from '../schema/identity.ts'
import { remember } from '../config/bounded.ts'
import { collectClickIds } from './clicks.ts'
import { plausibleStart } from './clock.ts'
import type { BrowserFacts } from './enrich.ts'
import type { Draft } from './read.ts'
import type { Incoming } from './receive.ts'

const dayMs = 86_400_000

/**
 * What body and request say together. The body comes first; a signed sender's own request says nothing of the
 * visitor.
 */
export function gather (draft: Draft, incoming: Incoming, nowMs: number): EventData {
  const isBrowser = incoming.trust !== 'signed'
  const data: EventData = { ...draft.data }
  if (isBrowser) {
    data.cookies = addCookies(data.cookies, incoming.jar)
    data.page_location ??= incoming.referrer
    data.language ??= incoming.language
    data.consent = addChoice(data.consent, incoming.choice)
    if (incoming.gpc) data.gpc = true
  }
  data.click_ids = collectClickIds(data, plausibleStart(draft.pageSeed, nowMs) ?? draft.occurredAtMs)
  return data
}

/** The cookies of the body with those of the request, which win: they are what the next request will carry, too. */
function addCookies (ofBody: EventData['cookies'], jar: Incoming['jar']): EventData['cookies'] {
  let cookies = ofBody
  for (const [name, values] of jar) {
    // The script sends what it can read: most of them are there already, and known.
    if (ofBody !== undefined && values[0] === ofBody[name]) continue
    const value = values.find(one => knownCookie(name, one) !== undefined)
    if (value === undefined || cookies?.[name] === value) continue
    cookies = { ...cookies, [name]: value }
  }
  return cookies
}

/** What the body answers, and for the other keys what was chosen before. */
function addChoice (ofBody: EventData['consent'], choice: ConsentChoice | undefined): EventData['consent'] {
  const consent = choice === undefined ? ofBody : { ...choice.consent, ...ofBody }
  return consent === undefined || Object.keys(consent).length === 0 ? undefined : consent
}

const parseChoice = remember(2000, parseConsentCookie)

/**
 * The choice in the consent cookie, while it holds. Where several of the name disagree (the page's host may have set
 * one, and a host beside it another, for a narrower path), a denial in any counts, and the older time.
 */
function ownChoice ({ jar, site }: Pick<Incoming, 'jar' | 'site'>, nowMs: number): ConsentChoice | undefined {
  let found: ConsentChoice | undefined
  for (const value of jar.get(site.cookies.consent) ?? []) {
    const choice = value.length > 40 ? null : parseChoice(value)
    if (choice === null || choice.chosenAtSeconds * 1000 + site.consentDays * dayMs <= nowMs) continue
    // The page's clock may be ahead of ours.
    const chosenAtSeconds = Math.min(choice.chosenAtSeconds, Math.floor(nowMs / 1000))
    found = {
      consent: found === undefined ? choice.consent : strictest(found.consent, choice.consent),
      chosenAtSeconds: Math.min(found?.chosenAtSeconds ?? chosenAtSeconds, chosenAtSeconds)
    }
  }
  return found
}

/** What a platform's cookies say; of those that come twice, as in ownChoice(), a denial in any, and the older time. */
function readPlatform (name: ConsentPlatform, jar: Incoming['jar']): PlatformChoice | undefined {
  let found: PlatformChoice | undefined
  for (let at = 0, hasMore = true; hasMore; at++) {
    hasMore = false
    const choice = consentPlatforms[name].read(cookie => {
      const values = jar.get(cookie) ?? []
      hasMore ||= values.length > at + 1
      return values[Math.min(at, values.length - 1)]
    })
    if (choice === undefined || found === undefined) {
      found ??= choice
      continue
    }
    const [one, other] = [found.chosenAtSeconds, choice.chosenAtSeconds]
    found = {
      consent: strictest(found.consent, choice.consent),
      chosenAtSeconds: one === undefined || other === undefined ? undefined : Math.min(one, other)
    }
  }
  return found
}

/** The choice in the cookies of the site's consent platforms, while it holds. */
function platformChoice ({ jar, site }: Pick<Incoming, 'jar' | 'site'>, nowMs: number): PlatformChoice | undefined {
  for (const name of site.consentCookies) {
    const choice = readPlatform(name, jar)
    if (choice !== undefined && (choice.chosenAtSeconds ?? nowMs / 1000) * 1000 + site.consentDays * dayMs > nowMs) {
      return choice
    }
  }
  return undefined
}

/** What both say; where one denies, it is denied. */
function strictest<T extends Partial<Consent>> (one: T, other: T): T {
  const denied = Object.entries({ ...one, ...other }).map(([key]) => key as keyof Consent)
    .filter(key => one[key] === 'denied' || other[key] === 'denied')
  return { ...one, ...other, ...Object.fromEntries(denied.map(key => [key, 'denied'])) }
}

/**
 * The choice that the request carries, while it holds: in our own cookie, or in a consent platform's. Of two the newer
 * counts; where the platform's cookie does not say when it was made, a denial in either does.
 */
export function storedChoice (incoming: Pick<Incoming, 'jar' | 'site'>, nowMs: number): ConsentChoice | undefined {
  const own = ownChoice(incoming, nowMs)
  if (incoming.site.consentCookies.length === 0) return own
  const platform = platformChoice(incoming, nowMs)
  if (platform === undefined) return own
  const { consent, chosenAtSeconds } = platform
  if (own === undefined) return { consent, chosenAtSeconds: chosenAtSeconds ?? Math.floor(nowMs / 1000) }
  if (chosenAtSeconds === undefined) return { ...own, consent: strictest(own.consent, consent) }
  return chosenAtSeconds > own.chosenAtSeconds ? { consent, chosenAtSeconds } : own
}

/** The four keys after GPC and the site's rule. */
export function decideConsent (
  data: EventData, country: string | undefined, occurredAtMs: number, { rule }: Incoming['site']
): EffectiveConsent {
  return effective({ consent: data.consent, gpc: data.gpc, country, occurredAtMs }, rule)
}

/** Whose browser the event tells of: a signed sender's own address and agent are never the visitor's. */
export function whoseBrowser (draft: Draft, incoming: Incoming): BrowserFacts {
  if (incoming.trust !== 'signed') return incoming.browser
  return { ip: draft.visitor.ip, userAgent: draft.visitor.userAgent, hints: {} }
}
