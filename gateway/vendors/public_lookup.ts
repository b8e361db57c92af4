// The name lookup of the vendor proxy's connections: a name that leads to a closed network is not connected to.
import type { LookupAddress, LookupOptions } from 'node:dns'
import { lookup } from 'node:dns/promises'
import type { LookupFunction } from 'node:net'
import { isPublicAddress } from './public_address.ts'

/** All addresses of a host, as the system resolves it. */
export type Resolve = (host: string, options: LookupOptions) => Promise<readonly LookupAddress[]>

export const resolveBySystem: Resolve = async (host, { family, hints }) =>
  await lookup(host, { all: true, family, hints })

/** A name that leads where the vendor proxy never goes. */
export class ClosedAddress extends Error {
  override name = 'ClosedAddress'
  readonly code = 'ECLOSEDADDRESS'
}

/**
 * For `connect` of a socket: the addresses are judged in the very moment in which they are connected to, so a name
 * cannot answer one thing to a check and another to the connection (DNS rebinding). One closed address among several
 * closes the name: a vendor has none. A host that is an IP address never comes here; `upstreamOptions()` takes none.
 * `isExempt`: the stand-ins that the settings name for tests, which lie on this machine.
 */
export function publicLookup (
  resolve: Resolve = resolveBySystem, isExempt: (host: string) => boolean = () => false
): LookupFunction {
  return (host, options, done) => {
    const found = isExempt(host) ? resolve(host, options) : judgeAddresses(host, options, resolve)
    found.then(addresses => {
      const [first] = addresses
      if (first === undefined) throw new ClosedAddress('the name has no address')
      if (options.all === true) done(null, [...addresses])
      else done(null, first.address, first.family)
    }).catch((error: unknown) => {
      done(error instanceof Error ? error : new ClosedAddress('the name cannot be resolved'), '', 0)
    })
  }
}

async function judgeAddresses (host: string, options: LookupOptions, resolve: Resolve):
Promise<readonly LookupAddress[]> {
  const addresses = await resolve(host, options)
  if (!addresses.every(({ address }) => isPublicAddress(address))) {
    throw new ClosedAddress('the name leads to an address that is not public')
  }
  return addresses
}
