// Gives an event its visitor and Meta's browser cookies, and the answer its Set-Cookie lines, as far as consent goes.
import type { Storable } from '../schema/consent.ts'
import type { EventData } from '../schema/event.ts'
import { setCookie } from './cookies.ts'
import { storedChoice } from './gather.ts'
import { keepCookies, refusedBy, type KeeperFacts } from './keeper.ts'
import type { Draft } from './read.ts'
import type { Deps, Incoming } from './receive.ts'
import { makeMetaCookies, makeVisitorId, metaCookieLine, verifyVisitor, visitorCookie } from './visitor.ts'

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
  const choice = storedChoice(incoming, nowMs)
  const grantedAtMs = choice === undefined ? undefined : choice.chosenAtSeconds * 1000
  const isLead = incoming.posts.some(post => 'lead' in post)
  const moment = isLead ? 'page' : moments.get(draft.eventName) ?? 'between'
  const refused = refusedBy(data, may)
  const setCookies = incoming.takesCookies
    ? keepCookies({ ...incoming, data, may, refused, grantedAtMs, moment, nowMs }, deps.keys)
    : new Map<string, string>()
  if (incoming.takesCookies) {
    // What is made anew below takes their place.
    for (const name of incoming.disowned ?? []) setCookies.set(name, setCookie(name, '', 0, incoming.scope, false))
  }
  if (!may.visitor) return { data, setCookies }

  const { site, jar, scope } = incoming
  const { keys, firstSeenMs } = deps
  const facts = {
    cookieName: site.cookies.visitor,
    jar,
    scope,
    nowMs,
    consentDays: site.consentDays,
    grantedAtMs: grantedAtMs ?? nowMs
  }
  const verified = verifyVisitor(facts, keys)
  if (!incoming.takesCookies) {
    return {
      data: verified === undefined ? data : { ...data, visitor_id: verified, visitor_verified: true },
      setCookies
    }
  }
  const seed = draft.pageSeed ?? incoming.seed
  const visitorId = verified ?? makeVisitorId(seed, scope, keys)
  if (verified === undefined) setCookies.set(site.cookies.visitor, visitorCookie(visitorId, facts, keys))

  const isFirstHit = verified === undefined
  const made = makeMetaCookies({ data, storable: may, isFirstHit, seed, scope, nowMs, firstSeenMs }, keys)
  for (const [name, value] of Object.entries(made)) setCookies.set(name, metaCookieLine(name, value, scope, nowMs))
  const cookies = { ...made, ...data.cookies }
  return {
    data: {
      ...data,
      visitor_id: visitorId,
      visitor_verified: verified === undefined ? undefined : true,
      cookies: Object.keys(cookies).length === 0 ? undefined : cookies
    },
    setCookies
  }
}
