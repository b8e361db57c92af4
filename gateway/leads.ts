// POST /v1/leads: what a visitor typed, from forms with and without JavaScript and from servers, whoever sends it.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { readJsonOrForm, type Body } from './body.ts'
import { publicWarnings } from './collect.ts'
import { bearer, header, judgeTrust, openDoor } from './door.ts'
import { siteOf, type Gateway } from './gateway.ts'
import { apologyPage, pagePolicy, thanksPage } from './pages.ts'
import { receive } from './receive.ts'
import { Refusal, refusals } from './refusal.ts'
import type { Site } from './site.ts'

export const leadBodyBytes = 256 * 1024
export const leadRoute = '/v1/leads'

const formTypes = /^(application\/x-www-form-urlencoded|multipart\/form-data)\b/i

/** Whether the answer becomes the page that the visitor sees. */
export function isNavigation (request: FastifyRequest): boolean {
  if (header(request, 'sec-fetch-mode') === 'navigate') return true
  return formTypes.test(header(request, 'content-type') ?? '') && /\btext\/html\b/i.test(header(request, 'accept') ??
    '')
}

/**
 * Where the visitor goes next: `postern_next` if it is an http(s) address on exactly one of the site's redirect hosts,
 * else the site's thank_you. Undefined: our own page. Whatever a browser would read differently (backslashes, tabs, a
 * user in front of the host) is judged and sent as the URL parser understood it.
 */
export function nextAddress (next: string | undefined, site: Site): string | undefined {
  const parsed = next === undefined ? null : URL.parse(next)
  const isAllowed = parsed !== null && /^https?:$/.test(parsed.protocol) && parsed.username === '' &&
    parsed.password === '' && (site.redirectHosts.includes(parsed.host) || site.redirectHosts.includes(parsed.hostname))
  return isAllowed ? parsed.href : site.thankYou
}

function sendPage (reply: FastifyReply, status: number, html: string): FastifyReply {
  return reply.status(status).headers({ 'content-security-policy': pagePolicy, 'referrer-policy': 'no-referrer' })
    .type('text/html; charset=utf-8').send(html)
}

/** A failed navigation is answered with a page; everything else, undefined, with JSON. */
export function apologise (request: FastifyRequest, reply: FastifyReply, refusal: Refusal): FastifyReply | undefined {
  if (request.routeOptions.url !== leadRoute || !isNavigation(request)) return undefined
  if (refusal.retryAfterSeconds !== undefined) reply.header('retry-after', String(refusal.retryAfterSeconds))
  const status = refusals[refusal.code]
  return sendPage(reply, status, apologyPage(header(request, 'accept-language'), status))
}

async function readLeadBody (request: FastifyRequest): Promise<{ lead: Body, bytes: number }> {
  const bytes = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
  const read = await readJsonOrForm(bytes, header(request, 'content-type'))
  if ('error' in read) throw new Refusal(read.error.code, read.error.message)
  return { lead: read.body, bytes: bytes.length }
}

/** Adds the route. A sender over its limit is stored and flagged; a wrong key or origin only costs trust. */
export function addLeadRoute (app: FastifyInstance, gateway: Gateway): void {
  app.post(leadRoute, { bodyLimit: leadBodyBytes }, async (request, reply) => {
    const site = siteOf(request)
    const key = bearer(request)
    const trust = key !== undefined && site.knowsKey(key) ? 'signed' : judgeTrust(request, site)
    const isOverLimit = trust !== 'signed' && await gateway.isLeadOverLimit(request)
    const { lead, bytes } = await readLeadBody(request)

    const door = openDoor(request, site, trust, gateway, gateway.now())
    const { answers, setCookies } = await receive({ ...door, posts: [{ lead }], isOverLimit }, gateway)
    gateway.journal(answers, { site: site.name, kind: 'lead', bytes, ackMs: reply.elapsedTime })

    const answer = answers[0]
    if (answer === undefined) throw new Error('a lead post has one answer')
    if ('error' in answer) throw new Refusal(answer.error.code, answer.error.message, answer.error)
    if (setCookies.length > 0) reply.header('set-cookie', setCookies)
    if (isNavigation(request)) {
      const next = nextAddress(answer.next, site)
      return next === undefined
        ? sendPage(reply, 200, thanksPage(header(request, 'accept-language')))
        : reply.redirect(next, 303)
    }
    return reply.status(202).send({
      status: answer.receipt.status,
      lead_id: answer.arrival.part.lead_id,
      event_id: answer.receipt.eventId,
      warnings: publicWarnings(answer)
    })
  })
}
