// What the request says of the visitor beside the body: device, bot, campaign, country, address. Pure but for a memory.
import { isIP } from 'node:net'
import { isbot } from 'isbot'
import { UAParser } from 'ua-parser-js'
import type { Static } from 'typebox'
import type { Campaign, Device, EventData } from '../schema/event.ts'
import { readPageAddress } from './address.ts'
import { remember } from '../config/bounded.ts'

/** The headers that describe a browser, in lower case; only these are read. */
export interface BrowserFacts {
  ip?: string
  userAgent?: string
  /** Client hints and the purpose of the request, verbatim. */
  hints: {
    brands?: string
    platform?: string
    platformVersion?: string
    mobile?: string
    model?: string
    fullVersionList?: string
  }
  purpose?: string
  country?: string
}

const longestUserAgent = 512
const rememberedUserAgents = 5000

type DeviceFacts = Static<typeof Device>

/** Parses a user agent once for all its visitors: a parse costs more than storing the event (stack.md §4). */
const parseUserAgent = remember(rememberedUserAgents, (userAgent): { device: DeviceFacts, isBot: boolean } => {
  const { browser, os, device } = new UAParser(userAgent).getResult()
  return {
    device: {
      browser: browser.name,
      browser_version: browser.version,
      os: os.name,
      os_version: os.version,
      type: device.type ?? 'desktop',
      model: device.model
    },
    isBot: isbot(userAgent)
  }
})

/** A structured-header string (`"Windows"`) without its quotes; undefined when empty or odd. */
function hint (value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  const found = /^"([\x20-\x7E]{1,60})"$/.exec(value)?.[1]
  return found === undefined || found.trim() === '' ? undefined : found.replace(/[^\w .()-]/g, '')
}

/** The browser's own full version out of Sec-CH-UA-Full-Version-List. */
function fullVersion (list: string | undefined, browser: string | undefined): string | undefined {
  if (list === undefined || browser === undefined || list.length > 500) return undefined
  const brand = browser === 'Chrome' ? 'Google Chrome' : browser === 'Edge' ? 'Microsoft Edge' : browser
  return [...list.matchAll(/"([^"]{1,40})";v="([\d.]{1,40})"/g)].find(found => found[1] === brand)?.[2]
}

function describeDevice ({ userAgent, hints }: BrowserFacts): DeviceFacts | undefined {
  if (userAgent === undefined) return undefined
  const { device } = parseUserAgent(userAgent.slice(0, longestUserAgent))
  return {
    browser: device.browser,
    browser_version: fullVersion(hints.fullVersionList, device.browser) ?? device.browser_version,
    os: hint(hints.platform) ?? device.os,
    os_version: hint(hints.platformVersion) ?? device.os_version,
    type: hints.mobile === '?1' ? (device.type === 'tablet' ? 'tablet' : 'mobile') : device.type,
    model: hint(hints.model) ?? device.model
  }
}

/** Why the visitor is no person, or undefined. A signed sender without a user agent says nothing about a browser. */
function findBot (facts: BrowserFacts, isSigned: boolean): string[] | undefined {
  const reasons: string[] = []
  if (facts.userAgent === undefined) {
    if (!isSigned) reasons.push('no_user_agent')
  } else if (parseUserAgent(facts.userAgent.slice(0, longestUserAgent)).isBot) {
    reasons.push('user_agent')
  }
  if (facts.purpose !== undefined && /prerender/i.test(facts.purpose)) reasons.push('prerender')
  else if (facts.purpose !== undefined && /prefetch|preview/i.test(facts.purpose)) reasons.push('prefetch')
  return reasons.length === 0 ? undefined : reasons
}

const campaignParams = [
  ['source', 'utm_source'],
  ['medium', 'utm_medium'],
  ['name', 'utm_campaign'],
  ['term', 'utm_term'],
  ['content', 'utm_content'],
  ['id', 'utm_id']
] as const
const longestCampaign = 200

/** The campaign of a landing: its utm parameters, else the site that linked here. */
export function readCampaign (pageLocation?: string, pageReferrer?: string): Static<typeof Campaign> | undefined {
  const page = readPageAddress(pageLocation)
  if (page !== null && page.query.size > 0) {
    const campaign: Static<typeof Campaign> = {}
    for (const [field, param] of campaignParams) {
      const value = page.query.get(param)?.trim().slice(0, longestCampaign).toWellFormed()
      if (value !== undefined && value !== '') campaign[field] = value.replaceAll('\0', '')
    }
    if (Object.keys(campaign).length > 0) return campaign
  }
  const referrer = readPageAddress(pageReferrer)
  if (referrer === null || page === null || referrer.host === '' || referrer.host === page.host) return undefined
  if (referrer.domain !== undefined && referrer.domain === page.domain) return undefined
  return { source: referrer.hostname.replace(/^www\./, ''), medium: 'referral' }
}

/** An IP address as one spelling: v4-mapped as v4, without a zone. Undefined for anything else. */
export function plainIp (given: string | undefined): string | undefined {
  if (given !== undefined && isIP(given) === 4) return given
  const text = (given ?? '').trim().replace(/^\[(.*)\]$/, '$1').replace(/%.*$/, '').toLowerCase()
  const mapped = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/.exec(text)?.[1]
  const hex = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(text)
  if (mapped !== undefined) return isIP(mapped) === 4 ? mapped : undefined
  if (hex !== null) {
    const words = [Number.parseInt(hex[1] ?? '', 16), Number.parseInt(hex[2] ?? '', 16)]
    return words.map(word => `${word >> 8}.${word & 255}`).join('.')
  }
  return isIP(text) === 0 ? undefined : text
}

/** A country as a trusted proxy names it; XX and T1 (unknown, Tor) are none. */
export function readCountry (given: string | undefined): string | undefined {
  const code = (given ?? '').trim().toUpperCase()
  return /^[A-Z]{2}$/.test(code) && code !== 'XX' && code !== 'T1' ? code : undefined
}

/** Adds what the request and the addresses say. */
export function enrich (data: EventData, facts: BrowserFacts, isSigned: boolean): EventData {
  const client = { ip: plainIp(facts.ip), user_agent: facts.userAgent?.slice(0, longestUserAgent).toWellFormed() }
  return {
    ...data,
    country: facts.country ?? data.country,
    device: describeDevice(facts),
    campaign: readCampaign(data.page_location, data.page_referrer),
    bot: findBot(facts, isSigned),
    client: client.ip === undefined && client.user_agent === undefined ? undefined : client
  }
}
