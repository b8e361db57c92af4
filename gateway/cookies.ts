// Cookies in both directions: every value of the request, of repeated names too; and Set-Cookie lines of ours.
import { isLoopback, registrableDomain } from './site.ts'

/** Every value of every cookie, verbatim and in order: a name may come twice, and only one of them may be ours. */
export type Jar = ReadonlyMap<string, readonly string[]>

/**
 * Reads a Cookie header. Values are not decoded and keep their quotes, as a page's scripts see them (RFC 6265bis §5.6):
 * ids must survive byte for byte. None is left out, however many there are, since one of them may be a refusal; the
 * server's limit for headers bounds them.
 */
export function readJar (header: string | undefined): Jar {
  const jar = new Map<string, string[]>()
  if (header === undefined) return jar
  for (const pair of header.split(';')) {
    const at = pair.indexOf('=')
    if (at < 1) continue
    const name = pair.slice(0, at).trim()
    const value = pair.slice(at + 1).trim()
    const values = jar.get(name)
    if (values === undefined) jar.set(name, [value])
    else values.push(value)
  }
  return jar
}

/** Where and how this request's cookies are set. */
export interface CookieScope {
  /** The registrable domain; undefined where the cookie belongs to the host alone. */
  domain: string | undefined
  /** What signatures and Meta's subdomain index go by: the domain, or the host itself. */
  boundTo: string
  secure: boolean
}

export function cookieScope (host: string, isHttps: boolean): CookieScope {
  const domain = registrableDomain(host)
  return {
    domain,
    boundTo: domain ?? host.toLowerCase().replace(/:\d+$/, ''),
    secure: isHttps || !isLoopback(host)
  }
}

/**
 * A Set-Cookie line (RFC 6265 §4.1). `value` goes out as it is: an encoded click id would be another click id. Our
 * grammars let no separator into a value; one that has one all the same is a bug and throws.
 */
export function setCookie (
  name: string, value: string, maxAgeSeconds: number, scope: CookieScope, isHttpOnly: boolean
): string {
  if (!/^[!#-+\--:<-[\]-~]*$/.test(value)) throw new Error(`the value of cookie ${name} holds a character that ends it`)
  const attributes = [`${name}=${value}`, 'Path=/', `Max-Age=${Math.round(maxAgeSeconds)}`]
  if (scope.domain !== undefined) attributes.push(`Domain=${scope.domain}`)
  if (isHttpOnly) attributes.push('HttpOnly')
  if (scope.secure) attributes.push('Secure')
  return [...attributes, 'SameSite=Lax'].join('; ')
}
