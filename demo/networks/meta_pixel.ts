// The browser's side of the fake Meta: the copies that a pixel sends to `/tr`, as image requests or posts.
import { isObject, type Json } from './json.ts'
import type { Copy, FakeRequest, Received } from './network.ts'

const gif = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64')

/** `cd[value]=1` → `{ cd: { value: '1' } }`; one level, as the pixel writes it. */
function unfold (fields: Iterable<[string, string]>): Json {
  const body: Json = {}
  for (const [name, value] of fields) {
    const [, outer, inner] = /^(\w+)\[([^\]]+)\]$/.exec(name) ?? []
    if (outer === undefined || inner === undefined) body[name] = value
    else body[outer] = { ...(isObject(body[outer]) ? body[outer] : {}), [inner]: value }
  }
  return body
}

function textAt (body: Json, key: string): string | undefined {
  const value = body[key]
  return typeof value === 'string' && value !== '' ? value : undefined
}

function refusalOf (body: Json, pixels: Record<string, string> | undefined): string | undefined {
  const pixel = textAt(body, 'id')
  if (pixel === undefined || !/^\d{1,20}$/.test(pixel)) return 'pixel_id'
  if (pixels !== undefined && !Object.hasOwn(pixels, pixel)) return 'unknown_pixel'
  if (textAt(body, 'ev') === undefined) return 'event_name'
  return undefined
}

/**
 * Takes one browser copy: `id ev eid dl rl ts fbp fbc cd[…] ud[…]` in the query or in an urlencoded body. The answer
 * is the 1×1 image whatever becomes of it, because a pixel cannot tell either. Its keys for the dedupe are those of
 * meta.md §4: method A by event id, and method B, for server copies without one, by external_id and fbp.
 */
export function receivePixel (request: FakeRequest, pixels: Record<string, string> | undefined): Received {
  const body = unfold([...request.query, ...new URLSearchParams(request.body.toString('utf8'))])
  const [pixel, name, eventId, fbp] = ['id', 'ev', 'eid', 'fbp'].map(key => textAt(body, key))
  const externalId = isObject(body.ud) ? textAt(body.ud, 'external_id') : undefined
  const same = eventId === undefined ? [] : [eventIdKey(pixel, name, eventId)]
  const copy: Copy = {
    source: 'browser',
    eventName: name ?? null,
    eventId: eventId ?? null,
    body,
    refused: refusalOf(body, pixels),
    finds: same,
    leaves: [...same, ...browserKeys(pixel, name, externalId, fbp)]
  }
  const headers = {
    'content-type': 'image/gif', 'cache-control': 'no-store', 'access-control-allow-origin': '*'
  }
  return { answer: { status: 200, headers, body: gif }, copies: [copy] }
}

/** meta.md §4 method A: same pixel id, event name and event id. */
export function eventIdKey (pixel: unknown, name: unknown, eventId: unknown): string {
  return `event_id:${JSON.stringify([pixel, name, eventId])}`
}

/** meta.md §4 method B: what a browser copy leaves for a later server copy; external_id beats fbp. */
function browserKeys (pixel: unknown, name: unknown, externalId: unknown, fbp: unknown): string[] {
  const keys: string[] = []
  if (externalId !== undefined) keys.push(`external_id:${JSON.stringify([pixel, name, externalId])}`)
  const standing = externalId === undefined ? 'alone' : 'both'
  if (fbp !== undefined) keys.push(`fbp:${JSON.stringify([pixel, name, fbp, standing])}`)
  return keys
}

/** What a server copy without an event id looks for: a browser copy before it. */
export function serverKeys (pixel: unknown, name: unknown, externalIds: unknown[], fbp: unknown): string[] {
  const keys = externalIds.map(id => `external_id:${JSON.stringify([pixel, name, id])}`)
  if (fbp === undefined) return keys
  keys.push(`fbp:${JSON.stringify([pixel, name, fbp, 'alone'])}`)
  // With an external_id on both sides and no match above, an equal fbp does not make them one.
  if (externalIds.length === 0) keys.push(`fbp:${JSON.stringify([pixel, name, fbp, 'both'])}`)
  return keys
}
