// One of our events as one request of the Measurement Protocol.
import type { Mapped, MapWarning, OutgoingEvent } from '../../destination.ts'
import { renamed } from '../../naming.ts'
import { clientIdsOf } from './client_ids.ts'
import { eventNameFault } from './names.ts'
import { paramsOf } from './params.ts'
import type { Ga4Payload } from './payload.ts'
import type { Ga4Settings } from './settings.ts'
import { deviceOf, placeOf } from './surroundings.ts'
import { userDataOf } from './user_data.ts'

/** How far ahead of our clock an event may be without a word. */
const futureSlackMs = 60_000

/**
 * Maps an event. It is `skipped(no_identifier)` where GA4 could not say whose it is, and `rejected(invalid_event)`
 * where GA4 would drop it for its name without telling us. Click ids have no field here: GA4 knows them from its own
 * tag, by the client_id.
 */
export function map (event: OutgoingEvent, settings: Ga4Settings, theirName: string): Mapped<Ga4Payload> {
  const name = renamed(settings.event_names, event.event_name, theirName)
  const fault = eventNameFault(name)
  if (fault !== undefined) return { rejected: 'invalid_event', detail: fault }

  const warnings: MapWarning[] = []
  const ids = clientIdsOf(event, settings.measurement_id, warnings)
  if (ids === null) return { skipped: 'no_identifier' }
  const payload: Ga4Payload = {
    client_id: ids.clientId,
    user_id: ids.userId,
    timestamp_micros: timestampOf(event, warnings),
    user_data: userDataOf(event, warnings),
    consent: consentOf(event),
    ...placeOf(event, settings, warnings),
    ...deviceOf(event, warnings),
    events: [{ name, params: paramsOf(event, name, ids.sessionId, settings, warnings) }]
  }
  return { payload, warnings }
}

/** Microseconds. GA4 takes the past only; what seems to come from the future happened when it came in. */
function timestampOf (event: OutgoingEvent, warnings: MapWarning[]): number {
  const { occurred_at_ms: occurredAtMs, received_at_ms: receivedAtMs } = event
  if (occurredAtMs > receivedAtMs + futureSlackMs) warnings.push({ path: 'event_time', code: 'in_the_future' })
  return Math.min(occurredAtMs, receivedAtMs) * 1000
}

/** Always said: unsaid, GA4 would go by what the visitor's last visit with the tag had said. */
function consentOf ({ consent }: OutgoingEvent): Ga4Payload['consent'] {
  const word = (state: 'granted' | 'denied') => state === 'granted' ? 'GRANTED' : 'DENIED'
  return { ad_user_data: word(consent.ad_user_data), ad_personalization: word(consent.ad_personalization) }
}
