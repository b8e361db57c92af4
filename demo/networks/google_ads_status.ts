// The second phase of the fake Data Manager API: what becomes of each accepted event, told half an hour later.
import { errorAnswer, refuseFor } from './google_ads_error.ts'
import type { FakeGoogleAdsOptions } from './google_ads_options.ts'
import { isObject, listOf, objectAt, type Json } from './json.ts'
import type { FakeAnswer, FakeRequest } from './network.ts'

const dayMs = 86_400_000
/** The longest click-through window (google.md §1.4). */
const oldestMs = 90 * dayMs

/** An accepted request: its destinations, and for each the places of its events and why they do not count. */
interface Accepted {
  atMs: number
  rows: { destination: Json, events: { index: number, reason: string | null }[] }[]
}

export interface FakeStatuses {
  keep (requestId: string, accepted: Accepted): void
  /** `GET /v1/requestStatus:retrieve`. */
  retrieve (request: FakeRequest): FakeAnswer
}

/** What an event that was taken in comes to. `wanted` are the reasons that a test has ordered for it. */
export function processingReasonOf (event: Json, nowMs: number, options: FakeGoogleAdsOptions): string | null {
  const { verdicts = {}, clicks, refusesDigits } = options
  const id = String(event.transactionId)
  const ordered = Object.hasOwn(verdicts, id) ? verdicts[id]?.shift() : undefined
  if (ordered !== undefined) return ordered
  const { adUserData } = objectAt(event, 'consent')
  // google.md §0 decision 9: consent is a matter of the row, and shows only here.
  if (adUserData === 'CONSENT_DENIED') return 'DENIED_CONSENT'
  if (adUserData !== 'CONSENT_GRANTED') return 'UNKNOWN_CONSENT'
  if (nowMs - Date.parse(String(event.eventTimestamp)) > oldestMs) return 'EVENT_TOO_OLD'
  if (refusesDigits === true && /^\d+$/.test(id)) return 'INVALID_FORMAT'
  const identifiers = objectAt(event, 'adIdentifiers')
  const broken = ['gclid', 'gbraid', 'wbraid'].find(key =>
    identifiers[key] !== undefined && !/^[\w-]{10,512}$/.test(String(identifiers[key])))
  if (broken !== undefined) return `INVALID_${broken.toUpperCase()}`
  const isUnknown = clicks !== undefined && identifiers.gclid !== undefined &&
    !clicks.includes(String(identifiers.gclid)) && event.userData === undefined
  return isUnknown ? 'CLICK_NOT_FOUND' : null
}

/** One value of Google's enumeration lacks half of its prefix (google.md §2.6). */
const prefixed = (reason: string): string => reason === 'OPERATING_ACCOUNT_MISMATCH_FOR_AD_IDENTIFIER'
  ? `PROCESSING_ERROR_${reason}`
  : `PROCESSING_ERROR_REASON_${reason}`

export function openStatuses (options: FakeGoogleAdsOptions): FakeStatuses {
  const kept = new Map<string, Accepted>()
  const processingMs = options.processingMs ?? 1_800_000
  return {
    keep (requestId, accepted) { kept.set(requestId, accepted) },
    retrieve (request) {
      const requestId = request.query.get('requestId')
      if (requestId === null || requestId === '') {
        return errorAnswer(refuseFor('REQUIRED_FIELD_MISSING', 'request_id', ['requestId'], 'Required.'), request)
      }
      const accepted = kept.get(requestId)
      if (accepted === undefined) {
        return errorAnswer(refuseFor('INVALID_REQUEST_ID', 'request_id', ['requestId'], 'No such request.'), request)
      }
      const isDone = request.nowMs - accepted.atMs >= processingMs
      return {
        status: 200,
        body: {
          requestStatusPerDestination: accepted.rows.map(({ destination, events }) =>
            isDone ? statusOf(destination, events, request, options) : { destination, requestStatus: 'PROCESSING' })
        }
      }
    }
  }
}

type Rows = Accepted['rows'][number]['events']

function statusOf (destination: Json, events: Rows, { serial }: FakeRequest, options: FakeGoogleAdsOptions): Json {
  const refused = events.filter(({ reason }) => reason !== null)
  const reasons = [...new Set(refused.map(({ reason }) => reason))].filter(reason => reason !== null)
  // The proto writes FAILED, a guide FAILURE (google.md §2.6).
  const failed = serial % 2 === 0 ? 'FAILED' : 'FAILURE'
  const requestStatus = refused.length === 0 ? 'SUCCESS' : refused.length < events.length ? 'PARTIAL_SUCCESS' : failed
  const errorCounts = reasons.map(reason => {
    const places = refused.filter(one => one.reason === reason).map(({ index }) => index)
    return {
      // Proto JSON writes 64-bit numbers as texts.
      recordCount: String(places.length),
      reason: prefixed(reason),
      recordIndices: options.namesRecords === false ? undefined : places
    }
  })
  return {
    destination,
    requestStatus,
    errorInfo: errorCounts.length === 0 ? undefined : { errorCounts },
    eventsIngestionStatus: { recordCount: String(events.length) }
  }
}

/** What Google says of fields that it ignores: no error (google.md §2.6). */
export function fieldWarningsOf (events: readonly Json[]): Json[] {
  return events.flatMap((event, index) => {
    const { gbraid, wbraid } = objectAt(event, 'adIdentifiers')
    const items = listOf(objectAt(event, 'cartData').items).filter(isObject)
    const warn = (reason: string, field: string) =>
      ({ reason: `WARNING_REASON_${reason}`, description: 'Ignored.', field: `events.events[${index}].${field}` })
    if (items.length > 0 && (gbraid !== undefined || wbraid !== undefined)) {
      return [warn('CART_DATA_NOT_SUPPORTED_WITH_GBRAID_OR_WBRAID', 'cart_data')]
    }
    return items.flatMap((item, place) => [
      ...item.merchantProductId === undefined
        ? [warn('CART_DATA_ITEM_MERCHANT_PRODUCT_ID_MISSING', `cart_data.items[${place}]`)]
        : [],
      ...item.unitPrice === undefined ? [warn('CART_DATA_ITEM_UNIT_PRICE_MISSING', `cart_data.items[${place}]`)] : []
    ])
  })
}
