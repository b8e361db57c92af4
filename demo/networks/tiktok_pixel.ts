// The browser's side of the fake TikTok: the copies that its pixel posts to `/api/v2/pixel`.
import { isObject, objectAt, type Json } from './json.ts'
import type { Copy, FakeRequest, Received } from './network.ts'
import type { FakeTiktokOptions } from './tiktok_request.ts'

/** §1.8: within this long after the first copy, one from the other channel is merged into it. */
export const mergesWithinMs = 5 * 60_000

/** §1.8 "Key": source, event and event id. Without an id nothing is recognised. */
export function eventIdKeys (sourceId: unknown, name: unknown, eventId: unknown): string[] {
  return typeof eventId === 'string' && eventId !== ''
    ? [`event_id:${JSON.stringify([sourceId, name, eventId])}`]
    : []
}

function parse ({ body }: FakeRequest): Json {
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'))
    return isObject(parsed) ? parsed : {}
  } catch (error) {
    if (error instanceof SyntaxError) return {}
    throw error
  }
}

function refusalOf (body: Json, { accounts }: FakeTiktokOptions): string | undefined {
  const { code } = objectAt(objectAt(body, 'context'), 'pixel')
  if (typeof code !== 'string' || !/^[A-Z0-9]{10,40}$/.test(code)) return 'pixel_code'
  const isKnown = accounts === undefined || Object.values(accounts).some(account => account.web?.includes(code))
  if (!isKnown) return 'unknown_pixel'
  return typeof body.event === 'string' && body.event !== '' ? undefined : 'event_name'
}

/**
 * Takes one browser copy, JSON in a body of any content type (a beacon's is text/plain):
 * `{event, event_id?, context: {pixel: {code}, page: {url, referrer}, user: {…}, ad: {ttclid}}, properties: {…}}`.
 * The answer is the same whatever becomes of it, because a pixel cannot tell either.
 */
export function receiveTiktokPixel (request: FakeRequest, options: FakeTiktokOptions): Received {
  const body = parse(request)
  const { event, event_id: eventId } = body
  const keys = eventIdKeys(objectAt(objectAt(body, 'context'), 'pixel').code, event, eventId)
  const copy: Copy = {
    source: 'browser',
    eventName: typeof event === 'string' ? event : null,
    eventId: typeof eventId === 'string' ? eventId : null,
    body,
    refused: refusalOf(body, options),
    finds: keys,
    leaves: keys,
    mergesWithinMs
  }
  const headers = { 'cache-control': 'no-store', 'access-control-allow-origin': '*' }
  return { answer: { status: 200, headers, body: {} }, copies: [copy] }
}
