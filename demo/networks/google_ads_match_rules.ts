// What the fake Data Manager API demands of what an event is matched by: clicks, session attributes, user data.
import { createHash } from 'node:crypto'
import { isObject, listOf, objectAt, type Json, type Path } from './json.ts'
import type { Rule, RuleContext } from './google_ads_rule.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const at = (isBroken: boolean, ...path: Path): Path | undefined => isBroken ? path : undefined

const identifiersOf = (event: Json): Json[] => listOf(objectAt(event, 'userData').userIdentifiers).filter(isObject)

/** The place of the first user identifier for which something holds; `key` is looked up below it. */
function identifierWhere (event: Json, isWrong: (one: Json) => boolean, ...key: string[]): Path | undefined {
  const index = identifiersOf(event).findIndex(isWrong)
  return at(index >= 0, 'userData', 'userIdentifiers', index, ...key)
}

const hashedKeys = [['emailAddress'], ['phoneNumber'], ['address', 'givenName'], ['address', 'familyName']] as const

/** Where the first hash stands for which something holds. */
function hashWhere (event: Json, isWrong: (hash: string) => boolean): Path | undefined {
  for (const [index, one] of identifiersOf(event).entries()) {
    for (const [outer, inner] of hashedKeys) {
      const hash = inner === undefined ? one[outer] : objectAt(one, outer)[inner]
      if (typeof hash === 'string' && isWrong(hash)) {
        return ['userData', 'userIdentifiers', index, outer, ...inner === undefined ? [] : [inner]]
      }
    }
  }
  return undefined
}

const addressesOf = (event: Json): { address: Json, path: Path }[] => identifiersOf(event).flatMap((one, index) =>
  isObject(one.address) ? [{ address: one.address, path: ['userData', 'userIdentifiers', index, 'address'] }] : [])

/** Where the first address stands for whose `key` something holds. */
function addressWhere (
  event: Json, key: string, isWrong: (value: unknown, address: Json) => boolean
): Path | undefined {
  const found = addressesOf(event).find(({ address }) => isWrong(address[key], address))
  return found === undefined ? undefined : [...found.path, key]
}

const regions = new Intl.DisplayNames(['en'], { type: 'region', fallback: 'none' })
const isRegion = (code: unknown): boolean => typeof code === 'string' && /^[A-Z]{2}$/.test(code) &&
  !['UK', 'EU', 'ZZ', 'XX'].includes(code) && regions.of(code) !== undefined

const sessionKey = /^(?:gad_\w+|session_start_time_usec|landing_page_(?:url|referrer|user_agent))$/

