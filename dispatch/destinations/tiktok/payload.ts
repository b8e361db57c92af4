// What the Events API 2.0 accepts for one event, as far as we send it. Closed at every level.
import { Type, type Static } from 'typebox'

const closed = { additionalProperties: false }
const text = Type.Optional(Type.String({ minLength: 1 }))
const texts = Type.Optional(Type.Array(Type.String({ minLength: 1 }), { minItems: 1 }))
const number = Type.Optional(Type.Number())
const count = Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))
const sha256 = '^[0-9a-f]{64}$'
const hash = Type.Optional(Type.String({ pattern: sha256 }))
const hashes = Type.Optional(Type.Array(Type.String({ pattern: sha256 }), { minItems: 1, uniqueItems: true }))
const url = Type.String({ pattern: '^https?://' })

/** §1.4. Lists where TikTok takes them; places in clear. */
export const TikTokUser = Type.Object({
  email: hashes,
  phone: hashes,
  external_id: hashes,
  ttclid: Type.Optional(Type.String({ pattern: '^[\\w.-]{10,512}$' })),
  ttp: Type.Optional(Type.String({ pattern: '^[\\w.-]{10,512}$' })),
  ip: Type.Optional(Type.String({ pattern: '^[\\da-fA-F.:]{2,45}$' })),
  user_agent: text,
  locale: Type.Optional(Type.String({ pattern: '^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$' })),
  first_name: hash,
  last_name: hash,
  zip_code: hash,
  city: text,
  state: text,
  country: Type.Optional(Type.String({ pattern: '^[a-z]{2}$' }))
}, closed)
export type TikTokUser = Static<typeof TikTokUser>

export const TikTokContent = Type.Object({
  content_id: Type.String({ minLength: 1 }),
  content_name: text,
  content_category: text,
  brand: text,
  price: number,
  quantity: Type.Optional(Type.Integer({ minimum: 1 }))
}, closed)
export type TikTokContent = Static<typeof TikTokContent>

/** §1.5. The sets for travel and vehicles come from parameters that the settings name. */
export const TikTokProperties = Type.Object({
  value: Type.Optional(Type.Number({ minimum: 0 })),
  currency: Type.Optional(Type.String({ pattern: '^[A-Z]{3}$' })),
  contents: Type.Optional(Type.Array(TikTokContent, { minItems: 1 })),
  content_ids: texts,
  content_type: Type.Optional(Type.Enum(['product', 'product_group'])),
  num_items: Type.Optional(Type.Integer({ minimum: 1 })),
  order_id: text,
  search_string: text,
  customer_type: Type.Optional(Type.Enum(['new', 'returning'])),
  query: text,
  description: text,
  status: text,
  shop_id: text,
  delivery_category: Type.Optional(Type.Enum(['in_store', 'curbside', 'home_delivery'])),
  predicted_ltv: number,

  city: text,
  region: text,
  country: text,
  checkin_date: text,
  checkout_date: text,
  num_adults: count,
  num_children: count,
  num_infants: count,
  suggested_hotels: texts,
  departing_departure_date: text,
  departing_arrival_date: text,
  returning_departure_date: text,
  returning_arrival_date: text,
  origin_airport: text,
  destination_airport: text,
  destination_ids: texts,
  travel_class: text,
  user_score: number,
  preferred_num_stops: count,
  travel_start: text,
  travel_end: text,
  suggested_destinations: texts,

  postal_code: text,
  make: text,
  model: text,
  year: count,
  state_of_vehicle: text,
  mileage: Type.Optional(Type.Object({ unit: Type.String({ minLength: 1 }), value: Type.Number() }, closed)),
  exterior_color: text,
  interior_color: text,
  transmission: text,
  body_style: text,
  fuel_type: text,
  drivetrain: text,
  preferred_price_range: Type.Optional(Type.Array(Type.Number(), { minItems: 2, maxItems: 2 })),
  trim: text,
  vin: text,
  condition_of_vehicle: text,
  viewcontent_type: text,
  search_type: text,
  registration_type: text
}, closed)
export type TikTokProperties = Static<typeof TikTokProperties>

/** §1.3. `page` stands for the source `web`, `lead` for `crm`, neither for `offline`. */
export const payload = Type.Object({
  event: Type.String({ minLength: 1, maxLength: 100 }),
  // Seconds: milliseconds would be the year 50000.
  event_time: Type.Integer({ minimum: 1_000_000_000, maximum: 9_999_999_999 }),
  // A number is refused with 40002.
  event_id: Type.String({ minLength: 1, maxLength: 255 }),
  user: TikTokUser,
  properties: Type.Optional(TikTokProperties),
  page: Type.Optional(Type.Object({ url, referrer: Type.Optional(url) }, closed)),
  lead: Type.Optional(Type.Object({
    lead_id: Type.String({ pattern: '^[\\w-]{1,64}$' }),
    lead_event_source: text
  }, closed)),
  limited_data_use: Type.Optional(Type.Boolean())
}, closed)
export type TikTokPayload = Static<typeof payload>
