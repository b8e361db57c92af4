// The visitor's address as a network may be given it: one public IPv4 or IPv6 address, never a private one.
import { BlockList, isIP } from 'node:net'

/** Addresses that are nobody's on the public internet (RFC 6890). The documentation nets stay: examples use them. */
const notPublic = new BlockList()
for (const [net, prefix] of [['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8],
  ['169.254.0.0', 16], ['172.16.0.0', 12], ['192.0.0.0', 24], ['192.168.0.0', 16], ['198.18.0.0', 15],
  ['224.0.0.0', 3]] as const) notPublic.addSubnet(net, prefix, 'ipv4')
for (const [net, prefix] of [['::', 127], ['fc00::', 7], ['fe80::', 10], ['fec0::', 10], ['ff00::', 8],
  ['64:ff9b:1::', 48], ['100::', 64]] as const) notPublic.addSubnet(net, prefix, 'ipv6')

/** The address, an IPv4 one in IPv6 clothes (`::ffff:…`) as IPv4; null if it is no address or not a public one. */
export function readPublicIp (value: string): string | null {
  const address = value.trim().replace(/^::ffff:(?=\d+\.)/i, '')
  const version = isIP(address)
  if (version === 0 || address.includes('%')) return null
  return notPublic.check(address, version === 4 ? 'ipv4' : 'ipv6') ? null : address
}
