// Folds the parts of one event into the event that is sent: by trust, then by arrival; knowing an id is no power.
import type { EventData, MergedEvent, Part, Trust, UserData } from './event.ts'
import { trusts } from './event.ts'
import { consentKeys } from './consent.ts'

/** What is said about the money. It comes from one part as a whole: a value without its currency means nothing. */
const moneyFields = ['value', 'currency', 'tax', 'shipping', 'coupon', 'items', 'transaction_id'] as const
/** What was seen around the event. A part of `same_site` trust may fill what is still unknown. */
const contextFields = ['page_location', 'page_referrer', 'page_title', 'language', 'screen_resolution', 'search_term',
  'form_id', 'form_name', 'new_customer', 'action_source', 'visitor_id', 'country', 'device', 'campaign',
  'client'] as const
/** Maps whose entries are filled one by one. */
const contextMaps = ['click_ids', 'cookies', 'params', 'fields'] as const

const rank = (trust: Trust) => trusts.indexOf(trust)

/**
 * Folds an event's parts, given in the order of their arrival (at least one).
 *
 * - A field comes from the most trusted part that has it, among equals from the first.
 * - Below the highest trust, an `anonymous` part adds nothing at all, and no part changes money, identity or time.
 * - Personal data is added by the first part, by signed parts, and by parts with the event's own visitor cookie.
 * - Consent: what a more trusted part said stands; among equals an explicit denial stands until a later explicit grant,
 *   and a later denial counts. It and what the page's own tags did are heard from the first part, from signed parts,
 *   from the first part of `same_site` trust and from the event's own visitor.
 * - Whether the visitor is a bot, is judged by the most trusted part alone: nobody suppresses an event as a bot.
 */
export function mergeParts (parts: readonly Part[]): MergedEvent {
  const first = parts[0]
  if (first === undefined) throw new Error('an event has at least one part')
  if (parts.length === 1) return ofOnePart(first)
  const byTrust = parts.toSorted((a, b) => rank(a.trust) - rank(b.trust))
  const top = byTrust[0] ?? first
  const lead = parts.find(part => part.lead_id !== undefined)
  const event: MergedEvent = {
    site: first.site,
    event_name: first.event_name,
    event_id: first.event_id,
    received_at_ms: first.received_at_ms,
    occurred_at_ms: top.occurred_at_ms,
    trust: top.trust,
    lead_id: lead?.lead_id,
    bot: top.data.bot
  }
  const firstOfSite = parts.find(part => part.trust === 'same_site')
  const hasMoney = (part: Part) => moneyFields.some(field => part.data[field] !== undefined)
  const money = byTrust.find(part => hasMoney(part) && (part.trust === top.trust || part.trust === 'same_site'))
  if (money !== undefined) copyMissing(event, money.data, moneyFields)

  for (const part of byTrust) {
    if (part.trust === 'anonymous' && top.trust !== 'anonymous') continue
    const isOwnVisitor = part.data.visitor_verified === true && part.data.visitor_id !== undefined &&
      part.data.visitor_id === (event.visitor_id ?? visitorOf(byTrust))
    copyMissing(event, part.data, contextFields)
    for (const field of contextMaps) {
      if (part.data[field] !== undefined) Object.assign(event, { [field]: { ...part.data[field], ...event[field] } })
    }
    if (part === first || part.trust === 'signed' || isOwnVisitor) addPerson(event, part.data)
    if (part === first || part.trust === 'signed' || part === firstOfSite || isOwnVisitor) {
      event.browser_tags = { ...part.data.browser_tags, ...event.browser_tags }
    }
    if (part.data.visitor_verified === true && part.data.visitor_id === event.visitor_id) event.visitor_verified = true
    if (part.data.gpc === true) event.gpc = true
  }
  event.consent = foldConsent(parts, firstOfSite)
  event.warnings = parts.flatMap(part => part.data.warnings ?? [])
  return event
}

/** The usual event: what the rules above make of a single part. */
function ofOnePart (part: Part): MergedEvent {
  const { site, event_name: eventName, event_id: eventId, trust, lead_id: leadId, data } = part
  return {
    ...data,
    site,
    event_name: eventName,
    event_id: eventId,
    received_at_ms: part.received_at_ms,
    occurred_at_ms: part.occurred_at_ms,
    trust,
    lead_id: leadId,
    browser_tags: { ...data.browser_tags },
    visitor_verified: data.visitor_verified === true ? true : undefined,
    gpc: data.gpc === true ? true : undefined,
    consent: foldConsent([part], part.trust === 'same_site' ? part : undefined),
    warnings: data.warnings ?? []
  }
}

/** The visitor of the event: of the most trusted part that names one. */
function visitorOf (byTrust: readonly Part[]): string | undefined {
  return byTrust.find(part => part.data.visitor_id !== undefined)?.data.visitor_id
}

function copyMissing (event: EventData, data: EventData, fields: readonly (keyof EventData)[]): void {
  for (const field of fields) {
    if (event[field] === undefined && data[field] !== undefined) Object.assign(event, { [field]: data[field] })
  }
}

function addPerson (event: EventData, data: EventData): void {
  event.user_id ??= data.user_id
  if (data.user_data === undefined) return
  const person: UserData = { ...data.user_data, ...event.user_data }
  if (data.user_data.address !== undefined || event.user_data?.address !== undefined) {
    person.address = { ...data.user_data.address, ...event.user_data?.address }
  }
  event.user_data = person
}

/** Folds consent in the order of arrival; see mergeParts for who is heard. */
function foldConsent (parts: readonly Part[], firstOfSite: Part | undefined): EventData['consent'] {
  const visitorId = visitorOf(parts)
  const folded: NonNullable<EventData['consent']> = {}
  for (const key of consentKeys) {
    let saidBy: Part | undefined
    for (const part of parts) {
      const state = part.data.consent?.[key]
      if (state === undefined) continue
      const isOwnVisitor = part.data.visitor_verified === true && part.data.visitor_id === visitorId
      const isHeard = part === parts[0] || part.trust === 'signed' || part === firstOfSite || isOwnVisitor
      if (!isHeard || (saidBy !== undefined && rank(part.trust) > rank(saidBy.trust))) continue
      folded[key] = state
      saidBy = part
    }
  }
  return folded
}
