// What the gateway tells the script about its site, and how it puts that into the file it serves as `/s.js`.
import type { ConsentRule } from '../../schema/consent.ts'

/** The settings of a site that any visitor may see. They stand in the served script: there is no second request. */
export interface PublicSite {
  /** The rule for keys that nobody answered. `by_country` is resolved by the gateway for the visitor it answers. */
  consent: 'opt_in' | 'opt_out'
  gpc: ConsentRule['gpc']
  /** Where cookies are set: the registrable domain, e.g. `example.com`; '' (an IP, `localhost`) is the page's host. */
  cookie_domain: string
  /** Name of the consent cookie. */
  consent_cookie: string
  /** For how many days a choice holds; the consent cookie ends then. */
  consent_days: number
}

/** Stands exactly once in the bundled script, quotes included (scripts/build_script.mjs sees to it). */
export const sitePlaceholder = '"__POSTERN_SITE__"'

/**
 * Puts a site's settings into the bundled script; without them it does nothing at all.
 * Throws when the file has no placeholder: then it is no script of ours.
 */
export function embedSite (script: string, site: PublicSite): string {
  if (!script.includes(sitePlaceholder)) throw new Error(`The browser script has no ${sitePlaceholder} in it`)
  // Only a name with a dot in it can be a cookie's Domain in every browser.
  const domain = /\.\D/.test(site.cookie_domain) ? site.cookie_domain : ''
  const json = JSON.stringify({ ...site, cookie_domain: domain }).replace(/[<\u2028\u2029]/g, found =>
    '\\u' + found.charCodeAt(0).toString(16).padStart(4, '0'))
  return script.replace(sitePlaceholder, () => json)
}
