// What the fake TikTok demands of an event's `user`.
import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { arrayOf, firstUnknown, firstWrong, isText, listOf, objectAt, oneOf } from './json.ts'
import type { Json, Path } from './json.ts'
import { isPublicAddress } from './public_address.ts'
import { at, type TiktokRule, type TiktokSource } from './tiktok_rule.ts'

const lists = ['email', 'phone', 'external_id']
const hashedKeys = [...lists, 'first_name', 'last_name', 'zip_code']
const clearKeys = ['city', 'state', 'country']
const singleKeys = ['ttclid', 'ttp', 'ip', 'user_agent', 'locale', 'first_name', 'last_name', 'zip_code', ...clearKeys,
  'idfa', 'idfv', 'gaid']

const isTextOrList = (value: unknown): boolean => isText(value) || (arrayOf(isText)(value) && listOf(value).length > 0)

/** Every key that may stand in `user`, with its type (§1.4). */
const userKeys: Record<string, (value: unknown) => boolean> = {
  ...Object.fromEntries(lists.map(key => [key, isTextOrList])),
  ...Object.fromEntries(singleKeys.map(key => [key, isText])),
  att_status: oneOf('AUTHORIZED', 'DENIED', 'NOT_DETERMINED', 'RESTRICTED', 'NOT_APPLICABLE')
}

/** Which keys each source takes: the column "Sources" of §1.4. */
const keysOfSource: Record<TiktokSource, string[]> = {
  web: ['email', 'phone', 'external_id', 'ttclid', 'ttp', 'ip', 'user_agent', 'locale', 'first_name', 'last_name',
    'zip_code', 'city', 'state', 'country'],
  app: ['email', 'phone', 'ip', 'user_agent', 'locale', 'idfa', 'idfv', 'gaid', 'att_status'],
  offline: ['email', 'phone'],
  crm: ['email', 'phone', 'external_id']
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** What a mapping hashes when it has nothing to hash. */
const hashesOfNothing = new Set(['', ' ', '+', 'undefined', '+undefined', 'null', 'nan', 'NaN', 'none', 'n/a', 'true',
  'false', '0', '[object Object]', '[object object]', '[]', '{}', ','].map(sha256))

/** The first value of the given keys of `user` that breaks a test. */
function firstValue (event: Json, keys: readonly string[], isWrong: (value: string) => boolean): Path | undefined {
  const user = objectAt(event, 'user')
  for (const key of keys) {
    const index = listOf(user[key]).findIndex(value => isWrong(String(value)))
    if (index >= 0) return ['user', key, ...(Array.isArray(user[key]) ? [index] : [])]
  }
  return undefined
}

function isLanguageTag (tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length === 1
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

export const tiktokUserRules: readonly TiktokRule[] = [
  {
    name: 'unexpected_user_key',
    from: 'other-networks.md §1.4, the column of keys',
    code: 40002,
    broken: event => firstUnknown(objectAt(event, 'user'), userKeys, ['user'])
  },
  {
    name: 'user_value_type',
    from: 'other-networks.md §1.4: string or array for email, phone, external_id; §1.11 no empty lists',
    code: 40002,
    broken: event => firstWrong(objectAt(event, 'user'), userKeys, ['user'])
  },
  {
    name: 'user_key_of_another_source',
    from: 'other-networks.md §1.4, the column "Sources"',
    code: 40002,
    broken (event, { source }) {
      const key = Object.keys(objectAt(event, 'user')).find(name => !keysOfSource[source].includes(name))
      return at(key !== undefined, 'user', key ?? '')
    }
  },
  {
    name: 'not_hashed',
    from: 'other-networks.md §1.4 SHA-256 (lower hex); §1.10 40062',
    code: 40062,
    broken: event => firstValue(event, hashedKeys, value => !/^[a-f0-9]{64}$/.test(value))
  },
  {
    name: 'hashed_in_clear_field',
    from: 'other-networks.md §1.4 city, state, country: raw, not hashed; ttclid, ttp, ip, user_agent, locale: raw',
    code: 40002,
    broken: event => firstValue(event, [...clearKeys, 'ttclid', 'ttp', 'ip', 'user_agent', 'locale'], value =>
      /^[a-f0-9]{64}$/i.test(value))
  },
  {
    name: 'place_case',
    from: 'other-networks.md §1.4 city, state, country: lower',
    code: 40002,
    broken: event => firstValue(event, clearKeys, value => value !== value.toLowerCase().trim())
  },
  {
    name: 'country_code',
    from: 'ours: a country is its code of two letters',
    code: 40002,
    broken: event => firstValue(event, ['country'], value => !/^[a-z]{2}$/.test(value))
  },
  {
    name: 'no_matchable_key',
    from: 'other-networks.md §1.3 user: at least one matchable key',
    code: 40002,
    broken (event) {
      const user = objectAt(event, 'user')
      const alone = ['email', 'phone', 'external_id', 'ttclid', 'ttp', 'idfa', 'idfv', 'gaid']
      const isFound = alone.some(key => user[key] !== undefined) ||
        (user.ip !== undefined && user.user_agent !== undefined)
      return at(!isFound, 'user')
    }
  },
  {
    name: 'ttclid',
    from: 'other-networks.md §1.7 Regex guidance; opaque, starts E.C.P., never lower-cased',
    code: 40002,
    broken: event => firstValue(event, ['ttclid'], value => !/^[A-Za-z0-9._-]{10,512}$/.test(value) ||
      value.startsWith('e.c.p.'))
  },
  {
    name: 'ttp',
    from: 'other-networks.md §1.7 _ttp: a KSUID, or a ULID and .tt.1; the letters of §1.7 Regex guidance',
    code: 40002,
    broken: event => firstValue(event, ['ttp'], value => !/^[A-Za-z0-9._-]{10,512}$/.test(value) ||
      /^[0-9a-hjkmnp-tv-z]{26}_\.tt\.\d$/.test(value))
  },
  {
    name: 'ip_address',
    from: 'other-networks.md §1.4 ip: raw public v4/v6',
    code: 40002,
    broken: event => firstValue(event, ['ip'], value => !isPublicAddress(value))
  },
  {
    name: 'user_agent',
    from: 'ours: other-networks.md §1.4 user_agent is a browser\'s, not an address and not padded',
    code: 40002,
    broken: event => firstValue(event, ['user_agent'], value =>
      value.trim() !== value || isIP(value) > 0 || value.length < 2)
  },
  {
    name: 'locale',
    from: 'other-networks.md §1.4 locale: raw BCP-47',
    code: 40002,
    broken: event => firstValue(event, ['locale'], value => !isLanguageTag(value))
  },
  {
    name: 'hash_of_nothing',
    from: 'ours: nothing was hashed, so that nobody can be found',
    code: 40062,
    broken: event => firstValue(event, hashedKeys, value => hashesOfNothing.has(value))
  },
  {
    name: 'repeated_value',
    from: 'ours: each way to find a person once',
    code: 40002,
    broken (event) {
      const user = objectAt(event, 'user')
      const key = lists.find(name => new Set(listOf(user[name])).size < listOf(user[name]).length)
      return at(key !== undefined, 'user', key ?? '')
    }
  }
]
