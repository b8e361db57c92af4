// Click ids: found in addresses and cookies, byte for byte, each with the time it was first seen; and taken out again.
import type { ClickId, EventData } from '../schema/event.ts'
import { clickIdKind, isClickId, parseFbValue } from '../schema/identity.ts'
import { readPageAddress } from './address.ts'

/** Adds the ids in an address's query, undecoded; the first of a kind counts, before what is in `ids` already. */
function addIdsOfAddress (ids: Record<string, ClickId>, address: string | undefined, seenAtMs: number): void {
  if (address === undefined || !address.includes('?')) return
  const query = /^[^?#]*\?([^#]*)/.exec(address)?.[1] ?? ''
  const found = new Set<string>()
  for (const pair of query.split('&')) {
    const at = pair.indexOf('=')
    const kind = at < 0 ? undefined : clickIdKind(pair.slice(0, at))
    if (kind === undefined || found.has(kind.param)) continue
    const value = pair.slice(at + 1)
    if (!isClickId(value)) continue
    found.add(kind.param)
    ids[kind.param] = { value, seen_at_ms: seenAtMs }
  }
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

const formsByName = new Map<string, typeof cookieForms>()

/** Cookies that we keep have few names, but those of Analytics are made by the site. */
function formsOfCookie (name: string): typeof cookieForms {
  const known = formsByName.get(name)
  if (known !== undefined) return known
  const forms = cookieForms.filter(({ cookie }) => cookie.test(name))
  if (formsByName.size < 1000) formsByName.set(name, forms)
  return forms
}

function idsOfCookies (cookies: Record<string, string>, seenAtMs: number): Record<string, ClickId> {
  const ids: Record<string, ClickId> = {}
  const add = (param: string, value: string | undefined, atMs: number) => {
    if (value !== undefined && isClickId(value)) ids[param] ??= { value, seen_at_ms: Math.min(atMs, seenAtMs) }
  }
  for (const name in cookies) {
    const value = cookies[name] ?? ''
    const fbc = name === '_fbc' ? parseFbValue(value) : null
    if (fbc !== null) add('fbclid', fbc.payload, fbc.createdAtMs)
    for (const { param, form } of formsOfCookie(name)) {
      const found = form.exec(value)?.groups
      if (found !== undefined) add(param, found.id, found.at === undefined ? seenAtMs : Number(found.at) * 1000)
    }
  }
  return ids
}

/** Whether two addresses belong to one site, so that the click ids of one may be the other's. */
function isSameSite (one: string | undefined, other: string | undefined): boolean {
  const a = readPageAddress(one)
  const b = readPageAddress(other)
  if (a === null || b === null) return false
  return a.host === b.host || (a.domain !== undefined && a.domain === b.domain)
}

/**
 * All click ids of an event: those of the page's address before those of the body, of the page before it on the same
 * site, and of the cookies. A cookie that holds the same id knows when it was first seen.
 */
export function collectClickIds (data: EventData, seenAtMs: number): Record<string, ClickId> | undefined {
  const ofCookies = idsOfCookies(data.cookies ?? {}, seenAtMs)
  const ids = { ...ofCookies }
  if (isSameSite(data.page_location, data.page_referrer)) addIdsOfAddress(ids, data.page_referrer, seenAtMs)
  Object.assign(ids, data.click_ids)
  addIdsOfAddress(ids, data.page_location, seenAtMs)
  let isEmpty = true
  for (const param in ids) {
    isEmpty = false
    const known = ofCookies[param]
    if (known !== undefined && known.value === ids[param]?.value) ids[param] = known
  }
  return isEmpty ? undefined : ids
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
