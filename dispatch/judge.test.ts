// What a network's answer means for each delivery.
import { test } from 'tap'
import { candidateAt, fictionalTarget } from '../test/fictional.ts'
import { tryLimits } from './decide.ts'
import { pack, type Packable } from './batch.ts'
import { createBreaker } from './breaker.ts'
import { isolate, judge, judgeStatus, outcomesOf, type Answer } from './judge.ts'
import { nextTry, readRetryAfter, retryDelaysSeconds } from './retry.ts'
import { horizonMs, joinJobs, planEntries, type Job } from './schedule.ts'
import { settlementOf } from './settle.ts'

const now = Date.UTC(2026, 10, 23, 12)
const hour = 3_600_000
const answered = (status: number, headers: Record<string, string> = {}): Answer =>
  ({ kind: 'response', response: { status, headers, body: null }, durationMs: 1 })

test('a status without a judge of the network\'s own', t => {
  const cases: [number, number, string][] = [
    [200, 1, 'delivered'], [204, 3, 'delivered'],
    [301, 1, 'retry network_error'], [307, 1, 'retry network_error'], [199, 1, 'retry network_error'],
    [408, 1, 'retry network_error'], [425, 1, 'retry network_error'], [429, 2, 'retry throttled'],
    [500, 1, 'retry network_error'], [503, 2, 'retry network_error'],
    [401, 1, 'pause'], [403, 2, 'pause'], [404, 1, 'pause'],
    [400, 1, 'rejected network_refused'], [413, 1, 'rejected network_refused'], [422, 1, 'rejected network_refused'],
    [400, 2, 'isolate'], [413, 2, 'isolate'], [422, 9, 'isolate']
  ]
  for (const [status, count, expected] of cases) {
    const judgement = judgeStatus({ status, headers: {}, body: null }, count, now)
    const outcome = 'all' in judgement ? judgement.all : null
    const word = outcome === null ? 'isolate' : outcome.kind + ('reason' in outcome ? ` ${outcome.reason}` : '')
    t.equal(word, expected, `${status} for ${count}`)
  }
  t.end()
})

test('a request without an answer', t => {
  const lost = (sent: 'no' | 'maybe'): Answer => ({ kind: 'failure', failure: { code: 'X', sent }, durationMs: 1 })
  const retry = { all: { kind: 'retry', reason: 'network_error', detail: 'X' } }
  t.same(judge({ dedupes: { windowHours: 1 } }, lost('maybe'), [1], now), retry)
  t.same(judge({ dedupes: false }, lost('no'), [1], now), retry)
  t.same(judge({ dedupes: false }, lost('maybe'), [1], now),
    { all: { kind: 'rejected', reason: 'unknown_whether_sent', detail: 'X' } }, 'never twice where nobody would notice')
  t.same(judge({ dedupes: false }, answered(500), [1], now),
    { all: { kind: 'retry', reason: 'network_error', afterSeconds: undefined, detail: 'HTTP 500' } })
  t.end()
})

test('Retry-After', t => {
  const cases: [string | undefined, number | undefined][] = [
    [undefined, undefined], ['60', 60], [' 1 ', 1], ['999999', 3600], ['garbage', undefined], ['-5', undefined],
    ['', undefined], ['1e3', undefined], [new Date(now + 90_000).toUTCString(), 90],
    [new Date(now - 90_000).toUTCString(), 0], ['Mon, 99 Foo', undefined]
  ]
  for (const [given, expected] of cases) t.equal(readRetryAfter(given, now), expected, String(given))
  t.end()
})

test('the retry schedule', t => {
  const ask = (attempts: number, more: object = {}) =>
    nextTry({ attempts, nowMs: now, latestMs: Infinity, random: () => 0.5, ...more })
  t.same(retryDelaysSeconds, [5, 30, 120, 600, 1800, 7200, 18000, 36000, 36000, 86400])
  for (const [index, seconds] of retryDelaysSeconds.entries()) {
    t.same(ask(index + 1), { dueAtMs: now + seconds * 500 }, `half of ${seconds} s, as chance has it`)
  }
  t.equal(ask(11), 'gave_up')
  t.same(ask(1, { random: () => 0 }), { dueAtMs: now }, 'full jitter begins at nothing')
  t.same(ask(1, { afterSeconds: 60, random: () => 0 }), { dueAtMs: now + 60_000 }, 'never before Retry-After')
  t.same(ask(1, { afterSeconds: 60 }), { dueAtMs: now + 63_000 }, 'nor all at the same moment')
  t.same(ask(1, { afterSeconds: 999_999, random: () => 0 }), { dueAtMs: now + hour }, 'nor after more than an hour')
  t.equal(ask(6, { latestMs: now + 3_599_999 }), 'gave_up', 'nor past the last moment')
  t.same(ask(6, { latestMs: now + 3_600_000 }), { dueAtMs: now + 3_600_000 })
  t.end()
})

