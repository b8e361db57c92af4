// Gives an event its visitor and Meta's browser cookies, and the answer its Set-Cookie lines, as far as consent goes.
import type { Storable } from '../schema/consent.ts'
import type { EventData } from '../schema/event.ts'
import { setCookie } from './cookies.ts'
import { keepCookies, refusedBy, type KeeperFacts } from './keeper.ts'
import type { Draft } from './read.ts'
import type { Deps, Incoming } from './receive.ts'
import { makeMetaCookies, makeVisitorId, metaCookieLine, visitorCookie } from './visitor.ts'

export interface Identified {
  data: EventData
  /** Set-Cookie lines by cookie name. */
  setCookies: Map<string, string>
}

/** When the page's tags write their cookies, and when they no longer do. */
const moments: ReadonlyMap<string, KeeperFacts['moment']> = new Map([
  ['page_view', 'page'], ['landing', 'page'], ['user_engagement', 'left']
])

/**
 * Without consent for any id: nothing at all, and what the keeper kept alive ends where it was refused. A signed sender
 * names its visitor itself and takes no cookies. A browser is who its signed cookie says; without one it becomes a new
 * visitor, if the answer can tell it so.
 */
export function identify (
  data: EventData, draft: Draft, may: Storable, incoming: Incoming, nowMs: number, deps: Deps
): Identified {
  if (incoming.trust === 'signed') {
    return { data: may.visitor ? { ...data, visitor_id: draft.visitor.visitorId } : data, setCookies: new Map() }
  }
  const { site, jar, scope, visitorId: known, takesCookies } = incoming
  const grantedAtMs = incoming.choice === undefined ? undefined : incoming.choice.chosenAtSeconds * 1000
  const isLead = incoming.posts.some(post => 'lead' in post)
  const moment = isLead ? 'page' : moments.get(draft.eventName) ?? 'between'
  const refused = refusedBy(data, may)
  const setCookies = takesCookies
    ? keepCookies({ site, jar, scope, browser: incoming.browser, data, may, refused, grantedAtMs, moment, nowMs },
      deps.keys)
    : new Map<string, string>()
  if (takesCookies) {
    // What is made anew below takes their place.
    for (const name of incoming.disowned ?? []) setCookies.set(name, setCookie(name, '', 0, scope, false))
  }
  if (!may.visitor) return { data, setCookies }

  if (!takesCookies) {
    return { data: known === undefined ? data : { ...data, visitor_id: known, visitor_verified: true }, setCookies }
  }
  const { keys, firstSeenMs } = deps
  const seed = draft.pageSeed ?? incoming.seed
  const visitorId = known ?? makeVisitorId(seed, scope, keys)
  if (known === undefined) {
    const cookieName = site.cookies.visitor
    setCookies.set(cookieName, visitorCookie(visitorId,
      { cookieName, jar, scope, nowMs, consentDays: site.consentDays, grantedAtMs: grantedAtMs ?? nowMs }, keys))
  }
  const isFirstHit = known === undefined
  const made = makeMetaCookies({ data, storable: may, isFirstHit, seed, scope, nowMs, firstSeenMs }, keys)
  for (const [name, value] of Object.entries(made)) setCookies.set(name, metaCookieLine(name, value, scope, nowMs))
  return {
    data: {
      ...data,
      visitor_id: visitorId,
      visitor_verified: known === undefined ? undefined : true,
      cookies: Object.keys(made).length === 0 ? data.cookies : { ...made, ...data.cookies }
    },
    setCookies
  }
}
