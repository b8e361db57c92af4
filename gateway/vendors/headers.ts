// What passes between a visitor and a vendor: two closed lists of headers, one for each direction.
import type { IncomingHttpHeaders } from 'node:http'

/**
 * What a browser tells any site that it calls. `Cookie`, `Authorization` and whatever proxies in front of us added stay
 * here; what else the vendor needs is added by its own `describe()`.
 */
const toVendor = ['accept', 'accept-encoding', 'accept-language', 'content-type', 'if-modified-since', 'if-none-match',
  'origin', 'sec-ch-ua', 'sec-ch-ua-mobile', 'sec-ch-ua-platform', 'sec-gpc', 'user-agent']

/**
 * What describes the answer's bytes. Cookies and policies are the site's own: no Set-Cookie, Content-Security-Policy,
 * Strict-Transport-Security, Alt-Svc, Permissions-Policy, Clear-Site-Data, Service-Worker-Allowed, Report-To, NEL,
 * Access-Control-*, Link or Refresh of a vendor's.
 */
const fromVendor = ['age', 'cache-control', 'content-disposition', 'content-encoding', 'content-language',
  'content-type', 'etag', 'expires', 'last-modified', 'vary']

/** A value that is one line of visible ASCII. */
const isPlain = (value: string) => value.length <= 2048 && /^[\t\x20-\x7e]*$/.test(value)

function pick (headers: IncomingHttpHeaders, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap(name => {
    const value = headers[name]
    const text = Array.isArray(value) ? value.join(', ') : value
    return text !== undefined && text !== '' && isPlain(text) ? [[name, text]] : []
  }))
}

/**
 * The headers of a request that go to the vendor. Of the page's address it gets the origin, which is what a browser
 * tells another site unless the page says otherwise: a whole address may hold what a visitor typed.
 */
export function headersForVendor (headers: IncomingHttpHeaders): Record<string, string> {
  const picked = pick(headers, toVendor)
  const page = headers.referer === undefined ? null : URL.parse(headers.referer)
  return page === null || page.origin === 'null' ? picked : { ...picked, referer: `${page.origin}/` }
}

/** The headers of a vendor's answer that go to the visitor. An error is nobody's to keep. */
export function headersFromVendor (headers: IncomingHttpHeaders, status: number): Record<string, string> {
  const picked = pick(headers, fromVendor)
  return status >= 400 ? { ...picked, 'cache-control': 'no-store' } : picked
}

/**
 * Where a redirect of the vendor's leads: its address as it goes out, or undefined if it does not. It may lead to the
 * vendor's own paths, which are then ours, and where `mayLeadTo` says; never for a navigation, since a visitor who
 * clicks an address of the site's must not come out elsewhere.
 */
export function readRedirect (
  location: string | undefined, from: { origin: string, path: string, target: string },
  { isNavigation, mayLeadTo }: { isNavigation: boolean, mayLeadTo: (url: URL) => boolean }
): string | undefined {
  const url = location === undefined || location === '' ? null : URL.parse(location, from.origin + from.target)
  if (url === null) return undefined
  if (url.origin === new URL(from.origin).origin) {
    const isBelow = url.pathname === from.path || url.pathname.startsWith(`${from.path}/`)
    return isBelow ? url.pathname + url.search : undefined
  }
  return !isNavigation && mayLeadTo(url) ? url.href : undefined
}
