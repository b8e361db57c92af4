// The ids in the page: click ids of the landing address, the networks' cookies, event ids. Pure but for random numbers.

/** The parameters of schema/identity.ts `clickIdKinds`, and what it takes for a click id; a test compares them. */
const clickIdPair = new RegExp('[?&](fbclid|[gd]clid|[gw]braid|ttclid|sccid|epik|li_fat_id|rdt_cid|twclid|msclkid)=' +
  '([\\w.~%*+:=-]{4,512})(?![^&#\\s])', 'gi')

/**
 * The click ids of one address, or several with spaces between them: by parameter in lower case, the values byte for
 * byte, never decoded or lower-cased. The first of a name wins.
 */
export function findClickIds (addresses: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const [, param, value] of addresses.matchAll(clickIdPair)) found[`${param}`.toLowerCase()] ??= value as string
  return found
}

/**
 * The names of schema/identity.ts `knownCookies`, by purpose; without server-side Tag Manager's (`FP…`), which are set
 * by a server for the whole domain and reach the gateway by themselves.
 */
export const cookieNames = {
  ads: /^(_fb[pc]|_gcl_..|_ttp|ttclid|_?twclid|_scc?l?id|(_derived)?_epik|li_fat_id|_rdt_\w*id|_uet\w+)$/,
  analytics: /^_ga(_\w+)?$/
}

/** The cookies of a `document.cookie` string whose names match, values verbatim; the first of a name wins. */
export function parseJar (jar: string, names: RegExp): Record<string, string> {
  const cookies: Record<string, string> = {}
  for (const [, name = '', value] of jar.matchAll(/([^=; ]+)=([^;]*)/g)) {
    if (names.test(name)) cookies[name] ??= value as string
  }
  return cookies
}

/** The `Domain` for cookies set from a page; '' means the page's host alone, as browsers refuse foreign domains. */
export function cookieDomain (host: string, siteDomain: string): string {
  return ('.' + host).endsWith('.' + siteDomain) ? siteDomain : ''
}

/**
 * Meta's cookies that are to be written, by Meta's rules (meta.md §3): `_fbp` if there is none; `_fbc` if there is a
 * click and no cookie of that click, with the time of the click, which here is the first run on the landing page.
 * `domain` is the domain that the cookies are set on, '' for an IP address or `localhost`.
 */
export function missingMetaCookies (
  jar: Record<string, string>, domain: string, clickedAtMs: number, random: string, fbclid: string | undefined
): Record<string, string> {
  const head = `fb.${domain.split('.').length - 1}.${clickedAtMs}.`
  const missing: Record<string, string> = {}
  if (!jar._fbp) missing._fbp = head + random
  // Meta's own libraries append a segment to the cookie, so its payload may go on after the click id.
  if (fbclid && !(jar._fbc + '.').includes(`.${fbclid}.`)) missing._fbc = head + fbclid
  return missing
}

/** A whole number of 18 digits, as a string: JavaScript's numbers are too short. */
export function drawDigits (): string {
  return `${crypto.getRandomValues(new BigUint64Array(1))[0]}`.slice(0, 18)
}

/**
 * The id of an event: the given one, else `<event_name>.<transaction_id>`, else a new one that starts with a letter.
 * In a derived id another vendor's name of a purchase becomes GA4's, as it does at the gateway.
 */
export function eventIdFor (name: string, params?: Record<string, unknown> | null): string {
  if (params?.event_id) return `${params.event_id}`
  if (!params?.transaction_id) return `e${Date.now()}.${drawDigits()}`
  const canonical = `${name}`.replace(/^(purchase|complete.?payment|order.?completed)$/i, 'purchase')
  return `${canonical}.${params.transaction_id}`
}
