// How consent platforms keep a visitor's choice in cookies of their own: what can be read before any script runs. Pure.
import type { Consent } from './consent.ts'

/** A choice out of a platform's cookies; `chosenAtSeconds` where they say when it was made. */
export interface PlatformChoice { consent: Consent, chosenAtSeconds?: number }

/** The first value of a cookie as it stands in the request, undecoded; undefined without one. */
export type ReadCookie = (name: string) => string | undefined

interface Platform {
  /** For the settings' documentation. */
  description: string
  /** Undefined where the visitor has not answered, or the cookie is not of the platform's grammar. */
  read: (cookie: ReadCookie) => PlatformChoice | undefined
}

/** Marketing answers the three keys of advertising, as the script's modules have it (gateway/browser/modules/). */
function choice (ads: boolean, analytics: boolean, chosenAtMs?: number): PlatformChoice {
  const state = (isGiven: boolean) => isGiven ? 'granted' as const : 'denied' as const
  return {
    consent: {
      ad_storage: state(ads),
      ad_user_data: state(ads),
      ad_personalization: state(ads),
      analytics_storage: state(analytics)
    },
    ...chosenAtMs !== undefined && chosenAtMs > 0 ? { chosenAtSeconds: Math.floor(chosenAtMs / 1000) } : {}
  }
}

const longestCookie = 4096

/** A value with its percent-encoding undone; undefined for one that is absent, too long or not well encoded. */
function decoded (value: string | undefined): string | undefined {
  if (value === undefined || value.length > longestCookie) return undefined
  try {
    return decodeURIComponent(value)
  } catch (error) {
    if (error instanceof URIError) return undefined
    throw error
  }
}

