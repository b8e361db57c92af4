// The event: GA4's names and parameters plus what Postern adds. Every room speaks in these shapes.
import { Type, type Static } from 'typebox'
import { Consent } from './consent.ts'

/** Who vouches for an arrival, from the most to the least trusted (design.md, "Counted once"). */
export const trusts = ['signed', 'same_site', 'anonymous'] as const
export type Trust = typeof trusts[number]

const closed = { additionalProperties: false }
const text = Type.String()
const texts = Type.Array(text)

export const Address = Type.Object({
  first_name: Type.Optional(text),
  last_name: Type.Optional(text),
  sha256_first_name: Type.Optional(text),
  sha256_last_name: Type.Optional(text),
  street: Type.Optional(text),
  sha256_street: Type.Optional(text),
  city: Type.Optional(text),
  region: Type.Optional(text),
  postal_code: Type.Optional(text),
  country: Type.Optional(text)
}, closed)
export type Address = Static<typeof Address>

/** gtag's `user_data`, as typed by the visitor: trimmed, never normalised for a network before it is sent. */
export const UserData = Type.Object({
  email: Type.Optional(texts),
  phone_number: Type.Optional(texts),
  sha256_email_address: Type.Optional(texts),
  sha256_phone_number: Type.Optional(texts),
  address: Type.Optional(Address),
  birth_date: Type.Optional(text),
  gender: Type.Optional(text)
}, closed)
export type UserData = Static<typeof UserData>

/** A GA4 item. Keys that GA4 does not know are dropped with a warning. */
export const Item = Type.Object({
  item_id: Type.Optional(text),
  item_name: Type.Optional(text),
  item_brand: Type.Optional(text),
  item_category: Type.Optional(text),
  item_variant: Type.Optional(text),
  coupon: Type.Optional(text),
  discount: Type.Optional(Type.Number()),
  price: Type.Optional(Type.Number()),
  quantity: Type.Optional(Type.Number())
}, closed)
export type Item = Static<typeof Item>

/** A click id and when this gateway (or the page) first saw it, in Unix milliseconds. */
export const ClickId = Type.Object({ value: text, seen_at_ms: Type.Integer() }, closed)
export type ClickId = Static<typeof ClickId>

export const actionSources = ['website', 'phone_call', 'chat', 'email', 'physical_store', 'system_generated', 'app',
  'other'] as const
export const browserTagStates = ['sent_with_id', 'sent_without_id', 'sent_other_id', 'absent', 'blocked',
  'unknown'] as const
export type BrowserTagState = typeof browserTagStates[number]

/** Something the sender gave that we could not use: the event was kept without it. */
export const Warning = Type.Object({ path: text, code: text, value: Type.Optional(text) }, closed)
export type Warning = Static<typeof Warning>

export const Device = Type.Object({
  browser: Type.Optional(text),
  browser_version: Type.Optional(text),
  os: Type.Optional(text),
  os_version: Type.Optional(text),
  type: Type.Optional(text),
  model: Type.Optional(text)
}, closed)

export const Campaign = Type.Object({
  source: Type.Optional(text),
  medium: Type.Optional(text),
  name: Type.Optional(text),
  term: Type.Optional(text),
  content: Type.Optional(text),
  id: Type.Optional(text)
}, closed)

/** The visitor's address and browser: kept apart from the rest because it is forgotten first (14 days). */
export const Client = Type.Object({
  ip: Type.Optional(text),
  user_agent: Type.Optional(text)
}, closed)
export type Client = Static<typeof Client>

/**
 * What one arrival says about its event: the sealed payload of a row in `events`, and, folded by mergeParts(), the
 * event itself. Times are Unix milliseconds; money is in units of `currency`; consent is only what was said.
 */
export const EventData = Type.Object({
  page_location: Type.Optional(text),
  page_referrer: Type.Optional(text),
  page_title: Type.Optional(text),
  language: Type.Optional(text),
  screen_resolution: Type.Optional(text),
  value: Type.Optional(Type.Number()),
  currency: Type.Optional(text),
  transaction_id: Type.Optional(text),
  tax: Type.Optional(Type.Number()),
  shipping: Type.Optional(Type.Number()),
  coupon: Type.Optional(text),
  items: Type.Optional(Type.Array(Item)),
  search_term: Type.Optional(text),
  form_id: Type.Optional(text),
  form_name: Type.Optional(text),
  new_customer: Type.Optional(Type.Boolean()),
  user_id: Type.Optional(text),
  user_data: Type.Optional(UserData),
  click_ids: Type.Optional(Type.Record(text, ClickId)),
  cookies: Type.Optional(Type.Record(text, text)),
  consent: Type.Optional(Type.Partial(Consent)),
  gpc: Type.Optional(Type.Boolean()),
  browser_tags: Type.Optional(Type.Record(text, Type.Enum(browserTagStates))),
  action_source: Type.Optional(Type.Enum(actionSources)),
  visitor_id: Type.Optional(text),
  /** The visitor cookie's signature was verified: only then may an unsigned part add personal data. */
  visitor_verified: Type.Optional(Type.Boolean()),
  country: Type.Optional(text),
  device: Type.Optional(Device),
  campaign: Type.Optional(Campaign),
  bot: Type.Optional(texts),
  params: Type.Optional(Type.Record(text, Type.Unknown())),
  fields: Type.Optional(Type.Record(text, Type.Unknown())),
  warnings: Type.Optional(Type.Array(Warning)),
  client: Type.Optional(Client)
}, closed)
export type EventData = Static<typeof EventData>

/** One arrival, as stored in `events` and never changed afterwards. */
export interface Part {
  receipt_id: string
  site: string
  trust: Trust
  event_name: string
  event_id: string
  received_at_ms: number
  occurred_at_ms: number
  /** Set when the arrival was a lead post. */
  lead_id?: string
  data: EventData
}

/** An event with all its parts folded by mergeParts(). `event_id` and the times are the event's own. */
export interface MergedEvent extends EventData {
  site: string
  event_name: string
  event_id: string
  received_at_ms: number
  occurred_at_ms: number
  /** The highest trust among the parts. */
  trust: Trust
  lead_id?: string
  /** Where the visitor came in last before the event, as far as that was stored. */
  landing?: { seen_at_ms: number, page_location?: string, page_referrer?: string }
}