/** google.md §2.7: base64url without padding of a JSON object of texts. */
function isSession (text: string, nowMs: number): boolean {
  if (!/^[\w-]+$/.test(text)) return false
  try {
    const session: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
    if (!isObject(session)) return false
    const startMs = Number(session.session_start_time_usec) / 1000
    return Object.entries(session).every(([key, value]) => sessionKey.test(key) && typeof value === 'string') &&
      /^\d{16}$/.test(String(session.session_start_time_usec)) && startMs <= nowMs + 60_000 &&
      [session.landing_page_url, session.landing_page_referrer].every(url =>
        url === undefined || (URL.canParse(String(url)) && !/@|%40|#/.test(String(url))))
  } catch (error) {
    if (error instanceof SyntaxError) return false
    throw error
  }
}

const hasHashes = (event: Json): boolean => identifiersOf(event).length > 0
const isEncodedAs = (encoding: string, { encoding: given }: RuleContext): boolean => given === encoding

export const matchRules: readonly Rule[] = [
  {
    name: 'identifiers_missing',
    from: 'google.md §2.6 NO_IDENTIFIERS_PROVIDED',
    reason: 'NO_IDENTIFIERS_PROVIDED',
    broken: event => at(Object.keys(objectAt(event, 'adIdentifiers')).length === 0 && !hasHashes(event))
  },
  {
    name: 'gbraid_with_wbraid',
    from: 'google.md §10: never gbraid and wbraid (§1.3 GBRAID_WBRAID_BOTH_SET)',
    reason: 'INVALID_EVENT',
    broken: event => {
      const { gbraid, wbraid } = objectAt(event, 'adIdentifiers')
      return at(gbraid !== undefined && wbraid !== undefined, 'adIdentifiers', 'wbraid')
    }
  },
  {
    name: 'gclid_with_wbraid',
    from: 'google.md §10: never gclid and wbraid',
    reason: 'INVALID_EVENT',
    broken: event => {
      const { gclid, wbraid } = objectAt(event, 'adIdentifiers')
      return at(gclid !== undefined && wbraid !== undefined, 'adIdentifiers', 'wbraid')
    }
  },
  {
    name: 'session_attributes',
    from: 'google.md §2.7',
    reason: 'INVALID_FORMAT',
    broken: (event, { nowMs }) => {
      const { sessionAttributes: session } = objectAt(event, 'adIdentifiers')
      return at(session !== undefined && !isSession(String(session), nowMs), 'adIdentifiers', 'sessionAttributes')
    }
  },
  {
    name: 'too_many_identifiers',
    from: 'google.md §2.2: 10 userIdentifiers per event',
    reason: 'TOO_MANY_USER_IDENTIFIERS',
    broken: event => at(identifiersOf(event).length > 10, 'userData', 'userIdentifiers')
  },
  {
    name: 'one_identifier_each',
    from: 'google.md §2.3 userIdentifiers[]: one-of',
    reason: 'INVALID_FORMAT',
    broken: event => identifierWhere(event, one => Object.keys(one).length !== 1)
  },
  {
    name: 'hex_encoding',
    from: 'google.md §2.6 INVALID_HEX_ENCODING',
    reason: 'INVALID_HEX_ENCODING',
    broken: (event, context) =>
      isEncodedAs('HEX', context) ? hashWhere(event, hash => !/^[\da-f]*$/i.test(hash)) : undefined
  },
  {
    name: 'base64_encoding',
    from: 'google.md §2.6 INVALID_BASE64_ENCODING',
    reason: 'INVALID_BASE64_ENCODING',
    broken: (event, context) => isEncodedAs('BASE64', context)
      ? hashWhere(event, hash => !/^[\w+/-]+={0,2}$/.test(hash) || Buffer.from(hash, 'base64').length !== 32)
      : undefined
  },
  {
    name: 'sha256_length',
    from: 'google.md §2.6 INVALID_SHA256_FORMAT',
    reason: 'INVALID_SHA256_FORMAT',
    broken: (event, context) => isEncodedAs('HEX', context) ? hashWhere(event, hash => hash.length !== 64) : undefined
  },
  {
    name: 'lower_case_hex',
    from: 'ours: google.md §4: lower-case hex, the spelling of all networks',
    reason: 'INVALID_SHA256_FORMAT',
    broken: (event, context) => isEncodedAs('HEX', context) ? hashWhere(event, hash => /[A-F]/.test(hash)) : undefined
  },
  {
    name: 'hash_of_nothing',
    from: 'ours: google.md §4: never hash an empty string',
    reason: 'INVALID_SHA256_FORMAT',
    broken: event => hashWhere(event, hash =>
      ['', 'undefined', 'null', '[object Object]'].some(nothing => hash === sha256(nothing)))
  },
  {
    name: 'address_incomplete',
    from: 'google.md §2.3 address: all four required',
    reason: 'REQUIRED_FIELD_MISSING',
    broken: event => ['givenName', 'familyName', 'regionCode', 'postalCode'].map(key =>
      addressWhere(event, key, value => value === undefined || value === '')).find(found => found)
  },
  {
    name: 'address_of_analytics',
    from: 'google.md §2.3 addressLine, city, administrativeArea: GA only',
    reason: 'INVALID_EVENT',
    broken: event => ['addressLine', 'city', 'administrativeArea'].map(key =>
      addressWhere(event, key, value => value !== undefined)).find(found => found)
  },
  {
    name: 'region_code',
    from: 'google.md §4 country code: ISO alpha-2 upper; §2.6 INVALID_REGION_CODE',
    reason: 'INVALID_REGION_CODE',
    broken: event => addressWhere(event, 'regionCode', value => !isRegion(value))
  },
  {
    name: 'postal_code',
    from: 'google.md §4 postal code: US 5 or 5+4, in clear; §2.6 INVALID_POSTAL_CODE',
    reason: 'INVALID_POSTAL_CODE',
    broken: event => addressWhere(event, 'postalCode', (value, { regionCode }) => {
      const code = String(value)
      return regionCode === 'US' ? !/^\d{5}(-\d{4})?$/.test(code) : !/^[\p{L}\d][\p{L}\d -]{0,10}[\p{L}\d]$/u.test(code)
    })
  },
  {
    name: 'repeated_identifier',
    from: 'ours: google.md §4: the same value twice is one identifier lost',
    reason: 'INVALID_EVENT',
    broken: event => {
      const seen = identifiersOf(event).map(one => JSON.stringify(one))
      const index = seen.findIndex((text, place) => seen.indexOf(text) !== place)
      return at(index >= 0, 'userData', 'userIdentifiers', index)
    }
  }
]
