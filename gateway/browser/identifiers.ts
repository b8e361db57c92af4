// The ids in the page: click ids of the landing address, Meta's cookies, event ids. Pure but for random numbers.
import { canonicalName } from './event_names.ts'

/**
 * The click ids of one address, or several with spaces between them: by parameter in lower case, the values byte for
 * byte, never decoded or lower-cased. The first of a name wins.
 */
export function findClickIds (addresses: string): Record<string, string> {
  const found: Record<string, string> = {}
  // The parameters of schema/identity.ts `clickIdKinds` (a test compares them), with values that a cookie can hold.
  for (const [, param, value] of addresses.matchAll(
    /[?&]((?:fb|[gd]|t[tw])clid|[gw]braid|sccid|epik|li_fat_id|rdt_cid|msclkid)=([^&#;\s]{4,512})(?![^&#\s])/gi
  )) found[(param as string).toLowerCase()] ??= value as string
  return found
}

/** The value of a cookie in a `document.cookie` string, verbatim; '' if there is none. */
export const findCookie = (cookies: string, name: string): string =>
  `; ${cookies}`.split(`; ${name}=`)[1]?.split(';')[0] ?? ''

/**
 * Writes Meta's cookies that are missing, by Meta's rules (meta.md §3): `_fbp` if there is none; `_fbc` if there is a
 * click and no cookie of that click, with the time of the click, which here is the first run on the landing page.
 * `prefix` is `fb.<subdomain index>.`, `seed` is `<first run in ms>.<random digits>`.
 */
export function makeMetaCookies (
  cookies: string, prefix: string, seed: string, fbclid: string | undefined,
  write: (name: string, value: string) => void
): void {
  if (!findCookie(cookies, '_fbp')) write('_fbp', prefix + seed)
  // Meta's own libraries append a segment to the cookie, so its payload may go on after the click id.
  if (fbclid && !(findCookie(cookies, '_fbc') + '.').includes(`.${fbclid}.`)) {
    write('_fbc', prefix + parseInt(seed) + '.' + fbclid)
  }
}

/** `<now in ms>.<18 random digits>`. */
export const drawSeed = (): string => Date.now() + Math.random().toFixed(18).slice(1)

/**
 * The id of an event: the given one, else `<event_name>.<transaction_id>`, else a new one that starts with a letter.
 * In a derived id another vendor's name becomes GA4's, as it does at the gateway.
 */
export function eventIdFor (name: string, params?: Record<string, unknown> | null): string {
  const order = `${params?.transaction_id ?? ''}`.trim()
  return `${params?.event_id || (order ? `${canonicalName(`${name}`)}.${order}` : 'e' + drawSeed())}`
}
