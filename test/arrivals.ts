// Arrivals as the gateway hands them to its log, for the tests of what stores and keeps them.
import { randomUUID } from 'node:crypto'
import type { Arrival } from '../gateway/arrival.ts'

/** A purchase on a page of `main`; `more` is what is special about it. */
export function arrival (eventId: string, more: Partial<Arrival['part']> = {}): Arrival {
  return {
    part: {
      receipt_id: randomUUID(),
      site: 'main',
      trust: 'same_site',
      event_name: 'purchase',
      event_id: eventId,
      received_at_ms: Date.now(),
      occurred_at_ms: Date.now(),
      data: { value: 1 },
      ...more
    }
  }
}

/** A form that somebody filled in. */
export function leadArrival (eventId: string, more: Partial<Arrival['part']> = {}): Arrival {
  return {
    ...arrival(eventId, { lead_id: `ld_${eventId}`, data: { user_data: { email: ['a@b.de'] } }, ...more }),
    lead: { data: { event_name: 'generate_lead', event_id: eventId, fields: {} }, otherEventId: `l${eventId}` }
  }
}
