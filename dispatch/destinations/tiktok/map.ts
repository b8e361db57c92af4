// One of our events as one event of TikTok's Events API 2.0.
import type { Mapped, MapWarning, OutgoingEvent } from '../../destination.ts'
import { renamed } from '../../naming.ts'
import type { TikTokPayload, TikTokUser } from './payload.ts'
import { propertiesOf } from './properties.ts'
import type { TikTokSettings } from './settings.ts'
import { isOffPage, sourceOf, type EventSource } from './source.ts'
import { isMatchable, userOf } from './user.ts'

const maxNameLength = 100

/**
 * Maps an event. It is `skipped(no_identifier)` where TikTok has nothing to match a person by, and
 * `skipped(event_not_supported)` where TikTok has no source for it, or takes it only with the address of a page that
 * nobody knows; a website's event without its page is `rejected(invalid_event)`. Each would cost its whole request
 * (other-networks.md §1.10).
 */
export function map (event: OutgoingEvent, settings: TikTokSettings, theirName: string): Mapped<TikTokPayload> {
  const warnings: MapWarning[] = []
  const name = renamed(settings.event_names, event.event_name, theirName)
  if (name.length > maxNameLength) {
    return { skipped: 'event_not_supported', detail: `a name of more than ${maxNameLength} characters` }
  }
  const place = sourceOf(event, name, settings, warnings)
  if ('unsupported' in place) return { skipped: 'event_not_supported', detail: place.unsupported }
  const user = userOf(event, place.source, settings, warnings)
  if (!isMatchable(user)) return { skipped: 'no_identifier' }

  const limit = limitOf(event, place.source, user, settings, warnings)
  if (limit === 'cannot') return { skipped: 'no_consent', detail: cannotLimit }
  const page = place.source === 'web' ? pageOf(event, warnings) : undefined
  if (page === undefined && place.source === 'web') return withoutPage(event)
  const payload: TikTokPayload = {
    event: name,
    event_time: eventTimeOf(event, warnings),
    event_id: event.event_id,
    user,
    properties: propertiesOf(event, warnings),
    page,
    lead: place.source === 'crm' ? place.lead : undefined,
    limited_data_use: limit === 'on' ? true : undefined
  }
  return { payload, warnings }
}

/** Whole seconds. TikTok takes no event from the future; such a one happened when it came in (§1.3). */
function eventTimeOf (event: OutgoingEvent, warnings: MapWarning[]): number {
  if (event.occurred_at_ms > event.received_at_ms) warnings.push({ path: 'event_time', code: 'in_the_future' })
  return Math.floor(Math.min(event.occurred_at_ms, event.received_at_ms) / 1000)
}

/**
 * The page of the event; where it has none, the one that its visitor came in by. Both addresses come from the same
 * visit: a referrer is never put beside another page.
 */
function pageOf (event: OutgoingEvent, warnings: MapWarning[]): TikTokPayload['page'] {
  const own = webAddress(event.page_location)
  if (own !== undefined) return { url: own, referrer: webAddress(event.page_referrer) }
  if (event.page_location !== undefined) warnings.push({ path: 'page_location', code: 'not_a_web_address' })
  const landing = webAddress(event.landing?.page_location)
  return landing === undefined ? undefined : { url: landing, referrer: webAddress(event.landing?.page_referrer) }
}

function webAddress (address: string | undefined): string | undefined {
  return address !== undefined && /^https?:\/\//i.test(address) && URL.canParse(address) ? address : undefined
}

function withoutPage (event: OutgoingEvent): Mapped<TikTokPayload> {
  const detail = 'TikTok takes it only with the address of a page, and none is known'
  return isOffPage(event) ? { skipped: 'event_not_supported', detail } : { rejected: 'invalid_event', detail }
}

const cannotLimit = 'the visitor refused personalisation, and TikTok limits the use of an event only on the web and ' +
  'with the visitor\'s public address'

/**
 * TikTok's one restriction, `limited_data_use`, exists for the web and needs a public address, by which TikTok finds
 * the law that applies (§1.3). Who refused personalisation, or has GPC under the rule `limit`, is sent restricted or
 * not at all (`cannot`). The owner's own setting is a precaution: where it cannot be told, the event goes without it.
 */
function limitOf (
  event: OutgoingEvent, source: EventSource, user: TikTokUser, settings: TikTokSettings, warnings: MapWarning[]
): 'on' | 'off' | 'cannot' {
  const isOwed = event.consent.limited || event.consent.ad_personalization === 'denied'
  const isPossible = source === 'web' && user.ip !== undefined
  if (isOwed) return isPossible ? 'on' : 'cannot'
  if (settings.limited_data_use === 'off') return 'off'
  if (source === 'web' && !isPossible) warnings.push({ path: 'client.ip', code: 'ldu_without_address' })
  return isPossible ? 'on' : 'off'
}
