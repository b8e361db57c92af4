// What HTTP says before the body is read: whose origin, how far to trust it, what to tell browsers, whose browser.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Trust } from '../schema/event.ts'
import { readPageAddress } from './address.ts'
import { cookieScope, readJar } from './cookies.ts'
import { readCountry } from './enrich.ts'
import { visitorOf } from './proxies.ts'
import type { Incoming } from './receive.ts'
import { plainHost, type Site } from './site.ts'

/** One value of a header; of a repeated one, the first. */
export function header (request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}

/** `allowed`: of the site or the gateway itself. `foreign`: of somebody else, `null` included. */
export type OriginKind = 'none' | 'allowed' | 'foreign'

/**
 * Judges the Origin header: exactly an origin of the site's, or the gateway's own. No suffixes and no patterns; `null`,
 * which sandboxed frames and local files send, is foreign (reliability-and-security.md T5).
 */
export function judgeOrigin (request: FastifyRequest, site: Site): OriginKind {
  const origin = header(request, 'origin')
  if (origin === undefined) return 'none'
  if (site.origin.has(origin)) return 'allowed'
  const own = /^(https?):\/\/([^/]+)$/.exec(origin)
  const isOwn = own !== null && own[2] === plainHost(request.host) && (own[1] === 'https' ||
    request.protocol === 'http')
  return isOwn ? 'allowed' : 'foreign'
}

/** Whether a page of somebody else posted it: by its Origin, or where that is missing by the browser's own word. */
export function isForeignPage (request: FastifyRequest, site: Site): boolean {
  const kind = judgeOrigin(request, site)
  return kind === 'foreign' || (kind === 'none' && header(request, 'sec-fetch-site') === 'cross-site')
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
  const origin = header(request, 'origin')
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

/** Everything of the request but its posts. */
export function openDoor (request: FastifyRequest, site: Site, trust: Trust, pageRandom: string, nowMs: number):
Omit<Incoming, 'posts' | 'sentAt' | 'isOverLimit'> {
  const visitor = visitorOf(request)
  // Pages with `Referrer-Policy: no-referrer` still name their origin with each post.
  const referrer = header(request, 'referer') ?? header(request, 'origin')
  const isOfSite = referrer !== undefined && site.origin.has(readPageAddress(referrer)?.origin ?? '')
  return {
    site,
    trust,
    isStrict: trust === 'signed' && isStrict(request),
    takesCookies: trust === 'same_site' || (trust === 'anonymous' && judgeOrigin(request, site) === 'none'),
    jar: readJar(header(request, 'cookie')),
    scope: cookieScope(request.host, request.protocol === 'https'),
    browser: {
      ip: visitor.address,
      userAgent: header(request, 'user-agent'),
      hints: {
        brands: header(request, 'sec-ch-ua'),
        platform: header(request, 'sec-ch-ua-platform'),
        platformVersion: header(request, 'sec-ch-ua-platform-version'),
        mobile: header(request, 'sec-ch-ua-mobile'),
        model: header(request, 'sec-ch-ua-model'),
        fullVersionList: header(request, 'sec-ch-ua-full-version-list')
      },
      purpose: header(request, 'sec-purpose') ?? header(request, 'purpose'),
      // Anybody can send the header; only what came through a trusted proxy has it from there.
      country: site.countryHeader === undefined || !visitor.isForwarded
        ? undefined
        : readCountry(header(request, site.countryHeader))
    },
    isOfUnknownProxy: !visitor.isForwarded && request.headers['x-forwarded-for'] !== undefined,
    gpc: header(request, 'sec-gpc') === '1',
    referrer: isOfSite ? referrer : undefined,
    language: /^\s*([A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*)/.exec(header(request, 'accept-language') ?? '')?.[1],
    seed: { text: `${nowMs}.${pageRandom}`, startedAtMs: nowMs }
  }
}
