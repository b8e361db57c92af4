// What the gateway tells the script about its site, and how it puts that into the file it serves as `/s.js`.
import type { ConsentRule } from '../../schema/consent.ts'

/** The settings of a site that any visitor may see. They stand in the served script: there is no second request. */
export interface PublicSite {
  /** The rule for keys that nobody answered. `by_country` is resolved by the gateway for the visitor it answers. */
  consent: 'opt_in' | 'opt_out'
  gpc: ConsentRule['gpc']
  /** Where cookies are set: the registrable domain, e.g. `example.com`; '' is the page's host. */
  cookie_domain: string
  /** Whether the pages are all on https. */
  secure: boolean
  /** Name of the consent cookie. */
  consent_cookie: string
  /** For how many days a choice holds; the consent cookie ends then. */
  consent_days: number
}

/** The rules for GPC as the script counts them: the first lets events go. */
export const gpcOrder: ReadonlyArray<ConsentRule['gpc']> = ['limit', 'drop', 'respect_later_opt_in']

/** The same as the script reads it: every byte of a name would travel to every visitor. */
export type EmbeddedSite = [
  /** The mark of what nobody answered; none where silence is a no. */
  unsaid: '1' | '',
  /** The place in `gpcOrder`. */
  gpcRule: number,
  cookieAttributes: string,
  consentCookie: string,
  consentSeconds: number,
  /** `fb.<subdomain index>.`: how Meta's cookies begin (schema/identity.ts). */
  metaPrefix: string
]

/** Stand exactly once each in the bundled script, quotes included (scripts/build_script.mjs sees to it). */
export const sitePlaceholder = '"__POSTERN_SITE__"'
export const modulesPlaceholder = '"__POSTERN_MODULES__"'

export function toEmbedded (site: PublicSite): EmbeddedSite {
  // Only a name with a dot in it can be a cookie's Domain in every browser.
  const domain = /\.\D/.test(site.cookie_domain) ? site.cookie_domain : ''
  return [
    site.consent === 'opt_out' ? '1' : '',
    gpcOrder.indexOf(site.gpc),
    ';Path=/;SameSite=Lax' + (domain && ';Domain=' + domain) + (site.secure ? ';Secure' : ''),
    site.consent_cookie,
    site.consent_days * 86_400,
    `fb.${domain.split('.').length - 1}.`
  ]
}

/**
 * Puts a site's settings, and the modules it names, into the bundled script; without settings it does nothing at all.
 * `modules` are function expressions. Throws when a placeholder is missing: then the file is no script of ours.
 */
export function embedSite (script: string, site: PublicSite, modules: readonly string[] = []): string {
  const json = JSON.stringify(toEmbedded(site)).replace(/[<\u2028\u2029]/g, found =>
    '\\u' + found.charCodeAt(0).toString(16).padStart(4, '0'))
  return [[sitePlaceholder, json], [modulesPlaceholder, modules.join()]].reduce((text, [place = '', value = '']) => {
    if (!text.includes(place)) throw new Error(`The browser script has no ${place} in it`)
    return text.replace(place, () => value)
  }, script)
}
