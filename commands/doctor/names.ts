// What DNS says of a host: its CNAME chain and its addresses of both families.
import { Resolver } from 'node:dns/promises'
import { isIP, isIPv4 } from 'node:net'
import { hostName, isLoopback } from '../../gateway/site.ts'
import type { Located } from './safari.ts'

/** The questions put to DNS. Each gives an empty list where there is nothing; what else goes wrong is thrown. */
export interface NameServer {
  addresses: (host: string, family: 4 | 6) => Promise<string[]>
  aliases: (host: string) => Promise<string[]>
}

const isNothing = (error: unknown) =>
  error instanceof Error && 'code' in error && ['ENODATA', 'ENOTFOUND'].includes(String(error.code))

async function orNothing (answer: Promise<string[]>): Promise<string[]> {
  try {
    return await answer
  } catch (error) {
    if (isNothing(error)) return []
    throw error
  }
}

/** The name servers of this machine. */
export function systemNameServer (): NameServer {
  const resolver = new Resolver({ timeout: 3000, tries: 2 })
  return {
    addresses: async (host, family) =>
      await orNothing(family === 4 ? resolver.resolve4(host) : resolver.resolve6(host)),
    aliases: async host => await orNothing(resolver.resolveCname(host))
  }
}

const longestChain = 10

/** Finds a host in DNS. An IP address is its own. Throws what the name server throws. */
export async function locate (host: string, server: NameServer): Promise<Located> {
  const name = hostName(host)
  const literal = name.replace(/^\[|\]$/g, '')
  if (isIP(literal) !== 0) {
    return isIPv4(literal) ? { host, v4: [literal], v6: [], chain: [] } : { host, v4: [], v6: [literal], chain: [] }
  }
  if (isLoopback(host)) return { host, v4: ['127.0.0.1'], v6: [], chain: [] }
  const chain: string[] = []
  for (let next = name; chain.length < longestChain;) {
    const [alias] = await server.aliases(next)
    if (alias === undefined || chain.includes(alias)) break
    chain.push(alias)
    next = alias
  }
  const [v4, v6] = await Promise.all([server.addresses(name, 4), server.addresses(name, 6)])
  return { host, v4, v6, chain }
}
