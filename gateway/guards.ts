// What every request meets first and last: its site, what is refused of it whatever it asks for, and the counters.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { answerBrokenRequest } from './broken_request.ts'
import { consentRoute } from './consent.ts'
import { allowOrigin } from './door.ts'
import type { Paths } from './front/paths.ts'
import { limitOwnBody, limitSiteBodies } from './front/patience.ts'
import { labelled, type GatewayMetrics } from './journal.ts'
import { leadRoute } from './leads.ts'
import { Refusal } from './refusal.ts'
import type { Site } from './site.ts'

/** What pages post to from other origins of the site. */
export const browserRoutes = ['/v1/e', leadRoute, consentRoute]

export interface Ways {
  metrics: GatewayMetrics
  findSite: (host: string) => Site | undefined
  paths: Paths
  /** Whether the gateway stands in front of a site. */
  isFront: boolean
}

/**
 * Everything that happens to every request: the site of its host, CORS, headers, counting; and 503 while closing.
 * Gives back whether that is so, for what is answered past the hooks.
 */
export function addGuards (app: FastifyInstance, { metrics, findSite, paths, isFront }: Ways): () => boolean {
  let isClosing = false
  app.decorateRequest('site', null)
  app.addHook('preClose', async () => { isClosing = true })
  const guard = (request: FastifyRequest, reply: FastifyReply): void => {
    request.site = findSite(request.host) ?? null
    if (request.url === paths.frontRoute) return limitSiteBodies(request)
    if (isFront && request.method === 'POST') limitOwnBody(request, answerBrokenRequest)
    reply.headers({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' })
    const route = request.routeOptions.url
    if (route === '/livez' || route === '/readyz') {
      if (request.site !== null) throw new Refusal('not_found', 'there is nothing at this address')
      return
    }
    if (request.site === null) throw new Refusal('unknown_site', 'this host is no site of this gateway')
    if (browserRoutes.includes(route ?? '')) allowOrigin(request, reply, request.site)
    if (isClosing) {
      throw new Refusal('unavailable', 'the gateway is restarting', { retryAfterSeconds: 5 })
    }
    if (request.method === 'POST') refuseEncoding(request)
  }
  // Callbacks, for every request comes through here, those for the site behind us included: a promise costs more.
  app.addHook('onRequest', (request, reply, done) => {
    guard(request, reply)
    done()
  })
  // A kept-alive connection would hold the server open for as long as its client likes.
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (isClosing) reply.header('connection', 'close')
    done(null, payload)
  })
  const count = openCounters(metrics)
  app.addHook('onResponse', (request, reply, done) => {
    const isSite = request.url === paths.frontRoute
    count(isSite ? 'site' : request.routeOptions.url ?? 'none', reply.statusCode, reply.elapsedTime / 1000)
    // An answer of the site's that began before the end says that its connection stays, and would hold the server open.
    if (isSite && isClosing) request.raw.socket?.end()
    // What the site behind us answers is not ours to count.
    if (reply.statusCode === 503 && !isSite) metrics.ingestShed.inc({ reason: 'unavailable' })
    done()
  })
  return () => isClosing
}

/** Counts requests by route and status. */
function openCounters ({ httpRequests, httpSeconds }: GatewayMetrics) {
  const requests = labelled((route, code) => httpRequests.labels({ route, code }))
  const seconds = labelled(route => httpSeconds.labels({ route }))
  return (route: string, code: number, tookSeconds: number) => {
    requests(route, String(code)).inc()
    seconds(route).observe(tookSeconds)
  }
}

/** A compressed body is a bomb or a mistake: browsers never compress what they post. */
function refuseEncoding (request: FastifyRequest): void {
  const encoding = request.headers['content-encoding']
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new Refusal('unsupported_media_type', 'bodies are taken without content encoding')
  }
}
