// Click ids: found in addresses and cookies, byte for byte, each with the time it was first seen; and taken out again.
import type { ClickId, EventData } from '../schema/event.ts'
import { clickIdKind, isClickId, parseFbValue } from '../schema/identity.ts'
import { registrableDomain } from './site.ts'

/** The pairs of an address's query, undecoded. */
function queryPairs (address: string): [name: string, value: string][] {
  const query = /^[^?#]*\?([^#]*)/.exec(address)?.[1] ?? ''
  return query.split('&').map(pair => {
    const at = pair.indexOf('=')
    return at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)]
  })
}

function idsOfAddress (address: string | undefined, seenAtMs: number): Record<string, ClickId> {
  const ids: Record<string, ClickId> = {}
  for (const [name, value] of queryPairs(address ?? '')) {
    const kind = clickIdKind(name)
    if (kind !== undefined && isClickId(value)) ids[kind.param] ??= { value, seen_at_ms: seenAtMs }
  }
  return ids
}

/** How the networks' cookies hold a click id (google.md §5, other-networks.md §10). `at`: where the seconds stand. */
const cookieForms: { cookie: RegExp, param: string, form: RegExp }[] = [
  { cookie: /^_gcl_aw$/, param: 'gclid', form: /^(?:GCL|1)\.(?<at>\d{9,10})\.(?<id>[\w-]+)/ },
  { cookie: /^_gcl_gb$/, param: 'wbraid', form: /^(?:GCL|1)\.(?<at>\d{9,10})\.(?<id>[\w-]+)/ },
  { cookie: /^(FPGCLAW)$/, param: 'gclid', form: /^2\.1\.k(?<id>[\w-]+)\$i(?<at>\d{9,10})/ },
  { cookie: /^(FPGCLGB)$/, param: 'wbraid', form: /^2\.1\.k(?<id>[\w-]+)\$i(?<at>\d{9,10})/ },
  { cookie: /^(_gcl_ag|FPGCLAG)$/, param: 'gbraid', form: /^2\.1\.k(?<id>[\w-]+)\$i(?<at>\d{9,10})/ },
  { cookie: /^ttclid$/, param: 'ttclid', form: /^(?<id>.+)$/ },
  { cookie: /^_scclid$/, param: 'ScCid', form: /^(?<id>.+)$/ },
  { cookie: /^(_epik|_derived_epik)$/, param: 'epik', form: /^(?<id>.+)$/ },
  { cookie: /^li_fat_id$/, param: 'li_fat_id', form: /^(?<id>.+)$/ },
  { cookie: /^_rdt_cid$/, param: 'rdt_cid', form: /^(?<id>.+)$/ },
  { cookie: /^twclid$/, param: 'twclid', form: /^(?<id>[\w-]+)$/ },
  { cookie: /^_uetmsclkid$/, param: 'msclkid', form: /^(?:_uet)?(?<id>.+)$/ }
]

function idsOfCookies (cookies: Record<string, string>, seenAtMs: number): Record<string, ClickId> {
  const ids: Record<string, ClickId> = {}
  const add = (param: string, value: string | undefined, atMs: number) => {
    if (value !== undefined && isClickId(value)) ids[param] ??= { value, seen_at_ms: Math.min(atMs, seenAtMs) }
  }
  for (const [name, value] of Object.entries(cookies)) {
    const fbc = name === '_fbc' ? parseFbValue(value) : null
    if (fbc !== null) add('fbclid', fbc.payload, fbc.createdAtMs)
    for (const { cookie, param, form } of cookieForms) {
      const found = cookie.test(name) ? form.exec(value)?.groups : undefined
      if (found !== undefined) add(param, found.id, found.at === undefined ? seenAtMs : Number(found.at) * 1000)
    }
  }
  return ids
}

/** Whether two addresses belong to one site, so that the click ids of one may be the other's. */
function isSameSite (one: string | undefined, other: string | undefined): boolean {
  const [a, b] = [one, other].map(address => URL.parse(address ?? '')?.host)
  if (a === undefined || b === undefined) return false
  return a === b || (registrableDomain(a) !== undefined && registrableDomain(a) === registrableDomain(b))
}

/**
 * All click ids of an event: those of the page's address before those of the body, of the page before it on the same
 * site, and of the cookies. A cookie that holds the same id knows when it was first seen.
 */
export function collectClickIds (data: EventData, seenAtMs: number): Record<string, ClickId> | undefined {
  const ofCookies = idsOfCookies(data.cookies ?? {}, seenAtMs)
  const ofReferrer = isSameSite(data.page_location, data.page_referrer)
    ? idsOfAddress(data.page_referrer,
      seenAtMs)
    : {}
  const ids = { ...ofCookies, ...ofReferrer, ...data.click_ids, ...idsOfAddress(data.page_location, seenAtMs) }
  for (const [param, id] of Object.entries(ids)) {
    const known = ofCookies[param]
    if (known !== undefined && known.value === id.value) ids[param] = known
  }
  return Object.keys(ids).length === 0 ? undefined : ids
}

/** Parameters that carry click ids beside their own: Google's cross-domain linker. */
const carriers = new Set(['_gl'])

/** A parameter's name as servers read it: `%66bclid` is fbclid. What is not well encoded stands as it is. */
function decoded (name: string): string {
  try {
    return decodeURIComponent(name)
  } catch (error) {
    if (error instanceof URIError) return name
    throw error
  }
}

/** An address without the parameters that carry click ids; the rest stays byte for byte. */
export function withoutClickIds (address: string): string {
  const found = /^([^?#]*)\?([^#]*)(.*)$/s.exec(address)
  if (found === null) return address
  const [, base = '', query = '', fragment = ''] = found
  const kept = query.split('&').filter(pair => {
    const name = decoded(pair.split('=', 1)[0] ?? '')
    return clickIdKind(name) === undefined && !carriers.has(name.toLowerCase())
  })
  return `${base}${kept.length > 0 ? `?${kept.join('&')}` : ''}${fragment}`
}
