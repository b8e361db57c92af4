// Keeps the ids of a page's own tags alive where browsers end scripts' cookies early: sets again what a request has.
import type { Keys } from '../config/keys.ts'
import type { Storable } from '../schema/consent.ts'
import type { EventData } from '../schema/event.ts'
import { knownCookie } from '../schema/identity.ts'
import { bornAtMs, keptCookie, lifeEndMs, type KeptCookie } from '../schema/kept_cookies.ts'
import { setCookie, type CookieScope, type Jar } from './cookies.ts'
import type { BrowserFacts } from './enrich.ts'
import { digestOf, mostRemembered, readLedger, writeLedger, type Ledger } from './ledger.ts'
import type { Site } from './site.ts'

const dayMs = 86_400_000
/** No browser keeps a cookie for longer (RFC 6265bis §5.5). */
const longestDays = 400
/** What a script's own cookie gets in WebKit: with less than that left, nothing is won (browser.md §2). */
const scriptsDays = 7
/** How long the ledger lasts where nobody said when consent was given. */
const ledgerDays = 396
/** After this long without a hit Google's script begins a new session, which an old value would undo (google.md §3). */
const sessionMs = 30 * 60_000

export interface KeeperFacts {
  site: Pick<Site, 'cookies' | 'keepsCookies' | 'consentDays'>
  jar: Jar
  scope: CookieScope
  browser: BrowserFacts
  may: Storable
  /** What the visitor refused, in words or by GPC. Where nobody said anything nothing is kept, and nothing ends. */
  refused: { ads: boolean, analytics: boolean }
  /** When the grant was given that the request carries; undefined where it carries none. */
  grantedAtMs?: number
  /** The page, and the click ids that it was reached with. */
  data: Pick<EventData, 'page_location' | 'click_ids'>
  /**
   * A page's scripts write their cookies once for each page: so the answer to a new `page` (or a lead) sets them again,
   * and to a page that is `left`, when nobody writes any more. What comes `between` costs no bytes.
   */
  moment: 'page' | 'left' | 'between'
  nowMs: number
}

/** What was refused rather than left open: by an answer, or by Global Privacy Control. */
export function refusedBy (
  { consent, gpc }: Pick<EventData, 'consent' | 'gpc'>, may: Storable
): KeeperFacts['refused'] {
  return {
    ads: !may.adIds && (consent?.ad_storage === 'denied' || gpc === true),
    analytics: !may.analyticsIds && consent?.analytics_storage === 'denied'
  }
}

interface Carried { name: string, values: readonly string[], row: KeptCookie, purpose: 'ads' | 'analytics' }

/**
 * The Set-Cookie lines, by name, that keep what the request carries and the consent covers: the exact value, for what
 * is left of the life that its network gives it. What the request does not carry is gone, and stays gone. Of a name
 * that comes twice none is chosen: the other would still be there. After a refusal, what was kept ends instead.
 */
export function keepCookies (facts: KeeperFacts, keys: Keys): Map<string, string> {
  const { site, jar, scope, may, refused, nowMs } = facts
  const { keeper } = site.cookies
  const lines = new Map<string, string>()
  const mayKeep = may.visitor && facts.moment !== 'between' && site.keepsCookies.length > 0 &&
    endsScriptCookies(facts.browser)
  const mayEnd = (refused.ads || refused.analytics) && jar.has(keeper)
  if (!mayKeep && !mayEnd) return lines

  const ledger = readLedger(jar, keeper, scope.boundTo, nowMs, keys)
  const carried = carriedCookies(facts)
  if (ledger !== undefined) {
    for (const { name, purpose } of carried) if (refused[purpose]) lines.set(name, setCookie(name, '', 0, scope, false))
  }
  if (mayEnd && !may.visitor) lines.set(keeper, setCookie(keeper, '', 0, scope, true))
  if (!mayKeep) return lines

  const allowed = carried.filter(({ purpose }) => purpose === 'ads' ? may.adIds : may.analyticsIds)
  const next = keep(allowed, ledger, facts, lines)
  if (next !== undefined && !isEqual(ledger, next)) {
    const seconds = (next.endsDay * dayMs - nowMs) / 1000
    lines.set(keeper, setCookie(keeper, writeLedger(next, keeper, scope.boundTo, keys), seconds, scope, true))
  }
  return lines
}

