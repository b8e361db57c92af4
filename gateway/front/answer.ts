// What the site answers, on its way to the visitor: a landing's cookies and the script's tag are added, nothing else.
import type { OutgoingHttpHeaders } from 'node:http'
import type { Transform } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { siteOf, type Gateway } from '../gateway.ts'
import { keepLanding } from '../landing.ts'
import { hostName } from '../site.ts'
import { text, type Headers } from './headers.ts'
import { readPolicies } from './policy.ts'
import { isShared, privately } from './sharing.ts'
import type { FrontOptions } from './proxy.ts'
import { decoderFor, insertTag, isPage, markEtag, ofBytes, scriptTag, unpacked } from './tag.ts'
import type { Rewriting, SiteBody } from './wire.ts'

/** How the tag comes into a page. */
interface Insertion {
  /** Undoes the page's content encoding, if it has one. */
  decoder: Transform | undefined
  rewriting: Rewriting
}

/** Cookies go with pages and with what leads to one; never into a cache, and never out of one. */
function mayCarryCookies (status: number, headers: Headers, nowMs: number): boolean {
  const isOfPage = (status >= 300 && status < 400) || /^text\/html\b|^application\/xhtml/i.test(text(
    headers['content-type']) ?? '')
  return status !== 304 && isOfPage && !isShared(headers, nowMs)
}

function addLanding (request: FastifyRequest, reply: FastifyReply, status: number, gateway: Gateway): void {
  const landing = request.passage?.landing
  if (landing === undefined) return
  const headers = reply.getHeaders() as Headers
  const isCarried = landing.setCookies.length > 0 && mayCarryCookies(status, headers, gateway.now())
  if (isCarried) {
    // Fastify adds to the site's own.
    for (const line of landing.setCookies) reply.header('set-cookie', line)
    reply.header('cache-control', privately(headers['cache-control']))
  }
  keepLanding(landing, isCarried, gateway)
}

/** The headers of a page into which the tag is put, and how; undefined when the body is to pass as it is. */
function addTag (request: FastifyRequest, reply: FastifyReply, status: number): Insertion | undefined {
  if (request.passage?.wantsTag !== true) return undefined
  const site = siteOf(request)
  const headers = reply.getHeaders() as Headers
  const etag = markEtag(text(headers.etag), site)
  if (status === 304) {
    if (etag !== undefined) reply.header('etag', etag)
    return undefined
  }
  if (!isPage(status, headers)) return undefined
  const permit = readPolicies(headers['content-security-policy'], {
    host: hostName(request.host), port: request.port ?? undefined, path: `${site.prefix}/s.js`
  })
  const decoding = decoderFor(headers)
  if (permit === 'forbidden' || decoding === undefined) return undefined
  for (const name of ofBytes) reply.removeHeader(name)
  if (etag !== undefined) reply.header('etag', etag)
  return { ...decoding, rewriting: insertTag(scriptTag(site.prefix, permit.nonce)) }
}

/** Sends the answer of the site; `body` begins to flow. */
export function passBack (request: FastifyRequest, reply: FastifyReply, status: number, body: SiteBody,
  { gateway, isClosing }: Pick<FrontOptions, 'gateway' | 'isClosing'>): void {
  try {
    addLanding(request, reply, status, gateway)
  } catch (error) {
    // The page is more than what we make of it.
    gateway.logger.error({ site: siteOf(request).name, error: error instanceof Error ? error.name : 'unknown' },
      'a landing was not added to its page')
  }
  const { decoder, rewriting } = addTag(request, reply, status) ?? {}
  if (decoder !== undefined && rewriting !== undefined) {
    // A body may turn out to be no page in the encoding that it says, and Fastify then asks the error handler.
    reply.send(unpacked(body, decoder, rewriting))
    return
  }
  // Such an answer has no body, and tells no length (RFC 9110 §8.6).
  if (status === 204) reply.removeHeader('content-length')
  body.sendTo(reply.raw, rewriting, () => {
    // Past Fastify's own way of sending, which takes streams only, and past its onSend hooks: guards.ts has one.
    if (isClosing()) reply.header('connection', 'close')
    reply.raw.writeHead(status, reply.getHeaders() as OutgoingHttpHeaders)
    reply.hijack()
  })
}
