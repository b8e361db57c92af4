// `fbc` and `fbp`: the pixel's cookies as they are, or an `fbc` made from the click id that this gateway saw.
import type { MapWarning, OutgoingEvent } from '../../destination.ts'
import { formatFbValue, isClickIdAlive, parseFbValue, type FbValue } from '../../../schema/identity.ts'

/** How far ahead of our clock a browser's may be before Meta takes the cookie for malformed. */
const clockSlackMs = 60_000
/** A dot would be read as the beginning of an appendix. */
const clickId = /^[\w~%*+:=-]{1,512}$/
/** The index of a cookie that was never stored (meta.md §3.1). */
const indexWithoutCookie = 1

type Facts = Pick<OutgoingEvent, 'cookies' | 'click_ids' | 'received_at_ms'>

/** What Meta's libraries may have appended to a cookie: a language's mark, or six bytes that begin with 1 (§3.1). */
const appendix = /^(?:A[Qgw]|B[AQg]|AQ[\w-]{6})$/

/** `_fbp`, unchanged; undefined with a warning when it is not of Meta's form, which would cost the whole request. */
export function fbpOf (event: Facts, warnings: MapWarning[]): string | undefined {
  const cookie = event.cookies?._fbp
  if (cookie === undefined) return undefined
  if (read(cookie, /^\d{1,20}$/, event) !== null) return cookie
  warnings.push({ path: 'cookies._fbp', code: 'malformed' })
  return undefined
}

/**
 * The click as Meta wants it. The cookie leaves byte for byte as long as it holds the newest click: same click, same
 * value, for pixel and server. A newer click id than the cookie's makes a new value, with the time it was first seen
 * and the cookie's index. Past 90 days, or malformed, there is none: half an fbc refuses the request (meta.md §3, §7).
 */
export function fbcOf (event: Facts, warnings: MapWarning[]): string | undefined {
  const cookie = event.cookies?._fbc
  const usable = cookie === undefined ? null : read(cookie, clickId, event)
  if (cookie !== undefined && usable === null) warnings.push({ path: 'cookies._fbc', code: 'malformed' })

  const click = event.click_ids?.fbclid
  const isNewer = click !== undefined &&
    (usable === null || (usable.payload !== click.value && usable.createdAtMs < click.seen_at_ms))
  if (!isNewer) return usable === null || isPast(usable.createdAtMs, event, '_fbc', warnings) ? undefined : cookie
  if (!clickId.test(click.value)) {
    warnings.push({ path: 'click_ids.fbclid', code: 'malformed' })
    return undefined
  }
  if (!/^[\w-]+$/.test(click.value)) warnings.push({ path: 'click_ids.fbclid', code: 'unusual_characters' })
  if (isPast(click.seen_at_ms, event, 'fbclid', warnings)) return undefined
  const neighbour = parseFbValue(cookie ?? '') ?? parseFbValue(event.cookies?._fbp ?? '')
  const index = neighbour?.subdomainIndex ?? indexWithoutCookie
  return formatFbValue(index, click.seen_at_ms, click.value)
}

/** A cookie's parts; null if Meta would refuse it: its form, its appendix, or a time that is none or in the future. */
function read (cookie: string, payload: RegExp, event: Facts): FbValue | null {
  const parsed = parseFbValue(cookie)
  const [, , , , end] = cookie.split('.')
  if (parsed === null || !payload.test(parsed.payload) || (end !== undefined && !appendix.test(end))) return null
  const isTimely = parsed.createdAtMs >= 1e12 && parsed.createdAtMs <= event.received_at_ms + clockSlackMs
  return isTimely ? parsed : null
}

function isPast (clickedAtMs: number, event: Facts, what: string, warnings: MapWarning[]): boolean {
  if (isClickIdAlive('fbclid', clickedAtMs, event.received_at_ms)) return false
  warnings.push({ path: what === 'fbclid' ? 'click_ids.fbclid' : `cookies.${what}`, code: 'past_its_life' })
  return true
}
