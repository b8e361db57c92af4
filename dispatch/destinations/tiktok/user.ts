// `user`: everything TikTok may match a person by, for each source the keys that it takes (other-networks.md §1.4).
import type { MapWarning, OutgoingEvent, PersonField } from '../../destination.ts'
import { readCountry } from '../../person/country.ts'
import { emailsOf, hashEach, inAddress, phonesOf, readClear, type Given } from '../../person/given.ts'
import { readGivenHash } from '../../person/hashing.ts'
import { readPublicIp } from '../../person/public_ip.ts'
import { normalize } from './normalize.ts'
import type { TikTokUser } from './payload.ts'
import type { TikTokSettings } from './settings.ts'
import { isOffPage, type EventSource } from './source.ts'
import type { Address as Place } from '../../../schema/event.ts'

/** What reading a value needs to know besides. */
interface Reader { country?: string, spelling: TikTokSettings['external_id_spelling'], warnings: MapWarning[] }

/** Click ids and `_ttp` are opaque and never lower-cased (§1.7). */
const opaqueId = /^[\w.-]{10,512}$/
const languageTag = /^[a-z]{2,3}(-[a-z0-9]{1,8})*$/i

/**
 * What is known of the person, as far as the source takes it. What cannot be normalised is left out with a warning.
 * `external_id` is the owner's `user_id`, as the page gives it to the pixel's `identify`; our own visitor id is not
 * sent, because the pixel cannot know it.
 */
export function userOf (
  event: OutgoingEvent, source: EventSource, settings: TikTokSettings, warnings: MapWarning[]
): TikTokUser {
  const { user_data: person = {} } = event
  const country = person.address?.country
  const known = country === undefined ? undefined : readCountry(country) ?? undefined
  const reader: Reader = { country: known, spelling: settings.external_id_spelling, warnings }
  const ofPhone: Reader = { ...reader, country: known ?? event.defaults.country ?? event.country }
  const contact: TikTokUser = {
    email: hashAll('email', emailsOf(person), reader),
    phone: hashAll('phone', phonesOf(person), ofPhone)
  }
  if (source === 'offline') return contact
  const external = hashAll('external_id', [{ value: event.user_id, path: 'user_id', isHash: false }], reader)
  if (source === 'crm') return { ...contact, external_id: external }
  return { ...contact, external_id: external, ...browserOf(event, warnings), ...addressOf(event, reader) }
}

/** Whether TikTok has something to look for a person by: §1.3 asks for at least one matchable key. */
export function isMatchable (user: TikTokUser): boolean {
  const { email, phone, external_id: externalId, ttclid, ttp, ip, user_agent: userAgent } = user
  return [email, phone, externalId, ttclid, ttp].some(key => key !== undefined) ||
    (ip !== undefined && userAgent !== undefined)
}

type Browser = Pick<TikTokUser, 'ttclid' | 'ttp' | 'ip' | 'user_agent' | 'locale'>

function browserOf (event: OutgoingEvent, warnings: MapWarning[]): Browser {
  const { client = {}, cookies = {}, click_ids: clickIds = {} } = event
  const userAgent = client.user_agent?.trim()
  // The newest click is the one in an address; the cookie is a copy of it, or of an older one (§1.7). It does not say
  // of when, so that a cookie of an earlier visit is not used: its click may be past its life.
  const ofCookie = isOffPage(event) ? undefined : cookies.ttclid
  return {
    ttclid: opaque(clickIds.ttclid?.value, 'click_ids.ttclid', warnings) ??
      opaque(ofCookie, 'cookies.ttclid', warnings),
    ttp: opaque(cookies._ttp, 'cookies._ttp', warnings),
    ip: ipOf(client.ip, warnings),
    user_agent: userAgent === undefined || userAgent.length < 2 ? undefined : userAgent,
    locale: localeOf(event.language, warnings)
  }
}

type Address = Pick<TikTokUser, 'first_name' | 'last_name' | 'zip_code' | 'city' | 'state' | 'country'>

function addressOf (event: OutgoingEvent, reader: Reader): Address {
  const given = (key: keyof Place) => inAddress(event.user_data ?? {}, key)
  const clear = (field: PersonField, key: keyof Place) =>
    readClear(given(key), value => normalize(field, value, reader.country), reader.warnings)
  const one = (field: PersonField, ...values: Given[]) => hashAll(field, values, reader)?.[0]
  return {
    first_name: one('first_name', given('first_name'), given('sha256_first_name')),
    last_name: one('last_name', given('last_name'), given('sha256_last_name')),
    zip_code: one('postal_code', given('postal_code')),
    city: clear('city', 'city'),
    state: clear('region', 'region'),
    country: clear('country', 'country')
  }
}

/** The hashes of all usable values, without repetitions; undefined when there is none. */
function hashAll (field: PersonField, given: readonly Given[], reader: Reader): string[] | undefined {
  const each = hashEach(given, value => normalize(field, value, reader.country), reader.warnings)
  const found = new Set(each.flatMap(({ sha256, further }) =>
    field === 'external_id' ? spellingsOf(sha256, further, reader) : [sha256]))
  return found.size === 0 ? undefined : [...found]
}

/** An id with capital letters: as given, in lower case, or both, as the owner chose. */
function spellingsOf (asGiven: string, lower: readonly string[], { spelling }: Reader): readonly string[] {
  switch (spelling) {
    case 'as_given': return [asGiven]
    case 'lower': return lower.length > 0 ? lower : [asGiven]
    case 'both': return [asGiven, ...lower]
  }
}

function opaque (value: string | undefined, path: string, warnings: MapWarning[]): string | undefined {
  // What somebody hashed on the way could be matched to nothing.
  if (value === undefined || (opaqueId.test(value) && readGivenHash(value) === null)) return value
  warnings.push({ path, code: 'malformed' })
  return undefined
}

function ipOf (given: string | undefined, warnings: MapWarning[]): string | undefined {
  if (given === undefined) return undefined
  const ip = readPublicIp(given)
  if (ip === null) warnings.push({ path: 'client.ip', code: 'not_a_public_address' })
  return ip ?? undefined
}

function localeOf (language: string | undefined, warnings: MapWarning[]): string | undefined {
  if (language === undefined || (languageTag.test(language) && isWellFormed(language))) return language
  warnings.push({ path: 'language', code: 'not_a_language_tag' })
  return undefined
}

/** Whether the parts of a language tag stand as BCP 47 lets them. */
function isWellFormed (tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length === 1
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}
