// What a rule of the fake Data Manager API is, and the shape of its messages: proto JSON knows no other keys.
import { isObject, type Json, type Path } from './json.ts'

export type ActionKind = 'UPLOAD_CLICKS' | 'WEBPAGE' | 'UPLOAD_CALLS'

export interface RuleContext {
  nowMs: number
  /** The kinds of the actions that the event goes to. */
  kinds: readonly ActionKind[]
  encoding: unknown
}

/** One thing that Google (or Postern's own strictness, `from: 'ours: …'`) demands of an event. */
export interface Rule {
  /** Stable; part of the reason in a receipt. */
  name: string
  /** The section of reference/google.md that says so. */
  from: string
  /** Google's ErrorReason. */
  reason: string
  /** Where in the event the rule is broken; undefined when it holds. */
  broken (event: Json, context: RuleContext): Path | undefined
}

/** A value's type in proto JSON. Enumerations are checked by the rules, whose reason is INVALID_ENUM_VALUE. */
export type Kind = 'string' | 'double' | 'int64' | 'bool' | { message: Shape } | { repeated: Kind }
export interface Shape { [key: string]: Kind }

const device: Shape = {
  userAgent: 'string',
  ipAddress: 'string',
  category: 'string',
  languageCode: 'string',
  screenHeight: 'int64',
  screenWidth: 'int64',
  operatingSystem: 'string',
  operatingSystemVersion: 'string',
  model: 'string',
  brand: 'string',
  browser: 'string',
  browserVersion: 'string'
}
const consent: Shape = { adUserData: 'string', adPersonalization: 'string' }
const account: Shape = { accountType: 'string', accountId: 'string', product: 'string' }
const address: Shape = {
  givenName: 'string',
  familyName: 'string',
  regionCode: 'string',
  postalCode: 'string',
  addressLine: 'string',
  city: 'string',
  administrativeArea: 'string'
}
const userData: Shape = {
  userIdentifiers: {
    repeated: { message: { emailAddress: 'string', phoneNumber: 'string', address: { message: address } } }
  }
}
const item: Shape = {
  merchantProductId: 'string',
  itemId: 'string',
  quantity: 'int64',
  unitPrice: 'double',
  conversionValue: 'double',
  customVariables: { repeated: { message: { variable: 'string', value: 'string' } } },
  additionalItemParameters: { repeated: { message: { parameterName: 'string', value: 'string' } } }
}

/** google.md §2.3, the table of event fields. */
const event: Shape = {
  destinationReferences: { repeated: 'string' },
  transactionId: 'string',
  eventTimestamp: 'string',
  lastUpdatedTimestamp: 'string',
  eventSource: 'string',
  adIdentifiers: {
    message: {
      gclid: 'string',
      gbraid: 'string',
      wbraid: 'string',
      dclid: 'string',
      sessionAttributes: 'string',
      landingPageDeviceInfo: { message: device },
      mobileDeviceId: 'string',
      impressionId: 'string',
      matchId: 'string'
    }
  },
  userData: { message: userData },
  consent: { message: consent },
  conversionValue: 'double',
  currency: 'string',
  conversionCount: 'double',
  eventDeviceInfo: { message: device },
  cartData: {
    message: {
      merchantId: 'string',
      merchantFeedLabel: 'string',
      merchantFeedLanguageCode: 'string',
      transactionDiscount: 'double',
      couponCodes: { repeated: 'string' },
      items: { repeated: { message: item } }
    }
  },
  customVariables: {
    repeated: { message: { variable: 'string', value: 'string', destinationReferences: { repeated: 'string' } } }
  },
  userProperties: {
    message: {
      customerType: 'string',
      customerValueBucket: 'string',
      additionalUserProperties: { repeated: { message: { propertyName: 'string', value: 'string' } } }
    }
  },
  eventName: 'string',
  clientId: 'string',
  appInstanceId: 'string',
  userId: 'string',
  additionalEventParameters: { repeated: { message: { parameterName: 'string', value: 'string' } } },
  eventLocation: {
    message: {
      city: 'string',
      subdivisionCode: 'string',
      regionCode: 'string',
      subcontinentCode: 'string',
      continentCode: 'string',
      storeId: 'string'
    }
  },
  experimentalFields: { repeated: { message: { field: 'string', value: 'string' } } },
  thirdPartyUserData: { message: userData },
  callInfo: { message: { startTimestamp: 'string' } }
}

/** google.md §2.3, the request. Google takes snake_case as well; Postern writes one spelling. */
export const requestShape: Shape = {
  destinations: {
    repeated: {
      message: {
        reference: 'string',
        operatingAccount: { message: account },
        loginAccount: { message: account },
        linkedAccount: { message: account },
        productDestinationId: 'string'
      }
    }
  },
  events: { repeated: { message: event } },
  consent: { message: consent },
  validateOnly: 'bool',
  encoding: 'string',
  encryptionInfo: { message: {} }
}

export interface Misfit { path: Path, description: string }

/** The first value that proto JSON cannot read: a key that is not there, or a value of another type. */
export function findMisfit (value: unknown, kind: Kind, path: Path = []): Misfit | undefined {
  const wrong = (type: string): Misfit => ({
    path, description: `Invalid value at '${protoPath(path)}' (${type}), ${JSON.stringify(value)}`
  })
  if (typeof kind === 'string') return fits(value, kind) ? undefined : wrong(`TYPE_${kind.toUpperCase()}`)
  if ('repeated' in kind) {
    if (!Array.isArray(value)) return wrong('TYPE_MESSAGE')
    return value.map((inner, index) => findMisfit(inner, kind.repeated, [...path, index])).find(found => found)
  }
  if (!isObject(value)) return wrong('TYPE_MESSAGE')
  for (const [key, inner] of Object.entries(value)) {
    const expected = Object.hasOwn(kind.message, key) ? kind.message[key] : undefined
    if (expected === undefined) {
      return { path, description: `Unknown name "${key}" at '${protoPath(path)}': Cannot find field.` }
    }
    const found = findMisfit(inner, expected, [...path, key])
    if (found !== undefined) return found
  }
  return undefined
}

function fits (value: unknown, kind: 'string' | 'double' | 'int64' | 'bool'): boolean {
  switch (kind) {
    case 'string': return typeof value === 'string'
    case 'bool': return typeof value === 'boolean'
    case 'double': return typeof value === 'number' && Number.isFinite(value)
    case 'int64': return Number.isSafeInteger(value) || (typeof value === 'string' && /^-?\d{1,19}$/.test(value))
  }
}

/** `['events', 0, 'eventSource']` → `events[0].event_source`. */
export function protoPath (path: Path): string {
  return path.map(key => typeof key === 'number'
    ? `[${key}]`
    : `.${key.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)}`).join('').replace(/^\./, '')
}