test('a judge that miscounts is not believed', t => {
  t.equal(outcomesOf({ isolate: true }, 2), 'isolate')
  const spoilt = { kind: 'retry', reason: 'isolating' } as const
  t.equal(outcomesOf({ all: spoilt }, 2), 'isolate')
  t.equal(outcomesOf({ each: [spoilt, spoilt] }, 2), 'isolate', 'nobody named: an unknown culprit, not an endless loop')
  t.match(outcomesOf({ each: [spoilt] }, 1), [{ kind: 'rejected' }])
  t.match(outcomesOf({ isolate: true, said: 'no' }, 1), [{ kind: 'rejected', reason: 'network_refused', detail: 'no' }])
  t.equal(outcomesOf({ all: { kind: 'delivered' } }, 3).length, 3)
  t.match(outcomesOf({ each: [{ kind: 'delivered' }] }, 2), [{ kind: 'retry' }, { kind: 'retry' }])
  t.same(isolate([1, 2, 3]), [[1], [2], [3]])
  t.same(isolate([1, 2, 3, 4, 5]), [[1, 2, 3], [4, 5]])
  t.end()
})

test('what is written for an outcome', t => {
  const settle = (outcome: Parameters<typeof settlementOf>[0], attempts = 1, event = {}) =>
    settlementOf(outcome, {
      seq: 7, attempts, isTest: attempts === 0, limits: tryLimits(candidateAt(now, event), fictionalTarget())
    }, fictionalTarget(), now, () => 0.5)
  t.same(settle({ kind: 'delivered' }), { seq: 7, state: 'delivered' })
  t.same(settle({ kind: 'accepted' }, 0), { seq: 7, state: 'accepted', verifyAfterMs: undefined }, 'a test')
  t.same(settle({ kind: 'accepted', isLastWord: true, detail: 'nobody knows' }),
    { seq: 7, state: 'accepted', detail: 'nobody knows', verifyAfterMs: undefined })
  t.same(settle({ kind: 'accepted' }), { seq: 7, state: 'accepted', verifyAfterMs: 60_000 })
  t.match(settle({ kind: 'rejected', reason: 'network_refused', detail: 'of anna@example.com' }),
    { state: 'rejected', reason: 'network_refused', detail: 'of ‹email›' })
  t.match(settle({ kind: 'retry', reason: 'network_error', detail: 'HTTP 503' }),
    { state: 'waiting', reason: 'network_error', afterMs: 2500, detail: 'HTTP 503' })
  t.match(settle({ kind: 'retry', reason: 'network_error' }, 11), { state: 'rejected', reason: 'gave_up' })
  const ageing = { occurred_at_ms: now - 48 * hour + 1000 }
  t.match(settle({ kind: 'retry', reason: 'throttled', afterSeconds: 60 }, 1, ageing),
    { state: 'rejected', reason: 'gave_up' })
  t.match(settle({ kind: 'pause', detail: 'bad token' }),
    { state: 'waiting', reason: 'destination_paused', refundsAttempt: true, pauses: 'bad token' })
  t.match(settle({ kind: 'retry', reason: 'isolating' }, 99),
    { state: 'waiting', reason: 'isolating', refundsAttempt: true })
  t.end()
})

test('packing', t => {
  const item = (bytes: number, more: Partial<Packable> = {}): Packable =>
    ({ day: 'd1', isTest: false, bytes, batchKey: '', resendOf: null, isSuspect: false, ...more })
  const sizes = (items: Packable[], events = 3, bytes = 100) =>
    pack(items, { events, bytes }, 10).map(batch => batch.map(one => one.bytes))
  t.same(sizes([item(1), item(2), item(3), item(4)]), [[1, 2, 3], [4]], 'under the limit of events')
  t.same(sizes([item(44), item(44), item(1)], 9), [[44, 44], [1]], 'under the limit of bytes, all included')
  t.same(sizes([item(45), item(44)], 9), [[45], [44]], 'not one byte more')
  t.same(sizes([item(1), item(2, { day: 'd2' }), item(3)]), [[1, 3], [2]], 'one day per request')
  t.same(sizes([item(1, { resendOf: 5 }), item(2), item(3, { resendOf: 5 })]), [[1, 3], [2]], 'what was lost together')
  t.same(sizes([item(1, { batchKey: 'web' }), item(2, { batchKey: 'shop' }), item(3, { batchKey: 'web' })]),
    [[1, 3], [2]], 'what its destination keeps apart')
  t.same(sizes([item(1), item(2, { isTest: true })]), [[1], [2]], 'tests apart')
  t.same(sizes([item(1), item(2, { isSuspect: true }), item(3)]), [[1, 3], [2]], 'suspects alone')
  t.end()
})

