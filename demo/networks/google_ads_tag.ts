// The browser's side of the fake Google Ads: the conversions that a page's own gtag reports to website actions.
import type { FakeGoogleAdsOptions } from './google_ads_options.ts'
import type { Copy, FakeRequest, Received } from './network.ts'

const gif = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64')

/** The key by which one action knows one transaction (google.md §2.4, §2.5). */
export function transactionKey (customer: string, action: string, transactionId: string): string {
  return `transaction:${JSON.stringify([customer, action, transactionId])}`
}

/**
 * Takes one browser copy: `/pagead/conversion/<customer>/?label=<action>&oid=<transaction id>&value&currency_code&…`.
 * Google's own tag has a conversion id and a label there, which stand for the same account and action. The answer is
 * the 1×1 image whatever becomes of it.
 */
export function receiveTag (request: FakeRequest, options: FakeGoogleAdsOptions): Received {
  const body = Object.fromEntries([...request.query, ...new URLSearchParams(request.body.toString('utf8'))])
  const { customer = '' } = request.params
  const { label = '', oid } = body
  const action = options.customers?.[customer]?.[label]
  const keys = oid === undefined || oid === '' ? [] : [transactionKey(customer, label, oid)]
  const copy: Copy = {
    source: 'browser',
    eventName: action?.name ?? (label === '' ? null : label),
    eventId: oid ?? null,
    body,
    refused: refusalOf(customer, label, action?.kind, options),
    finds: keys,
    leaves: keys
  }
  const headers = { 'content-type': 'image/gif', 'cache-control': 'no-store', 'access-control-allow-origin': '*' }
  return { answer: { status: 200, headers, body: gif }, copies: [copy] }
}

/** google.md §2.4: only an action of type WEBPAGE has a tag. */
function refusalOf (
  customer: string, label: string, kind: string | undefined, { customers }: FakeGoogleAdsOptions
): string | undefined {
  if (!/^\d{10}$/.test(customer) || !/^\d+$/.test(label)) return 'conversion_id'
  if (customers === undefined) return undefined
  if (kind === undefined) return 'unknown_action'
  return kind === 'WEBPAGE' ? undefined : 'not_a_website_action'
}
