// Whether an IP address is a public one, however it is spelt: the only kind that the vendor proxy connects to.
import { BlockList, isIPv4, isIPv6 } from 'node:net'

/**
 * What is not the public internet in IPv4: IANA's special-purpose registry, multicast and the reserved rest; and the
 * one public address behind which a cloud (Azure) answers its machines' questions. The other clouds' are within
 * 169.254/16, 100.64/10 and 192.0.0/24.
 */
const closedV4: ReadonlyArray<readonly [string, number]> = [
  ['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16], ['172.16.0.0', 12],
  ['192.0.0.0', 24], ['192.0.2.0', 24], ['192.31.196.0', 24], ['192.52.193.0', 24], ['192.88.99.0', 24],
  ['192.168.0.0', 16], ['192.175.48.0', 24], ['198.18.0.0', 15], ['198.51.100.0', 24], ['203.0.113.0', 24],
  ['224.0.0.0', 4], ['240.0.0.0', 4], ['168.63.129.16', 32]
]

/** What is not public within 2000::/3: protocol assignments with Teredo, examples, 6to4 (it wraps any IPv4 address). */
const closedV6: ReadonlyArray<readonly [string, number]> = [
  ['2001::', 23], ['2001:db8::', 32], ['2002::', 16], ['2620:4f:8000::', 48], ['3fff::', 20]
]

const closed = new BlockList()
for (const [network, prefix] of closedV4) closed.addSubnet(network, prefix, 'ipv4')
for (const [network, prefix] of closedV6) closed.addSubnet(network, prefix, 'ipv6')

/** The eight groups of an IPv6 address without a zone. The URL parser writes every spelling in one. */
export function groupsOf (address: string): number[] {
  const written = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [head = '', tail] = written.split('::')
  const read = (part: string) => part === '' ? [] : part.split(':').map(group => parseInt(group, 16))
  const before = read(head)
  if (tail === undefined) return before
  const after = read(tail)
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after]
}

/** IPv4 in IPv6's clothes: ::ffff:0:0/96 (mapped), and 64:ff9b::/96 (NAT64), where hosts without IPv4 find the rest. */
function carriedV4 (groups: readonly number[]): string | undefined {
  const [high = 0, low = 0] = groups.slice(6)
  const start = groups.slice(0, 6).map(group => group.toString(16)).join(':')
  if (start !== '0:0:0:0:0:ffff' && start !== '64:ff9b:0:0:0:0') return undefined
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

/**
 * True only for an address of the public internet. Everything else is false: private, loopback, link-local, metadata,
 * carrier-grade NAT, multicast, tunnels that wrap such an address, zones, and whatever is no IP address at all.
 */
export function isPublicAddress (address: string): boolean {
  if (isIPv4(address)) return !closed.check(address, 'ipv4')
  if (!isIPv6(address) || address.includes('%')) return false
  const groups = groupsOf(address)
  const carried = carriedV4(groups)
  if (carried !== undefined) return isPublicAddress(carried)
  const isGlobal = ((groups[0] ?? 0) & 0xe000) === 0x2000
  return isGlobal && !closed.check(address, 'ipv6')
}
