// The gateway's HTTP server: one public port for scripts, forms and servers. Knows routes and limits, not events.
import { randomBytes, randomUUID, randomInt } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import rateLimit from '@fastify/rate-limit'
import type { Keys } from '../config/keys.ts'
import type { IngestLog } from './arrival.ts'
import { rememberFirst } from '../config/bounded.ts'
import { answerBrokenRequest } from './broken_request.ts'
import { addCollectRoutes } from './collect.ts'
import { addConsentRoute, consentRoute } from './consent.ts'
import type { Crowds } from './crowds.ts'
import { answerPreflight } from './door.ts'
import { openPaths } from './front/paths.ts'
import { addFront, type FrontOptions } from './front/proxy.ts'
import { isForTunnel } from './front/tunnel.ts'
import { siteOf, type Gateway } from './gateway.ts'
import { addGuards, browserRoutes } from './guards.ts'
import { openJournal, type GatewayLog, type GatewayMetrics } from './journal.ts'
import { base32 } from './lead_id.ts'
import { addLandingRoute, landingRoute } from './landing_route.ts'
import { addLeadRoute, apologise, leadRoute } from './leads.ts'
import { addPressureGuard, type Pressure } from './pressure.ts'
import { addVisitors, trustProxies, visitorOf, type PlatformProxy } from './proxies.ts'
import { handleErrors, Refusal, sendRefusal, toRefusal } from './refusal.ts'
import type { RevokeLog } from './revokes.ts'
import { addScriptRoutes, type ScriptParts } from './script.ts'
import { addSelfCheck } from './self_check.ts'
import { openSites, type GatewaySite } from './site.ts'
import { addVendorRoutes, type VendorProxyOptions } from './vendors/proxy.ts'

export interface GatewayDeps {
  sites: readonly GatewaySite[]
  /** Addresses and networks of the proxies whose X-Forwarded-* headers are believed. */
  trustProxy: readonly string[]
  /** The platform in front that proves itself by a secret. */
  platform?: PlatformProxy
  keys: Keys
  log: IngestLog
  logger: GatewayLog
  metrics: GatewayMetrics
  /** The committed parts of the browser script: readScriptParts(). */
  script: ScriptParts
  revokes: RevokeLog
  crowds: Crowds
  /** Whether arrivals can be made durable now: in Postgres, or in the spool. */
  isReady: () => Promise<boolean>
  now?: () => number
  /** How far this machine's clock is ahead of Postgres's, as far as that is known. */
  clockOffsetMs?: () => number | undefined
  limits?: Partial<Limits>
  /** The way to the site behind us. */
  front?: Pick<FrontOptions, 'limits' | 'capture'>
  pressure?: Pressure
  vendorProxy?: VendorProxyOptions
}

export interface Limits {
  /** Requests per address (IPv6: per /64) and minute. */
  eventsPerMinute: number
  leadsPerMinute: number
}

const defaultLimits: Limits = { eventsPerMinute: 600, leadsPerMinute: 30 }

/** What each path takes; anything else on it is 405. */
const methods: Record<string, string> = {
  '/v1/e': 'POST, OPTIONS',
  '/v1/events': 'POST',
  [leadRoute]: 'POST, OPTIONS',
  [consentRoute]: 'POST, OPTIONS',
  [landingRoute]: 'GET, HEAD',
  '/s.js': 'GET, HEAD',
  '/s.json': 'GET, HEAD',
  '/livez': 'GET, HEAD',
  '/readyz': 'GET, HEAD'
}

/** What a shortage sheds, and in which order; scripts, pages and health cost next to nothing. */
function kindOf (route: string | undefined): 'lead' | 'event' | undefined {
  if (route === leadRoute || route === consentRoute) return 'lead'
  return route === '/v1/e' || route === '/v1/events' ? 'event' : undefined
}

