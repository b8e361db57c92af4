// What a request says around its body: the choice in the consent cookie, the networks' cookies, the page, the browser.
import { effective, type Consent, type EffectiveConsent } from '../schema/consent.ts'
import { parseConsentCookie, type ConsentChoice } from '../schema/consent_cookie.ts'
import type { EventData } from '../schema/event.ts'
import { knownCookie } from '../schema/identity.ts'
import { remember } from './bounded.ts'
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
    const consent: Partial<Consent> = { ...storedChoice(incoming, nowMs)?.consent, ...data.consent }
    data.consent = Object.keys(consent).length === 0 ? undefined : consent
    if (incoming.gpc) data.gpc = true
  }
  data.click_ids = collectClickIds(data, plausibleStart(draft.pageSeed, nowMs) ?? draft.occurredAtMs)
  return data
}

/** The cookies of the body with those of the request, which win: they are what the next request will carry, too. */
function addCookies (ofBody: EventData['cookies'], jar: Incoming['jar']): EventData['cookies'] {
  let cookies = ofBody
  for (const [name, values] of jar) {
    const value = values.find(one => knownCookie(name, one) !== undefined)
    if (value === undefined || cookies?.[name] === value) continue
    cookies = { ...cookies, [name]: value }
  }
  return cookies
}

const parseChoice = remember(2000, parseConsentCookie)

/** The choice in the consent cookie, while it holds. */
export function storedChoice ({ jar, site }: Pick<Incoming, 'jar' | 'site'>, nowMs: number): ConsentChoice | undefined {
  for (const value of jar.get(site.cookies.consent) ?? []) {
    const choice = value.length > 40 ? null : parseChoice(value)
    if (choice !== null && choice.chosenAtSeconds * 1000 + site.consentDays * dayMs > nowMs) return choice
  }
  return undefined
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
