// Which of a request's paths are ours, and which are those of the site behind us: the site's prefix decides.
import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Site } from '../site.ts'
import { isVendorTarget } from '../vendors/vendor.ts'

/** Where a request goes: to a route of ours (by its path without the prefix), or on to the owner's own server. */
export type Destination = { ours: string } | { site: Site, upstream: string }

export interface Paths {
  /** Nobody can ask for it: no client's text is in it, and it is another one in each process. */
  frontRoute: string
  destinationOf: (raw: IncomingMessage) => Destination
  /** For Fastify: the path that is routed in place of the one that was asked for. */
  rewrite: (raw: IncomingMessage) => string
}

/** The host as Fastify's `request.host` has it, before there is a request. */
function hostOf (raw: IncomingMessage, isTrusted: (address: string | undefined) => boolean): string {
  const forwarded = raw.headers['x-forwarded-host']
  if (forwarded !== undefined && forwarded !== '' && isTrusted(raw.socket.remoteAddress)) {
    return String(forwarded).split(',').at(-1)?.trim() ?? ''
  }
  return raw.headers.host ?? ''
}

/** The path without the prefix, with its query; undefined when it is not under the prefix. */
function withoutPrefix (url: string, prefix: string): string | undefined {
  return url.startsWith(`${prefix}/`) ? url.slice(prefix.length) : undefined
}

/**
 * On a site with an upstream our routes are under the prefix alone, so that no path of the owner's is hidden; on every
 * other they are there as well. Only the configured hosts say which site it is.
 */
export function openPaths (
  findSite: (host: string) => Site | undefined, isTrusted: (address: string | undefined) => boolean
): Paths {
  const frontRoute = `/${randomBytes(16).toString('hex')}`
  const destinationOf = (raw: IncomingMessage): Destination => {
    const url = raw.url ?? '/'
    const site = findSite(hostOf(raw, isTrusted))
    if (site === undefined) return { ours: url }
    const ours = withoutPrefix(url, site.prefix)
    if (ours !== undefined) return { ours }
    if (isVendorTarget(site.vendors, url)) return { ours: url }
    // `OPTIONS *` and whole addresses are asked of proxies that serve anybody.
    return site.upstream === undefined || !url.startsWith('/') ? { ours: url } : { site, upstream: site.upstream }
  }
  return {
    frontRoute,
    destinationOf,
    rewrite: raw => {
      const destination = destinationOf(raw)
      return 'ours' in destination ? destination.ours : frontRoute
    }
  }
}