/** Builds the server without listening. Closing it waits for the answers that are owed, and for the ingest log. */
export async function buildGateway (deps: GatewayDeps): Promise<FastifyInstance> {
  const findSite = openSites(deps.sites)
  const isTrusted = trustProxies(deps.trustProxy)
  const paths = openPaths(findSite, isTrusted)
  const isFront = deps.sites.some(site => site.upstream !== undefined)
  const app = Fastify({
    logger: false,
    rewriteUrl: paths.rewrite,
    // Coercion would turn `event_id: null` into '' and `value: null` into 0; ours is in coerce.ts.
    ajv: { customOptions: { coerceTypes: false, useDefaults: false, removeAdditional: false } },
    trustProxy: deps.trustProxy.length === 0 ? false : isTrusted,
    requestIdHeader: false,
    bodyLimit: 64 * 1024,
    // In front of a site its uploads may take their time; ours may not (front/patience.ts).
    requestTimeout: isFront ? 0 : 15_000,
    keepAliveTimeout: 65_000,
    http: {
      headersTimeout: 10_000,
      maxHeaderSize: 16 * 1024,
      connectionsCheckingInterval: 2000,
      shouldUpgradeCallback: raw => isFront && isForTunnel(raw, paths)
    },
    routerOptions: { maxParamLength: 100 },
    forceCloseConnections: 'idle',
    // Ours says so in the same words as every other refusal, and when to come back.
    return503OnClosing: false,
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (error, _request, reply) => { sendRefusal(reply, toRefusal(error)) }
  })
  addVisitors(app, deps.platform)
  await app.register(rateLimit, { global: false })
  const gateway = openGateway(app, deps)

  app.removeAllContentTypeParsers()
  // Any type, and as a pattern: for what '*' takes, Fastify reads the content type of each request anew.
  app.addContentTypeParser(/^/, { parseAs: 'buffer' }, (_request, body, done) => { done(null, body) })
  const isClosing = addGuards(app, { metrics: deps.metrics, findSite, paths, isFront })
  await addPressureGuard(app, deps.metrics, kindOf, deps.pressure)
  handleErrors(app, ({ route, error }) => {
    const { name, stack } = error instanceof Error ? error : { name: 'unknown', stack: undefined }
    // Frames only: the message may quote what was posted.
    const frames = stack?.split('\n').filter(line => /^\s+at /.test(line)).slice(0, 8)
    deps.logger.error({ route, error: name, frames }, 'request failed')
  }, apologise)
  await addRoutes(app, deps, gateway)
  if (isFront) await addFront(app, { ...deps.front, paths, gateway, isClosing })
  app.setNotFoundHandler((request, reply) => {
    const allow = methods[request.url.split('?', 1)[0] ?? '']
    if (allow === undefined || request.site === null) throw new Refusal('not_found', 'there is nothing at this address')
    reply.header('allow', allow)
    throw new Refusal('method_not_allowed', `this address takes ${allow}`)
  })
  app.addHook('onClose', async () => { await deps.log.close() })
  return app
}

/** Everything that answers by itself. */
async function addRoutes (app: FastifyInstance, deps: GatewayDeps, gateway: Gateway): Promise<void> {
  addCollectRoutes(app, gateway)
  addLeadRoute(app, gateway)
  addConsentRoute(app, gateway, deps.revokes)
  addScriptRoutes(app, deps.script)
  addLandingRoute(app, gateway)
  addSelfCheck(app, deps.keys, gateway.now, deps.clockOffsetMs)
  await addVendorRoutes(app, { sites: deps.sites, logger: deps.logger, now: gateway.now, ...deps.vendorProxy })
  addPreflight(app)
  addHealth(app, deps)
}

function openGateway (app: FastifyInstance, deps: GatewayDeps): Gateway {
  const limits = { ...defaultLimits, ...deps.limits }
  const counted = {
    timeWindow: 60_000,
    ipv6Subnet: 64,
    keyGenerator: (request: FastifyRequest) => visitorOf(request).address
  }
  const countEvents = app.createRateLimit({ ...counted, max: limits.eventsPerMinute })
  const countLeads = app.createRateLimit({ ...counted, max: limits.leadsPerMinute })
  return {
    log: deps.log,
    keys: deps.keys,
    crowds: deps.crowds,
    logger: deps.logger,
    metrics: deps.metrics,
    journal: openJournal(deps.logger, deps.metrics),
    now: deps.now ?? Date.now,
    newId: () => `e${base32(randomBytes(16))}`,
    newReceiptId: randomUUID,
    newRandom: () => `${randomInt(1e8, 1e9)}${randomInt(1e8, 1e9)}`,
    firstSeenMs: rememberFirst(20_000),
    refuseOverLimit: async request => {
      const count = await countEvents(request)
      if (count.isAllowed || !count.isExceeded) return
      deps.metrics.ingestShed.inc({ reason: 'too_many' })
      const retryAfterSeconds = Math.max(1, count.ttlInSeconds)
      throw new Refusal('too_many', 'too many requests from this address', { retryAfterSeconds })
    },
    isLeadOverLimit: async request => {
      const count = await countLeads(request)
      return !count.isAllowed && count.isExceeded
    }
  }
}

function addPreflight (app: FastifyInstance): void {
  for (const path of browserRoutes) {
    app.options(path, async (request, reply) => {
      answerPreflight(request, reply, siteOf(request))
      return await reply.status(204).send()
    })
  }
}

/** For load balancers that reach the public port by address; a site's own paths stay its own. */
function addHealth (app: FastifyInstance, deps: GatewayDeps): void {
  app.get('/livez', async () => ({ status: 'alive' }))
  app.get('/readyz', async (_request, reply) => {
    if (await deps.isReady()) return { status: 'ready' }
    return await reply.status(503).header('retry-after', '5').send({ status: 'not_ready' })
  })
}

/** Listens; resolves with the address as a URL. */
export async function listen (app: FastifyInstance, host: string, port: number): Promise<string> {
  // Connections that wait while the process is busy: past Node's 511 the system resets them. It allows 4,096 itself.
  await app.listen({ host, port, backlog: 4096 })
  const address = app.server.address() as AddressInfo
  return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
}
