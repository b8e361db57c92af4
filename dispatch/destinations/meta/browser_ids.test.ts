// Which fbc and fbp leave: the cookie byte for byte, or one made from the click id, and never a malformed one.
import { test } from 'tap'
import type { MapWarning } from '../../destination.ts'
import { fbcOf, fbpOf } from './browser_ids.ts'

const dayMs = 86_400_000
const receivedAtMs = Date.UTC(2026, 10, 20, 8, 30)
const clickedAtMs = receivedAtMs - 3 * dayMs
const click = 'IwZXh0bgNhZW0BMABh-ZGlk_aem_9f3XbKcU1mTtZQw8'
const other = 'IwAR2older-click_id'

interface Case {
  name: string
  cookies?: Record<string, string>
  fbclid?: { value: string, seen_at_ms: number }
  fbc: string | undefined
  warns?: string
}

const cases: Case[] = [
  { name: 'nothing known', fbc: undefined },
  { name: 'cookie alone', cookies: { _fbc: `fb.1.${clickedAtMs}.${click}` }, fbc: `fb.1.${clickedAtMs}.${click}` },
  {
    name: 'cookie with a library\'s appendix',
    cookies: { _fbc: `fb.2.${clickedAtMs}.${click}.AQQCAQMC` },
    fbclid: { value: click, seen_at_ms: receivedAtMs },
    fbc: `fb.2.${clickedAtMs}.${click}.AQQCAQMC`
  },
  {
    name: 'the same click seen later keeps the cookie\'s time',
    cookies: { _fbc: `fb.1.${clickedAtMs}.${click}` },
    fbclid: { value: click, seen_at_ms: receivedAtMs },
    fbc: `fb.1.${clickedAtMs}.${click}`
  },
  {
    name: 'a newer click makes a new value with the cookie\'s index',
    cookies: { _fbc: `fb.2.${clickedAtMs}.${other}` },
    fbclid: { value: click, seen_at_ms: receivedAtMs - 1000 },
    fbc: `fb.2.${receivedAtMs - 1000}.${click}`
  },
  {
    name: 'an older click than the cookie\'s changes nothing',
    cookies: { _fbc: `fb.1.${clickedAtMs}.${click}` },
    fbclid: { value: other, seen_at_ms: clickedAtMs - dayMs },
    fbc: `fb.1.${clickedAtMs}.${click}`
  },
  { name: 'click alone', fbclid: { value: click, seen_at_ms: clickedAtMs }, fbc: `fb.1.${clickedAtMs}.${click}` },
  {
    name: 'click with the index of _fbp',
    cookies: { _fbp: `fb.0.${clickedAtMs}.123456789` },
    fbclid: { value: click, seen_at_ms: clickedAtMs },
    fbc: `fb.0.${clickedAtMs}.${click}`
  },
  { name: 'half a cookie', cookies: { _fbc: 'fb.1.123.' }, fbc: undefined, warns: 'malformed' },
  {
    name: 'half a cookie beside a click',
    cookies: { _fbc: 'fb.1.123.' },
    fbclid: { value: click, seen_at_ms: clickedAtMs },
    fbc: `fb.1.${clickedAtMs}.${click}`,
    warns: 'malformed'
  },
  { name: 'time in seconds', cookies: { _fbc: `fb.1.1795163101.${click}` }, fbc: undefined, warns: 'malformed' },
  {
    name: 'fifth segment that is no appendix',
    cookies: { _fbc: `fb.1.${clickedAtMs}.${click}.more` },
    fbc: undefined,
    warns: 'malformed'
  },
  {
    name: 'cookie from the future',
    cookies: { _fbc: `fb.1.${receivedAtMs + dayMs}.${click}` },
    fbc: undefined,
    warns: 'malformed'
  },
  {
    name: 'cookie past 90 days',
    cookies: { _fbc: `fb.1.${receivedAtMs - 91 * dayMs}.${click}` },
    fbc: undefined,
    warns: 'past_its_life'
  },
  {
    name: 'click past 90 days',
    fbclid: { value: click, seen_at_ms: receivedAtMs - 91 * dayMs },
    fbc: undefined,
    warns: 'past_its_life'
  },
  {
    name: 'click id with a dot',
    fbclid: { value: 'IwAR1.2x', seen_at_ms: clickedAtMs },
    fbc: undefined,
    warns: 'malformed'
  },
  {
    name: 'click id with an escape',
    fbclid: { value: 'IwAR1%2Bx', seen_at_ms: clickedAtMs },
    fbc: `fb.1.${clickedAtMs}.IwAR1%2Bx`,
    warns: 'unusual_characters'
  }
]

for (const { name, cookies, fbclid, fbc, warns } of cases) {
  test(`fbc: ${name}`, t => {
    const warnings: MapWarning[] = []
    const event = { cookies, click_ids: fbclid === undefined ? undefined : { fbclid }, received_at_ms: receivedAtMs }
    t.equal(fbcOf(event, warnings), fbc)
    t.same(warnings.map(({ code }) => code), warns === undefined ? [] : [warns])
    t.end()
  })
}

test('fbp leaves unchanged, or not at all', t => {
  const values: [string, boolean][] = [
    [`fb.1.${clickedAtMs}.482910573`, true],
    [`fb.12.${clickedAtMs}.118736495027645381`, true],
    [`fb.1.${clickedAtMs}.482910573.AQQCAQMC`, true],
    [`fb.1.${clickedAtMs}.482910573.Bg`, true],
    [`fb.1.${clickedAtMs}.abc`, false],
    [`fb.1.${clickedAtMs}`, false],
    [`fbp.1.${clickedAtMs}.1`, false],
    [`fb.1.${receivedAtMs + 120_000}.1`, false]
  ]
  for (const [_fbp, isUsable] of values) {
    const warnings: MapWarning[] = []
    t.equal(fbpOf({ cookies: { _fbp }, received_at_ms: receivedAtMs }, warnings), isUsable ? _fbp : undefined, _fbp)
    t.equal(warnings.length, isUsable ? 0 : 1)
  }
  t.end()
})
