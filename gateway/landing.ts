// A visitor comes in: what is stored of the landing document's request, and which cookies the page's response sets.
import type { FastifyRequest } from 'fastify'
import { storable } from '../schema/consent.ts'
import { Unavailable, type Arrival } from './arrival.ts'
import { collectClickIds } from './clicks.ts'
import { readAddress } from './coerce.ts'
import { disownCrowd } from './crowds.ts'
import { header, judgeTrust, openDoor } from './door.ts'
import { enrich, readCampaign } from './enrich.ts'
import { decideConsent, gather } from './gather.ts'
import { siteOf, type Gateway } from './gateway.ts'
import { identify } from './identify.ts'
import type { Draft } from './read.ts'
import { touchOf } from './receive.ts'
import { redact } from './redact.ts'
import { Refusal } from './refusal.ts'

/** What a landing leads to. Nothing has happened yet: the cookies are the page's, the rest is keepLanding()'s. */
export interface Landing {
  site: string
  /** Set-Cookie lines; none without consent, and none for a visitor who has them all. */
  setCookies: string[]
  /** The landing to be stored, if consent lets it. */
  arrival?: Arrival
  /** The visitor is new: without the cookies nobody would ever be known as who landed here. */
  isNewVisitor: boolean
}

/**
 * Whether a person's browser asks for a page to look at it: not for a part of one, not for a frame, and not in advance
 * (then the script tells, when it is looked at). Browsers without Sec-Fetch-Dest say what they would like to get.
 */
export function isDocumentRequest (request: FastifyRequest): boolean {
  if (request.method !== 'GET') return false
  if (/prefetch|prerender|preview/i.test(header(request, 'sec-purpose') ?? header(request, 'purpose') ?? '')) {
    return false
  }
  const destination = header(request, 'sec-fetch-dest')
  if (destination !== undefined) return destination === 'document'
  return /\btext\/html\b/i.test(header(request, 'accept') ?? '')
}

/** Whether an address says by itself that somebody comes in: by a click id, a campaign, or another site's link. */
function isLandingAddress (address: string, referrer: string | undefined, nowMs: number): boolean {
  const clickIds = collectClickIds({ page_location: address }, nowMs)
  return clickIds !== undefined || readCampaign(address, referrer) !== undefined
}

const usable = (text: string | undefined): string | undefined => {
  const read = readAddress(text)
  return read !== null && 'value' in read ? read.value : undefined
}

/**
 * Decides what a request for a page leads to, by the same rules as for any event; undefined when it is no landing.
 * `address` is the page's own, as the visitor's browser has it. Robots leave nothing behind. Throws nothing but bugs.
 */
export function decideLanding (request: FastifyRequest, address: string, gateway: Gateway): Landing | undefined {
  const location = usable(address)
  const referrer = usable(header(request, 'referer'))
  const nowMs = gateway.now()
  if (location === undefined || !isDocumentRequest(request) || !isLandingAddress(location, referrer, nowMs)) {
    return undefined
  }
  const site = siteOf(request)
  const trust = judgeTrust(request, site)
  const incoming = {
    ...disownCrowd(openDoor(request, site, trust, gateway, nowMs), nowMs, gateway),
    // A page on its way to its visitor: whose cookies these are is no question of origins.
    takesCookies: true,
    posts: [],
    isOverLimit: false
  }
  const draft: Draft = {
    eventName: 'landing',
    eventId: gateway.newId(),
    occurredAtMs: nowMs,
    data: { page_location: location, page_referrer: referrer },
    visitor: {}
  }
  const said = gather(draft, incoming, nowMs)
  const may = storable(decideConsent(said, incoming.browser.country, nowMs, site))
  const { data: identified, setCookies } = identify(said, draft, may, incoming, nowMs, gateway)
  const enriched = enrich(identified, incoming.browser, false)
  if (enriched.bot !== undefined) return undefined
  const data = redact(enriched, may)
  const touch = touchOf(data, may, nowMs)
  return {
    site: site.name,
    setCookies: [...setCookies.values()],
    isNewVisitor: setCookies.has(site.cookies.visitor),
    arrival: touch === undefined
      ? undefined
      : {
          isLanding: true,
          touch,
          part: {
            receipt_id: gateway.newReceiptId(),
            site: site.name,
            trust,
            event_name: draft.eventName,
            event_id: draft.eventId,
            received_at_ms: nowMs,
            occurred_at_ms: nowMs,
            // The touch has all of it.
            data: { visitor_id: data.visitor_id }
          }
        }
  }
}

/**
 * The same for a request that may come in any number: a sender over the limit for events gets its page and leaves
 * nothing. Never rejects: what goes wrong is told, and the page does without.
 */
export async function captureLanding (
  request: FastifyRequest, address: string, gateway: Gateway
): Promise<Landing | undefined> {
  try {
    const landing = decideLanding(request, address, gateway)
    if (landing === undefined) return undefined
    await gateway.refuseOverLimit(request)
    return landing
  } catch (error) {
    const site = request.site?.name ?? ''
    if (error instanceof Refusal && error.code === 'too_many') {
      gateway.metrics.landings.inc({ site, outcome: 'too_many' })
      return undefined
    }
    gateway.metrics.landings.inc({ site, outcome: 'failed' })
    gateway.logger.error({ site, error: error instanceof Error ? error.name : 'unknown' }, 'a landing was not captured')
    return undefined
  }
}

/**
 * Stores a landing, in Postgres or in the spool, while the page is on its way: nobody waits for it. `carried`: whether
 * the page's response took the cookies; without them a new visitor's landing would be nobody's.
 */
export function keepLanding (landing: Landing, carried: boolean, { log, logger, metrics }: Gateway): void {
  const { site, arrival, isNewVisitor } = landing
  const count = (outcome: string) => { metrics.landings.inc({ site, outcome }) }
  if (arrival === undefined) return count('no_consent')
  if (isNewVisitor && !carried) return count('no_cookie')
  log.append([arrival]).then(() => { count('stored') }, (error: unknown) => {
    count('failed')
    const name = error instanceof Error ? error.name : 'unknown'
    // An outage is told by whoever found it.
    if (!(error instanceof Unavailable)) logger.error({ site, error: name }, 'a landing was not stored')
  })
}
