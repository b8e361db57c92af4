// One question to the deployment over HTTP, as a visitor's browser would put it, with what TLS showed on the way.
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { PeerCertificate, TLSSocket } from 'node:tls'

export interface TlsFacts {
  /** Why a browser would not believe it (`CERT_HAS_EXPIRED`, `ERR_TLS_CERT_ALTNAME_INVALID` …); undefined: it would. */
  problem?: string
  validToMs: number
  /** The names that it is for. */
  names: string
}

export interface Reply {
  status: number
  headers: IncomingHttpHeaders
  body: string
  tls?: TlsFacts
  /** The two ends of the connection, as this machine sees them. */
  remoteAddress: string
  localAddress: string
}

export type Asked = { reply: Reply } | { failure: string }

/** Puts a question; never throws for what the other side does. */
export type Ask = (url: URL, options?: { headers?: Record<string, string>, address?: string }) => Promise<Asked>

/** Where a host is really to be found: for tests, whose hosts are in no DNS. */
export interface Reach { address: string, port: number, ca?: string | Buffer }

const withinMs = 10_000
const mostBytes = 2 << 20

async function readBody (response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    chunks.push(chunk as Buffer)
    bytes += (chunk as Buffer).length
    if (bytes > mostBytes) break
  }
  return Buffer.concat(chunks).toString()
}

function tlsFacts (socket: TLSSocket): TlsFacts {
  // Without a certificate, an object with nothing in it.
  const certificate: Partial<PeerCertificate> = socket.getPeerCertificate()
  // Node says why as a text, whatever its types say; of a name that does not fit, as an error.
  const why: unknown = socket.authorizationError
  const problem = why instanceof Error ? ('code' in why ? String(why.code) : why.message) : why
  return {
    problem: socket.authorized ? undefined : typeof problem === 'string' ? problem : 'NOT_AUTHORIZED',
    validToMs: Date.parse(certificate.valid_to ?? ''),
    names: certificate.subjectaltname ?? ''
  }
}

/**
 * Asks with GET, at the given address of the host if one is given, following nothing and caching nothing. A certificate
 * that is not to be believed is told of and asked through all the same: nothing secret is in a question.
 */
export function createAsk (reach: (url: URL) => Reach | undefined = () => undefined): Ask {
  return async (url, { headers = {}, address } = {}) => await new Promise<Asked>(resolve => {
    const place = reach(url)
    const isHttps = url.protocol === 'https:'
    const hostname = url.hostname.replace(/^\[|\]$/g, '')
    const request = (isHttps ? httpsRequest : httpRequest)({
      agent: false,
      host: place?.address ?? address ?? hostname,
      port: place?.port ?? (url.port === '' ? undefined : Number(url.port)),
      path: url.pathname + url.search,
      servername: /^[\d.]+$|:/.test(hostname) ? undefined : hostname,
      ca: place?.ca,
      rejectUnauthorized: false,
      headers: { host: url.host, 'user-agent': 'postern-doctor', ...headers },
      signal: AbortSignal.timeout(withinMs)
    }, response => {
      const { socket } = response
      const tls = isHttps ? tlsFacts(socket as TLSSocket) : undefined
      const { remoteAddress = '', localAddress = '' } = socket
      readBody(response).then(body => {
        const { statusCode: status = 0, headers } = response
        resolve({ reply: { status, headers, body, tls, remoteAddress, localAddress } })
      }, (error: unknown) => { resolve({ failure: codeOf(error) }) })
    })
    request.on('error', error => { resolve({ failure: codeOf(error) }) })
    request.end()
  })
}

function codeOf (error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0])
  if (!(error instanceof Error)) return 'UNKNOWN'
  if (error.name === 'AbortError' || error.name === 'TimeoutError') return 'no answer within ten seconds'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message
}
