// The visitor's device and place, as far as they are known and may be told.
import type { MapWarning, OutgoingEvent } from '../../destination.ts'
import { readPublicIp } from '../../person/public_ip.ts'
import { isEuropean } from '../../person/europe.ts'
import type { Ga4Device, Ga4Payload } from './payload.ts'
import type { Ga4Settings } from './settings.ts'

type Place = Pick<Ga4Payload, 'ip_override' | 'user_location'>

/**
 * Where the visit came from: the visitor's address where the country is known to be outside of Europe (google.md §6
 * "IP address": never for EEA/UK/CH users, and who is from nowhere known may be one); else the country. One of them,
 * because GA4 ignores the address beside a location.
 */
export function placeOf (event: OutgoingEvent, settings: Ga4Settings, warnings: MapWarning[]): Place {
  const country = /^[A-Z]{2}$/.test(event.country ?? '') ? event.country : undefined
  if (country === undefined) return {}
  const given = settings.ip === 'outside_eea' && !isEuropean(country) ? event.client?.ip : undefined
  const ip = given === undefined ? null : readPublicIp(given)
  if (given !== undefined && ip === null) warnings.push({ path: 'client.ip', code: 'not_a_public_address' })
  return ip === null ? { user_location: { country_id: country } } : { ip_override: ip }
}

const categories = new Map<string, Ga4Device['category']>([
  ['desktop', 'desktop'], ['mobile', 'mobile'], ['tablet', 'tablet'], ['smarttv', 'smart TV']
])

/**
 * The device in parts, with language and screen; or the user agent where nobody has read it yet. GA4 ignores the user
 * agent beside a device, so it does not go twice.
 */
export function deviceOf (event: OutgoingEvent, warnings: MapWarning[]): Pick<Ga4Payload, 'device' | 'user_agent'> {
  const { device: known, client } = event
  const userAgent = client?.user_agent?.trim()
  if (known?.browser === undefined && known?.os === undefined && userAgent !== undefined && userAgent.length > 1) {
    return { user_agent: userAgent }
  }
  const device: Ga4Device = {
    category: categories.get(known?.type ?? ''),
    language: fitting(event.language, /^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*$/, 'language', warnings),
    screen_resolution: fitting(event.screen_resolution, /^\d{1,5}x\d{1,5}$/, 'screen_resolution', warnings),
    operating_system: known?.os?.replace(/^mac ?os$/i, 'MacOS'),
    operating_system_version: known?.os_version,
    // What a desktop calls itself is no model: GA4's tag sends none.
    model: known?.type === 'desktop' ? undefined : known?.model,
    browser: known?.browser?.replace(/^Mobile (?=\w)/, ''),
    browser_version: known?.browser_version
  }
  for (const [key, value] of Object.entries(device)) if (value === '') delete device[key as keyof Ga4Device]
  return Object.values(device).every(value => value === undefined) ? {} : { device }
}

function fitting (
  given: string | undefined, pattern: RegExp, path: string, warnings: MapWarning[]
): string | undefined {
  if (given === undefined || pattern.test(given)) return given
  warnings.push({ path, code: 'malformed' })
  return undefined
}
