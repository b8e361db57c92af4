// What the gateway needs to know of a site, and which site a request is for.
import { createHash, timingSafeEqual } from 'node:crypto'
import { getDomain } from 'tldts'
import type { ConsentRule } from '../schema/consent.ts'
import type { ConsentPlatform } from '../schema/consent_platforms.ts'
import { remember } from '../config/bounded.ts'
import type { SiteVendors } from './vendors/vendor.ts'

export interface CookieNames { visitor: string, consent: string, keeper: string }

export interface GatewaySite {
  name: string
  /** Request hosts, `host` or `host:port`, in lower case. */
  hosts: readonly string[]
  /** Origins of the site's pages, as browsers write them. */
  origins: readonly string[]
  /** Under which path our routes answer as well; where there is an upstream, only there. */
  prefix: string
  /** The origin of the owner's own web server, when the gateway stands in front of it. */
  upstream?: string
  /** Whether the script's tag is put into the upstream's pages. */
  insertsScript: boolean
  rule: ConsentRule
  /** The consent platforms whose own cookies are believed. */
  consentCookies: readonly ConsentPlatform[]
  /** For how many days a grant holds. */
  consentDays: number
  cookies: CookieNames
  /** Which ids of the page's tags are kept alive, as schema/kept_cookies.ts names them; `*` is all. */
  keepsCookies: readonly string[]
  /** The country that a phone number without a prefix belongs to. */
  defaultCountry?: string
  thankYou?: string
  /** Hosts that `postern_next` may lead to. */
  redirectHosts: readonly string[]
  /** Event names by form id or name. */
  formEvents: Readonly<Record<string, string>>
  /** What the site's script has on top of its core (schema/script_modules.ts). */
  scriptModules: readonly string[]
  /** Secrets of signed senders. */
  apiKeys: readonly string[]
  /** A header by which a trusted proxy names the visitor's country, in lower case. */
  countryHeader?: string
  /** Vendors whose calls go through the site's own paths. */
  vendors?: SiteVendors
}

/** A site with what is computed once. */
export interface Site extends GatewaySite {
  origin: ReadonlySet<string>
  /** Whether this is the secret of one of the site's signed senders; takes the same time for every wrong one. */
  knowsKey: (given: string) => boolean
}

const sha256 = (text: string) => createHash('sha256').update(text).digest()

/** A host without its default port and trailing dot, in lower case. */
export function plainHost (host: string): string {
  return host.toLowerCase().replace(/:(80|443)$/, '').replace(/\.(?=$|:)/, '')
}

/** Finds the site of a request's host by the configured hosts alone: with its port, else without. */
export function openSites (settings: readonly GatewaySite[]): (host: string) => Site | undefined {
  const byHost = new Map<string, Site>()
  for (const given of settings) {
    const digests = given.apiKeys.map(sha256)
    const site: Site = {
      ...given,
      origin: new Set(given.origins.map(origin => new URL(origin).origin)),
      knowsKey: key => digests.filter(digest => timingSafeEqual(digest, sha256(key))).length > 0
    }
    for (const host of given.hosts) byHost.set(plainHost(host), site)
  }
  // One port at most: of several one would be taken off for each look.
  const find = remember(1000, host => /^(\[[\da-f:.]+\]|[^:]+)(:\d{1,5})?$/i.test(host)
    ? byHost.get(plainHost(host)) ?? byHost.get(plainHost(host).replace(/:\d+$/, ''))
    : undefined)
  // A name has 253 characters at most: nothing longer is remembered.
  return host => host.length > 260 ? undefined : find(host)
}

/** A host's name without its port. */
export function hostName (host: string): string {
  return plainHost(host).replace(/:\d+$/, '')
}

/**
 * The registrable domain by the public suffix list (private suffixes such as github.io included), where cookies are set
 * for the whole site; undefined for IP addresses, `localhost` and public suffixes, whose cookies belong to the host.
 */
export function registrableDomain (host: string): string | undefined {
  return domainOf(host) ?? undefined
}

const domainOf = remember(2000, host => getDomain(hostName(host), { allowPrivateDomains: true }))

/** Whether a host is this machine: the only place where cookies go without Secure, over plain http. */
export function isLoopback (host: string): boolean {
  const name = hostName(host)
  return name === 'localhost' || name.endsWith('.localhost') || name === '[::1]' || /^127(\.\d{1,3}){3}$/.test(name)
}
