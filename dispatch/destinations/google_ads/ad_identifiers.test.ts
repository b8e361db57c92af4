// Which click an event goes back to: newest landing, no mixtures, no dead ids; and what is said of the landing.
import { test } from 'tap'
import fc from 'fast-check'
import type { MapWarning, OutgoingEvent } from '../../destination.ts'
import { adIdentifiersOf } from './ad_identifiers.ts'

const nowMs = Date.UTC(2026, 10, 20, 8, 30)
const nowSeconds = nowMs / 1000
const dayMs = 86_400_000

type Facts = Pick<OutgoingEvent, 'click_ids' | 'cookies' | 'landing' | 'client'>

function found (facts: Facts): [Record<string, unknown> | undefined, string[]] {
  const warnings: MapWarning[] = []
  const ids = adIdentifiersOf({ ...facts, received_at_ms: nowMs }, warnings)
  const clean = ids === undefined ? undefined : JSON.parse(JSON.stringify(ids)) as Record<string, unknown>
  return [clean, warnings.map(({ path, code }) => `${path} ${code}`)]
}

const click = (value: string, ageMs: number) => ({ value, seen_at_ms: nowMs - ageMs })
const clicks = (ids: Record<string, [string, number]>): Facts =>
  ({ click_ids: Object.fromEntries(Object.entries(ids).map(([kind, [value, ageMs]]) => [kind, click(value, ageMs)])) })

test('chooses the ids of the newest landing, and never a forbidden pair', t => {
  const cases: [string, Facts, Record<string, unknown> | undefined][] = [
    ['nothing', {}, undefined],
    ['a gclid', clicks({ gclid: ['g1', 0] }), { gclid: 'g1' }],
    ['gclid and gbraid of one landing', clicks({ gclid: ['g1', 5000], gbraid: ['b1', 5000] }),
      { gclid: 'g1', gbraid: 'b1' }],
    ['gclid and an older gbraid', clicks({ gclid: ['g1', 0], gbraid: ['b1', dayMs] }), { gclid: 'g1' }],
    ['gclid and a newer gbraid', clicks({ gclid: ['g1', dayMs], gbraid: ['b1', 0] }), { gbraid: 'b1' }],
    ['gclid and wbraid of one landing', clicks({ gclid: ['g1', 0], wbraid: ['w1', 0] }), { gclid: 'g1' }],
    ['gclid and a newer wbraid', clicks({ gclid: ['g1', dayMs], wbraid: ['w1', 0] }), { wbraid: 'w1' }],
    ['both braids, the gbraid newer', clicks({ gbraid: ['b1', 0], wbraid: ['w1', 1000] }), { gbraid: 'b1' }],
    ['both braids, the wbraid newer', clicks({ gbraid: ['b1', 1000], wbraid: ['w1', 0] }), { wbraid: 'w1' }],
    ['both braids at once', clicks({ gbraid: ['b1', 0], wbraid: ['w1', 0] }), { wbraid: 'w1' }],
    ['all three at once', clicks({ gclid: ['g1', 0], gbraid: ['b1', 0], wbraid: ['w1', 0] }),
      { gclid: 'g1', gbraid: 'b1' }],
    ['a display click is not for Ads', clicks({ dclid: ['d1', 0] }), undefined]
  ]
  for (const [name, facts, ids] of cases) t.same(found(facts), [ids, []], name)
  t.end()
})

test('reads Google\'s cookies with the times of their clicks', t => {
  const cases: [string, Record<string, string>, Record<string, unknown> | undefined, string[]][] = [
    ['_gcl_aw', { _gcl_aw: `GCL.${nowSeconds - 60}.g-1_x` }, { gclid: 'g-1_x' }, []],
    ['version 1 and labels', { _gcl_aw: `1.${nowSeconds - 60}.g1.label.other` }, { gclid: 'g1' }, []],
    ['_gcl_gb', { _gcl_gb: `GCL.${nowSeconds - 60}.w1` }, { wbraid: 'w1' }, []],
    ['_gcl_ag', { _gcl_ag: `2.1.kb1$i${nowSeconds - 60}` }, { gbraid: 'b1' }, []],
    ['FPGCLAW', { FPGCLAW: `2.1.kg1$i${nowSeconds - 60}$u7` }, { gclid: 'g1' }, []],
    ['FPGCLGB', { FPGCLGB: `2.1.kw1$i${nowSeconds - 60}` }, { wbraid: 'w1' }, []],
    ['FPGCLAG', { FPGCLAG: `2.1.kb1$i${nowSeconds - 60}` }, { gbraid: 'b1' }, []],
    ['milliseconds', { _gcl_aw: `GCL.${nowMs}.g1` }, undefined, ['cookies._gcl_aw malformed']],
    ['another form', { _gcl_ag: 'GCL.1.b1' }, undefined, ['cookies._gcl_ag malformed']],
    ['past its life', { FPGCLAW: `2.1.kg1$i${nowSeconds - 91 * 86_400}` }, undefined,
      ['cookies.FPGCLAW past_its_life']],
    ['other cookies of Google', { _gcl_au: '1.1.1.1', _gcl_gs: '2.1.k1$i1', _gcl_dc: 'GCL.1.d' }, undefined, []],
    ['one landing, two cookies', { _gcl_aw: `GCL.${nowSeconds - 60}.g1`, _gcl_ag: `2.1.kb1$i${nowSeconds - 58}` },
      { gclid: 'g1', gbraid: 'b1' }, []],
    ['the newer of two cookies', { _gcl_aw: `GCL.${nowSeconds - 600}.old`, FPGCLAW: `2.1.knew$i${nowSeconds - 60}` },
      { gclid: 'new' }, []]
  ]
  for (const [name, cookies, ids, warnings] of cases) t.same(found({ cookies }), [ids, warnings], name)
  t.end()
})

