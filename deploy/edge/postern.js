// Postern under /_p/ of a site on a platform: for every runtime that has fetch, Request and Response. No dependencies.

/**
 * @typedef {object} Options
 * @property {string} origin Where Postern is: https://t.example.com, without a path.
 * @property {string} secret One of platform.secrets in postern.yaml.
 * @property {string} [prefix] As in postern.yaml; /_p when absent.
 * @property {string} [country] The visitor's country by the platform, where the site's country_header is CF-IPCountry.
 * @property {number} [patienceMs] How long a page and its script may wait for Postern; 250 when absent.
 */

/** As many cookies as Postern puts into an answer. */
const mostCookies = 24
const clickIds =
  /[?&](fbclid|gclid|gbraid|wbraid|dclid|ttclid|ScCid|epik|li_fat_id|rdt_cid|twclid|msclkid)=[^&]/i

/** What concerns one connection, or what only the platform may say. */
const ofConnection = /^(host|connection|keep-alive|transfer-encoding|upgrade|te|content-length|accept-encoding|expect)$/
const ofPlatform = /^(forwarded|cf-.*|x-(forwarded|postern|real|original|vercel|nf)-.*)$/

/** The visitor's own headers, and what the platform says of the visitor. */
function onward (request, address, { secret, country }) {
  const headers = new Headers()
  for (const [name, value] of request.headers) {
    if (!ofConnection.test(name) && !ofPlatform.test(name)) headers.append(name, value)
  }
  headers.set('x-postern-proxy', secret)
  if (address) headers.set('x-postern-client', address)
  if (country) headers.set('cf-ipcountry', country)
  return headers
}

/**
 * Passes a request under the prefix on to Postern; undefined for all others.
 * @param {Request} request
 * @param {string | null | undefined} address the visitor's, by the platform
 * @param {Options} options
 * @returns {Promise<Response | undefined>}
 */
export async function forward (request, address, options) {
  const { origin, prefix = '/_p', patienceMs = 250 } = options
  const { pathname, search } = new URL(request.url)
  if (!pathname.startsWith(`${prefix}/`)) return undefined
  // Put together as text: resolved as an address, a path like //example.net would be another host.
  const url = origin + pathname.slice(prefix.length) + search
  const isScript = /\/s\.([0-9a-f]+\.)?js$/.test(pathname)
  try {
    const answer = await fetch(url, {
      method: request.method,
      headers: onward(request, address, options),
      // Small by Postern's own limits; a stream could not be sent by every runtime.
      body: /^(GET|HEAD)$/.test(request.method) ? undefined : await request.arrayBuffer(),
      redirect: 'manual',
      // A page waits for its scripts before it says that it is loaded.
      signal: AbortSignal.timeout(isScript ? patienceMs : 15_000)
    })
    const response = new Response(answer.body, answer)
    // The runtime has unpacked it, and the platform packs it for the visitor.
    response.headers.delete('content-encoding')
    response.headers.delete('content-length')
    return response
  } catch {
    // Whatever it was, the page goes on: the script keeps what it could not send.
    return new Response(null, { status: 503, headers: { 'retry-after': '5', 'cache-control': 'no-store' } })
  }
}

/**
 * The Set-Cookie lines for a page that is opened with a click id; none for other requests, and none when Postern does
 * not answer in time.
 * @param {Request} request
 * @param {string | null | undefined} address the visitor's, by the platform
 * @param {Options} options
 * @returns {Promise<string[]>}
 */
export async function landingCookies (request, address, options) {
  const destination = request.headers.get('sec-fetch-dest') ?? 'document'
  if (request.method !== 'GET' || destination !== 'document' || !clickIds.test(request.url)) return []
  const headers = onward(request, address, options)
  headers.set('x-postern-page', request.url)
  try {
    const answer = await fetch(`${options.origin}/v1/landing`,
      { headers, redirect: 'manual', signal: AbortSignal.timeout(options.patienceMs ?? 250) })
    if (answer.status !== 204) return []
    const cookies = []
    for (let at = 1; at <= mostCookies; at++) {
      const line = answer.headers.get(`x-postern-cookie-${at}`)
      if (line === null) break
      cookies.push(line)
    }
    return cookies
  } catch {
    // The page must not depend on it.
    return []
  }
}

/**
 * A page with cookies, which no cache may keep any more; the page itself without.
 * @param {Response} page
 * @param {string[]} cookies
 * @returns {Response}
 */
export function withCookies (page, cookies) {
  if (cookies.length === 0) return page
  const response = new Response(page.body, page)
  for (const line of cookies) response.headers.append('set-cookie', line)
  response.headers.set('cache-control', 'private, no-store')
  return response
}

/**
 * All of it: Postern's paths, and every page with its cookies. `openPage` answers as the site does without Postern.
 * @param {Request} request
 * @param {string | null | undefined} address the visitor's, by the platform
 * @param {Options} options
 * @param {() => Promise<Response>} openPage
 * @returns {Promise<Response>}
 */
export async function serve (request, address, options, openPage) {
  const own = await forward(request, address, options)
  if (own !== undefined) return own
  const [page, cookies] = await Promise.all([openPage(), landingCookies(request, address, options)])
  return withCookies(page, cookies)
}