/** Adds the lines of what is kept; answers what is to be remembered, or undefined when there is nothing to keep. */
function keep (carried: readonly Carried[], ledger: Ledger | undefined, facts: KeeperFacts, lines: Map<string, string>):
Ledger | undefined {
  const { scope, nowMs } = facts
  const endsDay = ledgerEnd(facts)
  const today = Math.floor(nowMs / dayMs)
  if (endsDay <= today) return undefined
  const firstDays = new Map<string, number>()
  for (const { name, values: [value = '', ...others], row } of carried) {
    if (others.length > 0) continue
    let startMs = bornAtMs(row, value, nowMs)
    if (startMs === undefined) {
      if (firstDays.size === mostRemembered) continue
      const digest = digestOf(name, value)
      const firstDay = ledger?.firstDays.get(digest) ?? today
      firstDays.set(digest, firstDay)
      startMs = firstDay * dayMs
    }
    const leftDays = Math.min(longestDays, (lifeEndMs(row, startMs) - nowMs) / dayMs)
    if (leftDays <= scriptsDays || isAboutToChange(row, value, facts)) continue
    lines.set(name, setCookie(name, value, Math.floor(leftDays * 86_400), scope, false))
  }
  return lines.size > 0 || ledger !== undefined ? { endsDay, firstDays } : undefined
}

/** The request's cookies that somebody keeps, whole and well-formed. */
function carriedCookies ({ jar, site }: KeeperFacts): Carried[] {
  const carried: Carried[] = []
  for (const [name, values] of jar) {
    const row = keptCookie(name)
    const purpose = row === undefined ? undefined : knownCookie(name, values[0] ?? '')?.purpose
    if (row === undefined || purpose === undefined) continue
    if (site.keepsCookies.includes('*') || site.keepsCookies.includes(row.label)) {
      carried.push({ name, values, row, purpose })
    }
  }
  return carried
}

/**
 * Whether the page's scripts are about to write another value, which the answer would undo if it came after: a click
 * that the cookie does not know, what Google's linker brought, the last hit of a session, or the first of another.
 */
function isAboutToChange (row: KeptCookie, value: string, { data, moment, nowMs }: KeeperFacts): boolean {
  const { click, isLinked, isOfSession, born } = row
  const clicked = click === undefined ? undefined : data.click_ids?.[click]?.value
  if (clicked !== undefined && !value.includes(clicked)) return true
  if (isLinked === true && /[?&#]_gl=/.test(data.page_location ?? '')) return true
  if (isOfSession !== true) return false
  if (moment === 'left') return true
  const hitAtMs = Number(born?.form.exec(value)?.groups?.at ?? 0) * (born?.unitMs ?? 1)
  return nowMs - hitAtMs > sessionMs
}

/**
 * Whether a browser may end scripts' cookies before their time. WebKit does after seven days, and so does Brave, which
 * looks like Chrome but in the brands it names. Firefox, and what else names its brands, leaves them alone; what says
 * nothing is kept rather than lost (browser.md §2).
 */
export function endsScriptCookies ({ userAgent, hints }: BrowserFacts): boolean {
  if (/\bFirefox\/\d/.test(userAgent ?? '')) return false
  return hints.brands === undefined || /"Brave"/.test(hints.brands)
}

/**
 * The ledger ends with the consent. Without a known time of a grant it must outlive what it remembers, or a life would
 * begin anew.
 */
function ledgerEnd ({ grantedAtMs, site, nowMs }: KeeperFacts): number {
  const endsAtMs = grantedAtMs === undefined
    ? nowMs + ledgerDays * dayMs
    : Math.min(grantedAtMs, nowMs) + Math.min(ledgerDays, site.consentDays) * dayMs
  return Math.floor(endsAtMs / dayMs)
}

function isEqual (one: Ledger | undefined, other: Ledger): boolean {
  return one?.endsDay === other.endsDay && one.firstDays.size === other.firstDays.size &&
    [...other.firstDays].every(([digest, day]) => one.firstDays.get(digest) === day)
}
