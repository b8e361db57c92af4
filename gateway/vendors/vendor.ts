// What a vendor is to the proxy: a fixed upstream, and what of the visitor's request it may learn.
import type { EffectiveConsent } from '../../schema/consent.ts'
import type { Jar } from '../cookies.ts'
import { google, type GoogleTagGateway } from './google.ts'

/** The vendors of a site, by name. */
export interface SiteVendors { google?: GoogleTagGateway }

/** What the proxy knows of the visitor behind a request. */
export interface VisitorFacts {
  ip: string
  country?: string
  region?: string
  consent: EffectiveConsent
  jar: Jar
}

export interface Vendor {
  name: string
  /** The first segment of the paths that go there, on every host of the site: `/gt`. */
  path: string
  /** Scheme and host, never from a request. */
  origin: string
  /** The origin is not the vendor's own but a stand-in for tests, which may have a private address. */
  isStandIn: boolean
  /** A header in which a trusted proxy names the visitor's region, in lower case. */
  regionHeader?: string
  /** What is told of the visitor beside the allow-listed headers of his request. */
  describe: (visitor: VisitorFacts) => Record<string, string>
  /** Whether the vendor may send a browser on to this address of another host. */
  mayLeadTo: (url: URL) => boolean
}

/** Whether a request target of the site's is a vendor's, and so not the owner's own. */
export function isVendorTarget (vendors: SiteVendors | undefined, target: string): boolean {
  const path = vendors?.google?.path
  return path !== undefined && target.startsWith(path) && /^(\/|\?|$)/.test(target.slice(path.length))
}

/** The vendors that a site's settings name. */
export function vendorsOf (vendors: SiteVendors | undefined): Vendor[] {
  return vendors?.google === undefined ? [] : [google(vendors.google)]
}
