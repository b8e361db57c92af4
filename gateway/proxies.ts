// Whose word of the visitor's address is believed: proxies by their address, platforms by a secret that they send.
import { createHash, timingSafeEqual } from 'node:crypto'
import { BlockList, isIP } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { remember } from '../config/bounded.ts'
import { Refusal } from './refusal.ts'

/** An address as balancers write it: some add the port, and then put IPv6 into brackets. Anything else stands. */
function withoutPort (text: string): string {
  if (isIP(text) !== 0) return text
  return /^\[([\da-f:.]+)\](?::\d{1,5})?$/i.exec(text)?.[1] ?? /^([\d.]+):\d{1,5}$/.exec(text)?.[1] ?? text
}

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
  return given => {
    const address = withoutPort(given ?? '')
    return isIP(address) !== 0 && judge(address)
  }
}

/** A platform (CDN, host of the site) whose own addresses nobody can list: it proves itself by a header. */
export interface PlatformProxy {
  /** What X-Postern-Proxy may say; several, so that one can be changed for another. */
  secrets: readonly string[]
  /** In which header the platform names the visitor's address, in lower case; one address, not a list. */
  addressHeader: string
}

/** Who is at the other end, as far as it is believed. */
export interface Visitor {
  address: string
  /** Whether a proxy that is believed passed the request on: then its other headers are its own, too. */
  isForwarded: boolean
  /** Whether it was a platform with its secret. */
  isProven: boolean
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before anything else. */
    visitor: Visitor | null
  }
}

export const proofHeader = 'x-postern-proxy'

const sha256 = (text: string) => createHash('sha256').update(text).digest()

/** Finds the visitor of a request; the proof is taken out of it, so that it is told to nobody. */
export function findVisitors (platform: PlatformProxy | undefined): (request: FastifyRequest) => Visitor {
  const digests = (platform?.secrets ?? []).map(sha256)
  return request => {
    const { headers } = request
    const proof = headers[proofHeader]
    // One look at the headers for both: the last of the addresses is the visitor's.
    const ips = request.ips ?? [request.ip]
    const known = { address: withoutPort(ips.at(-1) ?? ''), isForwarded: ips.length > 1, isProven: false }
    if (proof === undefined) return known
    // Deleted rather than set to undefined: Node's own HTTP client refuses a header without a value.
    delete headers[proofHeader]
    if (typeof proof !== 'string' || platform === undefined) return known
    // Digests have one length, and every secret is compared: nothing is learnt from the time it takes.
    const given = sha256(proof)
    if (digests.filter(digest => timingSafeEqual(digest, given)).length === 0) return known
    const address = String(headers[platform.addressHeader] ?? '').trim()
    return { address: isIP(address) === 0 ? known.address : address, isForwarded: true, isProven: true }
  }
}

export function visitorOf (request: FastifyRequest): Visitor {
  if (request.visitor === null) throw new Error('the visitor of a request is found before anything else')
  return request.visitor
}

/**
 * A request that names two hosts, or one in its target, means another site to whoever reads it otherwise (RFC 9112
 * §3.2): a proxy before us may have judged by the one that we do not see.
 */
function refuseTwoHosts (request: FastifyRequest): void {
  const { rawHeaders } = request.raw
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  if (hosts > 1 || /^[a-z]+:/i.test(request.originalUrl)) {
    throw new Refusal('malformed_body', 'the request names its host in two ways')
  }
}

/** Gives every request its visitor, before any other hook. */
export function addVisitors (app: FastifyInstance, platform: PlatformProxy | undefined): void {
  const find = findVisitors(platform)
  app.decorateRequest('visitor', null)
  // A callback, for every request comes through here: a promise costs more.
  app.addHook('onRequest', (request, _reply, done) => {
    request.visitor = find(request)
    refuseTwoHosts(request)
    done()
  })
}
