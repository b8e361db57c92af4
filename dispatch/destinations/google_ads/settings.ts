// The settings of a Google Ads destination: which account and actions, in which role, with what credentials.
import { Type, type Static } from 'typebox'
import { events } from './events.ts'

const customerId = '^\\d{3}-?\\d{3}-?\\d{4}$'
const placeholder = Object.fromEntries(Object.keys(events).map(name => [name, `<conversion_actions.${name}>`]))

/** An action's number, as YAML reads it with or without quotes, or its resource name. */
const Action = Type.Unsafe<string | number>({
  type: ['string', 'integer'], pattern: '^(customers/\\d+/conversionActions/)?\\d{1,19}$', minimum: 1
})

export const settings = Type.Object({
  customer_id: Type.String({
    pattern: customerId,
    description: 'The Google Ads account that owns the conversion actions: ten digits, with or without dashes.'
  }),
  login_customer_id: Type.Optional(Type.String({
    pattern: customerId,
    description: 'The manager account, only if the credentials reach the account through one.'
  })),
  conversion_actions: Type.Record(Type.String(), Action, {
    minProperties: 1,
    placeholder,
    description: 'The numeric id of the conversion action of each event: `generate_lead: "123456789"` ' +
      '(the number behind ctId= in the action\'s address in Google Ads). Other events are not sent.'
  }),
  role: Type.Enum(['import', 'supplement'], {
    default: 'import',
    description: 'import: the actions are imports and only Postern reports to them (leads, stages, offline sales). ' +
      'supplement: they are website actions that the page\'s own tag reports to as well, under the same transaction_id.'
  }),
  credentials: Type.String({
    minLength: 1,
    secret: true,
    description: 'The JSON file that Google gives out for a service account, or for an authorised user ' +
      '(client_id, client_secret, refresh_token).'
  }),
  merchant_id: Type.Optional(Type.String({
    pattern: '^\\d{1,19}$',
    description: 'The Merchant Center account whose products the items of a purchase are (cart data).'
  })),
  merchant_feed_label: Type.Optional(Type.String({
    pattern: '^[A-Z0-9_-]{1,20}$',
    description: 'The feed label of those products, often a country: DE.'
  })),
  merchant_feed_language: Type.Optional(Type.String({
    pattern: '^[a-z]{2}$',
    description: 'The language of those products, ISO 639-1: de.'
  })),
  custom_variables: Type.Record(Type.String(), Type.String({ minLength: 1, maxLength: 100 }), {
    default: {},
    description: 'Google\'s custom variable for some parameters of the event: `call_minutes: minutes`. ' +
      'The parameters must be named in `params` too.'
  })
}, { additionalProperties: false })
export type GoogleAdsSettings = Static<typeof settings>

/** An account's id as the API takes it: digits only. */
export function accountId (customerId: string): string {
  return customerId.replaceAll('-', '')
}

/** The numeric id of the action for an event; undefined if the settings name none. */
export function actionOf (eventName: string, { conversion_actions: actions }: GoogleAdsSettings): string | undefined {
  const action = Object.hasOwn(actions, eventName) ? actions[eventName] : undefined
  return action === undefined ? undefined : String(action).replace(/^customers\/\d+\/conversionActions\//, '')
}
