// What the fake GA4 demands of `user_data`: consent, the right keys, hashes where hashes belong and only there.
import { createHash } from 'node:crypto'
import { at, type Ga4Rule } from './ga4_rule.ts'
import { firstUnknown, isObject, listOf, objectAt, type Json, type Path } from './json.ts'

const isHash = (value: unknown): boolean => /^[a-f0-9]{64}$/.test(String(value))
const lists = ['sha256_email_address', 'sha256_phone_number']
const hashedKeys = ['sha256_first_name', 'sha256_last_name', 'sha256_street']
const placeKeys = ['city', 'region']
const clearKeys = [...placeKeys, 'postal_code', 'country']
const userKeys = Object.fromEntries([...lists, 'address'].map(key => [key, true]))
const addressKeys = Object.fromEntries([...hashedKeys, ...clearKeys].map(key => [key, true]))

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
/** What a mapping hashes when it has nothing to hash. */
const hashesOfNothing = new Set(['', ' ', '+', '+undefined', 'undefined', 'null', 'nan', 'NaN', 'none', 'n/a', '0',
  '[object Object]', '[object object]', '[]', '{}', ','].map(sha256))

interface Found { value: unknown, key: string, path: Path }

/** Every single value of `user_data`, in its lists and its addresses. */
function valuesOf (body: Json): Found[] {
  const user = objectAt(body, 'user_data')
  const entries = (object: Json, key: string, path: Path): Found[] => listOf(object[key]).map((value, index) =>
    ({ value, key, path: [...path, key, ...(Array.isArray(object[key]) ? [index] : [])] }))
  return [
    ...lists.flatMap(key => entries(user, key, ['user_data'])),
    ...addressesOf(body).flatMap(([address, path]) => Object.keys(addressKeys).flatMap(key =>
      entries(address, key, path)))
  ]
}

function addressesOf (body: Json): [Json, Path][] {
  const { address } = objectAt(body, 'user_data')
  return listOf(address).map((one, index) =>
    [isObject(one) ? one : {}, ['user_data', 'address', ...(Array.isArray(address) ? [index] : [])]])
}

const firstValue = (keys: readonly string[], isWrong: (value: unknown, key: string) => boolean) =>
  (body: Json): Path | undefined => valuesOf(body).find(({ key, value }) =>
    keys.includes(key) && isWrong(value, key))?.path

export const userDataRules: readonly Ga4Rule[] = [
  {
    name: 'user_data_key',
    from: 'google.md §3 user_data',
    code: 'VALUE_INVALID',
    when: 'enforced',
    broken: body => firstUnknown(objectAt(body, 'user_data'), userKeys, ['user_data']) ??
      addressesOf(body).map(([address, path]) => firstUnknown(address, addressKeys, path))
        .find(path => path !== undefined)
  },
  {
    name: 'user_data_without_consent',
    from: 'google.md §6 "Denied ad_user_data": may be sent without user_data only',
    broken: body => at('user_data', body.user_data !== undefined &&
      objectAt(body, 'consent').ad_user_data !== 'GRANTED')
  },
  {
    name: 'not_hashed',
    from: 'google.md §4 "SHA-256 of UTF-8, lower-case hex"',
    code: 'VALUE_INVALID',
    when: 'enforced',
    broken: firstValue([...lists, ...hashedKeys], value => !isHash(value))
  },
  {
    name: 'hashed_in_clear_field',
    from: 'google.md §4, the column MP: city, region, postal code and country are not hashed',
    broken: firstValue(clearKeys, value => typeof value !== 'string' || /^[a-f0-9]{64}$/i.test(value))
  },
  {
    name: 'place_form',
    from: 'google.md §4 city, region: lower-case, trimmed; §3 without digits and symbols',
    broken: firstValue(placeKeys, value =>
      !/^[^\p{N}\p{P}\p{S}]+$/u.test(String(value)) || String(value).trim().toLowerCase() !== value)
  },
  {
    name: 'country_form',
    from: 'google.md §4 country: ISO alpha-2 upper',
    broken: firstValue(['country'], value => !/^[A-Z]{2}$/.test(String(value)) || value === 'UK')
  },
  {
    name: 'postal_code_form',
    from: 'google.md §4 postal code: trimmed',
    broken: firstValue(['postal_code'], value => String(value).trim() !== value || /[.~]/.test(value) ||
      !/\p{N}/u.test(value))
  },
  {
    name: 'too_many_values',
    from: 'ours: GA4 takes three e-mail addresses, three phone numbers and two addresses (its page on user data)',
    broken: body => lists.map(key => at(key, listOf(objectAt(body, 'user_data')[key]).length > 3))
      .find(path => path !== undefined) ?? at('address', addressesOf(body).length > 2)
  },
  {
    name: 'repeated_value',
    from: 'ours: a value twice is one value and takes another\'s place',
    broken: body => firstValue(lists, (value, key) =>
      listOf(objectAt(body, 'user_data')[key]).filter(other => other === value).length > 1)(body)
  },
  {
    name: 'hash_of_nothing',
    from: 'google.md §4 "Never hash an empty string"',
    broken: firstValue([...lists, ...hashedKeys], value => hashesOfNothing.has(String(value)))
  }
]
