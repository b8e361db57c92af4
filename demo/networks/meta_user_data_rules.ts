// What the fake Meta demands of an event's `user_data`.
import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { arrayOf, firstUnknown, firstWrong, isInteger, isText, listOf, objectAt } from './json.ts'
import { generalSubcode } from './meta_rule.ts'
import type { Json, Path } from './json.ts'
import type { Rule } from './meta_rule.ts'
import { isPublicAddress } from './public_address.ts'

const dayMs = 86_400_000
const hashedKeys = ['em', 'ph', 'fn', 'ln', 'ge', 'db', 'ct', 'st', 'zp', 'country']
const legacyHashedKeys = ['f5first', 'f5last', 'fi', 'dobd', 'dobm', 'doby']
const singleKeys = ['client_ip_address', 'client_user_agent', 'fbc', 'fbp']
const plainKeys = ['subscription_id', 'anon_id', 'madid', 'page_id', 'page_scoped_user_id', 'ctwa_clid',
  'ig_account_id', 'ig_sid']

const isHash = (value: unknown): boolean => /^[a-f0-9]{64}$/.test(String(value))
const isTextOrList = (value: unknown): boolean => isText(value) || (arrayOf(isText)(value) && listOf(value).length > 0)
const isIdNumber = (value: unknown): boolean => isInteger(value) || (typeof value === 'string' && /^\d+$/.test(value))

/** Every key that may stand in `user_data`, with its type (meta.md §1.4). */
const userKeys: Record<string, (value: unknown) => boolean> = {
  ...Object.fromEntries([...hashedKeys, ...legacyHashedKeys, 'external_id', ...plainKeys]
    .map(key => [key, isTextOrList])),
  ...Object.fromEntries(singleKeys.map(key => [key, isText])),
  fb_login_id: isIdNumber,
  lead_id: value => isIdNumber(value) || isText(value)
}

/** Alone, the keys of one of these sets do not tell who the person is (meta.md §1.4 "Requirement"). */
const insufficient = [
  ['ct', 'country', 'st', 'zp', 'ge', 'client_user_agent'], ['db', 'client_user_agent'], ['fn', 'ge'], ['ln', 'ge']
]

const countries = (
  'ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bl bm bn bo bq br bs bt bv bw by bz ' +
  'ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg eh er es et fi fj fk fm fo ' +
  'fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je ' +
  'jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mf mg mh mk ml mm mn mo ' +
  'mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw ' +
  'py qa re ro rs ru rw sa sb sc sd se sg sh si sj sk sl sm sn so sr ss st sv sx sy sz tc td tf tg th tj tk tl tm ' +
  'tn to tr tt tv tw tz ua ug um us uy uz va vc ve vg vi vn vu wf ws xk ye yt za zm zw'
).split(' ')
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const hashesOf = (texts: string[]): Set<string> => new Set(texts.map(sha256))

/** What a mapping hashes when it has nothing to hash. */
const hashesOfNothing = hashesOf(['', ' ', 'undefined', 'null', 'nan', 'NaN', 'none', 'n/a', 'true', 'false', '0',
  '[object Object]', '[object object]', '[]', '{}', ','])

/** Fields with so few possible values that their hashes can be looked up. */
const closedHashes: Record<string, () => Set<string>> = {
  country: once(() => hashesOf(countries)),
  ge: once(() => hashesOf(['f', 'm'])),
  db: once(() => hashesOf(daysSince1900()))
}

function once<T> (make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}

function daysSince1900 (): string[] {
  const first = Date.UTC(1900, 0, 1)
  const count = Math.ceil((Date.UTC(2100, 0, 1) - first) / dayMs)
  return Array.from({ length: count }, (_, day) =>
    new Date(first + day * dayMs).toISOString().slice(0, 10).replaceAll('-', ''))
}

/** The first value of the given user_data keys that breaks a test. */
function firstValue (
  event: Json, keys: readonly string[], isWrong: (value: unknown, key: string) => boolean
): Path | undefined {
  const user = objectAt(event, 'user_data')
  for (const key of keys) {
    const index = listOf(user[key]).findIndex(value => isWrong(value, key))
    if (index >= 0) return ['user_data', key, ...(Array.isArray(user[key]) ? [index] : [])]
  }
  return undefined
}

/** The creation time in `fb.<index>.<ms>.<payload>[.<appendix>]`; undefined when it is malformed (meta.md §3.1). */
function fbCreatedAtMs (value: unknown, payload: RegExp): number | undefined {
  const [prefix, index = '', created = '', id = '', appendix, ...rest] = String(value).split('.')
  const isWhole = prefix === 'fb' && /^\d+$/.test(index) && /^\d{13}$/.test(created) && payload.test(id) &&
    rest.length === 0
  const isKnownEnd = appendix === undefined || /^(A[Qgw]|B[AQg]|AQ[\w-]{6})$/.test(appendix)
  return isWhole && isKnownEnd ? Number(created) : undefined
}

