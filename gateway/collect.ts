// POST /v1/e and POST /v1/events: events from browsers, and from signed senders.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { readJsonBody, splitEvents } from './body.ts'
import { bearer, judgeTrust, openDoor, refuseForeignPage } from './door.ts'
import type { Kind } from './journal.ts'
import { receive, type Answer } from './receive.ts'
import { Refusal, type RefusalBody } from './refusal.ts'
import { siteOf, type Gateway } from './gateway.ts'

export const eventBodyBytes = 64 * 1024

interface PublicWarning { path: string, code: string }

/** One event's answer (design.md): what became of it, under which id, and what could not be used. */
export type EventAnswer =
  | { status: 'stored' | 'duplicate', event_id: string, warnings?: PublicWarning[] }
  | { status: 'rejected', error: RefusalBody['error'] }

/** Warnings without the values they were about. */
export function publicWarnings (answer: Extract<Answer, { receipt: object }>): PublicWarning[] | undefined {
  const warnings = answer.warnings.map(({ path, code }) => ({ path, code }))
  if (answer.receipt.isSetAside === true) warnings.push({ path: '', code: 'set_aside_for_review' })
  return warnings.length === 0 ? undefined : warnings
}

function toEventAnswer (answer: Answer): EventAnswer {
  if ('error' in answer) return { status: 'rejected', error: answer.error }
  return { status: answer.receipt.status, event_id: answer.receipt.eventId, warnings: publicWarnings(answer) }
}

/** Takes the events of one request in; gives the answer's body. */
async function collect (
  request: FastifyRequest, reply: FastifyReply, gateway: Gateway, kind: Kind
): Promise<EventAnswer | { results: EventAnswer[] } | undefined> {
  const site = siteOf(request)
  const bytes = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
  const read = readJsonBody(bytes, request.headers['content-type'])
  if ('error' in read) throw new Refusal(read.error.code, read.error.message)
  const events = splitEvents(read.body.json)
  if ('error' in events) throw new Refusal(events.error.code, events.error.message, events.error)

  const trust = kind === 'signed_event' ? 'signed' : judgeTrust(request, site)
  const door = openDoor(request, site, trust, gateway, gateway.now())
  const posts = events.bodies.map(event => ({ event }))
  const { answers, setCookies } = await receive({ ...door, posts, sentAt: events.sentAt, isOverLimit: false }, gateway)

  gateway.journal(answers, { site: site.name, kind, bytes: bytes.length, ackMs: reply.elapsedTime })
  const only = answers[0]
  if (!events.isBatch && only !== undefined && 'error' in only) {
    throw new Refusal(only.error.code, only.error.message, only.error)
  }
  if (setCookies.length > 0) reply.header('set-cookie', setCookies)
  reply.status(202)
  const results = answers.map(toEventAnswer)
  return events.isBatch ? { results } : results[0]
}

/** Adds the two routes. The checks that need no body come before it is read. */
export function addCollectRoutes (app: FastifyInstance, gateway: Gateway): void {
  app.post('/v1/e', {
    bodyLimit: eventBodyBytes,
    onRequest: async request => {
      refuseForeignPage(request, siteOf(request))
      await gateway.refuseOverLimit(request)
    }
  }, (request, reply) => collect(request, reply, gateway, 'event'))

  app.post('/v1/events', {
    bodyLimit: eventBodyBytes,
    onRequest: async (request, reply) => {
      const key = bearer(request)
      if (key !== undefined && siteOf(request).knowsKey(key)) return
      await gateway.refuseOverLimit(request)
      reply.header('www-authenticate', 'Bearer')
      throw new Refusal('unauthorized', 'send "Authorization: Bearer <api key of the site>"')
    }
  }, (request, reply) => collect(request, reply, gateway, 'signed_event'))
}
