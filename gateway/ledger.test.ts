// The ledger: since when a value is kept that does not say so itself; and what the keeper never does, whatever happens.
import fc from 'fast-check'
import { test } from 'tap'
import { deriveKeys } from '../config/keys.ts'
import { bornAtMs, keptCookie, lifeEndMs } from '../schema/kept_cookies.ts'
import { testKeys } from '../test/gateway_world.ts'
import { dayMs, days, daysAgo, factsOf, keep, ledgerOf, may, nowMs, secondsAgo, type Given } from
  '../test/keeper_facts.ts'
import { cookieScope } from './cookies.ts'
import { keepCookies } from './keeper.ts'

const ttp = '_ttp=01KTWH5QXGXEMB5JTKC82JZMR9_.tt.1'
const names = (lines: Map<string, unknown>) => [...lines.keys()].sort()

test('a value that does not say when it was made lives from the first time we saw it', t => {
  const first = keep({ cookie: ttp })
  t.match(first.get('_pstn_k'), { attributes: '; Domain=example.com; HttpOnly; Secure; SameSite=Lax' })
  t.equal(days(first.get('_pstn_k')), 179.5, 'the ledger ends with the consent')
  const ledger = ledgerOf(first)
  const later = (ago: number, given: Given = {}) =>
    keep({ cookie: `${ttp}; ${ledger}`, nowMs: nowMs + ago * dayMs, ...given })

  t.same([...later(100)].map(([name, line]) => [name, days(line)]), [['_ttp', 289.5]], 'and no second ledger')
  t.same(names(later(0.01)), ['_ttp'])
  t.same([...later(100, { cookie: ttp })].map(([name, line]) => [name, days(line)]),
    [['_ttp', 389.5], ['_pstn_k', 79.5]], 'without the ledger nobody remembers')
  const changed = later(100, { cookie: `${ttp}x; ${ledger}` })
  t.equal(days(changed.get('_ttp')), 389.5, 'a value that changed begins anew')
  t.same(names(later(100, { cookie: ledger })), ['_pstn_k'], 'what is gone stays gone, in the ledger too')
  t.equal(days(keep({ cookie: `${ttp}; ${ledgerOf(later(100, { cookie: ledger }))}` }).get('_ttp')), 389.5)

  const renewed = later(100, { grantedAtMs: nowMs + 100 * dayMs })
  t.same([days(renewed.get('_ttp')), days(renewed.get('_pstn_k'))], [289.5, 179.5], 'a new grant carries it on')
  t.same(names(later(181)), [], 'a consent that is over keeps nothing')
  const unsaid = keep({ cookie: ttp, grantedAtMs: undefined })
  t.equal(days(unsaid.get('_pstn_k')), 395.5, 'where nobody said when, it outlives what it remembers')
  t.end()
})

test('the ledger is bounded', t => {
  // More values without a time of their own than networks have: those of Analytics, with times still to come.
  const many = Array.from({ length: 40 }, (_, at) =>
    `_ga_X${String(at).padStart(4, '0')}=GS1.1.1.1.1.${secondsAgo(-30)}.0.0.0`).join('; ')
  const lines = keep({ cookie: `${many}; ${ttp}` })
  t.ok((lines.get('_pstn_k')?.value.length ?? 0) < 340)
  t.equal(lines.has('_ttp'), false, 'what cannot be remembered is not kept')
  t.end()
})

test('a ledger that is not ours counts for nothing', t => {
  const own = ledgerOf(keep({ cookie: ttp }))
  const [version, ends, entries = '', mac = ''] = own.split('.')
  const elsewhere = keepCookies(factsOf({ cookie: ttp, scope: cookieScope('t.other.example', true) }), testKeys)
  const forged: [what: string, ledger: string][] = [
    ['another day', `${version}.${ends}.${entries.slice(0, -2)}AA.${mac}`],
    ['a later end', `${version}.${Number(ends) + 1}.${entries}.${mac}`],
    ['another mac', `${version}.${ends}.${entries}.${'A'.repeat(43)}`],
    ['no mac', `${version}.${ends}.${entries}.`],
    ['no entries', `${version}.${ends}..${mac}`],
    ['another version', own.replace('v1', 'v2')],
    ['empty', '_pstn_k='],
    ['huge', `_pstn_k=v1.${ends}.${'A'.repeat(3000)}.${mac}`],
    ['of another domain', String(elsewhere.get('_pstn_k')).split(';')[0] ?? ''],
    ['of another name', own.replace('_pstn_k', '_pstn_x')],
    ['of other keys', ledgerOf(keep({ cookie: ttp }, deriveKeys(['another secret, also of thirty-two characters'])))]
  ]
  for (const [what, ledger] of forged) {
    const lines = keep({ cookie: `${ttp}; ${ledger}`, nowMs: nowMs + 50 * dayMs })
    t.same([days(lines.get('_ttp')), days(lines.get('_pstn_k'))], [389.5, 129.5], what)
  }
  const both = keep({ cookie: `${ttp}; ${own}x; ${own}; _pstn_k=`, nowMs: nowMs + 50 * dayMs })
  t.equal(days(both.get('_ttp')), 339.5, 'of several the one that verifies counts')
  const younger = ledgerOf(keep({ cookie: ttp, nowMs: nowMs + 20 * dayMs }))
  for (const two of [`${own}; ${younger}`, `${younger}; ${own}`]) {
    t.equal(days(keep({ cookie: `${ttp}; ${two}`, nowMs: nowMs + 50 * dayMs }).get('_ttp')), 339.5, 'of two the older')
  }
  const ring = deriveKeys(['a newer secret of the ring, thirty-two', 'a secret of the tests, thirty-two characters'])
  t.equal(days(keep({ cookie: `${ttp}; ${own}`, nowMs: nowMs + 50 * dayMs }, ring).get('_ttp')), 339.5,
    'a new secret forgets nothing')
  t.end()
})

