// What HTTP says before the body is read: whose origin, how far to trust it, what to tell browsers, whose browser.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Trust } from '../schema/event.ts'
import { remember } from '../config/bounded.ts'
import { readPageAddress } from './address.ts'
import { cookieScope, readJar } from './cookies.ts'
import { readCountry, type BrowserFacts } from './enrich.ts'
import { storedChoice } from './gather.ts'
import type { Gateway } from './gateway.ts'
import { visitorOf, type Visitor } from './proxies.ts'
import type { Incoming } from './receive.ts'
import { Refusal } from './refusal.ts'
import { plainHost, type Site } from './site.ts'
import { verifyVisitor } from './visitor.ts'

type DoorDeps = Pick<Gateway, 'keys' | 'newRandom'>

const one = (value: string | string[] | undefined): string | undefined => Array.isArray(value) ? value[0] : value

/** One value of a header; of a repeated one, the first. */
export function header (request: FastifyRequest, name: string): string | undefined {
  return one(request.headers[name])
}

/** `allowed`: of the site or the gateway itself. `foreign`: of somebody else, `null` included. */
export type OriginKind = 'none' | 'allowed' | 'foreign'

/**
 * Judges the Origin header: exactly an origin of the site's, or the gateway's own. No suffixes and no patterns; `null`,
 * which sandboxed frames and local files send, is foreign (reliability-and-security.md T5).
 */
export function judgeOrigin (request: FastifyRequest, site: Site): OriginKind {
  const { origin } = request.headers
  if (origin === undefined) return 'none'
  if (site.origin.has(origin)) return 'allowed'
  const own = /^(https?):\/\/([^/]+)$/.exec(origin)
  const isOwn = own !== null && own[2] === plainHost(request.host) && (own[1] === 'https' ||
    request.protocol === 'http')
  return isOwn ? 'allowed' : 'foreign'
}

/** Refuses what a page of somebody else posted: by its Origin, or where that is missing by the browser's own word. */
export function refuseForeignPage (request: FastifyRequest, site: Site): void {
  const kind = judgeOrigin(request, site)
  if (kind === 'foreign' || (kind === 'none' && header(request, 'sec-fetch-site') === 'cross-site')) {
    throw new Refusal('origin_not_allowed', 'this origin is not among the site\'s origins')
  }
}

/**
 * How far an unsigned request is believed. Without an Origin, a browser's own word that the page is of the same site
 * counts; a page that hides its address sends `Origin: null` with a form, and the same word.
 */
export function judgeTrust (request: FastifyRequest, site: Site): Exclude<Trust, 'signed'> {
  const kind = judgeOrigin(request, site)
  if (kind === 'allowed') return 'same_site'
  const isSilent = kind === 'none' || header(request, 'origin') === 'null'
  const fetchSite = header(request, 'sec-fetch-site')
  return isSilent && (fetchSite === 'same-origin' || fetchSite === 'same-site') ? 'same_site' : 'anonymous'
}

/** Lets pages of the site read the answer, with cookies; other origins get no CORS header at all. */
export function allowOrigin (request: FastifyRequest, reply: FastifyReply, site: Site): void {
  reply.header('vary', 'Origin')
  const { origin } = request.headers
  if (origin === undefined || judgeOrigin(request, site) !== 'allowed') return
  reply.header('access-control-allow-origin', origin)
  reply.header('access-control-allow-credentials', 'true')
}

/** What a preflight may be told; only for allowed origins. */
export function answerPreflight (request: FastifyRequest, reply: FastifyReply, site: Site): void {
  if (judgeOrigin(request, site) !== 'allowed') return
  reply.header('access-control-allow-methods', 'POST')
  reply.header('access-control-allow-headers', 'Content-Type')
  reply.header('access-control-max-age', '600')
}

/** The bearer token of a signed sender, if any. */
export function bearer (request: FastifyRequest): string | undefined {
  return /^Bearer +(\S{1,512})$/i.exec(header(request, 'authorization') ?? '')?.[1]
}

export function isStrict (request: FastifyRequest): boolean {
  return /(^|[\s,;])handling\s*=\s*"?strict"?($|[\s,;])/i.test(header(request, 'prefer') ?? '')
}

/** The headers by which a browser describes itself, and where it is. */
function browserOf (headers: FastifyRequest['headers'], visitor: Visitor, site: Site): BrowserFacts {
  return {
    ip: visitor.address,
    userAgent: headers['user-agent'],
    hints: {
      brands: one(headers['sec-ch-ua']),
      platform: one(headers['sec-ch-ua-platform']),
      platformVersion: one(headers['sec-ch-ua-platform-version']),
      mobile: one(headers['sec-ch-ua-mobile']),
      model: one(headers['sec-ch-ua-model']),
      fullVersionList: one(headers['sec-ch-ua-full-version-list'])
    },
    purpose: one(headers['sec-purpose']) ?? one(headers.purpose),
    // Anybody can send the header; only what came through a trusted proxy has it from there.
    country: site.countryHeader === undefined || !visitor.isForwarded
      ? undefined
      : readCountry(one(headers[site.countryHeader]))
  }
}

/** Everything of the request but its posts. */
export function openDoor (
  request: FastifyRequest, site: Site, trust: Trust, { keys, newRandom }: DoorDeps, nowMs: number
): Omit<Incoming, 'posts' | 'sentAt' | 'isOverLimit'> {
  const { headers } = request
  const visitor = visitorOf(request)
  // Pages with `Referrer-Policy: no-referrer` still name their origin with each post.
  const referrer = headers.referer ?? headers.origin
  const isOfSite = referrer !== undefined && site.origin.has(readPageAddress(referrer)?.origin ?? '')
  const jar = readJar(headers.cookie)
  const scope = cookieScope(request.host, request.protocol === 'https')
  return {
    site,
    trust,
    isStrict: trust === 'signed' && isStrict(request),
    takesCookies: trust === 'same_site' || (trust === 'anonymous' && judgeOrigin(request, site) === 'none'),
    jar,
    visitorId: verifyVisitor({ cookieName: site.cookies.visitor, jar, scope, nowMs, consentDays: site.consentDays },
      keys),
    choice: storedChoice({ jar, site }, nowMs),
    scope,
    browser: browserOf(headers, visitor, site),
    isOfUnknownProxy: !visitor.isForwarded && headers['x-forwarded-for'] !== undefined,
    gpc: one(headers['sec-gpc']) === '1',
    referrer: isOfSite ? referrer : undefined,
    language: firstLanguage(headers['accept-language'] ?? ''),
    seed: { text: `${nowMs}.${newRandom()}`, startedAtMs: nowMs }
  }
}

/** The first language of an Accept-Language header; browsers send few different ones. */
const firstLanguage = remember(500, header => /^\s*([A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*)/.exec(header)?.[1])
