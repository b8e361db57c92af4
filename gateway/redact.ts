// Takes out of an arrival what the visitor's consent does not let us store. Pure.
import type { Storable } from '../schema/consent.ts'
import type { EventData } from '../schema/event.ts'
import { knownCookie } from '../schema/identity.ts'
import { withoutClickIds } from './clicks.ts'

/** Any JSON value with the click ids taken out of the addresses in it. */
function withoutClickIdsWithin (value: unknown): unknown {
  if (typeof value === 'string') return /^https?:\/\//i.test(value) ? withoutClickIds(value) : value
  if (Array.isArray(value)) return value.map(withoutClickIdsWithin)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, withoutClickIdsWithin(inner)]))
}

const strip = (address: string | undefined) => address === undefined ? undefined : withoutClickIds(address)

/**
 * What may be stored of `data` (design.md, "What leaves"): without `adIds` no click id, no network's cookie and no
 * address with a click id in it; without `analyticsIds` no analytics cookie; without `visitor` no visitor.
 */
export function redact (data: EventData, storable: Storable): EventData {
  const cookies = Object.entries(data.cookies ?? {}).filter(([name, value]) => {
    const purpose = knownCookie(name, value)?.purpose
    return purpose === 'ads' ? storable.adIds : purpose === 'analytics' && storable.analyticsIds
  })
  const kept: EventData = { ...data, cookies: cookies.length === 0 ? undefined : Object.fromEntries(cookies) }
  if (!storable.visitor) {
    kept.visitor_id = undefined
    kept.visitor_verified = undefined
  }
  if (storable.adIds) return kept
  return {
    ...kept,
    click_ids: undefined,
    page_location: strip(data.page_location),
    page_referrer: strip(data.page_referrer),
    params: withoutClickIdsWithin(data.params) as EventData['params'],
    fields: withoutClickIdsWithin(data.fields) as EventData['fields']
  }
}
