// Click ids and cookies of the networks: which exist, how they look, how long they live; Meta's fbc/fbp grammar.

const dayMs = 86_400_000

/** One click-id parameter of a landing page. `pattern` is what we store verbatim; anything else is dropped. */
export interface ClickIdKind {
  param: string
  network: string
  /** After this many days from the click the id is not sent any more. */
  lifeDays: number
}

/** The click ids captured from addresses, bodies and form fields; parameters are matched without regard to case. */
export const clickIdKinds: readonly ClickIdKind[] = [
  { param: 'fbclid', network: 'meta', lifeDays: 90 },
  { param: 'gclid', network: 'google', lifeDays: 90 },
  { param: 'gbraid', network: 'google', lifeDays: 90 },
  { param: 'wbraid', network: 'google', lifeDays: 90 },
  { param: 'dclid', network: 'google', lifeDays: 90 },
  { param: 'ttclid', network: 'tiktok', lifeDays: 30 },
  { param: 'ScCid', network: 'snapchat', lifeDays: 30 },
  { param: 'epik', network: 'pinterest', lifeDays: 90 },
  { param: 'li_fat_id', network: 'linkedin', lifeDays: 30 },
  { param: 'rdt_cid', network: 'reddit', lifeDays: 30 },
  { param: 'twclid', network: 'x', lifeDays: 90 },
  { param: 'msclkid', network: 'microsoft', lifeDays: 90 }
]

const kindByParam = new Map(clickIdKinds.map(kind => [kind.param.toLowerCase(), kind]))

/** The kind of a click-id parameter, whatever its case; undefined for any other parameter. */
export function clickIdKind (param: string): ClickIdKind | undefined {
  return kindByParam.get(param.toLowerCase())
}

/** A click id is opaque: 4 to 512 visible characters that occur in addresses; never lower-cased, trimmed or cut. */
const clickIdPattern = /^[\w.~%*+:=-]{4,512}$/

export function isClickId (value: string): boolean {
  return clickIdPattern.test(value)
}

/** A click id is past its life when more than its network's days have gone since the click. */
export function isClickIdAlive (param: string, seenAtMs: number, nowMs: number): boolean {
  const kind = clickIdKind(param)
  return kind !== undefined && nowMs - seenAtMs <= kind.lifeDays * dayMs
}

/** A cookie of a network or of an analytics tool that Postern keeps with an event. */
export interface KnownCookie {
  /** Matches the cookie's name. */
  name: RegExp
  /** Which consent lets it be stored. */
  purpose: 'ads' | 'analytics'
  pattern: RegExp
}

const opaque = /^[\w.~%*+:=$/-]{1,1024}$/

/** The cookies read from requests and accepted in `cookies` (other-networks.md §10, google.md §5, meta.md §3). */
export const knownCookies: readonly KnownCookie[] = [
  { name: /^_fbp$/, purpose: 'ads', pattern: /^fb\.\d\.\d{9,16}\.\d{1,20}(\.[\w-]{2,8})?$/ },
  { name: /^_fbc$/, purpose: 'ads', pattern: /^fb\.\d\.\d{9,16}\.[\w.~%*+:=-]{1,500}$/ },
  { name: /^_gcl_(aw|dc|gb|ag|gs|au)$/, purpose: 'ads', pattern: opaque },
  { name: /^FPGCL(AW|GB|AG|GS|DC)$/, purpose: 'ads', pattern: opaque },
  { name: /^FPAU$/, purpose: 'ads', pattern: opaque },
  { name: /^(_ttp|ttclid)$/, purpose: 'ads', pattern: /^[\w.-]{10,512}$/ },
  { name: /^(_scid|_scclid|_epik|_derived_epik|li_fat_id)$/, purpose: 'ads', pattern: opaque },
  { name: /^(_rdt_cid|_rdt_uuid|twclid|_twclid)$/, purpose: 'ads', pattern: opaque },
  { name: /^(_uetmsclkid|_uetsid|_uetvid)$/, purpose: 'ads', pattern: opaque },
  { name: /^_ga$/, purpose: 'analytics', pattern: /^GA1\.[\d-]{1,4}\.\d+\.\d+$/ },
  { name: /^_ga_[A-Z0-9]{4,16}$/, purpose: 'analytics', pattern: /^GS\d\.[\w.$-]+$/ },
  { name: /^FPID$/, purpose: 'analytics', pattern: opaque }
]

/** The known cookie of this name; undefined if we keep no such cookie, or its value is malformed. */
export function knownCookie (name: string, value: string): KnownCookie | undefined {
  for (const cookie of cookiesOfName(name)) if (cookie.pattern.test(value)) return cookie
  return undefined
}

/** The rows for a name. Every request brings its site's cookies, always of the same names. */
const rowsByName = new Map<string, readonly KnownCookie[]>()
const mostNames = 2000

function cookiesOfName (name: string): readonly KnownCookie[] {
  const known = rowsByName.get(name)
  if (known !== undefined) return known
  const rows = knownCookies.filter(cookie => cookie.name.test(name))
  if (name.length <= 100 && rowsByName.size < mostNames) rowsByName.set(name, rows)
  return rows
}

// ---- Meta's _fbp and _fbc (meta.md §3.1) -------------------------------------------------------------------------

/** A parsed `_fbp` or `_fbc`. */
export interface FbValue {
  subdomainIndex: number
  createdAtMs: number
  /** fbp: digits. fbc: the fbclid, verbatim. */
  payload: string
}

/**
 * Reads Meta's `fb.<index>.<ms>.<payload>[.<appendix>]`. The payload is segment 3, never "what follows the last dot":
 * Meta's own libraries append a fifth segment. Null when it is not of that form.
 */
export function parseFbValue (value: string): FbValue | null {
  const segments = value.split('.')
  const [prefix, index, created, payload] = segments
  if (segments.length < 4 || segments.length > 5 || prefix !== 'fb') return null
  if (index === undefined || created === undefined || payload === undefined || payload === '') return null
  if (!/^\d{1,2}$/.test(index) || !/^\d{9,16}$/.test(created)) return null
  return { subdomainIndex: Number(index), createdAtMs: Number(created), payload }
}

/** Meta's index of the domain a cookie is set on: its labels minus one; an IP address or `localhost` has 0. */
export function subdomainIndex (cookieDomain: string): number {
  if (/^[\d.]+$/.test(cookieDomain) || cookieDomain.includes(':')) return 0
  return cookieDomain.split('.').filter(label => label !== '').length - 1
}

/** Meta's form of a value that is not in a cookie yet, or was never one. */
export function formatFbValue (index: number, createdAtMs: number, payload: string): string {
  return `fb.${index}.${createdAtMs}.${payload}`
}

/** `_fbc` for a click: the time of the click, and the fbclid as it stood in the address. */
export function makeFbc (cookieDomain: string, clickedAtMs: number, fbclid: string): string {
  return formatFbValue(subdomainIndex(cookieDomain), clickedAtMs, fbclid)
}

/** `_fbp` for a browser; `random` is a whole number of up to 18 digits. */
export function makeFbp (cookieDomain: string, createdAtMs: number, random: bigint): string {
  return formatFbValue(subdomainIndex(cookieDomain), createdAtMs, String(random))
}
