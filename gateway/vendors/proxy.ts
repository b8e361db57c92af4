// The routes of a site's vendors: a path of the site's own in front of a fixed host of theirs. Never an open proxy.
import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import replyFrom from '@fastify/reply-from'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { effective } from '../../schema/consent.ts'
import { readJar } from '../cookies.ts'
import { allowOrigin, header, judgeOrigin } from '../door.ts'
import { plainIp, readCountry } from '../enrich.ts'
import { storedChoice } from '../gather.ts'
import { siteOf } from '../gateway.ts'
import type { GatewayLog } from '../journal.ts'
import { visitorOf } from '../proxies.ts'
import { Refusal } from '../refusal.ts'
import type { GatewaySite, Site } from '../site.ts'
import { createBreaker, type Breaker } from './breaker.ts'
import { headersForVendor, headersFromVendor, readRedirect } from './headers.ts'
import type { Resolve } from './public_lookup.ts'
import { readVendorTarget } from './target.ts'
import { BadBody, readWhole, upstreamOptions, vendorLimits, type VendorLimits } from './upstream.ts'
import { vendorsOf, type Vendor } from './vendor.ts'

export interface VendorProxyOptions {
  /** How names are resolved, where not by the system. */
  resolve?: Resolve
  limits?: Partial<VendorLimits>
}

export interface VendorProxyDeps extends VendorProxyOptions {
  sites: readonly GatewaySite[]
  logger: GatewayLog
  now: () => number
}

/** What a tag posts at once is a few kilobytes. */
const bodyBytes = 256 * 1024
const countedPerVisitor = {
  timeWindow: 60_000, ipv6Subnet: 64, keyGenerator: (request: FastifyRequest) => visitorOf(request).address
}
/** Calls to vendors per address and minute: a page makes a dozen. */
const callsPerMinute = 1200

/** A vendor of one site, and whether it is to be asked now. */
interface Gate { vendor: Vendor, breaker: Breaker }

/**
 * Adds a route for each vendor's path. A path belongs to the sites whose settings name it; on the hosts of others it is
 * as if it were not there.
 */
export async function addVendorRoutes (app: FastifyInstance, deps: VendorProxyDeps): Promise<void> {
  const limits = { ...vendorLimits, ...deps.limits }
  const gates = new Map<string, Map<string, Gate>>()
  const vendors: Vendor[] = []
  for (const site of deps.sites) {
    for (const vendor of vendorsOf(site.vendors)) {
      vendors.push(vendor)
      const ofPath = gates.get(vendor.path) ?? new Map<string, Gate>()
      ofPath.set(site.name, { vendor, breaker: openBreaker(site.name, vendor.name, limits.most, deps.logger) })
      gates.set(vendor.path, ofPath)
    }
  }
  if (vendors.length === 0) return
  // A scope of its own: what decorates these replies is no concern of the other routes.
  await app.register(async scope => {
    const countCalls = scope.createRateLimit({ ...countedPerVisitor, max: callsPerMinute })
    await scope.register(replyFrom, upstreamOptions(vendors, limits, deps.resolve))
    for (const [path, ofPath] of gates) {
      const handler = async (request: FastifyRequest, reply: FastifyReply) => {
        const site = siteOf(request)
        const gate = ofPath.get(site.name)
        if (gate === undefined) {
          reply.callNotFound()
          return reply
        }
        if (judgeOrigin(request, site) === 'foreign') {
          throw new Refusal('origin_not_allowed', 'this origin is none of the site\'s')
        }
        const count = await countCalls(request)
        if (!count.isAllowed && count.isExceeded) {
          throw new Refusal('too_many', 'too many requests from this address', { retryAfterSeconds: 60 })
        }
        allowOrigin(request, reply, site)
        return forward(request, reply, gate, describe(request, site, gate.vendor, deps.now()), limits)
      }
      for (const url of [path, `${path}/*`]) {
        scope.route({ method: ['GET', 'HEAD', 'POST'], url, bodyLimit: bodyBytes, exposeHeadRoute: false, handler })
      }
    }
  })
}

function openBreaker (site: string, vendor: string, most: number, logger: GatewayLog): Breaker {
  return createBreaker({
    clock: () => performance.now(),
    most,
    onOpened: failure => {
      logger.warn({ site, vendor, failure }, 'the vendor does not answer: for some seconds its path is 502 at once')
    },
    onClosed: () => { logger.info({ site, vendor }, 'the vendor answers again') }
  })
}

