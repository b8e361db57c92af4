// THE FLOW, first half: what a browser, form or server posts → a stored event. Read it from the top down.
import type { Keys } from '../config/keys.ts'
import { storable, type EffectiveConsent, type Storable } from '../schema/consent.ts'
import type { ConsentChoice } from '../schema/consent_cookie.ts'
import type { EventData, Trust, Warning } from '../schema/event.ts'
import type { Touch } from '../schema/lead.ts'
import type { Arrival, IngestLog, Receipt } from './arrival.ts'
import type { Body } from './body.ts'
import type { PageSeed } from './clock.ts'
import type { CookieScope, Jar } from './cookies.ts'
import { disownCrowd, type Crowds } from './crowds.ts'
import { enrich, type BrowserFacts } from './enrich.ts'
import { readLead, type LeadDraft } from './forms.ts'
import { decideConsent, gather, whoseBrowser } from './gather.ts'
import { identify } from './identify.ts'
import { leadIds } from './lead_id.ts'
import { readEvent, type Draft, type ReadError } from './read.ts'
import { redact } from './redact.ts'
import type { Site } from './site.ts'
import { endOfTurn } from './turn.ts'

/** One request, out of HTTP's hands. */
export interface Incoming {
  site: Site
  posts: readonly ({ event: unknown } | { lead: Body })[]
  /** `sent_at` of a batch. */
  sentAt?: unknown
  trust: Trust
  /** A signed sender wants to hear of anything we cannot use, rather than have it dropped. */
  isStrict: boolean
  /** Over its rate limit; only leads come this far. */
  isOverLimit: boolean
  /** Whether the answer may set cookies: not for servers, and not for pages of other sites. */
  takesCookies: boolean
  jar: Jar
  /** Whose signed cookie the jar has. */
  visitorId?: string
  /** What the jar's consent cookies say, while it holds. */
  choice?: ConsentChoice
  /** Cookies that were taken out of the jar, because they are a crowd's: the answer ends or replaces them. */
  disowned?: readonly string[]
  scope: CookieScope
  browser: BrowserFacts
  /** A proxy that is not believed passed it on: the address is likely that proxy's own, one of many. */
  isOfUnknownProxy?: boolean
  /** The Sec-GPC header. */
  gpc: boolean
  /** The Referer header: the page, where the body does not name it. */
  referrer?: string
  /** The first language of the Accept-Language header, where the body names none. */
  language?: string
  /** Stands for the page where the body names none: what one request mints is one visitor's. */
  seed: PageSeed
}

export interface Deps {
  log: IngestLog
  keys: Keys
  crowds: Crowds
  now: () => number
  /** An id of ours for an event without one: starts with a letter. */
  newId: () => string
  newReceiptId: () => string
  firstSeenMs: (key: string, nowMs: number) => number
}

/** What became of one post. */
export type Answer = Refused | Accepted
interface Refused { error: ReadError, warnings?: Warning[] }
export interface Accepted {
  receipt: Receipt
  arrival: Arrival
  consent: EffectiveConsent
  warnings: Warning[]
  next?: string
}

export interface Verdict { answers: Answer[], setCookies: string[] }

/** A post that will be stored. */
interface Prepared {
  arrival: Arrival
  consent: EffectiveConsent
  setCookies: Map<string, string>
  warnings: Warning[]
  next?: string
}

/**
 * Takes the posts of one request in and answers when they are durable. A post without a usable event is an error of its
 * own; the others live. Rejects with Unavailable when nothing could be promised.
 */
export async function receive (given: Incoming, deps: Deps): Promise<Verdict> {
  await endOfTurn()
  const nowMs = deps.now()
  const incoming = disownCrowd(given, nowMs, deps)
  const posts = incoming.posts.map(post => prepare(post, incoming, nowMs, deps))
  const accepted = posts.filter(post => 'arrival' in post)
  const receipts = await deps.log.append(accepted.map(post => post.arrival))

  let taken = 0
  const answers = posts.map((post): Answer => {
    if ('error' in post) return post
    const receipt = receipts[taken++]
    if (receipt === undefined) throw new Error('the ingest log gave fewer receipts than it was given arrivals')
    const { arrival, consent, warnings, next } = post
    return { receipt, arrival, consent, warnings, next }
  })
  return { answers, setCookies: setCookiesOf(accepted) }
}

