// The connections to the vendors: their own, few, with certificates checked, to public addresses, under limits of time.
import { isIP } from 'node:net'
import type { Readable } from 'node:stream'
import type { FastifyReplyFromOptions } from '@fastify/reply-from'
import { publicLookup, resolveBySystem, type Resolve } from './public_lookup.ts'
import type { Vendor } from './vendor.ts'

/** Limits of one request, in milliseconds and bytes. */
export interface VendorLimits {
  connectMs: number
  headersMs: number
  bodyMs: number
  responseBytes: number
  /** Connections, and requests under way. */
  most: number
}

export const vendorLimits: VendorLimits = {
  connectMs: 3000, headersMs: 5000, bodyMs: 10_000, responseBytes: 4 * 1024 * 1024, most: 32
}

/**
 * What @fastify/reply-from is told. Left to itself it does not check certificates. The vendors' addresses are judged as
 * they are connected to; those of stand-ins for tests are not. Throws for a vendor whose host is an IP address: no name
 * would be looked up for it, and so nothing judged.
 */
export function upstreamOptions (
  vendors: readonly Vendor[], limits: VendorLimits, resolve: Resolve = resolveBySystem
): FastifyReplyFromOptions {
  const hostOf = ({ origin }: Vendor) => new URL(origin).hostname
  const standIns = new Set(vendors.filter(vendor => vendor.isStandIn).map(hostOf))
  if (vendors.some(vendor => !vendor.isStandIn && isIP(hostOf(vendor).replace(/^\[|\]$/g, '')) !== 0)) {
    throw new Error('a vendor is known by its name')
  }
  const lookup = publicLookup(resolve, host => standIns.has(host))
  return {
    disableCache: true,
    disableRequestLogging: true,
    destroyAgent: true,
    undici: {
      connections: limits.most,
      pipelining: 1,
      headersTimeout: limits.headersMs,
      bodyTimeout: limits.bodyMs,
      keepAliveTimeout: 10_000,
      connect: { timeout: limits.connectMs, rejectUnauthorized: true, allowH2: false, lookup }
    }
  }
}

/** The answer was larger than anything of the vendor's, or did not come to its end in time. */
export class BadBody extends Error {
  override name = 'BadBody'
  readonly isLate: boolean

  constructor (message: string, isLate: boolean) {
    super(message)
    this.isLate = isLate
  }
}

/** A whole body. Rejects, and stops reading, above `most` bytes and when it is not there `withinMs` after now. */
export async function readWhole (stream: Readable, most: number, withinMs: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  const late = setTimeout(() => stream.destroy(new BadBody('the answer took too long', true)), withinMs)
  try {
    for await (const chunk of stream) {
      const part = Buffer.from(chunk as Uint8Array)
      bytes += part.length
      if (bytes > most) throw new BadBody('the answer is too large', false)
      chunks.push(part)
    }
  } finally {
    clearTimeout(late)
    stream.destroy()
  }
  return Buffer.concat(chunks)
}
