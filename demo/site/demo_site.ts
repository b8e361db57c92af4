// The demo site: the landing page, form and shop of a fictional client, as an agency would build them around Postern.
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { randomBytes, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { frame, type Page, type SiteFacts, type SiteTags } from './layout.ts'
import { timelineOf, type DemoNetwork, type SeenCopy, type Timeline } from './journey.ts'
import { journeyPage } from './journey_page.ts'
import { notFoundPage, offerPage, orderOf, orderPage, plainPage, shopPage, thanksPage } from './pages.ts'

export interface DemoSiteOptions {
  /** 0 takes a free port. */
  port: number
  /** Origins without a slash at the end, e.g. `http://localhost:8377`. */
  gatewayUrl: string
  fakesUrl: string
  /** The pixel id that the stand-in pixel reports to; the Meta destination of the demo must have the same. */
  pixelId?: string
  /** The other networks' stand-in tags. */
  tags?: SiteTags
  /** What the banner says. */
  consentText?: string
  /** Attributes of the Postern script tag, e.g. `{ 'data-page-view': 'off' }`. */
  scriptAttributes?: Record<string, string>
  /** What Postern knows of an event: a `Journey` (journey.ts), or null. It may reject: then the page says so. */
  journey?: (eventId: string) => Promise<unknown>
  /** The networks as they are set at the moment. */
  networks?: () => DemoNetwork[]
  /** Switches a network by its destination's name; false where there is no such network or mode. */
  setMode?: (network: string, mode: string) => boolean
  tls?: { key: string, cert: string }
  /** `localhost` (the default) listens on every loopback address. */
  host?: string
}

export interface DemoSite {
  url: string
  close (): Promise<void>
}

const defaultConsentText = 'With your consent we remember which ad brought you here and tell the ad network, in ' +
  'scrambled form, when you ask for an offer. Without it your request reaches us just the same.'

/** Files of demo/site/browser, by the path they are served under. */
const files: Record<string, string> = {
  'style.css': 'text/css',
  'site.js': 'text/javascript',
  'tag.js': 'text/javascript',
  'tags.js': 'text/javascript',
  'pixel.js': 'text/javascript',
  'journey.js': 'text/javascript',
  'icon.svg': 'image/svg+xml'
}

/** Starts the site. Rejects when the port is taken. Pages name their own address as the request did. */
export async function startDemoSite (options: DemoSiteOptions): Promise<DemoSite> {
  const facts: SiteFacts = {
    gatewayUrl: options.gatewayUrl,
    fakesUrl: options.fakesUrl,
    pixelId: options.pixelId ?? '1234567890',
    tags: options.tags,
    consentText: options.consentText ?? defaultConsentText,
    scriptAttributes: options.scriptAttributes ?? {}
  }
  const app = fastify({ https: options.tls ?? null, forceCloseConnections: true }) as unknown as FastifyInstance
  addHeaders(app, facts)
  addFiles(app)
  addPages(app, facts)
  addJourney(app, facts, options)
  const host = options.host ?? 'localhost'
  await app.listen({ port: options.port, host })
  const { port } = app.server.address() as AddressInfo
  return { url: `${options.tls === undefined ? 'http' : 'https'}://${host}:${port}`, close: () => app.close() }
}

/** A policy without inline scripts, as a careful client would have: everything must work under it. */
function addHeaders (app: FastifyInstance, { gatewayUrl, fakesUrl }: SiteFacts): void {
  const policy = [
    'default-src \'self\'',
    `script-src 'self' ${gatewayUrl}`,
    `connect-src 'self' ${gatewayUrl} ${fakesUrl}`,
    `img-src 'self' ${fakesUrl}`,
    `form-action 'self' ${gatewayUrl}`,
    'base-uri \'none\'',
    'frame-ancestors \'none\'',
    'object-src \'none\''
  ].join('; ')
  app.addHook('onSend', async (_request, reply) => {
    reply.headers({
      'content-security-policy': policy, 'x-content-type-options': 'nosniff', 'cache-control': 'no-cache'
    })
  })
}

function addFiles (app: FastifyInstance): void {
  for (const [name, type] of Object.entries(files)) {
    const content = readFileSync(new URL(`browser/${name}`, import.meta.url))
    app.get(`/${name}`, (_request, reply) => reply.type(`${type}; charset=utf-8`).send(content))
  }
}

/** The origin under which the visitor reached us. */
function originOf (request: FastifyRequest): string {
  return `${request.protocol}://${request.host}`
}

function send (reply: FastifyReply, facts: SiteFacts, page: Page): FastifyReply {
  return reply.type('text/html; charset=utf-8').send(frame(facts, page))
}

/** An event id out of a query or form: Postern's own limits, 1 to 255 printable characters. */
function eventIdIn (given: unknown): string | undefined {
  const { event_id: eventId } = given as Record<string, unknown>
  return typeof eventId === 'string' && /^[^\p{Cc}]{1,255}$/u.test(eventId) ? eventId : undefined
}

function addPages (app: FastifyInstance, facts: SiteFacts): void {
  app.get('/', (request, reply) => {
    const [, query] = /^[^?]*(\?.*)?$/s.exec(request.url) ?? []
    return send(reply, facts, offerPage(facts, originOf(request), query ?? ''))
  })
  app.get('/nojs', (request, reply) => {
    const landing = `${originOf(request)}${request.url}`
    return send(reply, facts, plainPage(facts, originOf(request), landing, `lead-${randomUUID()}`))
  })
  app.get('/thanks', (request, reply) => send(reply, facts, thanksPage(eventIdIn(request.query))))
  app.get('/shop', (_request, reply) => send(reply, facts, shopPage()))
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) =>
    done(null, body))
  app.post('/shop/order', (_request, reply) =>
    reply.redirect(`/shop/thanks?order=D-${randomBytes(4).toString('hex')}`, 303))
  app.get('/shop/thanks', (request, reply) => {
    const { order } = request.query as Record<string, unknown>
    if (typeof order !== 'string' || !/^[\w-]{1,40}$/.test(order)) return reply.redirect('/shop', 303)
    return send(reply, facts, orderPage(orderOf(order)))
  })
  app.setNotFoundHandler((_request, reply) => send(reply.code(404), facts, notFoundPage()))
}

