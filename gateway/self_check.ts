// GET /v1/check: tells `postern doctor`, and nobody else, what of its request arrived here and how.
import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { Keys } from '../config/keys.ts'
import { header } from './door.ts'
import { readCountry } from './enrich.ts'
import { siteOf } from './gateway.ts'
import { visitorOf } from './proxies.ts'
import { Refusal } from './refusal.ts'

export const selfCheckRoute = '/v1/check'
/** A header of its own: caches leave requests with Authorization alone, and whether one is there is a question. */
export const selfCheckHeader = 'x-postern-check'

/** What arrived of a request, as far as a deployment can spoil it. */
export interface SelfCheck {
  /** Of the request that was answered: another one's is out of a cache. */
  nonce: string
  site: string
  now_ms: number
  /** How far that is ahead of Postgres's clock, once they were compared. */
  clock_offset_ms?: number
  host: string
  protocol: string
  /** Who the visitor is taken for. */
  address: string
  /** Who the connection came from. */
  peer: string
  /** Whether somebody on the way named the visitor's address, and whether it was believed. */
  has_forwarded_for: boolean
  is_forwarded: boolean
  /** The visitor's country as a proxy is believed to have named it. */
  country?: string
}

const purpose = 'self_check'
const goodForMs = 300_000

/** A question that only the holder of the deployment's secret can ask, good for five minutes. */
export function makeSelfCheck (keys: Keys, nowMs: number): { nonce: string, token: string } {
  const nonce = randomBytes(12).toString('base64url')
  const mac = keys.mac(purpose, String(nowMs), nonce).toString('base64url')
  return { nonce, token: `${nowMs}.${nonce}.${mac}` }
}

/** The nonce of a question that was asked with the deployment's secret; undefined for every other, and for old ones. */
export function readSelfCheck (given: string | undefined, keys: Keys, nowMs: number): string | undefined {
  const [, atMs = '', nonce = '', mac = ''] = /^(\d{13})\.([\w-]{16})\.([\w-]{43})$/.exec(given ?? '') ?? []
  if (nonce === '' || !keys.macMatches(Buffer.from(mac, 'base64url'), purpose, atMs, nonce)) return undefined
  return Math.abs(nowMs - Number(atMs)) <= goodForMs ? nonce : undefined
}

/**
 * Adds the route. Two cookies are set, because some proxies pass on only the first; both are gone after a minute. To
 * everybody else it is not there.
 */
export function addSelfCheck (
  app: FastifyInstance, keys: Keys, now: () => number, clockOffsetMs: () => number | undefined = () => undefined
): void {
  app.get(selfCheckRoute, async (request, reply): Promise<SelfCheck> => {
    const nonce = readSelfCheck(header(request, selfCheckHeader), keys, now())
    if (nonce === undefined) throw new Refusal('not_found', 'there is nothing at this address')
    const site = siteOf(request)
    const { address, isForwarded } = visitorOf(request)
    reply.header('set-cookie', [1, 2].map(index =>
      `_pstn_check_${index}=${nonce}; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Lax`))
    return {
      nonce,
      site: site.name,
      now_ms: now(),
      clock_offset_ms: clockOffsetMs(),
      host: request.host,
      protocol: request.protocol,
      address,
      peer: request.socket.remoteAddress ?? '',
      has_forwarded_for: request.headers['x-forwarded-for'] !== undefined,
      is_forwarded: isForwarded,
      country: isForwarded && site.countryHeader !== undefined
        ? readCountry(header(request, site.countryHeader))
        : undefined
    }
  })
}
