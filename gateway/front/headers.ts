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
const dropped = [...ofConnection, 'forwarded', 'x-forwarded-port']

/** What `Connection` lists belongs to the connection, too. */
function listedBy (connection: string | string[] | undefined): readonly string[] {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return []
  return String(connection).toLowerCase().split(',').map(name => name.trim())
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
 * Makes of a request's headers, a copy that is ours to change, what the site gets. Host is the visitor's own; who the
 * visitor is and how it came, is told anew: what a client claims of that is not passed on.
 */
export function toSite (request: FastifyRequest, headers: IncomingHttpHeaders): Headers {
  const { host, protocol } = request
  for (const name of dropped) if (headers[name] !== undefined) delete headers[name]
  for (const name of listedBy(request.headers.connection)) delete headers[name]
  const { address } = visitorOf(request)
  headers.host = host
  headers['x-forwarded-for'] = address
  headers['x-real-ip'] = address
  headers['x-forwarded-host'] = host
  headers['x-forwarded-proto'] = protocol
  headers['cdn-loop'] = headers['cdn-loop'] === undefined ? 'postern' : `${String(headers['cdn-loop'])}, postern`
  if (headers.cookie !== undefined) {
    const cookie = withoutCookies(headers.cookie, Object.values(siteOf(request).cookies))
    if (cookie === undefined) delete headers.cookie
    else headers.cookie = cookie
  }
  return headers as Headers
}

/**
 * Whether a request has been through gateways so often that its upstream must lead back to one (RFC 8586): a loop would
 * take every socket of the machine for a single page. Two in a row may be meant.
 */
export function goesRound (headers: IncomingHttpHeaders): boolean {
  return String(headers['cdn-loop'] ?? '').split(',').filter(name => name.trim() === 'postern').length > 2
}

const hasNotAllowed = /[^\t\x20-\x7E\x80-\xFF]/
const notAllowed = new RegExp(hasNotAllowed, 'g')

/** What no header may hold is left out, so that one of the site's mistakes is not the end of its page. */
const allowed = (value: string): string => hasNotAllowed.test(value) ? value.replace(notAllowed, '') : value

/** The site's headers as the visitor gets them: undici and node:http read and write one character for each byte. */
export function toVisitor (given: Headers): Headers {
  const listed = listedBy(given.connection)
  const headers: Headers = {}
  for (const name in given) {
    const value = given[name]
    if (value === undefined || ofConnection.has(name) || listed.includes(name)) continue
    headers[name] = typeof value === 'string' ? allowed(value) : value.map(allowed)
  }
  return headers
}
