// What the Measurement Protocol takes for one event: its whole request body, as far as we send it.
import { Type, type Static } from 'typebox'

const closed = { additionalProperties: false }
const text = Type.String({ minLength: 1 })
/** Longer values are ignored (google.md §3 "Limits"). */
const value = Type.String({ minLength: 1, maxLength: 100 })
const hash = Type.String({ pattern: '^[0-9a-f]{64}$' })
const hashes = Type.Array(hash, { minItems: 1, maxItems: 3, uniqueItems: true })
/** City and region: in clear, without digits and symbols. */
const place = Type.String({ pattern: '^[^\\p{N}\\p{P}\\p{S}]+$' })
const state = Type.Enum(['GRANTED', 'DENIED'])

export const Ga4Address = Type.Object({
  sha256_first_name: Type.Optional(hash),
  sha256_last_name: Type.Optional(hash),
  sha256_street: Type.Optional(hash),
  city: Type.Optional(place),
  region: Type.Optional(place),
  postal_code: Type.Optional(text),
  country: Type.Optional(Type.String({ pattern: '^[A-Z]{2}$' }))
}, closed)
export type Ga4Address = Static<typeof Ga4Address>

export const Ga4UserData = Type.Object({
  sha256_email_address: Type.Optional(hashes),
  sha256_phone_number: Type.Optional(hashes),
  address: Type.Optional(Type.Array(Ga4Address, { minItems: 1, maxItems: 1 }))
}, closed)
export type Ga4UserData = Static<typeof Ga4UserData>

export const Ga4Item = Type.Object({
  item_id: Type.Optional(value),
  item_name: Type.Optional(value),
  item_brand: Type.Optional(value),
  item_category: Type.Optional(value),
  item_variant: Type.Optional(value),
  coupon: Type.Optional(value),
  discount: Type.Optional(Type.Number()),
  price: Type.Optional(Type.Number()),
  quantity: Type.Optional(Type.Number())
}, closed)
export type Ga4Item = Static<typeof Ga4Item>

/** The event's own parameters; beside them those that the settings name, as plain values. */
export const Ga4Params = Type.Object({
  session_id: Type.Optional(Type.String({ pattern: '^[1-9]\\d*$' })),
  engagement_time_msec: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
  debug_mode: Type.Optional(Type.Literal(true)),
  page_location: Type.Optional(Type.String({ pattern: '^https?://', maxLength: 1000 })),
  page_referrer: Type.Optional(Type.String({ pattern: '^https?://', maxLength: 420 })),
  page_title: Type.Optional(Type.String({ minLength: 1, maxLength: 300 })),
  currency: Type.Optional(Type.String({ pattern: '^[A-Z]{3}$' })),
  value: Type.Optional(Type.Number()),
  transaction_id: Type.Optional(value),
  tax: Type.Optional(Type.Number()),
  shipping: Type.Optional(Type.Number()),
  coupon: Type.Optional(value),
  customer_type: Type.Optional(Type.Enum(['new', 'returning'])),
  search_term: Type.Optional(value),
  form_id: Type.Optional(value),
  form_name: Type.Optional(value),
  items: Type.Optional(Type.Array(Ga4Item, { minItems: 1, maxItems: 200 }))
}, { additionalProperties: Type.Union([value, Type.Number()]), maxProperties: 25 })
export type Ga4Params = Static<typeof Ga4Params>

export const Ga4Device = Type.Object({
  category: Type.Optional(Type.Enum(['desktop', 'mobile', 'tablet', 'smart TV'])),
  language: Type.Optional(text),
  screen_resolution: Type.Optional(Type.String({ pattern: '^\\d{1,5}x\\d{1,5}$' })),
  operating_system: Type.Optional(text),
  operating_system_version: Type.Optional(text),
  model: Type.Optional(text),
  browser: Type.Optional(text),
  browser_version: Type.Optional(text)
}, closed)
export type Ga4Device = Static<typeof Ga4Device>

/** google.md §3 "Body". */
export const payload = Type.Object({
  // Two positive numbers: GA4 takes no web event without one.
  client_id: Type.String({ pattern: '^[1-9]\\d*\\.[1-9]\\d*$' }),
  user_id: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  // Microseconds: milliseconds would be 1970.
  timestamp_micros: Type.Integer({ minimum: 1e15, maximum: 9e15 }),
  user_data: Type.Optional(Ga4UserData),
  consent: Type.Object({ ad_user_data: state, ad_personalization: state }, closed),
  user_location: Type.Optional(Type.Object({ country_id: Type.String({ pattern: '^[A-Z]{2}$' }) }, closed)),
  ip_override: Type.Optional(Type.String({ pattern: '^[\\da-fA-F.:]{2,45}$' })),
  device: Type.Optional(Ga4Device),
  user_agent: Type.Optional(text),
  events: Type.Array(Type.Object({
    name: Type.String({ pattern: '^[A-Za-z]\\w{0,39}$' }),
    params: Ga4Params
  }, closed), { minItems: 1, maxItems: 1 })
}, closed)
export type Ga4Payload = Static<typeof payload>
