// What the Data Manager API accepts for one event of a Google Ads account, as far as we send it (google.md §2.3).
import { Type, type Static } from 'typebox'

const closed = { additionalProperties: false }
const text = Type.String({ minLength: 1 })
const hash = Type.String({ pattern: '^[0-9a-f]{64}$' })
const consent = Type.Enum(['CONSENT_GRANTED', 'CONSENT_DENIED'])

export const AdIdentifiers = Type.Object({
  gclid: Type.Optional(text),
  gbraid: Type.Optional(text),
  wbraid: Type.Optional(text),
  sessionAttributes: Type.Optional(Type.String({ pattern: '^[\\w-]+$' }))
}, closed)
export type AdIdentifiers = Static<typeof AdIdentifiers>

/** One of its three; an address has all of its four keys. */
export const UserIdentifier = Type.Object({
  emailAddress: Type.Optional(hash),
  phoneNumber: Type.Optional(hash),
  address: Type.Optional(Type.Object({
    givenName: hash,
    familyName: hash,
    regionCode: Type.String({ pattern: '^[A-Z]{2}$' }),
    postalCode: text
  }, closed))
}, { ...closed, minProperties: 1, maxProperties: 1 })
export type UserIdentifier = Static<typeof UserIdentifier>

export const CartItem = Type.Object({
  merchantProductId: text,
  quantity: Type.Integer({ minimum: 1 }),
  unitPrice: Type.Optional(Type.Number())
}, closed)
export type CartItem = Static<typeof CartItem>

export const CartData = Type.Object({
  merchantId: Type.Optional(Type.String({ pattern: '^\\d+$' })),
  merchantFeedLabel: Type.Optional(text),
  merchantFeedLanguageCode: Type.Optional(text),
  items: Type.Array(CartItem, { minItems: 1 })
}, closed)
export type CartData = Static<typeof CartData>

export const payload = Type.Object({
  /** The action's id serves as the reference of its destination: one action per request. */
  destinationReferences: Type.Array(text, { minItems: 1, maxItems: 1 }),
  transactionId: Type.String({ minLength: 1, maxLength: 512 }),
  eventTimestamp: Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d{3})?Z$' }),
  eventSource: Type.Enum(['WEB', 'APP', 'IN_STORE', 'PHONE', 'MESSAGE', 'OTHER']),
  adIdentifiers: Type.Optional(AdIdentifiers),
  userData: Type.Optional(Type.Object({
    userIdentifiers: Type.Array(UserIdentifier, { minItems: 1, maxItems: 10 })
  }, closed)),
  consent: Type.Object({ adUserData: consent, adPersonalization: consent }, closed),
  conversionValue: Type.Optional(Type.Number({ minimum: 0 })),
  currency: Type.Optional(Type.String({ pattern: '^[A-Z]{3}$' })),
  eventDeviceInfo: Type.Optional(Type.Object({
    userAgent: Type.Optional(text),
    ipAddress: Type.Optional(Type.String({ pattern: '^[\\da-fA-F.:]{2,45}$' }))
  }, { ...closed, minProperties: 1 })),
  cartData: Type.Optional(CartData),
  customVariables: Type.Optional(Type.Array(
    Type.Object({ variable: text, value: text }, closed), { minItems: 1 })),
  userProperties: Type.Optional(Type.Object({
    customerType: Type.Optional(Type.Enum(['NEW', 'RETURNING'])),
    customerValueBucket: Type.Optional(Type.Enum(['LOW', 'MEDIUM', 'HIGH']))
  }, { ...closed, minProperties: 1 }))
}, closed)
export type GoogleAdsPayload = Static<typeof payload>
