// The settings of a Meta destination: which dataset, with what token, and what the owner decides about it.
import { Type, type Static } from 'typebox'

/** Limited data use by state, and Meta's codes of the states (meta.md §1.3). */
export const lduStateCodes = {
  'US-CA': 1000,
  'US-CO': 1001,
  'US-CT': 1002,
  'US-FL': 1003,
  'US-OR': 1004,
  'US-TX': 1005,
  'US-MT': 1006,
  'US-DE': 1007,
  'US-NE': 1008,
  'US-NH': 1009,
  'US-NJ': 1010,
  'US-MN': 1011,
  'US-MD': 1012,
  'US-RI': 1013
} as const
const lduStates = Object.keys(lduStateCodes) as (keyof typeof lduStateCodes)[]

export const settings = Type.Object({
  pixel_id: Type.String({
    pattern: '^\\d{5,20}$',
    description: 'The dataset (pixel) id from Events Manager: digits only.'
  }),
  access_token: Type.String({
    minLength: 1,
    secret: true,
    description: 'The dataset\'s access token from Events Manager → Settings → Conversions API.'
  }),
  app_secret: Type.Optional(Type.String({
    minLength: 1,
    secret: true,
    description: 'Only if your app demands proof of its secret with each call (App settings → Require app secret).'
  })),
  api_version: Type.String({
    pattern: '^v\\d{2,3}\\.0$',
    default: 'v26.0',
    description: 'Version of the Graph API. Meta serves each one for about two years.'
  }),
  test_event_code: Type.Optional(Type.String({
    pattern: '^[\\w-]{1,64}$',
    description: 'From Events Manager → Test Events. Sent with `mode: test` only, because Meta counts test events too.'
  })),
  ldu: Type.Enum(['off', 'geolocate', ...lduStates], {
    default: 'off',
    description: 'Limited Data Use for all events: off, where Meta locates the visitor (geolocate), or a state (US-CA).'
  }),
  event_names: Type.Record(Type.String(), Type.String({ minLength: 1, maxLength: 100 }), {
    default: {},
    description: 'Other names at Meta for some events, exactly as the page\'s pixel sends them: `contact: Lead`.'
  }),
  crm_name: Type.String({
    minLength: 1,
    default: 'CRM',
    description: 'The name of your CRM, told to Meta with a lead\'s later stages (lead_event_source).'
  }),
  city_spelling: Type.Enum(['both', 'documented', 'pixel'], {
    default: 'both',
    description: 'How a city with letters beyond a–z is hashed: as documented (münchen), as the pixel does (mnchen), ' +
      'or both, because Meta takes a list.'
  })
}, { additionalProperties: false })
export type MetaSettings = Static<typeof settings>
