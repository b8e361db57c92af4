// Who and which visit: `client_id`, `user_id` and `session_id`, from the cookies of GA4's tag wherever it set them.
import { sha256Hex } from '../../person/hashing.ts'
import type { MapWarning, OutgoingEvent } from '../../destination.ts'
import { isPersonal, normalize } from './normalize.ts'

type Facts = Pick<OutgoingEvent, 'cookies' | 'visitor_id' | 'user_id' | 'occurred_at_ms'>

export interface ClientIds { clientId: string, userId?: string, sessionId?: string }

/** GA4 joins a session's source and place to an event for this long after its start. */
const sessionJoinMs = 24 * 3_600_000

/**
 * The ids of an event; null when nothing says whose it is. GA4 takes no web event without a client_id. It is the one in
 * the `_ga` cookie; else two numbers made of our visitor id, always the same ones, so that all events of a browser that
 * never ran the tag are one user's; else, for what comes without a browser, made likewise of the owner's user id.
 */
export function clientIdsOf (event: Facts, measurementId: string, warnings: MapWarning[]): ClientIds | null {
  const userId = userIdOf(event.user_id, warnings)
  const own = event.visitor_id ?? userId
  const clientId = fromCookie(event, warnings) ?? (own === undefined ? undefined : makeClientId(own))
  if (clientId === undefined) return null
  return { clientId, userId, sessionId: sessionIdOf(event, measurementId, warnings) }
}

function userIdOf (given: string | undefined, warnings: MapWarning[]): string | undefined {
  if (given === undefined) return undefined
  const { normalized, why } = normalize('external_id', given)
  if (normalized !== null) return normalized
  warnings.push({ path: 'user_id', code: why === 'empty' ? 'empty' : isPersonal(given) ? 'personal_data' : 'too_long' })
  return undefined
}

function fromCookie ({ cookies }: Facts, warnings: MapWarning[]): string | undefined {
  const cookie = cookies?._ga
  if (cookie === undefined) return undefined
  const clientId = readClientId(cookie)
  if (clientId === null) warnings.push({ path: 'cookies._ga', code: 'malformed' })
  return clientId ?? undefined
}

/** `GA1.<depth>.<random>.<time>`: the last two parts; the depth is `1`, `2` or `2-2` (google.md §3 "Cookies → ids"). */
export function readClientId (cookie: string): string | null {
  const [, random, time] = /^GA\d\.\d+(?:-\d+)*\.([1-9]\d*)\.([1-9]\d*)$/.exec(cookie) ?? []
  return random === undefined || time === undefined ? null : `${random}.${time}`
}

/** Two positive 32-bit numbers out of a text's SHA-256: not to be turned back, and the same each time. */
export function makeClientId (own: string): string {
  const hash = sha256Hex(own)
  const number = (from: number) => Number.parseInt(hash.slice(from, from + 8), 16) || 1
  return `${number(0)}.${number(8)}`
}

/**
 * The session of this stream's cookie, and none that we made up: GA4 would begin a fresh session without a source for
 * an id it does not know (google.md §3 "Reports").
 */
function sessionIdOf (event: Facts, measurementId: string, warnings: MapWarning[]): string | undefined {
  const name = sessionCookieName(event.cookies ?? {}, measurementId)
  const cookie = name === undefined ? undefined : event.cookies?.[name]
  if (cookie === undefined) {
    warnings.push({ path: 'session_id', code: 'missing' })
    return undefined
  }
  const sessionId = readSessionId(cookie)
  if (sessionId === null) {
    warnings.push({ path: `cookies.${name}`, code: 'malformed' })
    return undefined
  }
  if (Math.abs(event.occurred_at_ms - Number(sessionId) * 1000) > sessionJoinMs) {
    warnings.push({ path: 'session_id', code: 'session_is_over' })
  }
  return sessionId
}

/** `_ga_<ID>`. A preview without settings knows no id: there the only stream's cookie is meant. */
function sessionCookieName (cookies: Record<string, string>, measurementId: string): string | undefined {
  if (measurementId.startsWith('G-')) return `_ga_${measurementId.slice('G-'.length)}`
  const streams = Object.keys(cookies).filter(name => name.startsWith('_ga_'))
  return streams.length === 1 ? streams[0] : undefined
}

/**
 * `GS1.<d>.<session>.…`, or since 2025-05 `GS2.<d>.` and values with a letter before each, joined by `$`, in any order
 * and with letters yet to come (google.md §3 "Cookies → ids").
 */
export function readSessionId (cookie: string): string | null {
  const [, version, rest = ''] = /^(GS[12])\.[\d-]+\.(.+)$/.exec(cookie) ?? []
  const found = version === 'GS1'
    ? rest.split('.')[0]
    : rest.split('$').find(part => part.startsWith('s'))?.slice(1)
  return found !== undefined && /^[1-9]\d*$/.test(found) ? found : null
}
