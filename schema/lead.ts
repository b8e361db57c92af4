// What a lead is: the answers a visitor typed, and where the visitor came from.
import type { Campaign, ClickId, EventData, UserData } from './event.ts'
import type { Static } from 'typebox'

/** The sealed payload of a row in `leads`. */
export interface LeadData {
  event_name: string
  event_id: string
  user_data?: UserData
  /** Everything typed that is no known field, under the form's own names; files as {name, type, size}. */
  fields: Record<string, unknown>
  form_id?: string
  form_name?: string
  page_location?: string
  value?: number
  currency?: string
  consent?: EventData['consent']
  language?: string
}

/** A landing: the sealed payload of a row in `touches`. */
export interface Touch {
  seen_at_ms: number
  page_location?: string
  page_referrer?: string
  click_ids?: Record<string, ClickId>
  cookies?: Record<string, string>
  campaign?: Static<typeof Campaign>
}
