// What passes between the visitor and the site behind us: everything, but for what belongs to one connection alone.
import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { siteOf } from '../gateway.ts'
import { visitorOf } from '../proxies.ts'

export type Headers = Record<string, string | string[] | undefined>

/** All of a header's lines as one. */
export const text = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value.join(',') : value

/** Of one connection (RFC 9110 §7.6.1); `expect` was answered by our own server, which asked for the body. */
const ofConnection = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding',
  'upgrade', 'http2-settings', 'expect', 'proxy-authorization'])

/** What a client could only claim. */
const toldAnew = new Set([...ofConnection, 'forwarded', 'x-forwarded-port', 'cookie'])

/** Headers without those of these names, and without those that `Connection` lists: they belong to it, too. */
function without (given: Headers, names: ReadonlySet<string>, connection: string | string[] | undefined): Headers {
  const isPlain = connection === undefined || connection === 'keep-alive' || connection === 'close'
  const listed = isPlain ? [] : String(connection).toLowerCase().split(',').map(name => name.trim())
  const headers: Headers = {}
  for (const name in given) if (!names.has(name) && !listed.includes(name)) headers[name] = given[name]
  return headers
}

/**
 * A Cookie header without the cookies of these names, the rest byte for byte: the site's caches need not know that
 * its visitors are known to us. Undefined when nothing is left.
 */
export function withoutCookies (header: string | undefined, names: readonly string[]): string | undefined {
  if (header === undefined || !names.some(name => header.includes(name))) return header
  const kept = header.split(';').filter(pair => !names.includes(pair.split('=', 1)[0]?.trim() ?? ''))
  return kept.length === 0 ? undefined : kept.join(';').trimStart()
}

/**
 * The request's headers as the site gets them. Host is the visitor's own; who the visitor is and how it came, is told
 * anew: what a client claims of that is not passed on.
 */
export function toSite (request: FastifyRequest, given: IncomingHttpHeaders): Headers {
  const site = siteOf(request)
  const { address } = visitorOf(request)
  const { host, protocol } = request
  const headers = without(given, toldAnew, request.headers.connection)
  headers.host = host
  headers['x-forwarded-for'] = address
  headers['x-real-ip'] = address
  headers['x-forwarded-host'] = host
  headers['x-forwarded-proto'] = protocol
  const cookie = withoutCookies(given.cookie, Object.values(site.cookies))
  if (cookie !== undefined) headers.cookie = cookie
  return headers
}

/** Text beyond ASCII came as bytes of UTF-8 and goes out as the same bytes: Node writes one byte per character. */
function asBytes (value: string): string {
  return beyondAscii.test(value) ? Buffer.from(value).toString('latin1') : value
}

const beyondAscii = /[^\x20-\x7E\t]/

/** The site's headers as the visitor gets them. */
export function toVisitor (given: Headers): Headers {
  const headers = without(given, ofConnection, given.connection)
  for (const name in headers) {
    const value = headers[name]
    if (typeof value === 'string') headers[name] = asBytes(value)
    else if (value !== undefined) headers[name] = value.map(asBytes)
  }
  return headers
}
