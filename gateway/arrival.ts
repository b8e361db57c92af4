// An arrival: one part, ready to be stored, with the lead and the landing that come with it.
import type { EventData, Part } from '../schema/event.ts'
import type { LeadData, Touch } from '../schema/lead.ts'

export interface Arrival {
  part: Part
  lead?: {
    data: LeadData
    /** `rate_limited`: stored although the sender was over its limit. */
    flag?: string
    /** The id that this lead's event gets when the given one belongs to another person's lead. */
    otherEventId: string
  }
  touch?: Touch
  /**
   * Only the touch is stored: the document of a landing was asked for; whether anybody saw it the script will tell.
   * The part says whose it is and when it came.
   */
  isLanding?: true
}

/** What became durable. `eventId` is the event's id, which for a lead may be one of ours. */
export interface Receipt {
  status: 'stored' | 'duplicate'
  eventId: string
  isNewEvent: boolean
  /** Postgres refused the row itself: it lies in `failed_events` until a person looks at it. */
  isSetAside?: boolean
  /** Postgres is away: the arrival is in the spool, and its event may turn out to be known already. */
  isSpooled?: boolean
}

/** Nothing was stored, and the same request may succeed later. */
export class Unavailable extends Error {
  override name = 'Unavailable'
}

/**
 * The door to durable storage. A receipt means committed in Postgres, or synced to the spool. Rejects with Unavailable
 * when nothing can be promised: then no arrival may have been lost or stored without the sender learning that it must
 * come again.
 */
export interface IngestLog {
  /** Stores arrivals of one request; receipts in the same order. */
  append: (arrivals: readonly Arrival[]) => Promise<Receipt[]>
  /** Waits for what is pending. */
  close: () => Promise<void>
}

/** Whether an e-mail or phone is in the payload: then the event need not wait for the form post. */
export function hasContact (data: EventData): boolean {
  const person = data.user_data
  return [person?.email, person?.phone_number, person?.sha256_email_address, person?.sha256_phone_number]
    .some(list => list !== undefined && list.length > 0)
}
