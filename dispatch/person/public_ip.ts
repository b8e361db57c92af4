// The visitor's address as a network may be given it: one public IPv4 or IPv6 address, never a private one.
import { BlockList, isIP } from 'node:net'

/** Addresses that are nobody's on the public internet (RFC 6890). The documentation nets stay: examples use them. */
const notPublic4 = ([['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16],
  ['172.16.0.0', 12], ['192.0.0.0', 24], ['192.168.0.0', 16], ['198.18.0.0', 15], ['224.0.0.0', 3]] as const)
  .map(([net, prefix]) => ({ first: numberOf(net), last: numberOf(net) + 2 ** (32 - prefix) - 1 }))
const notPublic6 = new BlockList()
for (const [net, prefix] of [['::', 127], ['fc00::', 7], ['fe80::', 10], ['fec0::', 10], ['ff00::', 8],
  ['64:ff9b:1::', 48], ['100::', 64]] as const) notPublic6.addSubnet(net, prefix, 'ipv6')

/** An IPv4 address as a number: every event has one, and a BlockList makes an object for each. */
function numberOf (address: string): number {
  let number = 0
  for (const octet of address.split('.')) number = number * 256 + Number(octet)
  return number
}

function isPublic4 (address: string): boolean {
  const number = numberOf(address)
  return !notPublic4.some(({ first, last }) => number >= first && number <= last)
}

/** The address, an IPv4 one in IPv6 clothes (`::ffff:…`) as IPv4; null if it is no address or not a public one. */
export function readPublicIp (value: string): string | null {
  const address = value.trim().replace(/^::ffff:(?=\d+\.)/i, '')
  const version = isIP(address)
  if (version === 0 || address.includes('%')) return null
  const isPublic = version === 4 ? isPublic4(address) : !notPublic6.check(address, 'ipv6')
  return isPublic ? address : null
}
