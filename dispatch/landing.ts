// Where a visitor came in, as it may leave: addresses cleaned, Google's `gad_*` keys kept apart from them.
import { clickIdKind } from '../schema/identity.ts'
import type { MergedEvent } from '../schema/event.ts'
import { cleanAddress, type AddressRules } from './address.ts'
import type { OutgoingLanding } from './destination.ts'

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
  const landing = isLanding(event.page_location) ? own : event.landing
  if (landing === undefined) return undefined
  return {
    seen_at_ms: landing.seen_at_ms,
    page_location: cleanAddress(landing.page_location, rules),
    page_referrer: cleanAddress(landing.page_referrer, rules),
    gad: gadOf(landing.page_location)
  }
}

function queryOf (address: string | undefined): URLSearchParams {
  return address !== undefined && URL.canParse(address) ? new URL(address).searchParams : new URLSearchParams()
}

function isLanding (address: string | undefined): boolean {
  return [...queryOf(address).keys()].some(key => clickIdKind(key) !== undefined || gadKey.test(key))
}

function gadOf (address: string | undefined): Record<string, string> {
  return Object.fromEntries([...queryOf(address)].filter(([key, value]) => gadKey.test(key) && gadValue.test(value)))
}