const fbPayloads: Record<string, RegExp> = { fbc: /^[\w~%*+:=-]{1,500}$/, fbp: /^\d{1,20}$/ }

export const userDataRules: readonly Rule[] = [
  {
    name: 'unexpected_user_key',
    from: 'meta.md §1.3 "Unknown keys"; §7.6 click_id, fbclid and the like',
    subcode: generalSubcode,
    broken: event => firstUnknown(objectAt(event, 'user_data'), userKeys, ['user_data'])
  },
  {
    name: 'user_value_type',
    from: 'meta.md §1.4 "Each: string or list"; §7.7 [null] for a bad gender',
    subcode: generalSubcode,
    broken: event => firstWrong(objectAt(event, 'user_data'), userKeys, ['user_data'])
  },
  {
    name: 'not_hashed',
    from: 'meta.md §2 "Raw PII in a hash field" 2804016; §1.4 "Hash required", lower hex',
    subcode: 2804016,
    broken: event => firstValue(event, [...hashedKeys, ...legacyHashedKeys], value => !isHash(value))
  },
  {
    name: 'external_id_not_hashed',
    from: 'ours: meta.md §1.4 recommends it and design.md sends no identity in clear',
    subcode: 2804016,
    broken: event => firstValue(event, ['external_id'], value => !isHash(value))
  },
  {
    name: 'fb_grammar',
    from: 'meta.md §3.1 grammar of fbc and fbp; §7.5 half an fbc; §5 2804001',
    subcode: 2804001,
    broken: (event, { nowMs }) => firstValue(event, ['fbc', 'fbp'], (value, key) => {
      const createdAtMs = fbCreatedAtMs(value, fbPayloads[key] ?? /^$/)
      return createdAtMs === undefined || createdAtMs > nowMs + 60_000
    })
  },
  {
    name: 'insufficient_user_data',
    from: 'meta.md §1.4 "Requirement", 2804050',
    subcode: 2804050,
    broken (event) {
      const keys = Object.keys(objectAt(event, 'user_data'))
      return insufficient.some(set => keys.every(key => set.includes(key))) ? ['user_data'] : undefined
    }
  },
  {
    name: 'lead_id',
    from: 'meta.md §1.4 lead_id is 15–17 digits; §1.6 2804036; the l: of exports is no part of it',
    subcode: 2804036,
    broken: event => firstValue(event, ['lead_id'], value => !/^\d{15,17}$/.test(String(value)))
  },
  {
    name: 'ip_address',
    from: 'meta.md §7.15 proxies\' addresses, blanks and lists; §3.3 an IPv4 address is sent as one',
    subcode: generalSubcode,
    broken: event => firstValue(event, ['client_ip_address'], value => !isPublicAddress(String(value)))
  },
  {
    name: 'hashed_in_clear_field',
    from: 'meta.md §1.4 "Never hash"',
    subcode: generalSubcode,
    broken: event => firstValue(event, [...singleKeys, ...plainKeys], value => /^[a-f0-9]{64}$/i.test(String(value)))
  },
  {
    name: 'user_agent',
    from: 'ours: meta.md §1.4 client_user_agent is a browser\'s, not an address and not padded',
    broken: event => firstValue(event, ['client_user_agent'], value =>
      String(value).trim() !== value || isIP(String(value)) > 0 || String(value).length < 2)
  },
  {
    name: 'hash_of_nothing',
    from: 'ours: meta.md §2 "never hash \'\'"',
    broken: event => firstValue(event, [...hashedKeys, 'external_id'], value => hashesOfNothing.has(String(value)))
  },
  {
    name: 'unmatchable_hash',
    from: 'ours: meta.md §2 country is ISO-2, ge is f or m, db is YYYYMMDD, so every right hash is known',
    broken: event => firstValue(event, Object.keys(closedHashes), (value, key) =>
      closedHashes[key]?.().has(String(value)) !== true)
  },
  {
    name: 'repeated_value',
    from: 'ours: meta.md §2 "Dedup lists after hashing"',
    broken: event => firstValue(event, [...hashedKeys, 'external_id'], (value, key) =>
      listOf(objectAt(event, 'user_data')[key]).filter(other => other === value).length > 1)
  },
  {
    name: 'fbc_past_its_life',
    from: 'ours: meta.md §3.3 "resending > 90-day-old fbc"',
    broken: (event, { nowMs }) => firstValue(event, ['fbc'], value =>
      nowMs - (fbCreatedAtMs(value, fbPayloads.fbc ?? /^$/) ?? 0) > 90 * dayMs)
  }
]