/** The lines for all posts; of one cookie the last. */
function setCookiesOf (posts: readonly Prepared[]): string[] {
  const lines = new Map<string, string>()
  for (const { setCookies } of posts) for (const [name, line] of setCookies) lines.set(name, line)
  return [...lines.values()]
}

/** One post, up to the point where it is ready to be stored. */
function prepare (post: Incoming['posts'][number], incoming: Incoming, nowMs: number, deps: Deps):
Prepared | Refused {
  const { site, trust } = incoming
  const isSigned = trust === 'signed'
  const context = { receivedAtMs: nowMs, isSigned, sentAt: incoming.sentAt, newId: deps.newId }

  const read: LeadDraft | { error: ReadError } = 'lead' in post
    ? readLead(post.lead, context,
      site.formEvents)
    : readEvent(post.event, context)
  if ('error' in read) return read
  if (incoming.isStrict && read.warnings.length > 0) {
    return {
      error: refuseStrictly(read.warnings),
      warnings: read.warnings
    }
  }
  const { draft, warnings } = read

  const said = gather(draft, incoming, nowMs)
  const browser = whoseBrowser(draft, incoming)
  const consent = decideConsent(said, browser.country, draft.occurredAtMs, site)
  const may = storable(consent)
  const { data: identified, setCookies } = identify(said, draft, may, incoming, nowMs, deps)
  const enriched = enrich(identified, browser, isSigned)
  const data = redact(enriched, may)

  const arrival = toArrival(data, draft, may, incoming, nowMs, deps)
  if ('lead' in post) addLead(arrival, incoming, deps.keys)
  return { arrival, consent, setCookies, warnings, next: read.next }
}

function refuseStrictly (warnings: readonly Warning[]): ReadError {
  const listed = warnings.map(({ path, code }) => `${path}: ${code}`).join(', ')
  return { code: 'invalid_event', message: `handling=strict: ${listed}`, path: warnings[0]?.path }
}

/** The part as it is stored; and the landing, if there was one and it may be kept. */
function toArrival (data: EventData, draft: Draft, may: Storable, incoming: Incoming, nowMs: number,
  deps: Deps): Arrival {
  const arrival: Arrival = {
    part: {
      receipt_id: deps.newReceiptId(),
      site: incoming.site.name,
      trust: incoming.trust,
      event_name: draft.eventName,
      event_id: draft.eventId,
      received_at_ms: nowMs,
      occurred_at_ms: draft.occurredAtMs,
      data
    }
  }
  const touch = touchOf(data, may, draft.occurredAtMs)
  if (touch !== undefined) arrival.touch = touch
  return arrival
}

/** The landing in an arrival's data, if there is one, its visitor is known, and it may be kept. */
export function touchOf (data: EventData, may: Storable, seenAtMs: number): Touch | undefined {
  const isLanding = data.click_ids !== undefined || data.campaign !== undefined
  if (!may.adIds || !isLanding || data.visitor_id === undefined) return undefined
  return {
    seen_at_ms: seenAtMs,
    page_location: data.page_location,
    page_referrer: data.page_referrer,
    click_ids: data.click_ids,
    cookies: data.cookies,
    campaign: data.campaign
  }
}

/** Makes the arrival a lead: what was typed, under an id that a repeated post gets again. */
function addLead (arrival: Arrival, incoming: Incoming, keys: Keys): void {
  const { part } = arrival
  const { data } = part
  const { leadId, otherEventId } = leadIds(part.site, part.event_id, data, incoming.site.defaultCountry, keys)
  part.lead_id = leadId
  arrival.lead = {
    data: {
      event_name: part.event_name,
      event_id: part.event_id,
      user_data: data.user_data,
      fields: data.fields ?? {},
      form_id: data.form_id,
      form_name: data.form_name,
      page_location: data.page_location,
      value: data.value,
      currency: data.currency,
      consent: data.consent,
      language: data.language
    },
    flag: incoming.isOverLimit ? 'rate_limited' : undefined,
    otherEventId
  }
}
