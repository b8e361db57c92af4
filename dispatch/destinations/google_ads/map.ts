// One of our events as one event of the Data Manager API.
import type { Mapped, MapWarning, OutgoingEvent } from '../../destination.ts'
import { stageEvents } from '../../../schema/event_names.ts'
import { readCountry } from '../../person/country.ts'
import { isEuropean } from '../../person/europe.ts'
import { readPublicIp } from '../../person/public_ip.ts'
import { adIdentifiersOf } from './ad_identifiers.ts'
import { notConversions } from './events.ts'
import type { GoogleAdsPayload } from './payload.ts'
import { actionOf, type GoogleAdsSettings } from './settings.ts'
import { userDataOf } from './user_data.ts'
import { customVariablesOf, userPropertiesOf, worthOf } from './worth.ts'

const stages: readonly string[] = stageEvents
/** How far ahead of our clock an event may be. */
const futureSlackMs = 60_000
/** The longest transaction id that the page's tag sends (google.md §0). */
const longestTagId = 64
const anEmail = /[^\s@]+@[^\s@]+\.[^\s@]+/

/**
 * Maps an event. Without an action it is `skipped(event_not_supported)`, with nothing to match it by
 * `skipped(no_identifier)`: Google would refuse the whole request for it (google.md §2.6, §10).
 */
export function map (event: OutgoingEvent, settings: GoogleAdsSettings): Mapped<GoogleAdsPayload> {
  const refused = Object.hasOwn(notConversions, event.event_name) ? notConversions[event.event_name] : undefined
  if (refused !== undefined) return { skipped: 'event_not_supported', detail: refused }
  const action = actionOf(event.event_name, settings)
  if (action === undefined) {
    return { skipped: 'event_not_supported', detail: `conversion_actions has no action for ${event.event_name}` }
  }
  const warnings: MapWarning[] = []
  const transactionId = transactionIdOf(event, settings, warnings)
  if (anEmail.test(transactionId)) {
    return { rejected: 'invalid_event', detail: 'the transaction_id or event_id holds an e-mail address' }
  }
  const adIdentifiers = adIdentifiersOf(event, warnings)
  const userData = userDataOf(event, warnings)
  if (adIdentifiers === undefined && userData === undefined) return { skipped: 'no_identifier' }

  const payload: GoogleAdsPayload = {
    destinationReferences: [action],
    transactionId,
    eventTimestamp: eventTimestampOf(event, warnings),
    eventSource: eventSourceOf(event),
    adIdentifiers,
    userData,
    consent: consentOf(event),
    ...worthOf(event, adIdentifiers, settings, warnings),
    eventDeviceInfo: deviceOf(event),
    customVariables: customVariablesOf(event, settings, warnings),
    userProperties: userPropertiesOf(event, warnings)
  }
  return { payload, warnings }
}

/**
 * By it Google recognises the page's own report of the conversion, and a second one of ours: the transaction id exactly
 * as given, else the event id (design.md, "Counted once"). Digits alone were seen refused (google.md §0.6), but another
 * id than the tag's would count twice: it goes as it is.
 */
function transactionIdOf (event: OutgoingEvent, { role }: GoogleAdsSettings, warnings: MapWarning[]): string {
  const { transaction_id: transactionId = '' } = event
  const isOrder = transactionId.trim() !== ''
  const [id, path] = isOrder ? [transactionId, 'transaction_id'] : [event.event_id, 'event_id']
  if (/^\d+$/.test(id)) warnings.push({ path, code: 'digits_only' })
  if (role === 'supplement' && id.length > longestTagId) warnings.push({ path, code: 'longer_than_the_tag_sends' })
  return id
}

/** RFC 3339 in UTC. An event from the future would be refused with its request; it happened when it came in. */
function eventTimestampOf (event: OutgoingEvent, warnings: MapWarning[]): string {
  if (event.occurred_at_ms <= event.received_at_ms + futureSlackMs) return new Date(event.occurred_at_ms).toISOString()
  warnings.push({ path: 'event_time', code: 'in_the_future' })
  return new Date(event.received_at_ms).toISOString()
}

const eventSources = {
  website: 'WEB',
  app: 'APP',
  physical_store: 'IN_STORE',
  phone_call: 'PHONE',
  chat: 'MESSAGE',
  email: 'MESSAGE',
  system_generated: 'OTHER',
  other: 'OTHER'
} as const

/** Always given, because Ads refuses an event without (google.md §2.3). Unsaid, it is the web, except off any page. */
function eventSourceOf (event: OutgoingEvent): GoogleAdsPayload['eventSource'] {
  if (event.action_source !== undefined) return eventSources[event.action_source]
  const isOffPage = event.trust === 'signed' && event.page_location === undefined
  return isOffPage || stages.includes(event.event_name) ? 'OTHER' : 'WEB'
}

/** GPC with the rule `limit` lets the event go, but not into personalised advertising. */
function consentOf ({ consent }: OutgoingEvent): GoogleAdsPayload['consent'] {
  const isPersonal = consent.ad_personalization === 'granted' && !consent.limited
  return {
    adUserData: consent.ad_user_data === 'granted' ? 'CONSENT_GRANTED' : 'CONSENT_DENIED',
    adPersonalization: isPersonal ? 'CONSENT_GRANTED' : 'CONSENT_DENIED'
  }
}

function deviceOf (event: OutgoingEvent): GoogleAdsPayload['eventDeviceInfo'] {
  const userAgent = event.client?.user_agent?.trim()
  const device = { userAgent: userAgent === '' ? undefined : userAgent, ipAddress: ipOf(event) }
  return device.userAgent === undefined && device.ipAddress === undefined ? undefined : device
}

/** Only of a visitor who is known to be, and to live, where Google may have it (google.md §2.3, §6). */
function ipOf ({ client, country, user_data: person }: OutgoingEvent): string | undefined {
  if (client?.ip === undefined || country === undefined) return undefined
  const countries = [country, person?.address?.country].filter(given => given !== undefined).map(readCountry)
  const isAllowed = countries.every(code => code !== null && !isEuropean(code))
  return isAllowed ? readPublicIp(client.ip) ?? undefined : undefined
}
