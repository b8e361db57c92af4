// What the Conversions API accepts for one event, as far as we send it. Closed: Meta refuses a request for a stray key.
import { Type, type Static } from 'typebox'
import { lduStateCodes } from './settings.ts'

const closed = { additionalProperties: false }
const text = Type.String({ minLength: 1 })
const hashes = Type.Array(Type.String({ pattern: '^[0-9a-f]{64}$' }), { minItems: 1, uniqueItems: true })
const url = Type.String({ pattern: '^https?://' })

/** meta.md §1.4. Every hashed key is a list, also of one. */
export const MetaUserData = Type.Object({
  em: Type.Optional(hashes),
  ph: Type.Optional(hashes),
  fn: Type.Optional(hashes),
  ln: Type.Optional(hashes),
  ge: Type.Optional(hashes),
  db: Type.Optional(hashes),
  ct: Type.Optional(hashes),
  st: Type.Optional(hashes),
  zp: Type.Optional(hashes),
  country: Type.Optional(hashes),
  external_id: Type.Optional(hashes),
  client_ip_address: Type.Optional(Type.String({ pattern: '^[\\da-fA-F.:]{2,45}$' })),
  client_user_agent: Type.Optional(text),
  fbc: Type.Optional(Type.String({ pattern: '^fb\\.\\d{1,2}\\.\\d{13}\\.[\\w~%*+:=-]{1,512}(\\.[\\w-]{2,8})?$' })),
  fbp: Type.Optional(Type.String({ pattern: '^fb\\.\\d{1,2}\\.\\d{13}\\.\\d{1,20}(\\.[\\w-]{2,8})?$' })),
  // Beyond 2^53, so a string all the way.
  lead_id: Type.Optional(Type.String({ pattern: '^\\d{15,17}$' }))
}, closed)
export type MetaUserData = Static<typeof MetaUserData>

export const MetaContent = Type.Object({
  id: text,
  quantity: Type.Optional(Type.Integer({ minimum: 1 })),
  item_price: Type.Optional(Type.Number()),
  title: Type.Optional(text),
  brand: Type.Optional(text),
  category: Type.Optional(text)
}, closed)
export type MetaContent = Static<typeof MetaContent>

/** meta.md §1.5. The one place where Meta takes other keys: parameters that the settings name, as plain values. */
export const MetaCustomData = Type.Object({
  value: Type.Optional(Type.Number({ minimum: 0 })),
  currency: Type.Optional(Type.String({ pattern: '^[A-Z]{3}$' })),
  net_revenue: Type.Optional(Type.Number()),
  predicted_ltv: Type.Optional(Type.Number()),
  content_name: Type.Optional(text),
  content_category: Type.Optional(text),
  content_ids: Type.Optional(Type.Array(text, { minItems: 1 })),
  contents: Type.Optional(Type.Array(MetaContent, { minItems: 1 })),
  content_type: Type.Optional(Type.Enum(['product', 'product_group'])),
  order_id: Type.Optional(text),
  num_items: Type.Optional(Type.Integer({ minimum: 1 })),
  search_string: Type.Optional(text),
  status: Type.Optional(text),
  delivery_category: Type.Optional(Type.Enum(['in_store', 'curbside', 'home_delivery'])),
  customer_segmentation: Type.Optional(Type.Enum(['new_customer_to_business', 'existing_customer_to_business'])),
  event_source: Type.Optional(Type.Literal('crm')),
  lead_event_source: Type.Optional(text)
}, { additionalProperties: Type.Union([text, Type.Number(), Type.Boolean()]) })
export type MetaCustomData = Static<typeof MetaCustomData>

/** meta.md §1.3. */
export const payload = Type.Object({
  event_name: text,
  // Seconds: milliseconds would be the year 50000.
  event_time: Type.Integer({ minimum: 1_000_000_000, maximum: 9_999_999_999 }),
  event_id: Type.String({ minLength: 1, maxLength: 255 }),
  action_source: Type.Enum(['website', 'email', 'phone_call', 'chat', 'physical_store', 'system_generated', 'other']),
  event_source_url: Type.Optional(url),
  referrer_url: Type.Optional(url),
  opt_out: Type.Optional(Type.Boolean()),
  data_processing_options: Type.Optional(Type.Array(Type.Literal('LDU'), { maxItems: 1 })),
  data_processing_options_country: Type.Optional(Type.Enum([0, 1])),
  data_processing_options_state: Type.Optional(Type.Enum([0, ...Object.values(lduStateCodes)])),
  user_data: MetaUserData,
  custom_data: Type.Optional(MetaCustomData)
}, closed)
export type MetaPayload = Static<typeof payload>
