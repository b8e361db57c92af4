// Whether an IP address can be a visitor's: public, or loopback, because the demo's visitors sit at the same machine.
import { BlockList, isIP } from 'node:net'

/** Ranges that no visitor of a public site has (RFC 6890, multicast). Documentation ranges pass: tests use them. */
const ranges: readonly [address: string, prefix: number][] = [
  ['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['169.254.0.0', 16], ['172.16.0.0', 12], ['192.168.0.0', 16],
  ['224.0.0.0', 3], ['::', 128], ['fc00::', 7], ['fe80::', 10], ['ff00::', 8]
]

const neverPublic = new BlockList()
for (const [address, prefix] of ranges) neverPublic.addSubnet(address, prefix, isIP(address) === 6 ? 'ipv6' : 'ipv4')

/** False for private, reserved and malformed addresses, and for an IPv4 address written as `::ffff:…`. */
export function isPublicAddress (address: string): boolean {
  const version = isIP(address)
  if (version === 0 || /^::ffff:/i.test(address)) return false
  return !neverPublic.check(address, version === 6 ? 'ipv6' : 'ipv4')
}
