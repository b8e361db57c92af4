// Whose event it is: the cookies of GA4's tag in every form they have had, and what stands in where there is none.
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { test } from 'tap'
import type { MapWarning, OutgoingEvent } from '../../destination.ts'
import { clientIdsOf, makeClientId, readClientId, readSessionId } from './client_ids.ts'

const occurredAtMs = Date.UTC(2026, 10, 20, 8, 30)
const sessionCookie = '_ga_8W3K5XN2QP'

const clients: [cookie: string, clientId: string | null][] = [
  ['GA1.1.1187364950.1795135999', '1187364950.1795135999'],
  ['GA1.2.1187364950.1795135999', '1187364950.1795135999'],
  ['GA1.2-2.1187364950.1795135999', '1187364950.1795135999'],
  ['GA1.3-1.7.8', '7.8'],
  ['GA1.10.1187364950.1795135999', '1187364950.1795135999'],
  ['GA2.1.1187364950.1795135999', '1187364950.1795135999'],
  ['GA1.1.1187364950', null],
  ['GA1.1.1187364950.1795135999.5', null],
  ['GA1.1.x.1795135999', null],
  ['GA1.1.0.1795135999', null],
  ['GA1.1..1795135999', null],
  ['1187364950.1795135999', null],
  ['GS1.1.1795167001.5.1.1795168790.60.0.0', null],
  ['amp-Zx81', null],
  ['', null]
]

test('a client id is the last two parts of _ga, whatever the depth', t => {
  for (const [cookie, clientId] of clients) t.equal(readClientId(cookie), clientId, cookie)
  t.end()
})

const sessions: [cookie: string, sessionId: string | null][] = [
  ['GS1.1.1795167001.5.1.1795168790.60.0.0', '1795167001'],
  ['GS1.1.1795167001.5.1.1795168790.60.0.0.AbC_dEf', '1795167001'],
  ['GS1.1.1795167001', '1795167001'],
  ['GS1.2-2.1795167001.1.0.1795167001.0.0.0', '1795167001'],
  ['GS2.1.s1795167001$o5$g1$t1795168790$j60$l0$h0', '1795167001'],
  ['GS2.1.s1795167001$o5$g1$t1795168790$j60$l0$h0$dXyZ', '1795167001'],
  ['GS2.1.g1$o5$t1795168790$s1795167001', '1795167001'],
  ['GS2.1.o5$g1$zsomething$s1795167001$t1795168790', '1795167001'],
  ['GS2.1.s1795167001', '1795167001'],
  ['GS2.2-2.s1795167001$o1', '1795167001'],
  ['GS2.1.o5$g1$t1795168790', null],
  ['GS2.1.s$o5', null],
  ['GS2.1.sabc$o5', null],
  ['GS2.1.1795167001.5.1', null],
  ['GS1.1.s1795167001$o5', null],
  ['GS1.1.0.1', null],
  ['GS3.1.s1795167001', null],
  ['GA1.1.1187364950.1795135999', null],
  ['', null]
]

test('a session id is read from both forms of its cookie, in any order, past letters nobody knows', t => {
  for (const [cookie, sessionId] of sessions) t.equal(readSessionId(cookie), sessionId, cookie)
  t.end()
})

test('takes any cookie at all, and gives digits or nothing', t => {
  const cookie = fc.oneof(fc.string(), fc.stringMatching(/^G[AS][12]\.[\d-]{1,3}\.[\dsotg$.]{0,30}$/))
  fc.assert(fc.property(cookie, given => {
    const [clientId, sessionId] = [readClientId(given), readSessionId(given)]
    return (clientId === null || /^[1-9]\d*\.[1-9]\d*$/.test(clientId)) &&
      (sessionId === null || /^[1-9]\d*$/.test(sessionId))
  }), { numRuns: 2000 })
  t.end()
})

test('a made client id is two positive numbers out of the SHA-256, the same each time', t => {
  const hash = createHash('sha256').update('v_7HqXcW2nB0sRk4TfLm9uYd').digest()
  t.equal(makeClientId('v_7HqXcW2nB0sRk4TfLm9uYd'), `${hash.readUInt32BE(0)}.${hash.readUInt32BE(4)}`)
  fc.assert(fc.property(fc.string(), fc.string(), (one, other) => {
    const made = makeClientId(one)
    return /^[1-9]\d{0,9}\.[1-9]\d{0,9}$/.test(made) && made === makeClientId(one) &&
      (one === other || made !== makeClientId(other))
  }))
  t.end()
})

