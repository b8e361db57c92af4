// In front of the site: whatever is asked of its hosts outside our prefix goes to the owner's own server, and back.
import type { IncomingMessage, ServerResponse } from 'node:http'
import httpProxy, { type FastifyHttpProxyOptions } from '@fastify/http-proxy'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { header } from '../door.ts'
import { siteOf, type Gateway } from '../gateway.ts'
import { captureLanding, isDocumentRequest, type Landing } from '../landing.ts'
import { pagePolicy, unreachablePage } from '../pages.ts'
import { passBack } from './answer.ts'
import { goesRound, text, toSite, toVisitor, type Headers } from './headers.ts'
import type { Paths } from './paths.ts'
import { Undecodable, unmarkEtags } from './tag.ts'
import { openTunnels } from './tunnel.ts'
import { carried, openWire, wireLimits, type Carried, type SiteBody, type WireLimits } from './wire.ts'

export interface FrontOptions {
  paths: Paths
  gateway: Gateway
  /** Whether the server is about to end, and a kept-alive connection with it. */
  isClosing: () => boolean
  limits?: Partial<WireLimits>
  /** In place of captureLanding(), for tests: a page must not care what becomes of it. */
  capture?: typeof captureLanding
}

/** What a proxied request is about, beside the proxying. */
interface Passage {
  /** Whether the script's tag goes into the page. */
  wantsTag: boolean
  /** There as soon as it is decided. A page whose answer is faster goes without. */
  landing?: Landing
  /** Where the answer goes. */
  visitor: ServerResponse
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on requests for the site behind us. */
    passage: Passage | null
  }
}

const upstreamOf = (request: FastifyRequest): string => {
  const { upstream } = siteOf(request)
  if (upstream === undefined) throw new Error('only sites with an upstream are proxied')
  return upstream
}

/** What is looked at as a page now, or was fetched in advance to become one. */
function becomesPage (request: FastifyRequest): boolean {
  if (request.method !== 'GET') return false
  if (isDocumentRequest(request)) return true
  const destination = header(request, 'sec-fetch-dest')
  const isInAdvance = /prefetch|prerender/i.test(header(request, 'sec-purpose') ?? '')
  return isInAdvance && (destination === undefined || destination === 'document' || destination === 'empty')
}

function beginPassage (request: FastifyRequest, reply: FastifyReply, options: FrontOptions): void {
  const { gateway, capture = captureLanding } = options
  const passage: Passage = { wantsTag: siteOf(request).insertsScript && becomesPage(request), visitor: reply.raw }
  request.passage = passage
  if (!isDocumentRequest(request)) return
  const fail = (error: unknown) => {
    gateway.logger.error({ site: siteOf(request).name, error: error instanceof Error ? error.name : 'unknown' },
      'a landing was not captured')
  }
  try {
    capture(request, `${request.protocol}://${request.host}${request.originalUrl}`, gateway)
      .then(landing => { passage.landing = landing }, fail)
  } catch (error) {
    fail(error)
  }
}

function headersToSite (request: FastifyRequest, given: IncomingMessage['headers']): Headers {
  const { passage } = request
  if (passage === null) throw new Error('a passage begins before its headers are read')
  const headers = toSite(request, given)
  if (passage.wantsTag) {
    // Unpacking and packing a page costs more than all the rest of passing it on; whoever ends TLS packs it.
    headers['accept-encoding'] = 'identity'
    const tags = unmarkEtags(text(headers['if-none-match']), siteOf(request))
    if (headers['if-none-match'] !== undefined && tags === undefined) {
      // Without the entity tag the page's age would be asked for, and the page without our tag be confirmed after all.
      delete headers['if-none-match']
      delete headers['if-modified-since']
    } else if (tags !== undefined) headers['if-none-match'] = tags
  }
  Reflect.set(headers, carried, { path: request.originalUrl, visitor: passage.visitor } satisfies Carried)
  return headers
}

/** No answer in time, or none that can be read. */
function statusOf (error: Error): 502 | 504 {
  const code = 'code' in error ? String(error.code) : ''
  return /TIMEOUT/i.test(code) || ('statusCode' in error && error.statusCode === 504) ? 504 : 502
}

