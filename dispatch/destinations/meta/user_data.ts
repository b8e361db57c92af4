// `user_data`: everything Meta may match a person by, hashed where Meta wants hashes; what is unusable is left out.
import type { MapWarning, OutgoingEvent, PersonField } from '../../destination.ts'
import type { Address, UserData } from '../../../schema/event.ts'
import { readCountry } from '../../person/country.ts'
import { emailsOf, hashOne, inAddress, phonesOf, type Given } from '../../person/given.ts'
import { readPublicIp } from '../../person/public_ip.ts'
import { fbcOf, fbpOf } from './browser_ids.ts'
import { normalize } from './normalize.ts'
import type { MetaPayload, MetaUserData } from './payload.ts'
import type { MetaSettings } from './settings.ts'

/**
 * What is known of the person. A value that cannot be normalised is left out with a warning: the event goes without.
 * `external_id` is the owner's `user_id`, as the page gives it to the pixel. Our own visitor id is not sent: the pixel
 * cannot know it, and beside an `fbp` Meta prefers `external_id` (meta.md §4), so the two copies would look like two
 * persons.
 */
export function userDataOf (
  event: OutgoingEvent, actionSource: MetaPayload['action_source'], settings: MetaSettings, warnings: MapWarning[]
): MetaUserData {
  const { user_data: person = {}, client = {} } = event
  const country = person.address?.country
  const known = country === undefined ? undefined : readCountry(country) ?? undefined
  const phoneCountry = known ?? event.defaults.country ?? event.country
  const hashes = (field: PersonField, given: readonly Given[], of?: string) => given.length === 0
    ? undefined
    : hashAll(field, given, of, settings, event.received_at_ms, warnings)
  return {
    em: hashes('email', emailsOf(person)),
    ph: hashes('phone', phonesOf(person), phoneCountry),
    fn: hashes('first_name', inLines(person, 'first_name', 'sha256_first_name')),
    ln: hashes('last_name', inLines(person, 'last_name', 'sha256_last_name')),
    ge: hashes('gender', [{ value: person.gender, path: 'user_data.gender', isHash: false }]),
    db: hashes('birth_date', [{ value: person.birth_date, path: 'user_data.birth_date', isHash: false }]),
    ct: hashes('city', inLines(person, 'city')),
    st: hashes('region', inLines(person, 'region'), known),
    zp: hashes('postal_code', inLines(person, 'postal_code'), known),
    country: hashes('country', inLines(person, 'country')),
    external_id: hashes('external_id', [{ value: event.user_id, path: 'user_id', isHash: false }]),
    client_ip_address: ipOf(client.ip, warnings),
    client_user_agent: userAgentOf(event, actionSource, warnings),
    fbc: fbcOf(event, warnings),
    fbp: fbpOf(event, warnings),
    lead_id: metaLeadIdOf(event, warnings)
  }
}

const none: readonly Given[] = []

/** What the address says in one or two of its lines. Most lines are empty, and this is asked for each event. */
function inLines (person: UserData, line: keyof Address, hashedLine?: keyof Address): readonly Given[] {
  const { address } = person
  if (address === undefined) return none
  const isHashed = hashedLine !== undefined && address[hashedLine] !== undefined
  if (address[line] === undefined) return isHashed ? [inAddress(person, hashedLine)] : none
  return isHashed ? [inAddress(person, line), inAddress(person, hashedLine)] : [inAddress(person, line)]
}

/** The hashes of all usable values, without repetitions; undefined when there is none (an empty list is refused). */
function hashAll (
  field: PersonField, given: readonly Given[], country: string | undefined, settings: MetaSettings, nowMs: number,
  warnings: MapWarning[]
): string[] | undefined {
  const read = (value: string) => normalize(field, value, country, nowMs)
  let found: string[] | undefined
  for (const one of given) {
    const hashes = one.value === undefined ? null : hashOne(one, one.value, read, warnings)
    if (hashes === null) continue
    const { sha256, further } = hashes
    const spellings = field === 'city' ? spellingsOf(sha256, further, settings) : [sha256, ...further]
    // Most events have one hash of each kind.
    if (found === undefined && spellings.length === 1) found = spellings
    else found = [...new Set([...found ?? [], ...spellings])]
  }
  return found
}

/** A city in other letters: the documented spelling, the pixel's, or both, as the owner chose. */
function spellingsOf (
  documented: string, ofPixel: readonly string[], { city_spelling: choice }: MetaSettings
): string[] {
  switch (choice) {
    case 'documented': return [documented]
    case 'pixel': return ofPixel.length > 0 ? [...ofPixel] : [documented]
    case 'both': return [documented, ...ofPixel]
  }
}

function ipOf (given: string | undefined, warnings: MapWarning[]): string | undefined {
  if (given === undefined) return undefined
  const ip = readPublicIp(given)
  if (ip === null) warnings.push({ path: 'client.ip', code: 'not_a_public_address' })
  return ip ?? undefined
}

/** Documented as required for the website, though Meta takes events without (meta.md §1.4): a warning, no refusal. */
function userAgentOf (
  event: OutgoingEvent, actionSource: MetaPayload['action_source'], warnings: MapWarning[]
): string | undefined {
  const userAgent = event.client?.user_agent?.trim()
  if (userAgent !== undefined && userAgent.length > 1) return userAgent
  if (actionSource === 'website') warnings.push({ path: 'client.user_agent', code: 'missing' })
  return undefined
}

/**
 * The id of a lead that was given on Meta's own form, from the parameter `meta_lead_id` (not our `lead_id`): 15 to 17
 * digits, in exports behind `l:` (meta.md §1.4, §1.6). An invalid one would refuse the event.
 */
export function metaLeadIdOf (event: Pick<OutgoingEvent, 'params'>, warnings: MapWarning[]): string | undefined {
  const given = event.params?.meta_lead_id
  if (given === undefined) return undefined
  const digits = typeof given === 'string' ? /^\s*(?:l:)?(\d{15,17})\s*$/.exec(given)?.[1] : undefined
  if (digits !== undefined) return digits
  if (typeof given === 'number' && Number.isSafeInteger(given) && given >= 1e14) return String(given)
  warnings.push({ path: 'params.meta_lead_id', code: 'not_a_meta_lead_id' })
  return undefined
}

const insufficient = [
  ['ct', 'country', 'st', 'zp', 'ge', 'client_user_agent'], ['db', 'client_user_agent'], ['fn', 'ge'], ['ln', 'ge']
]

/** Whether Meta accepts these keys as enough to look for a person: else it answers 100/2804050 (meta.md §1.4). */
export function isIdentifying (userData: MetaUserData): boolean {
  // None of the insufficient sets holds these.
  if (userData.em !== undefined || userData.ph !== undefined || userData.fbp !== undefined) return true
  const keys = Object.entries(userData).flatMap(([key, value]) => value === undefined ? [] : [key])
  return !insufficient.some(set => keys.every(key => set.includes(key)))
}