test('what falls due together is an entry, and what is near has a job', t => {
  const due = (seq: number, dueAtMs: number, more = {}) => ({ seq, day: 'd1', targetId: 1, dueAtMs, ...more })
  const { entries, places } = planEntries([due(1, now - 5), due(2, now), due(3, now + 1200), due(4, now + 1900),
    due(5, now + 16 * 60_000), due(6, now, { targetId: 2 }), due(7, now, { day: 'd2' }),
    due(8, now, { isolation: 0 }), due(9, now + 5000, { isPaused: true }), due(10, now, { lingers: true })], now, 1000)
  t.same(entries.map(({ seqs, dueAtMs, wakeAtMs, job }) => [seqs, dueAtMs - now, wakeAtMs - now, job]), [
    [[1, 2], 0, 1000, { startAtMs: null }],
    [[3, 4], 2000, 3000, { startAtMs: now + 2000 }],
    [[5], 16 * 60_000, 16 * 60_000 - horizonMs, null],
    [[6], 0, 1000, { startAtMs: null }],
    [[7], 0, 1000, { startAtMs: null }],
    [[8], 0, 1000, { startAtMs: null }],
    [[9], 5000, 0, null],
    [[10], 0, 1000, { startAtMs: null }]
  ])
  t.same(places, [0, 0, 1, 1, 2, 3, 4, 5, 6, 7])
  t.same(entries.flatMap((one, place) => one.isIsolation ? place : []), [5])
  t.same(entries.flatMap((one, place) => one.lingers ? place : []), [7])
  const many = planEntries(Array.from({ length: 2500 }, (_, seq) => due(seq, now)), now, 1000)
  t.same(many.entries.map(({ seqs }) => seqs.length), [1000, 1000, 500])
  t.same([999, 1000, 2499].map(index => many.places[index]), [0, 1, 2])
  t.end()
})

test('jobs of a backlog are joined', t => {
  const send = (ids: number[], more = {}): Job => ({
    kind: 'send', target_id: 1, day: 'd1', agenda_ids: ids, events: ids.length, is_isolation: false, ...more
  })
  const verify: Job = { kind: 'verify', target_id: 1, day: 'd1', attempt_id: 7 }
  const given = [send([1, 2]), verify, send([3]), send([4], { day: 'd2' }), send([5], { target_id: 2 }),
    send([6], { is_isolation: true }), send([7]), send([8], { events: 998 })]
  const joined = joinJobs(given)
  t.match(joined.slice(0, 5), [
    { agenda_ids: [1, 2, 3, 7], events: 4 }, verify,
    { agenda_ids: [4], day: 'd2' }, { agenda_ids: [5], target_id: 2 }, { agenda_ids: [6], is_isolation: true }
  ])
  t.match(joined[5], { agenda_ids: [8], events: 998 }, 'no larger than a job may be')
  t.equal(joined.length, 6)
  t.match(given[0], { agenda_ids: [1, 2], events: 2 }, 'what was given is as it was')
  t.end()
})

test('the breaker', t => {
  const breaker = createBreaker()
  for (let count = 0; count < 9; count++) breaker.report(1, true, now)
  t.ok(breaker.ask(1, now).pass, 'nine failures are not enough')
  breaker.report(1, true, now)
  t.same(breaker.ask(1, now), { pass: false, untilMs: now + 30_000, reason: 'network_error' }, 'ten in a row are')
  t.ok(breaker.ask(2, now).pass, 'of one destination only')
  t.ok(breaker.ask(1, now + 30_000).pass, 'after the cool-down one probe')
  t.notOk(breaker.ask(1, now + 30_000).pass, 'and only one')
  breaker.report(1, true, now + 30_100)
  t.same(breaker.ask(1, now + 30_100), { pass: false, untilMs: now + 60_100, reason: 'network_error' })
  t.ok(breaker.ask(1, now + 60_100).pass)
  breaker.report(1, false, now + 60_200)
  t.ok(breaker.ask(1, now + 60_200).pass && !breaker.isOpen(1), 'a good answer closes it')

  for (let count = 0; count < 10; count++) breaker.report(3, count % 10 >= 3, now + count)
  t.ok(breaker.isOpen(3), '70 % of ten are enough, too')
  breaker.slowDown(4, now + 5000)
  t.same(breaker.ask(4, now), { pass: false, untilMs: now + 5000, reason: 'throttled' })
  t.ok(breaker.ask(4, now + 5000).pass)
  t.end()
})
