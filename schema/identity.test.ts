// Click ids, network cookies and Meta's fbc/fbp grammar.
import { test } from 'tap'
import {
  clickIdKind, isClickId, isClickIdAlive, knownCookie, makeFbc, makeFbp, parseFbValue,
  subdomainIndex
} from './identity.ts'

test('click-id parameters are known whatever their case', async t => {
  t.equal(clickIdKind('FBCLID')?.param, 'fbclid')
  t.equal(clickIdKind('sccid')?.param, 'ScCid')
  t.equal(clickIdKind('srsltid'), undefined, 'srsltid is no ad click')
})

test('a click id dies after its network\'s days', async t => {
  const day = 86_400_000
  t.ok(isClickIdAlive('fbclid', 0, 90 * day))
  t.notOk(isClickIdAlive('fbclid', 0, 90 * day + 1))
  t.notOk(isClickIdAlive('ttclid', 0, 31 * day))
})

test('a click id is visible, opaque and bounded', async t => {
  for (const good of ['IwZXh0bg_aem-x', 'E.C.P.abc', 'a'.repeat(512)]) t.ok(isClickId(good), good.slice(0, 20))
  for (const bad of ['', 'abc', 'a b c d', 'x'.repeat(513), 'a\u0000bcd', '<script>']) {
    t.notOk(isClickId(bad),
      JSON.stringify(bad.slice(0, 20)))
  }
})

const fbValues: [string, ReturnType<typeof parseFbValue>][] = [
  ['fb.1.1700000000000.IwAR_x-y', { subdomainIndex: 1, createdAtMs: 1700000000000, payload: 'IwAR_x-y' }],
  ['fb.2.1700000000000.123456789012345678', {
    subdomainIndex: 2,
    createdAtMs: 1700000000000,
    payload: '123456789012345678'
  }],
  ['fb.1.1700000000000.IwAR.AQQAAQMC', { subdomainIndex: 1, createdAtMs: 1700000000000, payload: 'IwAR' }],
  ['fb.1.1700000000000.', null],
  ['fb.1.x.IwAR', null],
  ['fb.1.1700000000000', null],
  ['GA1.1.1700000000000.IwAR', null],
  ['fb.1.1700000000000.a.b.c', null]
]
test('fbc and fbp are read by segment', async t => {
  for (const [value, expected] of fbValues) t.strictSame(parseFbValue(value), expected, value)
})

test('the subdomain index counts the labels of the cookie\'s domain', async t => {
  for (const [domain, index] of [['example.com', 1], ['.example.com', 1], ['example.co.uk', 2], ['localhost', 0],
    ['127.0.0.1', 0], ['::1', 0]] as const) t.equal(subdomainIndex(domain), index, domain)
  t.equal(makeFbc('example.com', 1700000000000, 'AbC'), 'fb.1.1700000000000.AbC')
  t.equal(makeFbp('localhost', 1700000000000, 42n), 'fb.0.1700000000000.42')
})

test('only known cookies with well-formed values are kept', async t => {
  const kept = [['_fbp', 'fb.1.1700000000000.1'], ['_fbc', 'fb.1.1700000000000.IwAR_aem_x.AQQAAQMC'], ['_ga',
    'GA1.1.111.222'],
  ['_ga_ABC123XYZ', 'GS2.1.s1700000000$o1$g0'], ['_gcl_aw', 'GCL.1700000000.EAIaIQ'], ['_ttp',
    '2F7h37YkS1j57AYSKTI7IHhJPYH']]
  for (const [name = '', value = ''] of kept) t.ok(knownCookie(name, value), name)
  const dropped = [['_fbp', 'fb.1.x.1'], ['session', 'secret'], ['_fbc', 'fb.1.1700000000000.'], ['_ga', '<script>']]
  for (const [name = '', value = ''] of dropped) t.notOk(knownCookie(name, value), name)
  t.equal(knownCookie('_ga', 'GA1.1.111.222')?.purpose, 'analytics')
})
