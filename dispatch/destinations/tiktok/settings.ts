// The settings of a TikTok destination: which pixel and event sets, with what token, and what the owner decides.
import { Type, type Static } from 'typebox'

export const settings = Type.Object({
  pixel_code: Type.String({
    pattern: '^[A-Z0-9]{10,40}$',
    description: 'The pixel\'s code from TikTok Events Manager: about 20 capital letters and digits.'
  }),
  access_token: Type.String({
    minLength: 1,
    secret: true,
    description: 'The access token from Events Manager → the pixel → Settings → Events API. It also serves the event ' +
      'sets of the same ad account.'
  }),
  test_event_code: Type.Optional(Type.String({
    pattern: '^[\\w-]{1,64}$',
    description: 'From Events Manager → Test Events. Sent with `mode: test` only.'
  })),
  offline_event_set_id: Type.Optional(Type.String({
    pattern: '^[A-Za-z0-9]{5,40}$',
    description: 'The offline event set (in quotes) for what happened in a shop or by phone. Without it those events ' +
      'are skipped.'
  })),
  crm_event_set_id: Type.Optional(Type.String({
    pattern: '^[A-Za-z0-9]{5,40}$',
    description: 'The CRM event set (in quotes) for later stages of leads from TikTok\'s own forms, which carry ' +
      'TikTok\'s lead id.'
  })),
  crm_name: Type.String({
    minLength: 1,
    maxLength: 100,
    default: 'CRM',
    description: 'The name of your CRM, told to TikTok with a lead\'s later stages (lead_event_source).'
  }),
  event_names: Type.Record(Type.String(), Type.String({ minLength: 1, maxLength: 100 }), {
    default: {},
    description: 'Other names at TikTok for some events, exactly as the page\'s pixel sends them: ' +
      '`purchase: CompletePayment`.'
  }),
  limited_data_use: Type.Enum(['off', 'on'], {
    default: 'off',
    description: 'TikTok\'s Limited Data Use for all web events with a public address. Who refused personalisation, ' +
      'or has GPC with `gpc: limit`, has it in any case.'
  }),
  external_id_spelling: Type.Enum(['both', 'as_given', 'lower'], {
    default: 'both',
    description: 'How a `user_id` with capital letters is hashed: as it is, in lower case, or both, because ' +
      'TikTok takes a list.'
  })
}, { additionalProperties: false })
export type TikTokSettings = Static<typeof settings>