// ---- Whatever happens ---------------------------------------------------------------------------------------------

const values: Record<string, string[]> = {
  _fbp: [`fb.1.${daysAgo(0)}.1`, `fb.1.${daysAgo(60)}.2`, `fb.1.${daysAgo(-500)}.3`],
  _ga: [`GA1.1.1.${secondsAgo(0)}`, `GA1.1.2.${secondsAgo(600)}`],
  _ttp: ['01KTWH5QXGXEMB5JTKC82JZMR9_.tt.1', '2F7h37YkS1j57AYSKTI7IHhJPYH'],
  _uetvid: ['0123456789abcdef0123456789abcdef'],
  ttclid: ['E.C.P.one_two', 'E.C.P.three']
}
const pairs = Object.entries(values).flatMap(([name, list]) => list.map(value => ({ name, value })))
const step = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ kind: 'page' as const }) },
  { weight: 2, arbitrary: fc.constantFrom(...pairs.map(pair => ({ kind: 'write' as const, ...pair }))) },
  { weight: 1, arbitrary: fc.constantFrom(...pairs.map(({ name }) => ({ kind: 'delete' as const, name }))) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), days: fc.integer({ max: 40, min: 0 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('say' as const), ads: fc.boolean(), analytics: fc.boolean() }) }
)

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** A browser, as far as the keeper is concerned: its jar, and since when each value has been there without a break. */
function openBrowser () {
  const jar = new Map<string, { value: string, endsAtMs: number }>()
  const since = new Map<string, number>()
  let atMs = nowMs
  let granted = may(true, true)
  const remove = (name: string) => {
    since.delete(`${name}=${jar.get(name)?.value}`)
    jar.delete(name)
  }
  const set = (name: string, value: string, endsAtMs: number) => {
    if (jar.get(name)?.value !== value) remove(name)
    jar.set(name, { value, endsAtMs })
  }
  /** One answer of the keeper: checked, and taken into the jar. */
  function visit (): void {
    const cookie = [...jar].map(([name, { value }]) => `${name}=${value}`).join('; ')
    const refused = { ads: !granted.adIds, analytics: !granted.analyticsIds }
    // A refusal is the end of what is remembered.
    if (!granted.visitor) since.clear()
    for (const [name, { value, maxAge }] of
      keep({ cookie, nowMs: atMs, may: granted, refused, grantedAtMs: undefined })) {
      if (maxAge === 0) {
        remove(name)
        continue
      }
      const endsAtMs = atMs + maxAge * 1000
      const row = keptCookie(name)
      if (row !== undefined) {
        if (jar.get(name)?.value !== value) throw new Error(`${name} was not carried`)
        if (!(name === '_ga' ? granted.analyticsIds : granted.adIds)) throw new Error(`${name} was refused`)
        if (maxAge > 400 * 86_400) throw new Error(`${name} for more than 400 days`)
        const first = since.get(`${name}=${value}`) ?? atMs
        since.set(`${name}=${value}`, first)
        if (endsAtMs > lifeEndMs(row, bornAtMs(row, value, atMs) ?? first)) throw new Error(`${name} outlives itself`)
      }
      set(name, value, endsAtMs)
    }
  }
  return (one: Step) => {
    switch (one.kind) {
      case 'page': return visit()
      // As browsers that end scripts' cookies early do.
      case 'write': return set(one.name, one.value, atMs + 7 * dayMs)
      case 'delete': return remove(one.name)
      case 'say':
        granted = may(one.ads, one.analytics)
        return
      case 'wait':
        atMs += one.days * dayMs + 1000
        for (const [name, { endsAtMs }] of jar) if (endsAtMs <= atMs) remove(name)
    }
  }
}

test('never past the life of an id, never a value that was not carried, never what was refused', t => {
  fc.assert(fc.property(fc.array(step, { minLength: 5, maxLength: 40 }), steps => {
    const act = openBrowser()
    for (const one of steps) act(one)
  }), { numRuns: 400 })
  t.end()
})

test('only lines that a browser reads as one cookie', t => {
  const name = fc.constantFrom('_fbp', '_fbc', '_ga', '_ttp', '_gcl_aw', '_ga_ABCDEF', '_scid', 'ttclid', '__proto__')
  const text = fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: 'grapheme', maxLength: 20 }),
    fc.constantFrom(...Object.values(values).flat()))
  const isAttribute = (text: string) =>
    /^(Path=\/|Max-Age=\d+|Domain=example\.com|HttpOnly|Secure|SameSite=Lax)$/.test(text)
  fc.assert(fc.property(fc.array(fc.tuple(name, text), { maxLength: 8 }), given => {
    const cookie = given.map(pair => pair.join('=')).join('; ')
    // Blanks around a value are not part of it (RFC 6265bis §5.6).
    const carried = new Set(cookie.split(';').map(pair => pair.trim().replace(/^([^=]*)=\s*/, '$1=')))
    for (const [key, line] of keepCookies(factsOf({ cookie }), testKeys)) {
      const [pair = '', ...attributes] = line.split('; ')
      if (key !== '_pstn_k' && !carried.has(pair)) throw new Error(`not carried: ${pair}`)
      if (!attributes.every(isAttribute)) throw new Error(line)
    }
  }), { numRuns: 500 })
  t.end()
})