/** The JSON object in a text; undefined for anything else. */
function jsonObject (text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value as Record<string, unknown> : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/**
 * `{stamp:'…',necessary:true,preferences:false,statistics:true,marketing:true,method:'explicit',utc:1740000000000}`,
 * percent-encoded and no JSON (cookiebot.com/en/developer, "Server-side usage"). What the banner assumed is no answer.
 */
function readCookiebot (cookie: ReadCookie): PlatformChoice | undefined {
  const text = decoded(cookie('CookieConsent'))
  const flag = (name: string) => new RegExp(`[{,]"?${name}"?:(true|false)[,}]`).exec(text ?? '')?.[1]
  const [marketing, statistics] = [flag('marketing'), flag('statistics')]
  if (text === undefined || marketing === undefined || statistics === undefined) return undefined
  if (/[,{]"?method"?:["']implied["']/.test(text)) return undefined
  const atMs = /[{,]"?utc"?:(\d{13})[,}]/.exec(text)?.[1]
  return choice(marketing === 'true', statistics === 'true', atMs === undefined ? undefined : Number(atMs))
}

/**
 * `…&datestamp=…&groups=C0001%3A1%2CC0002%3A0%2CC0004%3A1&…`; C0004 is targeting, C0002 performance, OneTrust's own
 * groups. It is there before any answer: only `OptanonAlertBoxClosed`, an ISO time, says that there was one
 * (my.onetrust.com, "OneTrust Cookies").
 */
function readOnetrust (cookie: ReadCookie): PlatformChoice | undefined {
  const closedAtMs = Date.parse(decoded(cookie('OptanonAlertBoxClosed')) ?? '')
  const groups = /(?:^|&)groups=([^&]*)/.exec(cookie('OptanonConsent') ?? '')?.[1]
  const list = decoded(groups)
  if (Number.isNaN(closedAtMs) || list === undefined || !/^\w+:[01](,\w+:[01])*$/.test(list)) return undefined
  const has = (group: string) => list.split(',').includes(`${group}:1`)
  return choice(has('C0004'), has('C0002'), closedAtMs)
}

/** One cookie per category, `allow` or `deny` (complianz.io, "Cookies set by Complianz"). */
function readComplianz (cookie: ReadCookie): PlatformChoice | undefined {
  const [marketing, statistics] = [cookie('cmplz_marketing'), cookie('cmplz_statistics')]
  const isAnswer = (value: string | undefined) => value === undefined || /^(allow|deny)$/.test(value)
  if (marketing === undefined && statistics === undefined) return undefined
  if (!isAnswer(marketing) || !isAnswer(statistics)) return undefined
  return choice(marketing === 'allow', statistics === 'allow')
}

/**
 * `consentid:…,consent:yes,action:yes,necessary:yes,functional:no,analytics:yes,performance:no,advertisement:yes`;
 * `action` says that the visitor answered (cookieyes.com, "Cookies installed by CookieYes").
 */
function readCookieyes (cookie: ReadCookie): PlatformChoice | undefined {
  const said = new Map((decoded(cookie('cookieyes-consent')) ?? '').split(',').map(pair => {
    const at = pair.indexOf(':')
    return [pair.slice(0, at), pair.slice(at + 1)] as const
  }))
  if (said.get('action') !== 'yes' || !said.has('advertisement')) return undefined
  const atMs = Number(said.get('lastRenewedDate') ?? 0)
  return choice(said.get('advertisement') === 'yes', said.get('analytics') === 'yes',
    Number.isSafeInteger(atMs) ? atMs : undefined)
}

/**
 * Base64 of a JSON: `answered`, `implicit`, `allAllowed`, `categories: [{"cid":3,"allow":true}]` or ids, `timestamp`
 * (support.cookiehub.com, "Cookies used by CookieHub"). Categories are the site's own, so only "all of them" and "none
 * of them" can be told.
 */
function readCookiehub (cookie: ReadCookie): PlatformChoice | undefined {
  const text = decoded(cookie('cookiehub'))
  const said = text === undefined ? undefined : jsonObject(Buffer.from(text, 'base64').toString())
  if (said?.answered !== true || said.implicit === true) return undefined
  const isAll = said.allAllowed === true
  return choice(isAll, isAll, typeof said.timestamp === 'string' ? Date.parse(said.timestamp) || undefined : undefined)
}

/** One number of a TC string's core segment: `length` bits from `at`. */
function bitsOf (core: Buffer, at: number, length: number): number {
  let value = 0
  for (let bit = at; bit < at + length; bit++) value = value * 2 + ((core[bit >> 3] ?? 0) >> (7 - (bit & 7)) & 1)
  return value
}

/** Where the fields of a TC string's core begin: updated (36 bits of tenths of a second), purposes (24 bits). */
const [updatedAt, purposesAt, coreBits] = [42, 152, 213]

/**
 * The IAB's TC string, version 2 (github.com/InteractiveAdvertisingBureau/GDPR-Transparency-and-Consent-Framework,
 * "TC String format"): purpose 1 is storage on the device, 3 and 4 personalised advertising, 7 and 8 its measurement.
 * Written by the platform only after an answer.
 */
function readTcf (cookie: ReadCookie): PlatformChoice | undefined {
  const segment = /^([\w-]{36,4096})(\.|$)/.exec(cookie('euconsent-v2') ?? '')?.[1]
  if (segment === undefined) return undefined
  const core = Buffer.from(segment, 'base64url')
  if (core.length * 8 < coreBits || bitsOf(core, 0, 6) !== 2) return undefined
  const state = (...purposes: number[]) =>
    purposes.every(one => bitsOf(core, purposesAt + one - 1, 1) === 1) ? 'granted' as const : 'denied' as const
  return {
    consent: {
      ad_storage: state(1),
      ad_user_data: state(1, 7),
      ad_personalization: state(1, 3, 4),
      analytics_storage: state(1, 8)
    },
    chosenAtSeconds: Math.floor(bitsOf(core, updatedAt, 36) / 10)
  }
}

/**
 * The platforms whose cookies are understood, by name. Usercentrics and Borlabs are none of them: the one keeps its
 * choice where only scripts see it, the other by service and not by purpose.
 */
export const consentPlatforms = {
  cookiebot: { description: 'Cookiebot\'s CookieConsent', read: readCookiebot },
  onetrust: { description: 'OneTrust\'s OptanonConsent', read: readOnetrust },
  complianz: { description: 'Complianz\' cmplz_marketing and cmplz_statistics', read: readComplianz },
  cookieyes: { description: 'CookieYes\' cookieyes-consent', read: readCookieyes },
  cookiehub: { description: 'CookieHub\'s cookiehub, where all or nothing was allowed', read: readCookiehub },
  tcf: { description: 'IAB TCF\'s euconsent-v2, of any platform that writes it', read: readTcf }
} as const satisfies Record<string, Platform>
export type ConsentPlatform = keyof typeof consentPlatforms
export const consentPlatformNames = Object.keys(consentPlatforms) as ConsentPlatform[]
