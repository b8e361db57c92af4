// The strict fake of TikTok's Events API 2.0 and of the address its pixel reports to, by other-networks.md §1.
import { isObject, listOf, type Json } from './json.ts'
import type { Copy, FakeAnswer, FakeNetwork, FakeRequest, Received, StatusFault } from './network.ts'
import { tiktokEventRules } from './tiktok_event_rules.ts'
import { eventIdKeys, mergesWithinMs, receiveTiktokPixel } from './tiktok_pixel.ts'
import { tiktokPropertiesRules } from './tiktok_properties_rules.ts'
import { checkEnvelope, checkSource, checkToken, checkVersion, readBody } from './tiktok_request.ts'
import type { FakeTiktokOptions, TiktokRefusal } from './tiktok_request.ts'
import type { TiktokContext, TiktokRule } from './tiktok_rule.ts'
import { tiktokUserRules } from './tiktok_user_rules.ts'

export type { FakeTiktokOptions } from './tiktok_request.ts'

/** Every rule an event must keep, in the order in which they are tried; the first broken one refuses the request. */
export const tiktokRules: readonly TiktokRule[] = [...tiktokEventRules, ...tiktokUserRules, ...tiktokPropertiesRules]

/**
 * `POST /open_api/v1.3/event/track/` for servers, `POST /api/v2/pixel` for pixels. A request with one invalid event
 * counts none of its events (§1.10 "a validation failure rejects the request"); copies of one event within 48 hours
 * count once (§1.8), and a receipt says `merged_event_id` where the two channels met within five minutes.
 */
export function makeFakeTiktok (options: FakeTiktokOptions = {}): FakeNetwork {
  return {
    type: 'tiktok',
    windowMs: 48 * 3_600_000,
    routes: [
      {
        methods: ['POST'],
        path: '/open_api/:version/event/track/',
        source: 'server',
        receive: async request => receiveEvents(request, options)
      },
      {
        methods: ['POST'],
        path: '/api/v2/pixel',
        source: 'browser',
        receive: async request => receiveTiktokPixel(request, options)
      }
    ],
    fail: (fault, request) => answerWith(fault.code ?? codeFor(fault), 'Ordered by a test.', request)
  }
}

/** §1.10: what an HTTP status would be among TikTok's codes. The answer itself has 200, like all of TikTok's. */
function codeFor ({ status }: StatusFault): number {
  if (status === 429) return 40100
  if (status === 401) return 40105
  if (status === 403) return 40001
  return status >= 500 ? 50000 : 40000
}

function receiveEvents (request: FakeRequest, options: FakeTiktokOptions): Received {
  const body = readBody(request)
  const refusal = checkVersion(request) ?? checkToken(request, options) ?? checkEnvelope(body, request.body.length) ??
    checkSource(request, body ?? {}, options) ?? checkEvents(body ?? {}, request.nowMs)
  const events = Array.isArray(body?.data) && body.data.length > 0 ? body.data : [body ?? null]
  return {
    copies: events.map((event, index) => copyOf(event, body ?? {}, reasonFor(refusal, index))),
    answer: refusal === undefined ? answerWith(0, 'OK', request) : refuse(refusal, request)
  }
}

function checkEvents ({ data, event_source: source }: Json, nowMs: number): TiktokRefusal | undefined {
  const context = { nowMs, source } as TiktokContext
  for (const [index, event] of listOf(data).entries()) {
    if (!isObject(event)) return { code: 40002, name: 'event_type', message: 'Not an object.', index, path: [] }
    for (const { name, code, isSilent, broken } of tiktokRules) {
      const path = broken(event, context)
      if (path === undefined) continue
      const message = isSilent === true
        ? `Invalid value for ${path.join('.')}: not a valid string.`
        : `Invalid value (${name}).`
      return { code, name, message, index, path: isSilent === true ? undefined : path }
    }
  }
  return undefined
}

function reasonFor (refusal: TiktokRefusal | undefined, index: number): string | undefined {
  if (refusal === undefined) return undefined
  // The neighbours of an invalid event are refused with it, and only because of it.
  if (refusal.index !== undefined && refusal.index !== index) return 'batch_rejected'
  const { code, name, path = [] } = refusal
  return [code, name, path.join('.')].filter(part => part !== '').join(' ')
}

function copyOf (event: unknown, { event_source: source, event_source_id: id }: Json, refused?: string): Copy {
  const { event: name, event_id: eventId } = isObject(event) ? event : {}
  // §1.8: the source `app` has no dedupe by event_id.
  const keys = source === 'app' ? [] : eventIdKeys(id, name, eventId)
  return {
    source: 'server',
    eventName: typeof name === 'string' ? name : null,
    eventId: typeof eventId === 'string' ? eventId : null,
    body: event,
    refused,
    finds: keys,
    leaves: keys,
    mergesWithinMs
  }
}

/** §1.10: the message carries the path to the culprit, as `Batch.0.…`; both spellings that are known take turns. */
function refuse ({ code, message, index, path }: TiktokRefusal, request: FakeRequest): FakeAnswer {
  const head = request.serial % 2 === 0 ? 'Batch' : 'data'
  const place = index === undefined || path === undefined ? '' : `${[head, index, ...path].join('.')}: `
  return answerWith(code, `${place}${message}`, request)
}

/** §1.10: `{code, message, request_id, data}` with HTTP 200; the same id in `x-tt-logid`. */
function answerWith (code: number, message: string, { serial, nowMs }: FakeRequest): FakeAnswer {
  const day = new Date(nowMs).toISOString().replace(/\D/g, '').slice(0, 14)
  const requestId = `${day}${serial.toString(16).toUpperCase().padStart(20, '0')}`
  return { status: 200, headers: { 'x-tt-logid': requestId }, body: { code, message, request_id: requestId, data: {} } }
}