/** What the vendor may be told of the visitor, by the choice in the consent cookie and the site's rule. */
function describe (request: FastifyRequest, site: Site, vendor: Vendor, nowMs: number): Record<string, string> {
  const jar = readJar(header(request, 'cookie'))
  // Anybody can send these headers; only what came through a trusted proxy has them from there.
  const { address, isForwarded } = visitorOf(request)
  const country = isForwarded && site.countryHeader !== undefined
    ? readCountry(header(request, site.countryHeader))
    : undefined
  const region = isForwarded && vendor.regionHeader !== undefined
    ? /^(?:[A-Z]{2}-)?([A-Z0-9]{1,3})$/.exec((header(request, vendor.regionHeader) ?? '').trim().toUpperCase())?.[1]
    : undefined
  const consent = effective({
    consent: storedChoice({ jar, site }, nowMs)?.consent, gpc: header(request, 'sec-gpc') === '1', country
  }, site.rule)
  return vendor.describe({ ip: plainIp(address) ?? address, country, region, consent, jar })
}

/** Sends the request to the vendor and its answer to the visitor, whole or not at all. */
function forward (
  request: FastifyRequest, reply: FastifyReply, { vendor, breaker }: Gate, told: Record<string, string>,
  limits: VendorLimits
): FastifyReply {
  const target = readVendorTarget(request.originalUrl, vendor.path)
  if (target === undefined) throw new Refusal('not_found', 'there is nothing at this address')
  const admission = breaker.enter()
  if (admission.kind !== 'go') {
    throw new Refusal('vendor_unavailable', 'the vendor does not answer', { retryAfterSeconds: 10 })
  }
  const { leave } = admission
  const hasBody = request.method === 'POST'
  return reply.from(target, {
    getUpstream: () => vendor.origin,
    // A GET that was answered 503 would be sent again, ten times, and later than its visitor waits.
    retryDelay: () => null,
    body: hasBody ? (Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)) : undefined,
    // Named, so that the bytes go as they are: JSON would be written anew.
    contentType: hasBody ? header(request, 'content-type') ?? 'application/octet-stream' : undefined,
    rewriteRequestHeaders: (_request, headers) => {
      const length = headers['content-length']
      const own = headersForVendor(request.headers)
      return { ...own, ...told, host: headers.host, ...(hasBody ? { 'content-length': length } : {}) }
    },
    // The first that is heard of an answer; of one that nobody waits for any more, the only thing.
    rewriteHeaders: () => {
      if (request.raw.aborted) leave()
      return {}
    },
    onResponse: (_request, _reply, answer) => {
      const { statusCode, headers, stream } = answer as unknown as VendorAnswer
      passOn(request, reply, { vendor, target, status: statusCode, headers, stream }, limits).then(() => {
        leave()
      }, (error: unknown) => {
        leave(error instanceof Refusal ? undefined : codeOf(error))
        reply.send(refusalFor(error))
      })
    },
    onError: (_reply, { error }) => {
      leave(codeOf(error))
      reply.send(refusalFor(error))
    }
  })
}

/** What reply-from hands on; its types describe an older client's answer. */
interface VendorAnswer { statusCode: number, headers: IncomingHttpHeaders, stream: Readable }

interface Passing { vendor: Vendor, target: string, status: number, headers: IncomingHttpHeaders, stream: Readable }

async function passOn (
  request: FastifyRequest, reply: FastifyReply, { vendor, target, status, headers, stream }: Passing,
  limits: VendorLimits
): Promise<void> {
  const body = await readWhole(stream, limits.responseBytes, limits.bodyMs)
  const isRedirect = status >= 300 && status < 400 && status !== 304
  const location = isRedirect
    ? readRedirect(headers.location, { origin: vendor.origin, path: vendor.path, target },
      { isNavigation: isNavigation(request), mayLeadTo: vendor.mayLeadTo })
    : undefined
  if (isRedirect && location === undefined) throw new Refusal('vendor_unavailable', 'the vendor leads elsewhere')
  const kept = headersFromVendor(headers, status)
  const vary = [reply.getHeader('vary'), kept.vary].filter(value => value !== undefined).join(', ')
  reply.headers({ ...kept, vary, ...(location === undefined ? {} : { location, 'cache-control': 'no-store' }) })
  // Of an answer without its body, the length is that of the body.
  if (request.method === 'HEAD' && /^\d{1,9}$/.test(headers['content-length'] ?? '')) {
    reply.header('content-length', headers['content-length'])
  }
  await reply.status(status).send(body)
}

/** Whether a person would see where the answer leads: a navigation, or a browser that does not say what it does. */
function isNavigation (request: FastifyRequest): boolean {
  const mode = header(request, 'sec-fetch-mode')
  return mode === undefined ? /\btext\/html\b/i.test(header(request, 'accept') ?? '') : mode === 'navigate'
}

/** How a request failed, as a code: messages may quote addresses. */
function codeOf (error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (!(cause instanceof Error)) return 'UNKNOWN'
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.name
}

/** A vendor's failure in our words: 504 where it was too slow, else 502. */
function refusalFor (error: unknown): Refusal {
  if (error instanceof Refusal) return error
  const isSlow = (error instanceof BadBody && error.isLate) || /TIMEOUT/.test(codeOf(error))
  return isSlow
    ? new Refusal('vendor_timeout', 'the vendor did not answer in time')
    : new Refusal('vendor_unavailable', 'the vendor does not answer')
}
