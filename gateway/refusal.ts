// Every way in which the gateway says no, and the one place that writes it: {"error":{"code","message","path"?}}.
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Unavailable } from './arrival.ts'

/** The closed list of error codes and their status. */
export const refusals = {
  malformed_body: 400,
  invalid_event: 400,
  unauthorized: 401,
  origin_not_allowed: 403,
  unknown_site: 404,
  not_found: 404,
  method_not_allowed: 405,
  timeout: 408,
  too_large: 413,
  unsupported_media_type: 415,
  too_many: 429,
  headers_too_large: 431,
  internal: 500,
  vendor_unavailable: 502,
  unavailable: 503,
  vendor_timeout: 504
} as const
export type RefusalCode = keyof typeof refusals

export interface RefusalBody { error: { code: RefusalCode, message: string, path?: string } }

/** Thrown inside a request to end it. `retryAfterSeconds` goes out as Retry-After. */
export class Refusal extends Error {
  override name = 'Refusal'
  readonly code: RefusalCode
  readonly path: string | undefined
  readonly retryAfterSeconds: number | undefined

  constructor (code: RefusalCode, message: string, more: { path?: string, retryAfterSeconds?: number } = {}) {
    super(message)
    this.code = code
    this.path = more.path
    this.retryAfterSeconds = more.retryAfterSeconds
  }
}

/** Clients that all come back in the same second would only be turned away again. */
function retrySoon (): number {
  return 5 + Math.floor(Math.random() * 25)
}

const codeByStatus = new Map<number, RefusalCode>([[400, 'malformed_body'], [408, 'timeout'], [413, 'too_large'],
  [415, 'unsupported_media_type'], [429, 'too_many'], [503, 'unavailable']])

/**
 * What an error of any origin means to the client. Only our own words go out: a message of ours, never of a library.
 */
export function toRefusal (error: unknown): Refusal {
  if (error instanceof Refusal) return error
  if (error instanceof Unavailable) {
    return new Refusal('unavailable', 'nothing was stored; please send it again', { retryAfterSeconds: retrySoon() })
  }
  const status = error instanceof Error ? (error as FastifyError).statusCode : undefined
  const code = codeByStatus.get(status ?? 500) ?? 'internal'
  const messages: Partial<Record<RefusalCode, string>> = {
    malformed_body: 'the request cannot be read',
    too_large: 'the body is larger than this address takes',
    unsupported_media_type: 'the body has no content type that this address takes'
  }
  return new Refusal(code, messages[code] ?? 'the request failed')
}

export function sendRefusal (reply: FastifyReply, refusal: Refusal): FastifyReply {
  if (refusal.retryAfterSeconds !== undefined) reply.header('retry-after', String(refusal.retryAfterSeconds))
  const body: RefusalBody = { error: { code: refusal.code, message: refusal.message, path: refusal.path } }
  return reply.status(refusals[refusal.code]).type('application/json; charset=utf-8').send(JSON.stringify(body))
}

/** What is told of a request that failed through no fault of the client. No address: it may hold personal data. */
export type ReportFailure = (failure: { route: string, code: RefusalCode, error: unknown }) => void

/** Installs our error handler; `asPage` may answer a browser's navigation in its own way. */
export function handleErrors (
  app: FastifyInstance, report: ReportFailure,
  asPage: (request: FastifyRequest, reply: FastifyReply, refusal: Refusal) => FastifyReply | undefined
): void {
  app.setErrorHandler((error, request, reply) => {
    const refusal = toRefusal(error)
    if (refusal.code === 'internal') report({ route: request.routeOptions.url ?? 'unknown', code: refusal.code, error })
    return asPage(request, reply, refusal) ?? sendRefusal(reply, refusal)
  })
}
