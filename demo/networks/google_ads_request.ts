// What the fake Data Manager API checks of a request around its events: readable, allowed, addressed, not too much.
import type { FakeAction, FakeGoogleAdsOptions } from './google_ads_options.ts'
import { findMisfit, requestShape, type ActionKind } from './google_ads_rule.ts'
import { refuseFor, type Refusal } from './google_ads_error.ts'
import { isObject, listOf, objectAt, type Json } from './json.ts'
import type { FakeRequest } from './network.ts'

const mostEvents = 2000
const mostDestinations = 10
const accountTypes = ['GOOGLE_ADS', 'GOOGLE_ANALYTICS_PROPERTY', 'FLOODLIGHT_CONFIG', 'DATA_PARTNER',
  'DISPLAY_VIDEO_PARTNER', 'DISPLAY_VIDEO_ADVERTISER', 'GOOGLE_AD_MANAGER_AUDIENCE_LINK']

/** The body, or why proto JSON cannot read it: the parser stops at the first thing, and names no reason. */
export function readBody ({ headers, body }: FakeRequest): { body: Json } | { refusal: Refusal } {
  const unreadable = (description: string, path: (string | number)[] = []): { refusal: Refusal } => {
    const message = `Invalid JSON payload received. ${description}`
    const violations = path.length === 0 ? [] : [{ rule: 'unreadable', path, description: message }]
    return { refusal: { status: 400, message, violations } }
  }
  if (!/^application\/json\b/i.test(headers['content-type'] ?? '')) return unreadable('The content type is not JSON.')
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'))
    if (!isObject(parsed)) return unreadable('Root element must be a message.')
    const misfit = findMisfit(parsed, { message: requestShape })
    return misfit === undefined ? { body: parsed } : unreadable(misfit.description, misfit.path)
  } catch (error) {
    if (error instanceof SyntaxError) return unreadable('Unexpected token.')
    throw error
  }
}

/** google.md §2.2 per request, §2.3 destinations and encoding, §2.6 the request's and the configuration's errors. */
export function checkRequest (body: Json, options: FakeGoogleAdsOptions): Refusal | undefined {
  const destinations = listOf(body.destinations).filter(isObject)
  const events = listOf(body.events).filter(isObject)
  if (destinations.length === 0) {
    return refuseFor('REQUIRED_FIELD_MISSING', 'destinations', ['destinations'], 'A destination is required.')
  }
  if (destinations.length > mostDestinations) {
    return refuseFor('TOO_MANY_DESTINATIONS', 'destinations', ['destinations'], 'At most 10 destinations.')
  }
  if (events.length === 0) return refuseFor('REQUIRED_FIELD_MISSING', 'events', ['events'], 'An event is required.')
  if (events.length > mostEvents) return refuseFor('TOO_MANY_EVENTS', 'events', ['events'], 'At most 2,000 events.')
  const references = destinations.map(({ reference }) => reference).filter(reference => reference !== undefined)
  if (new Set(references).size < references.length) {
    return refuseFor('DUPLICATE_DESTINATION_REFERENCE', 'reference', ['destinations'], 'Two have one reference.')
  }
  const hasUserData = events.some(event => event.userData !== undefined)
  if (body.encoding === undefined && hasUserData) {
    return refuseFor('REQUIRED_FIELD_MISSING', 'encoding', ['encoding'], 'An encoding is required for user data.')
  }
  if (body.encoding !== undefined && !['HEX', 'BASE64'].includes(String(body.encoding))) {
    return refuseFor('INVALID_ENUM_VALUE', 'encoding', ['encoding'], 'HEX or BASE64.')
  }
  return destinations.map((destination, index) => checkDestination(destination, index, options)).find(found => found)
}

function checkDestination (destination: Json, index: number, options: FakeGoogleAdsOptions): Refusal | undefined {
  const at = (...keys: string[]) => ['destinations', index, ...keys]
  for (const key of ['operatingAccount', 'loginAccount', 'linkedAccount']) {
    const account = destination[key]
    if (account === undefined && key !== 'operatingAccount') continue
    const { accountType, accountId } = objectAt(destination, key)
    if (!accountTypes.includes(String(accountType))) {
      return refuseFor('INVALID_ENUM_VALUE', 'account_type', at(key, 'accountType'), 'Not an account type.')
    }
    if (!/^\d{10}$/.test(String(accountId))) {
      return refuseFor('INVALID_NUMBER_FORMAT', 'account_id', at(key, 'accountId'), 'Digits only.')
    }
  }
  const { accountType, accountId } = objectAt(destination, 'operatingAccount')
  if (accountType !== 'GOOGLE_ADS') {
    return refuseFor('INVALID_DESTINATION', 'account_type', at('operatingAccount'), 'Only Google Ads is faked.')
  }
  const isKnown = options.customers === undefined || Object.hasOwn(options.customers, String(accountId))
  // google.md §2.3: naming the account itself as the login account gives permission errors.
  if (!isKnown || objectAt(destination, 'loginAccount').accountId === accountId) {
    return { status: 403, message: 'The caller does not have permission', reason: 'PERMISSION_DENIED', violations: [] }
  }
  const action = actionAt(destination, options)
  if (action === undefined) {
    return refuseFor('INVALID_CONVERSION_ACTION_ID', 'action_id', at('productDestinationId'), 'No such action.')
  }
  return action.kind === 'UPLOAD_CALLS'
    ? refuseFor('INVALID_CONVERSION_ACTION_TYPE', 'action_type', at('productDestinationId'), 'Takes no such events.')
    : undefined
}

function actionAt (destination: Json, { customers }: FakeGoogleAdsOptions): FakeAction | undefined {
  const id = String(destination.productDestinationId)
  if (!/^\d{1,19}$/.test(id)) return undefined
  if (customers === undefined) return { kind: 'UPLOAD_CLICKS' }
  const actions = customers[String(objectAt(destination, 'operatingAccount').accountId)] ?? {}
  return Object.hasOwn(actions, id) ? actions[id] : undefined
}

/** Where one event goes. */
export interface Addressee { index: number, customer: string, action: string, kind: ActionKind, name: string }

/** An event's destinations: those it refers to, all where it names none (google.md §2.3). Undefined: an unknown one. */
export function addresseesOf (event: Json, body: Json, options: FakeGoogleAdsOptions): Addressee[] | undefined {
  type Known = Addressee & { reference: unknown }
  const all = listOf(body.destinations).filter(isObject).map((destination, index): Known => {
    const { reference, productDestinationId } = destination
    const id = String(productDestinationId)
    const { kind = 'UPLOAD_CLICKS', name = id } = actionAt(destination, options) ?? {}
    const customer = String(objectAt(destination, 'operatingAccount').accountId)
    return { reference, index, customer, action: id, kind, name }
  })
  const wanted = listOf(event.destinationReferences)
  if (wanted.length === 0) return all
  const chosen = wanted.map(reference => all.find(one => one.reference === reference))
  return chosen.every(one => one !== undefined) ? chosen : undefined
}
