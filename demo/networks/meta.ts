// The strict fake of Meta's Conversions API and of the address its pixel reports to, by shared/reference/meta.md.
import { createHash } from 'node:crypto'
import { customDataRules } from './meta_custom_data_rules.ts'
import { eventRules } from './meta_event_rules.ts'
import { eventIdKey, receivePixel, serverKeys } from './meta_pixel.ts'
import { checkAccess, checkBody, checkVersion, readFields, versionWarning } from './meta_request.ts'
import type { FakeMetaOptions, Refusal } from './meta_request.ts'
import { isObject, listOf, objectAt } from './json.ts'
import { generalSubcode, type Rule } from './meta_rule.ts'
import { userDataRules } from './meta_user_data_rules.ts'
import type { Copy, FakeAnswer, FakeNetwork, FakeRequest, Received } from './network.ts'

export type { FakeMetaOptions } from './meta_request.ts'

/** Every rule an event must keep, in the order in which they are tried; the first broken one refuses the request. */
export const metaRules: readonly Rule[] = [...eventRules, ...userDataRules, ...customDataRules]

/**
 * `POST /<version>/<pixel>/events` for servers, `GET` and `POST /tr` for pixels. A request with one invalid event
 * counts none of its events (meta.md §1.2 "Batch rule"); copies of one event within 48 hours count once (§4).
 */
export function makeFakeMeta (options: FakeMetaOptions = {}): FakeNetwork {
  return {
    type: 'meta',
    // meta.md §4: from the receipt of the first copy.
    windowMs: 48 * 3_600_000,
    routes: [
      {
        methods: ['POST'],
        path: '/:version/:pixel/events',
        source: 'server',
        receive: request => receiveEvents(request, options)
      },
      {
        methods: ['GET', 'POST'],
        path: '/tr',
        source: 'browser',
        receive: async request => receivePixel(request, options.pixels)
      }
    ],
    fail: ({ status, code, subcode, is_transient: isTransient }, request) => ({
      status,
      // meta.md §5: throttling is code 4, a passing trouble code 2.
      body: errorBody({ status, code: code ?? (status === 429 ? 4 : 2), subcode, name: '' }, request, isTransient)
    })
  }
}

async function receiveEvents (request: FakeRequest, options: FakeMetaOptions): Promise<Received> {
  const fields = await readFields(request)
  const refusal = checkVersion(request) ?? checkAccess(request, fields ?? {}, options) ?? checkBody(fields) ??
    checkEvents(listOf(fields?.data), request.nowMs)
  const events = Array.isArray(fields?.data) && fields.data.length > 0 ? fields.data : [withoutSecrets(fields)]
  return {
    copies: events.map((event, index) => copyOf(event, request.params.pixel, reasonFor(refusal, index))),
    answer: refusal === undefined ? accept(events.length, request) : refuse(refusal, request)
  }
}

/** A request whose events cannot be told apart is kept as one receipt, without its credentials. */
function withoutSecrets (fields: Record<string, unknown> | undefined): unknown {
  if (fields === undefined) return null
  const { access_token: _token, appsecret_proof: _proof, ...rest } = fields
  return rest
}

function checkEvents (events: readonly unknown[], nowMs: number): Refusal | undefined {
  for (const [index, event] of events.entries()) {
    const general = { status: 400, code: 100, subcode: generalSubcode }
    if (!isObject(event)) return { ...general, name: 'event_type', index, path: [] }
    for (const { name, subcode, broken } of metaRules) {
      const path = broken(event, { nowMs })
      if (path !== undefined) return { status: 400, code: 100, subcode, name, index, path }
    }
  }
  return undefined
}

function reasonFor (refusal: Refusal | undefined, index: number): string | undefined {
  if (refusal === undefined) return undefined
  // The neighbours of an invalid event are refused with it, and only because of it.
  if (refusal.index !== undefined && refusal.index !== index) return 'batch_rejected'
  const { code, subcode, name, path = [] } = refusal
  return [`${code}${subcode === undefined ? '' : `/${subcode}`}`, name, path.join('.')].filter(Boolean).join(' ')
}

function copyOf (event: unknown, pixel: string | undefined, refused: string | undefined): Copy {
  const fields = isObject(event) ? event : {}
  const { event_name: name, event_id: eventId } = fields
  const { external_id: externalId, fbp } = objectAt(fields, 'user_data')
  const same = eventId === undefined ? [] : [eventIdKey(pixel, name, eventId)]
  return {
    source: 'server',
    eventName: typeof name === 'string' ? name : null,
    eventId: typeof eventId === 'string' ? eventId : null,
    body: event,
    refused,
    finds: eventId === undefined ? serverKeys(pixel, name, listOf(externalId), fbp) : same,
    leaves: same
  }
}

function accept (count: number, request: FakeRequest): FakeAnswer {
  return {
    status: 200,
    headers: versionWarning(request),
    body: { events_received: count, messages: [], fbtrace_id: traceId(request) }
  }
}

function refuse (refusal: Refusal, request: FakeRequest): FakeAnswer {
  return { status: refusal.status, headers: versionWarning(request), body: errorBody(refusal, request) }
}

/** meta.md §5: titles and messages come in somebody's language, so nobody can go by them. */
const languages = [
  { title: 'Ungültiger Parameter', message: 'Ein Parameter der Anfrage ist ungültig.' },
  { title: 'Paramètre non valide', message: 'Un paramètre de la requête n’est pas valide.' },
  { title: 'Ugyldig parameter', message: 'En parameter i forespørgslen er ugyldig.' }
]

function errorBody (refusal: Refusal, request: FakeRequest, isTransient?: boolean): object {
  const { code, subcode, index, path } = refusal
  const words = languages[request.serial % languages.length]
  // meta.md §1.3 "Unknown keys": only the general error names the place; for the others the sender has to search.
  const parent = index === undefined ? [] : ['data', index, ...(path ?? []).slice(0, -1)]
  const place = subcode === generalSubcode && path !== undefined
    ? ` Unexpected key "${path.at(-1) ?? 'data'}" on param "$${keys(parent)}".`
    : ''
  return {
    error: {
      message: `(#${code}) ${words?.message}${place}`,
      type: 'OAuthException',
      code,
      error_subcode: subcode,
      is_transient: isTransient ?? [1, 2].includes(code),
      error_user_title: words?.title,
      error_user_msg: words?.message,
      fbtrace_id: traceId(request)
    }
  }
}

function keys (path: readonly (string | number)[]): string {
  return path.map(key => typeof key === 'number' ? `[${key}]` : `['${key}']`).join('')
}

function traceId ({ serial }: FakeRequest): string {
  return `A${createHash('sha256').update(String(serial)).digest('base64url').slice(0, 22)}`
}