interface Case {
  name: string
  event: Partial<OutgoingEvent>
  measurementId?: string
  is: { clientId: string, userId?: string, sessionId?: string } | null
  warns: string[]
}

const ga = 'GA1.1.1187364950.1795135999'
const session = 'GS2.1.s1795160000$o5$g1$t1795168790'
const visitor = 'v_7HqXcW2nB0sRk4TfLm9uYd'
const cases: Case[] = [
  {
    name: 'both cookies',
    event: { cookies: { _ga: ga, [sessionCookie]: session }, visitor_id: visitor, user_id: 'Customer-17' },
    is: { clientId: '1187364950.1795135999', userId: 'Customer-17', sessionId: '1795160000' },
    warns: []
  },
  {
    name: 'the session of another stream is not ours',
    event: { cookies: { _ga: ga, _ga_OTHERSTREAM: session } },
    is: { clientId: '1187364950.1795135999' },
    warns: ['session_id missing']
  },
  {
    name: 'a preview without settings takes the only stream there is',
    event: { cookies: { _ga: ga, _ga_OTHERSTREAM: session } },
    measurementId: '<measurement_id>',
    is: { clientId: '1187364950.1795135999', sessionId: '1795160000' },
    warns: []
  },
  {
    name: 'a preview without settings does not choose between two',
    event: { cookies: { _ga: ga, _ga_OTHERSTREAM: session, [sessionCookie]: session } },
    measurementId: '<measurement_id>',
    is: { clientId: '1187364950.1795135999' },
    warns: ['session_id missing']
  },
  {
    name: 'malformed cookies',
    event: { cookies: { _ga: 'GA1.1.5', [sessionCookie]: 'GS2.1.o5' }, visitor_id: visitor },
    is: { clientId: makeClientId(visitor) },
    warns: ['cookies._ga malformed', `cookies.${sessionCookie} malformed`]
  },
  {
    name: 'a visitor whom the tag never saw',
    event: { visitor_id: visitor },
    is: { clientId: makeClientId(visitor) },
    warns: ['session_id missing']
  },
  {
    name: 'the visitor before the user: a browser is one client, whoever is logged in',
    event: { visitor_id: visitor, user_id: '17' },
    is: { clientId: makeClientId(visitor), userId: '17' },
    warns: ['session_id missing']
  },
  {
    name: 'a user id alone: GA4 takes no event without a client id',
    event: { user_id: 'Customer-17' },
    is: { clientId: makeClientId('Customer-17'), userId: 'Customer-17' },
    warns: ['session_id missing']
  },
  {
    name: 'a user id that is an e-mail address is none, and nothing is made of it',
    event: { user_id: 'ada@example.org' },
    is: null,
    warns: ['user_id personal_data']
  },
  {
    name: 'a user id that is a phone number',
    event: { cookies: { _ga: ga }, user_id: '+49 171 8391046' },
    is: { clientId: '1187364950.1795135999' },
    warns: ['user_id personal_data', 'session_id missing']
  },
  {
    name: 'a user id without end',
    event: { cookies: { _ga: ga }, user_id: 'x'.repeat(257) },
    is: { clientId: '1187364950.1795135999' },
    warns: ['user_id too_long', 'session_id missing']
  },
  {
    name: 'a blank user id',
    event: { user_id: ' ' },
    is: null,
    warns: ['user_id empty']
  },
  { name: 'nobody', event: {}, is: null, warns: [] },
  {
    name: 'a session that ended yesterday is said, and warned of',
    event: { cookies: { _ga: ga, [sessionCookie]: 'GS1.1.1795000000.5.1.1795000100.60.0.0' } },
    is: { clientId: '1187364950.1795135999', sessionId: '1795000000' },
    warns: ['session_id session_is_over']
  }
]

for (const { name, event, measurementId = 'G-8W3K5XN2QP', is, warns } of cases) {
  test(`ids: ${name}`, t => {
    const warnings: MapWarning[] = []
    const found = clientIdsOf({ ...event, occurred_at_ms: occurredAtMs }, measurementId, warnings)
    t.same(found, is === null ? null : { userId: undefined, sessionId: undefined, ...is })
    t.same(warnings.map(({ path, code }) => `${path} ${code}`), warns)
    t.end()
  })
}
