// The settings of a GA4 destination: which web stream, its secret, and what the page's own tag is beside it.
import { Type, type Static } from 'typebox'

const parameterName = '^(?!ga_|google_|firebase_)[A-Za-z]\\w{0,39}$'

export const settings = Type.Object({
  measurement_id: Type.String({
    pattern: '^G-[A-Z0-9]{4,16}$',
    description: 'The web stream\'s id, from Admin → Data streams → your stream: `G-…`.'
  }),
  api_secret: Type.String({
    minLength: 1,
    secret: true,
    description: 'From the same page, Measurement Protocol API secrets → Create.'
  }),
  role: Type.Enum(['supplement', 'sole'], {
    default: 'supplement',
    description: 'supplement: the page has GA4\'s tag, and only what it cannot have sent goes (later stages, ' +
      'webhooks, what a blocker stopped). sole: there is no tag on the page, everything goes.'
  }),
  event_names: Type.Record(Type.String(), Type.String({ pattern: parameterName }), {
    default: {},
    description: 'Other names at GA4 for some events, exactly as the page\'s tag sends them: `contact: generate_lead`.'
  }),
  ip: Type.Enum(['outside_eea', 'never'], {
    default: 'outside_eea',
    description: 'Whether the visitor\'s address is sent, from which GA4 reads the place: where the visit is known ' +
      'to come from outside the EEA, the United Kingdom and Switzerland, or never. Else the country alone is sent.'
  }),
  event_id_parameter: Type.Optional(Type.String({
    pattern: parameterName,
    description: 'A parameter that shall carry Postern\'s event id, to compare GA4\'s export with it: `event_id`.'
  })),
  debug_view: Type.Boolean({
    default: false,
    description: 'Shows the events in GA4\'s DebugView. They count like any other: for a stream made for trying things.'
  })
}, { additionalProperties: false })
export type Ga4Settings = Static<typeof settings>
