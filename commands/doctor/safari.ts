// How long Safari keeps the cookies that a host sets on pages of another: WebKit's rule, applied to what DNS says.
import { isIPv4 } from 'node:net'
import { groupsOf } from '../../gateway/vendors/public_address.ts'
import { hostName, registrableDomain } from '../../gateway/site.ts'

/** A host as DNS has it. */
export interface Located {
  host: string
  v4: readonly string[]
  v6: readonly string[]
  /** The names that its CNAMEs lead through; empty when it has none. */
  chain: readonly string[]
}

/** Why cookies of a subresource live as long as they say, or seven days, or are not taken at all. */
export type SafariVerdict =
  | { life: 'full', because: 'same_host' | 'near_addresses' }
  | { life: 'spared', because: 'own_cname' }
  | { life: 'seven_days', because: 'foreign_cname', domain: string }
  | { life: 'seven_days', because: 'far_addresses' | 'other_family', page: string, gateway: string }
  | { life: 'unknown', because: 'no_addresses' }
  | { life: 'none', because: 'other_domain' }

function bitsOf (address: string): string {
  return isIPv4(address)
    ? address.split('.').map(octet => Number(octet).toString(2).padStart(8, '0')).join('')
    : groupsOf(address).map(group => group.toString(2).padStart(16, '0')).join('')
}

/** How many leading bits two addresses share; none between IPv4 and IPv6. */
export function sharedBits (one: string, other: string): number {
  if (isIPv4(one) !== isIPv4(other)) return 0
  const [left, right] = [bitsOf(one), bitsOf(other)]
  let at = 0
  while (at < left.length && left[at] === right[at]) at++
  return at
}

const domainOf = (host: string) => registrableDomain(host) ?? hostName(host)

/** A pair of addresses that Safari takes for strangers: under 16 bits of IPv4 or 64 of IPv6 in common. */
function findFar (page: readonly string[], gateway: readonly string[]): { page: string, gateway: string } | undefined {
  for (const one of page) {
    for (const other of gateway) {
      if (sharedBits(one, other) < (isIPv4(one) ? 16 : 64)) return { page: one, gateway: other }
    }
  }
  return undefined
}

/**
 * The rule for answers to what a page loads, from WebKit's source (browser.md §2); the page's own document is never
 * under it. (1) The same host, and pages of another registrable domain, are plain. (2) A CNAME chain that ends in a
 * domain that is neither the page's nor the one that the page's own chain ends in: seven days. (3) No CNAME: the two
 * remote addresses must share 16 bits (IPv4) or 64 (IPv6), and be of one family. Each visitor has one address of each
 * host, so every pair must pass; a browser with both families takes IPv6 wherever a host has it.
 */
export function judgeSafari (page: Located, gateway: Located): SafariVerdict {
  if (hostName(page.host) === hostName(gateway.host)) return { life: 'full', because: 'same_host' }
  if (domainOf(page.host) !== domainOf(gateway.host)) return { life: 'none', because: 'other_domain' }
  const end = gateway.chain.at(-1)
  if (end !== undefined) {
    const allowed = [domainOf(page.host), ...page.chain.slice(-1).map(domainOf)]
    if (!allowed.includes(domainOf(end))) return { life: 'seven_days', because: 'foreign_cname', domain: domainOf(end) }
  }
  const far = compareAddresses(page, gateway)
  if (far === 'none') return { life: 'unknown', because: 'no_addresses' }
  if (far === undefined) return { life: 'full', because: 'near_addresses' }
  // As the source stands, a name of one's own spares the comparison. Nothing to build on.
  if (end !== undefined) return { life: 'spared', because: 'own_cname' }
  const isMixed = isIPv4(far.page) !== isIPv4(far.gateway)
  return { life: 'seven_days', because: isMixed ? 'other_family' : 'far_addresses', ...far }
}

function compareAddresses (page: Located, gateway: Located): { page: string, gateway: string } | 'none' | undefined {
  const preferred = ({ v4, v6 }: Located) => v6.length > 0 ? v6 : v4
  if (preferred(page).length === 0 || preferred(gateway).length === 0) return 'none'
  // A visitor with both families, and one with IPv4 alone.
  return findFar(preferred(page), preferred(gateway)) ?? findFar(page.v4, gateway.v4)
}
