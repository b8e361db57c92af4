// Where a visitor came in, as it may leave: addresses cleaned, Google's `gad_*` keys kept apart from them.
import { clickIdKind } from '../schema/identity.ts'
import type { MergedEvent } from '../schema/event.ts'
import { cleanAddress, type AddressRules } from './address.ts'
import type { OutgoingLanding } from './destination.ts'
import { remember } from '../config/bounded.ts'

/** A key of Google's landing addresses, and what its values look like (google.md §2.7, §5). */
const gadKey = /^gad_\w{1,40}$/
const gadValue = /^[\w.~-]{1,200}$/

/**
 * The event's own page where it carries the marks of an ad click, else the landing that was stored for its visitor.
 * Undefined where neither is known. Needs `ad_storage`: it is the caller's to ask.
 */
export function landingOf (event: MergedEvent, rules: AddressRules): OutgoingLanding | undefined {
  const own = {
    seen_at_ms: event.occurred_at_ms, page_location: event.page_location, page_referrer: event.page_referrer
  }
  const landing = readQuery(event.page_location).isLanding ? own : event.landing
  if (landing === undefined) return undefined
  return {
    seen_at_ms: landing.seen_at_ms,
    page_location: cleanAddress(landing.page_location, rules),
    page_referrer: cleanAddress(landing.page_referrer, rules),
    gad: readQuery(landing.page_location).gad
  }
}

interface LandingQuery {
  /** It carries the marks of an ad click. */
  isLanding: boolean
  gad: Record<string, string>
}

const nothing: LandingQuery = { isLanding: false, gad: {} }

function readQuery (address: string | undefined): LandingQuery {
  return address?.includes('?') === true ? readAddress(address) : nothing
}

const readAddress = remember(2000, (address): LandingQuery => {
  const query = URL.canParse(address) ? [...new URL(address).searchParams] : []
  return {
    isLanding: query.some(([key]) => clickIdKind(key) !== undefined || gadKey.test(key)),
    gad: Object.fromEntries(query.filter(([key, value]) => gadKey.test(key) && gadValue.test(value)))
  }
})