test('a cookie that holds the same id knows when its click was', t => {
  const cookies = { _gcl_aw: `GCL.${nowSeconds - 86_400}.g1` }
  t.same(found({ ...clicks({ gclid: ['g1', 0], wbraid: ['w1', 3_600_000] }), cookies })[0], { wbraid: 'w1' },
    'the gclid was seen again today, and clicked yesterday')
  t.same(found({ ...clicks({ gclid: ['g2', 0] }), cookies })[0], { gclid: 'g2' }, 'a newer click than the cookie\'s')
  const dead = { _gcl_aw: `GCL.${nowSeconds - 91 * 86_400}.g1` }
  t.same(found({ ...clicks({ gclid: ['g1', 0] }), cookies: dead }), [undefined, ['cookies._gcl_aw past_its_life']])
  t.end()
})

test('tells of the landing that an ad led to', t => {
  const landing = {
    seen_at_ms: nowMs - 60_000,
    page_location: 'https://www.example.com/offer',
    page_referrer: 'https://www.google.com/',
    gad: { gad_source: '1', gad_campaignid: '215' }
  }
  const client = { user_agent: 'Mozilla/5.0' }
  const read = (facts: Facts) => {
    const text = found(facts)[0]?.sessionAttributes
    return text === undefined ? undefined : JSON.parse(Buffer.from(String(text), 'base64url').toString()) as unknown
  }
  t.strictSame(read({ landing, client }), {
    gad_source: '1',
    gad_campaignid: '215',
    session_start_time_usec: `${nowMs - 60_000}000`,
    landing_page_url: 'https://www.example.com/offer',
    landing_page_referrer: 'https://www.google.com/',
    landing_page_user_agent: 'Mozilla/5.0'
  })
  t.notMatch(String(found({ landing, client })[0]?.sessionAttributes), /=/)
  const bare = { ...landing, gad: {} }
  t.equal(read({ landing: bare }), undefined, 'a landing without the marks of an ad')
  t.match(read({ landing: bare, ...clicks({ gclid: ['g1', 59_000] }) }), { landing_page_url: String })
  t.equal(read({ landing: bare, ...clicks({ gclid: ['g1', 0] }) }), undefined, 'the click was another landing')
  t.equal(read({ landing: { ...landing, seen_at_ms: nowMs - 91 * dayMs } }), undefined, 'past the life of a click')
  const long = 'x'.repeat(4001)
  t.same(Object.keys(read({ landing: { ...landing, page_referrer: long }, client: { user_agent: long } }) as object),
    ['gad_source', 'gad_campaignid', 'session_start_time_usec', 'landing_page_url'], 'too long a text is left out')
  t.end()
})

test('whatever is known, no forbidden pair leaves', t => {
  const age = fc.integer({ min: 0, max: 95 * dayMs })
  const maybe = fc.option(age, { nil: undefined })
  fc.assert(fc.property(maybe, maybe, maybe, maybe, maybe, (gclid, gbraid, wbraid, aw, ag) => {
    const ids = Object.entries({ gclid, gbraid, wbraid })
      .flatMap(([kind, ageMs]) => ageMs === undefined ? [] : [[kind, click(`${kind}-1`, ageMs)]] as const)
    const seconds = (ageMs: number) => nowSeconds - Math.floor(ageMs / 1000)
    const cookies = {
      ...aw === undefined ? {} : { _gcl_aw: `GCL.${seconds(aw)}.gclid-2` },
      ...ag === undefined ? {} : { _gcl_ag: `2.1.kgbraid-2$i${seconds(ag)}` }
    }
    const [chosen = {}] = found({ click_ids: Object.fromEntries(ids), cookies })
    return chosen.wbraid === undefined || (chosen.gclid === undefined && chosen.gbraid === undefined)
  }))
  t.pass('for any ages')
  t.end()
})