function addJourney (app: FastifyInstance, facts: SiteFacts, options: DemoSiteOptions): void {
  const { journey = async () => null, networks = () => [], setMode = () => false } = options
  const look = async (eventId: string | undefined): Promise<Timeline> => {
    if (eventId === undefined) return timelineOf(null, networks(), [])
    const [known, copies] = await Promise.all([
      journey(eventId).catch(() => ({ consent: 'Postern could not be asked.' })), seenBy(facts.fakesUrl, eventId)])
    return timelineOf(known, networks(), copies)
  }
  app.get('/journey', async (request, reply) => {
    const eventId = eventIdIn(request.query)
    return send(reply, facts, journeyPage(eventId, await look(eventId)))
  })
  app.get('/journey.json', async (request, reply) => {
    const eventId = eventIdIn(request.query)
    if (eventId !== undefined) return await look(eventId)
    return reply.code(400).send({ error: { code: 'no_event_id', message: 'Give an event_id.' } })
  })
  app.post('/mode', (request, reply) => {
    const form = new URLSearchParams(String(request.body))
    if (!setMode(form.get('network') ?? '', form.get('mode') ?? '')) return send(reply.code(400), facts, notFoundPage())
    const eventId = eventIdIn(Object.fromEntries(form))
    return reply.redirect(eventId === undefined ? '/journey' : `/journey?event_id=${encodeURIComponent(eventId)}`, 303)
  })
}

/**
 * The copies of an event that the fake networks received; undefined when they do not answer. Google's know a derived id
 * (`purchase.1042`) by its transaction.
 */
async function seenBy (fakesUrl: string, eventId: string): Promise<SeenCopy[] | undefined> {
  const transactionId = /^[a-z_]+\.(.+)$/.exec(eventId)?.[1]
  const ids = transactionId === undefined ? [eventId] : [eventId, transactionId]
  try {
    const lists = await Promise.all(ids.map(async id => {
      const address = `${fakesUrl}/_received?${new URLSearchParams({ event_id: id })}`
      const response = await fetch(address, { signal: AbortSignal.timeout(2000) })
      const lines = (await response.text()).split('\n').filter(line => line !== '')
      return response.ok ? lines.map(line => JSON.parse(line) as SeenCopy) : undefined
    }))
    return lists.some(list => list === undefined) ? undefined : lists.flatMap(list => list ?? [])
  } catch (error) {
    // Away, slow, or not the fakes at all: the timeline says that they do not answer.
    if (error instanceof TypeError || error instanceof SyntaxError || error instanceof DOMException) return undefined
    throw error
  }
}
