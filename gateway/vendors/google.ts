// Google tag gateway: the site's own path in front of `<tag id>.fps.goog` (google.md §7.1; Google's manual set-up).
import { knownCookie } from '../../schema/identity.ts'
import type { Vendor, VisitorFacts } from './vendor.ts'

/** A site's tag gateway, as its settings have it. */
export interface GoogleTagGateway {
  tagId: string
  path: string
  /** Whether Google learns the visitor's address, as it does where a page calls it directly. */
  sendsAddress: boolean
  regionHeader?: string
  /** Replaces `https://<tag id>.fps.goog`, for tests. */
  endpoint?: string
}

/** Google's first-party cookies. Everything else of the jar is no business of theirs, and they drop it anyway. */
const ownCookie = /^(_ga(_[A-Z0-9]{4,16})?|_gcl_(aw|dc|gb|ag|gs|au)|FPID|FPAU|FPGCL(AW|GB|AG|GS|DC))$/

/**
 * Google reads its own first-party cookies from the requests ("Google tag gateway cookie handling",
 * support.google.com/google-ads/answer/16960855), and measures worse without them; so these, and only these, go: those
 * of ads with `ad_storage`, those of analytics with `analytics_storage`, by what is known of the visitor's will.
 */
function cookieHeader ({ jar, consent }: VisitorFacts): string | undefined {
  const pairs: string[] = []
  for (const [name, values] of jar) {
    const [value] = values
    if (!ownCookie.test(name) || value === undefined) continue
    const known = knownCookie(name, value)
    const key = known?.purpose === 'ads' ? 'ad_storage' : 'analytics_storage'
    if (known !== undefined && consent[key] === 'granted') pairs.push(`${name}=${value}`)
  }
  return pairs.length === 0 ? undefined : pairs.join('; ')
}

/** ISO 3166-2 where country and region are known, else the country, else nothing: Google then goes by the address. */
function placeHeaders ({ country, region }: VisitorFacts): Record<string, string> {
  if (country === undefined) return {}
  if (region === undefined) return { 'x-forwarded-country': country }
  return {
    'x-forwarded-countryregion': `${country}-${region}`, 'x-forwarded-country': country, 'x-forwarded-region': region
  }
}

/** Where Google's measurement redirects to. No path of these sends a browser on to wherever a parameter says. */
const measurementHosts: ReadonlyArray<readonly [RegExp, RegExp]> = [
  [/^www\.google\.[a-z]{2,3}(\.[a-z]{2})?$/, /^\/(pagead|ads|ccm|rmkt|measurement)\//],
  [/^(www|region1)\.google-analytics\.com$/, /^\/(g\/)?collect$/],
  [/^(region1\.)?analytics\.google\.com$/, /^\/g\/collect$/],
  [/^(googleads|stats|td)\.(g\.)?doubleclick\.net$/, /^\/(pagead|g|td)\/(?!aclk)/],
  [/^www\.googleadservices\.com$/, /^\/(pagead|ccm)\/(?!aclk)/],
  [/^www\.googletagmanager\.com$/, /^\/(gtag|gtm|td|a)\b/]
]

/** The vendor that the settings describe. The tag's id alone makes the host; the settings hold it to its grammar. */
export function google (settings: GoogleTagGateway): Vendor {
  return {
    name: 'google',
    path: settings.path,
    origin: settings.endpoint ?? `https://${settings.tagId.toLowerCase()}.fps.goog`,
    isStandIn: settings.endpoint !== undefined,
    regionHeader: settings.regionHeader,
    describe: visitor => {
      const cookies = cookieHeader(visitor)
      return {
        ...placeHeaders(visitor),
        ...(settings.sendsAddress ? { 'x-forwarded-for': visitor.ip } : {}),
        ...(cookies === undefined ? {} : { cookie: cookies })
      }
    },
    mayLeadTo: url => url.protocol === 'https:' && url.port === '' && url.username === '' && url.password === '' &&
      measurementHosts.some(([host, path]) => host.test(url.hostname) && path.test(url.pathname))
  }
}