/** The site does not answer, or not as a server does: a page for whoever looks at one, a word for everybody else. */
function apologise (reply: FastifyReply, error: Error, { logger }: Gateway): void {
  const { request } = reply
  const status = statusOf(error)
  const cause = error.cause instanceof Error ? error.cause : error
  // A visitor who has gone ends the question to the site, and nobody is to blame for that.
  if (!reply.raw.destroyed) {
    logger.warn({
      site: request.site?.name, status, error: 'code' in cause ? cause.code : cause.name
    }, 'the site behind the gateway did not answer')
  }
  for (const name of Object.keys(reply.getHeaders())) reply.removeHeader(name)
  // Nobody takes the rest of an upload any more.
  if (!request.raw.complete) reply.header('connection', 'close')
  reply.status(status).headers({ 'cache-control': 'no-store', 'retry-after': '5' })
  if (!isDocumentRequest(request)) {
    reply.type('text/plain; charset=utf-8').send(status === 504 ? 'Gateway Timeout' : 'Bad Gateway')
    return
  }
  reply.header('content-security-policy', pagePolicy).type('text/html; charset=utf-8')
    .send(unreachablePage(header(request, 'accept-language')))
}

/** A connection that the site closed while it was idle is found only when it is used: then one more try. */
const isIdleClosed = (error: Error | null) =>
  error !== null && 'code' in error && ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'].includes(String(error.code))

/** How the plugin passes a request on, and its answer back. */
function howToPass (options: FrontOptions): NonNullable<FastifyHttpProxyOptions['replyOptions']> {
  return {
    getUpstream: request => upstreamOf(request as FastifyRequest),
    rewriteRequestHeaders: (request, headers) =>
      headersToSite(request as FastifyRequest, headers as IncomingMessage['headers']) as typeof headers,
    rewriteHeaders: headers => toVisitor(headers as Headers) as typeof headers,
    retryDelay: ({ err, req, attempt }) => {
      const isRepeatable = req.method === 'GET' || req.method === 'HEAD'
      return isRepeatable && attempt === 0 && isIdleClosed(err as Error | null) ? 1 : null
    },
    onResponse: (request, reply, response) => {
      const { stream, statusCode } = response as unknown as { stream: SiteBody, statusCode: number }
      passBack(request as FastifyRequest, reply as FastifyReply, statusCode, stream, options)
    },
    onError: (reply, { error }) => { apologise(reply as FastifyReply, error, options.gateway) }
  }
}

const methods = ['DELETE', 'GET', 'HEAD', 'PATCH', 'POST', 'PUT', 'OPTIONS']

/**
 * Adds the site behind the gateway: one route that only rewritten requests reach (paths.ts). Nothing of ours may break
 * a page: a landing that cannot be decided, or stored, leaves its page as the site made it.
 */
export async function addFront (app: FastifyInstance, options: FrontOptions): Promise<void> {
  const { paths, gateway } = options
  const limits = { ...wireLimits, ...options.limits }
  const wire = openWire(limits)
  const tunnels = openTunnels(app, limits.connectMs)
  const passing = howToPass(options)
  app.decorateRequest('passage', null)
  app.addHook('onClose', async () => { await wire.close() })
  await app.register(async front => {
    // Bodies pass as they come, in any size.
    front.removeAllContentTypeParsers()
    front.setErrorHandler((error, _request, reply) => {
      if (!(error instanceof Undecodable)) throw error
      apologise(reply, error, gateway)
    })
    await front.register(httpProxy, {
      upstream: '',
      prefix: paths.frontRoute,
      routes: ['/'],
      httpMethods: methods,
      undici: wire.dispatcher,
      disableRequestLogging: true,
      internalRewriteLocationHeader: false,
      preHandler: (request, reply, done) => {
        if (goesRound(request.headers)) {
          gateway.logger.error({ site: siteOf(request).name }, 'the upstream leads back to this gateway')
          reply.status(508).header('cache-control', 'no-store').send('Loop Detected')
          return
        }
        const upgrade = tunnels.upgradeOf(request)
        if (upgrade !== undefined) {
          tunnels.open(request, reply, upgrade, upstreamOf(request))
          return
        }
        beginPassage(request, reply, options)
        // The plugin's own handler would take a path apart that is none: the wire has the real one.
        try {
          reply.from('/', passing)
        } catch (error) {
          done(error as Error)
        }
      },
      replyOptions: { getUpstream: passing.getUpstream }
    })
  })
}
