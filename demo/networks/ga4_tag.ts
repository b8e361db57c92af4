// The browser's side of the fake GA4: the hits of gtag to `/g/collect`, one in the query or several in the body.
import type { Copy, FakeRequest, Received } from './network.ts'

/** GA4 recognises a second purchase, and nothing else (google.md §3 "Dedupe"). */
export function purchaseKeys (measurementId: unknown, name: unknown, transactionId: unknown): string[] {
  const isOne = name === 'purchase' && transactionId !== undefined && transactionId !== null
  return isOne ? [`transaction_id:${JSON.stringify([measurementId, String(transactionId)])}`] : []
}

/** What a hit says, as an object: `ep.` are its texts and `epn.` its numbers. */
function bodyOf (fields: URLSearchParams): Record<string, unknown> {
  const own: Record<string, unknown> = {}
  const params: Record<string, string | number> = {}
  for (const [name, value] of fields) {
    if (name.startsWith('ep.')) params[name.slice('ep.'.length)] = value
    else if (name.startsWith('epn.')) params[name.slice('epn.'.length)] = Number(value)
    else own[name] = value
  }
  return Object.keys(params).length === 0 ? own : { ...own, params }
}

function copyOf (fields: URLSearchParams, streams: Record<string, string> | undefined): Copy {
  const [tid, cid, name] = ['tid', 'cid', 'en'].map(key => fields.get(key) ?? undefined)
  const transactionId = fields.get('ep.transaction_id')
  const keys = purchaseKeys(tid, name, transactionId)
  return {
    source: 'browser',
    eventName: name ?? null,
    eventId: fields.get('ep.event_id') ?? transactionId,
    body: bodyOf(fields),
    refused: refusalOf(tid, cid, name, streams),
    finds: keys,
    leaves: keys
  }
}

function refusalOf (
  tid: string | undefined, cid: string | undefined, name: string | undefined,
  streams: Record<string, string> | undefined
): string | undefined {
  if (tid === undefined || !/^G-[A-Z0-9]{4,16}$/.test(tid)) return 'measurement_id'
  if (streams !== undefined && !Object.hasOwn(streams, tid)) return 'unknown_stream'
  if (cid === undefined || cid === '') return 'client_id'
  return name === undefined || name === '' ? 'event_name' : undefined
}

/**
 * Takes what gtag sends: `v=2 tid cid en dl dr dt sid ep.… epn.…` in the query, or the events as lines of the body that
 * share the query. The answer is 204 whatever becomes of it.
 */
export function receiveTag (request: FakeRequest, streams: Record<string, string> | undefined): Received {
  const lines = request.body.toString('utf8').split('\n').map(line => line.trim()).filter(line => line !== '')
  const hits = lines.length === 0
    ? [request.query]
    : lines.map(line => new URLSearchParams([...request.query, ...new URLSearchParams(line)]))
  return {
    answer: {
      status: 204, headers: { 'cache-control': 'no-store', 'access-control-allow-origin': '*' }, body: Buffer.alloc(0)
    },
    copies: hits.map(fields => copyOf(fields, streams))
  }
}
