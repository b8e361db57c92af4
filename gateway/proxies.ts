// Whether an address is one of the proxies whose X-Forwarded-* headers are believed.
import { BlockList, isIP } from 'node:net'
import { remember } from './bounded.ts'

/**
 * Judges addresses by the settings' addresses and networks (CIDR); IPv4 in IPv6's spelling is IPv4. Each address is
 * judged once: a gateway has few proxies, and Fastify asks several times per request. Throws for what is no network.
 */
export function trustProxies (networks: readonly string[]): (address: string | undefined) => boolean {
  const trusted = new BlockList()
  for (const network of networks) {
    const [address = '', prefix] = network.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    trusted.addSubnet(address, prefix === undefined ? (family === 'ipv6' ? 128 : 32) : Number(prefix), family)
  }
  const judge = remember(1000, address => trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4'))
  return address => address !== undefined && isIP(address) !== 0 && judge(address)
}
