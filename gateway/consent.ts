// POST /v1/consent: a visitor's choice; renews or deletes the cookies that only a server can, and records a revoke.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { effective, storable, type Consent, type EffectiveConsent } from '../schema/consent.ts'
import { consentMarks, formatConsentCookie } from '../schema/consent_cookie.ts'
import { readJsonBody } from './body.ts'
import { readPageSeed } from './clock.ts'
import { cookieScope, readJar, setCookie, type CookieScope } from './cookies.ts'
import { disownCrowd } from './crowds.ts'
import { header, judgeTrust, openDoor, refuseForeignPage } from './door.ts'
import { siteOf, type Gateway } from './gateway.ts'
import { keepCookies, refusedBy } from './keeper.ts'
import type { Incoming } from './receive.ts'
import { Refusal } from './refusal.ts'
import type { RevokeLog } from './revokes.ts'
import { readConsent } from './said.ts'
import type { Site } from './site.ts'
import { makeVisitorId, verifyVisitor } from './visitor.ts'
import { openWithdrawals, valueOf, visitorLines, withoutWithdrawn, type Withdrawals } from './withdrawn.ts'

export const consentRoute = '/v1/consent'
const consentBodyBytes = 4 * 1024
const daySeconds = 86_400

type Door = Omit<Incoming, 'posts' | 'sentAt' | 'isOverLimit'>

/** The answers in a body: `{"consent": {…}}`, or the four keys by themselves. Throws a Refusal when there are none. */
function readAnswers (request: FastifyRequest): { said: Partial<Consent>, seed: unknown } {
  const bytes = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
  const read = readJsonBody(bytes, request.headers['content-type'])
  if ('error' in read) throw new Refusal(read.error.code, read.error.message)
  const body = Object(read.body.json) as Record<string, unknown>
  const said = readConsent(body.consent ?? body, 'consent', () => undefined)
  if (said === undefined) {
    throw new Refusal('invalid_event', 'consent answers none of its four keys', { path: 'consent' })
  }
  return { said, seed: body.page_seed }
}

/** A cookie that ends now, wherever it was set: for the whole domain, or for this host alone. */
function endCookie (name: string, scope: CookieScope): string[] {
  const ofHost = setCookie(name, '', 0, { ...scope, domain: undefined }, false)
  return scope.domain === undefined ? [ofHost] : [setCookie(name, '', 0, scope, false), ofHost]
}

/** When a choice was made: one that is told twice was made the first time, and does not last longer. */
function chosenAtSeconds (choice: Partial<Consent>, { choice: stored }: Door, nowMs: number): number {
  const nowSeconds = Math.floor(nowMs / 1000)
  const isKnown = stored !== undefined && consentMarks(stored.consent) === consentMarks(choice)
  return isKnown ? Math.min(stored.chosenAtSeconds, nowSeconds) : nowSeconds
}

/** The choice's own cookie, with that time. */
function choiceCookie (choice: Partial<Consent>, chosenAt: number, { site, scope }: Door, nowMs: number): string {
  const leftSeconds = chosenAt + site.consentDays * daySeconds - Math.floor(nowMs / 1000)
  return setCookie(site.cookies.consent, formatConsentCookie(choice, chosenAt), leftSeconds, scope, false)
}

/** Whether the choice itself is kept: what allows something, and a refusal where silence would be a yes. */
function isKept (consent: EffectiveConsent, site: Site, country: string | undefined): boolean {
  const { ad_storage: ads, ad_user_data: data, analytics_storage: analytics } = consent
  return [ads, data, analytics].includes('granted') || effective({ country }, site.rule).ad_storage === 'granted'
}

/** The Set-Cookie lines of a choice: what it allows is renewed, what it forbids ends. */
function cookiesFor (
  choice: Partial<Consent>, consent: EffectiveConsent, door: Door, nowMs: number, keys: Gateway['keys']
): string[] {
  const { site, scope, gpc } = door
  const may = storable(consent)
  const chosenAt = chosenAtSeconds(choice, door, nowMs)
  const kept = keepCookies({
    ...door,
    data: {},
    may,
    refused: refusedBy({ consent: choice, gpc }, may),
    grantedAtMs: chosenAt * 1000,
    moment: 'page',
    nowMs
  }, keys)
  const ended = [
    ...may.visitor ? [] : [site.cookies.visitor, site.cookies.keeper],
    ...may.adIds ? [] : ['_fbp', '_fbc']
  ]
  for (const name of ended) kept.delete(name)
  return [
    ...isKept(consent, site, door.browser.country)
      ? [choiceCookie(choice, chosenAt, door, nowMs)]
      : endCookie(site.cookies.consent, scope),
    ...ended.flatMap(name => endCookie(name, scope)),
    ...kept.values()
  ]
}

