// What the visitor's choice, the site's rule and Global Privacy Control allow the script to do. Pure.
import type { Consent, ConsentKey } from '../../schema/consent.ts'
import { consentCookieKeys } from '../../schema/consent_cookie.ts'
import type { PublicSite } from './public_site.ts'

export type Said = Partial<Consent>

/** What may happen now. Gateway and dispatcher decide again by schema/consent.ts; the script only goes ahead. */
export interface Allowed {
  /** Ad cookies and click ids may be read, written and sent. */
  ads: boolean
  /** Analytics cookies may be read and sent. */
  analytics: boolean
  /** Events may be sent. */
  events: boolean
  /** Both kinds of storage were answered, and nothing is allowed: nothing waits any longer. */
  refused: boolean
  /** GPC is on, and it is followed. */
  honored: boolean
}

/** Decides by the same rules as effective() in schema/consent.ts; a test compares the two. */
export function decide (said: Said, site: PublicSite, gpc: boolean): Allowed {
  const answer = (key: ConsentKey) => said[key] ? said[key] === 'granted' : site.consent === 'opt_out'
  const overrides = (key: ConsentKey) => gpc && site.gpc !== 'limit' && (site.gpc === 'drop' || said[key] !== 'granted')
  const ads = answer('ad_storage') && !overrides('ad_storage')
  const analytics = answer('analytics_storage')
  const events = ads || analytics || (answer('ad_user_data') && !overrides('ad_user_data'))
  return {
    ads,
    analytics,
    events,
    refused: !events && !!(said.ad_storage && said.analytics_storage),
    honored: gpc && (!ads || site.gpc === 'limit')
  }
}

/** The four keys out of whatever a banner passes, in consent mode's words. Anything else is left alone. */
export function readChoice (given: unknown): Said {
  const said: Said = {}
  for (const key of consentCookieKeys) {
    const value = (Object(given) as Record<string, unknown>)[key]
    if (value === 'granted' || value === 'denied') said[key] = value
  }
  return said
}

/** The choice in a `gtag('consent', 'update', {…})` command as it lies in the dataLayer; {} for anything else. */
export function readCommand (entry: unknown): Said {
  const [name, action, given] = Array.from(Object(entry) as ArrayLike<unknown>)
  return readChoice(name === 'consent' && action === 'update' && given)
}
