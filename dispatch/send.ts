// The only home of `undici`: sends one request under hard limits of time and size. Transport failures are values.
import { Agent, request as undiciRequest } from 'undici'
import type { NetworkResponse, OutgoingRequest } from './destination.ts'
import type { Answer, TransportFailure } from './judge.ts'
import { writeJson, type Written } from './written.ts'

/** A secret and where it goes; it is put into the request here and nowhere else. */
export type Credential =
  | { kind: 'header', name: string, value: string }
  | { kind: 'query', name: string, value: string }
  | { kind: 'none' }

/** Limits of one request, in milliseconds and bytes (reliability-and-security.md §3.2.11). */
export interface SendLimits {
  connectMs: number
  headersMs: number
  bodyMs: number
  totalMs: number
  responseBytes: number
}

export const sendLimits: SendLimits = {
  connectMs: 3000, headersMs: 10_000, bodyMs: 10_000, totalMs: 15_000, responseBytes: 1024 * 1024
}

export interface Sender {
  /**
   * Sends; a string body goes as it is, anything else as JSON, with what is `written` already. Never throws for what
   * the network does.
   */
  send: (request: OutgoingRequest, credential: Credential, written?: Written) => Promise<Answer>
  /** Waits for the requests under way and closes all connections. */
  close: () => Promise<void>
}

/** Before the connection stands, not one byte of the request has left. */
const neverSent = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EHOSTUNREACH', 'ENETUNREACH',
  'EADDRNOTAVAIL', 'UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_INVALID_ARG', 'ERR_INVALID_URL', 'UND_ERR_NOT_SUPPORTED'])

/** Makes the sender of a process. `connections` bounds the sockets per network origin. */
export function createSender (limits: SendLimits = sendLimits, connections = 64): Sender {
  const agent = new Agent({
    connections,
    connect: { timeout: limits.connectMs },
    headersTimeout: limits.headersMs,
    bodyTimeout: limits.bodyMs,
    maxResponseSize: limits.responseBytes,
    keepAliveTimeout: 10_000,
    allowH2: false
  })
  return {
    async send (request, credential, written = new Map()) {
      const startedMs = performance.now()
      const durationMs = () => Math.round(performance.now() - startedMs)
      try {
        const response = await exchange(agent, { request, credential, written }, limits)
        return { kind: 'response', response, durationMs: durationMs() }
      } catch (error) {
        return { kind: 'failure', failure: failureOf(error), durationMs: durationMs() }
      }
    },
    close: async () => { await agent.close() }
  }
}

interface Message { request: OutgoingRequest, credential: Credential, written: Written }

async function exchange (
  agent: Agent, { request, credential, written }: Message, limits: SendLimits
): Promise<NetworkResponse> {
  const url = new URL(request.url)
  const headers: Record<string, string> = { accept: 'application/json', 'user-agent': 'postern', ...request.headers }
  if (credential.kind === 'query') url.searchParams.set(credential.name, credential.value)
  if (credential.kind === 'header') headers[credential.name] = credential.value
  const body = bodyOf(request, written)
  if (body !== undefined && !Object.keys(headers).some(name => name.toLowerCase() === 'content-type')) {
    headers['content-type'] = 'application/json'
  }
  const { statusCode, headers: received, body: stream } = await undiciRequest(url, {
    dispatcher: agent, method: request.method, headers, body, signal: AbortSignal.timeout(limits.totalMs)
  })
  return { status: statusCode, headers: flatten(received), body: parse(await stream.text()) }
}

function bodyOf (request: OutgoingRequest, written: Written): string | undefined {
  if (request.method === 'GET' || request.body === undefined) return undefined
  return typeof request.body === 'string' ? request.body : writeJson(request.body, written)
}

function flatten (headers: Record<string, string | string[] | undefined>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) =>
    [name.toLowerCase(), Array.isArray(value) ? value.join(', ') : value ?? '']))
}

function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return text
    throw error
  }
}

/** Codes only: the messages of the network layer can quote addresses, and those can carry secrets. */
function failureOf (error: unknown): TransportFailure {
  const code = codeOf(error)
  const isTls = /^(CERT_|ERR_TLS_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/.test(code)
  return { code, sent: neverSent.has(code) || isTls ? 'no' : 'maybe' }
}

function codeOf (error: unknown): string {
  if (!(error instanceof Error)) return 'UNKNOWN'
  // Happy eyeballs: every address of a host refused.
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0])
  if ('code' in error && typeof error.code === 'string') return error.code
  return error.name === 'TimeoutError' ? 'TIMEOUT' : error.name
}