/** Who revokes: the visitor of the signed cookie, and the one that this page load made if its cookie is on its way. */
function visitorsOf (
  door: Pick<Door, 'site' | 'jar' | 'scope'>, seed: unknown, nowMs: number, keys: Gateway['keys']
): string[] {
  const { site, jar, scope } = door
  const verified = verifyVisitor({
    cookieName: site.cookies.visitor, jar, scope, nowMs, consentDays: site.consentDays
  }, keys)
  const read = readPageSeed(seed)
  const made = read !== null && 'value' in read ? makeVisitorId(read.value, scope, keys) : undefined
  return [verified, made].filter(id => id !== undefined)
}

async function choose (
  request: FastifyRequest, reply: FastifyReply, gateway: Gateway, revokes: RevokeLog, withdrawals: Withdrawals
) {
  const site = siteOf(request)
  const { said, seed } = readAnswers(request)
  const nowMs = gateway.now()
  const given = openDoor(request, site, judgeTrust(request, site), gateway, nowMs)
  const door = disownCrowd(given, nowMs, gateway)
  const choice = { ...door.choice?.consent, ...said }
  const consent = effective({ consent: choice, gpc: door.gpc, country: door.browser.country }, site.rule)

  // Recorded before the cookies go: if that fails, the next try must still know whose revoke it is.
  const revokesAds = choice.ad_storage === 'denied' || choice.ad_user_data === 'denied'
  const revokesAnalytics = choice.analytics_storage === 'denied'
  if (revokesAds || revokesAnalytics) {
    const keepsLandings = !revokesAds && storable(consent).visitor
    const revoke = { ads: revokesAds, analytics: revokesAnalytics, keepsLandings }
    const visitors = visitorsOf(door, seed, nowMs, gateway.keys)
    await revokes.record(site.name, visitors, revoke, nowMs)
    const { adIds, visitor } = storable(consent)
    withdrawals.note(visitors, { ads: !adIds, analytics: revokesAnalytics, visitor: !visitor })
  }
  if (door.takesCookies) reply.header('set-cookie', cookiesFor(choice, consent, door, nowMs, gateway.keys))
  const { ad_storage: ads, ad_user_data: data, ad_personalization: persona, analytics_storage: analytics } = consent
  return {
    status: 'recorded',
    consent: { ad_storage: ads, ad_user_data: data, ad_personalization: persona, analytics_storage: analytics }
  }
}

/**
 * Takes out of an answer with cookies what its visitor withdrew while the event was on its way to being stored: the
 * revoke's own answer, which ended those cookies, may have gone out before.
 */
function withdrawLate (request: FastifyRequest, reply: FastifyReply, gateway: Gateway, withdrawals: Withdrawals): void {
  const lines = [reply.getHeader('set-cookie') ?? []].flat().map(String)
  const site = siteOf(request)
  const withdrawal = withdrawals.during(reply.elapsedTime, () => {
    const scope = cookieScope(request.host, request.protocol === 'https')
    const made = new Map([[site.cookies.visitor, visitorLines(lines, site).map(valueOf)]])
    return [readJar(header(request, 'cookie')), made]
      .flatMap(jar => visitorsOf({ site, jar, scope }, undefined, gateway.now(), gateway.keys))
  })
  if (withdrawal === undefined) return
  reply.removeHeader('set-cookie')
  const left = withoutWithdrawn(lines, withdrawal, site)
  if (left.length > 0) reply.header('set-cookie', left)
}

/** The routes whose answers wait until an event is durable. */
const waitingRoutes = new Set<string | undefined>(['/v1/e', '/v1/leads'])

/** Adds the route. A page of another site may not choose for the visitor. */
export function addConsentRoute (app: FastifyInstance, gateway: Gateway, revokes: RevokeLog): void {
  const withdrawals = openWithdrawals()
  app.addHook('onSend', (request, reply, payload, done) => {
    const isGiving = request.site !== null && reply.hasHeader('set-cookie')
    if (isGiving && waitingRoutes.has(request.routeOptions.url)) withdrawLate(request, reply, gateway, withdrawals)
    done(null, payload)
  })
  app.post(consentRoute, {
    bodyLimit: consentBodyBytes,
    onRequest: async request => {
      refuseForeignPage(request, siteOf(request))
      await gateway.refuseOverLimit(request)
    }
  }, async (request, reply) => await choose(request, reply, gateway, revokes, withdrawals))
}
