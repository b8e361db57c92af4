// Tests of the outbox: order, batches, waiting for a grant, and what happens when the gateway cannot be reached.
import { test } from 'tap'
import { consentMarks } from '../../schema/consent_cookie.ts'
import type { Consent } from '../../schema/consent.ts'
import { openOutbox, type Outbox, type PageEvent } from './outbox.ts'
import { choose, openVisitor } from './visitor.ts'

interface Bench {
  add: Outbox[0]
  flush: Outbox[1]
  /** The names of the events in each post so far. */
  posted: string[][]
  bodies: string[]
  /** The marks of each choice that was told. */
  told: string[]
  /** Answers the oldest open post with a status, or as unreachable. */
  answer: (status: number | 'unreachable') => Promise<void>
  /** Timers in the order they were set: [delay, run]. */
  timers: Array<[number, () => void]>
  /** What lies in the browser's storage, by name. */
  storage: Record<string, string>
  choose: (state: 'granted' | 'denied') => void
}

/** Lets what was promised happen. */
const turn = () => new Promise<void>(resolve => { setImmediate(resolve) })

/** A page made of nothing but what the outbox asks for. */
function openBench (t: { teardown: (end: () => Promise<void>) => void }, isGranted: boolean): Bench {
  const own = globalThis as Record<string, unknown>
  const { fetch: realFetch, setTimeout: realTimeout, document, localStorage } = own
  const before = { fetch: realFetch, setTimeout: realTimeout, document, localStorage }
  const open: Array<{ resolve: (answer: { status: number }) => void, reject: (error: Error) => void }> = []
  const bench = {
    posted: [] as string[][],
    bodies: [] as string[],
    told: [] as string[],
    timers: [] as Bench['timers'],
    storage: {}
  }
  const fetch = async (address: string, { body }: { body: string }) => {
    if (address.endsWith('v1/e')) {
      bench.bodies.push(body)
      bench.posted.push((JSON.parse(body) as { events: PageEvent[] }).events.map(event => String(event.event_name)))
    } else {
      bench.posted.push([address])
      bench.told.push(consentMarks((JSON.parse(body) as { consent: Partial<Consent> }).consent))
    }
    return await new Promise((resolve, reject) => { open.push({ resolve, reject }) })
  }
  const places = {
    fetch,
    document: { cookie: '', hidden: false },
    localStorage: bench.storage,
    setTimeout: (run: (...given: unknown[]) => void, delayMs = 0, ...given: unknown[]) => {
      bench.timers.push([delayMs, () => { run(...given) }])
    }
  }
  for (const [name, value] of Object.entries(places)) {
    Object.defineProperty(own, name, { value, configurable: true, writable: true })
  }
  t.teardown(async () => {
    // The script's state is its module's, and this is the one page of all tests: no request stays open behind one.
    while (open.length > 0) {
      open.shift()?.resolve({ status: 200 })
      await turn()
    }
    for (const [name, value] of Object.entries(before)) own[name] = value
  })
  openVisitor([isGranted ? '1' : '', 1, ';Path=/', '_pstn_c', 60, 'fb.1.'], 'https://t.example.com/s.js')
  const [add, flush] = openOutbox(event => ({ ...event, completed: true }))
  return {
    ...bench,
    add,
    flush,
    answer: async how => {
      const request = open.shift()
      if (how === 'unreachable') request?.reject(new TypeError('blocked'))
      else request?.resolve({ status: how })
      await turn()
    },
    choose: state => choose({ ad_storage: state, analytics_storage: state, ad_user_data: state }, () => undefined)
  }
}

/** Runs the timers that are set, once. */
function runTimers ({ timers }: Bench): number[] {
  const due = timers.splice(0)
  for (const [, run] of due) run()
  return due.map(([delayMs]) => delayMs)
}

test('what happens in one task travels in one body, in order and completed', async t => {
  const bench = openBench(t, true)
  for (const name of ['a', 'b', 'c']) bench.add({ event_name: name })
  t.same(bench.posted, [])
  runTimers(bench)
  t.same(bench.posted, [['a', 'b', 'c']])
  const body = JSON.parse(bench.bodies[0] ?? '') as { sent_at: number, events: PageEvent[] }
  t.ok(body.events.every(event => event.completed === true))
  t.ok(Math.abs(body.sent_at - Date.now()) < 60_000)
})

test('nothing leaves before a grant; then all of it, the landing first, and then the choice', async t => {
  const bench = openBench(t, false)
  for (let at = 0; at < 70; at++) bench.add({ event_name: `e${at}` })
  runTimers(bench)
  bench.flush(true)
  t.same(bench.posted, [])
  bench.choose('granted')
  bench.flush()
  await bench.answer(202)
  runTimers(bench)
  const names = bench.posted.flat()
  t.equal(names.length, 51)
  t.equal(names[0], 'e0')
  t.same(names.slice(1, 50), Array.from({ length: 49 }, (_, at) => `e${at + 21}`))
  t.equal(names[50], 'https://t.example.com/v1/consent')
})

test('one request at a time, unless the page is about to go', async t => {
  const bench = openBench(t, true)
  bench.add({ event_name: 'first' })
  runTimers(bench)
  bench.add({ event_name: 'second' })
  runTimers(bench)
  t.same(bench.posted, [['first']])
  bench.flush(true)
  t.same(bench.posted, [['first'], ['second']])
  bench.add({ event_name: 'third' })
  runTimers(bench)
  await bench.answer(202)
  await bench.answer(202)
  runTimers(bench)
  t.same(bench.posted, [['first'], ['second'], ['third']])
})

test('a failed batch goes again in its place, with growing delays; meanwhile a later page could send it', async t => {
  for (const failure of [503, 429, 408, 'unreachable'] as const) {
    const bench = openBench(t, true)
    bench.add({ event_name: 'a' })
    runTimers(bench)
    t.same(bench.storage, {})
    await bench.answer(failure)
    if (failure === 'unreachable') runTimers(bench)
    t.match(bench.storage._pstn_c, '"event_name":"a"')
    t.same(bench.timers.map(([delayMs]) => delayMs), [2000])
    bench.add({ event_name: 'b' })
    bench.flush()
    t.same(bench.posted, [['a'], ['a', 'b']])
    await bench.answer(503)
    t.same(bench.timers.map(([delayMs]) => delayMs), [2000, 0, 4000])
    runTimers(bench)
    t.same(bench.posted, [['a'], ['a', 'b'], ['a', 'b']])
    await bench.answer(202)
    runTimers(bench)
    t.equal(bench.posted.length, 3)
    t.same(bench.storage, {}, 'nothing is left for a later page')
  }
})

test('a refusal for good is no reason to try again', async t => {
  for (const status of [200, 202, 400, 403, 404, 413]) {
    const bench = openBench(t, true)
    bench.add({ event_name: 'a' })
    runTimers(bench)
    await bench.answer(status)
    runTimers(bench)
    t.same(bench.posted, [['a']], `${status}`)
    t.same(bench.storage, {})
  }
})

test('a refusal forgets what waits, also what was in flight and failed', async t => {
  const bench = openBench(t, true)
  bench.add({ event_name: 'a' })
  runTimers(bench)
  bench.add({ event_name: 'b' })
  bench.choose('denied')
  bench.flush()
  await bench.answer(503)
  runTimers(bench)
  bench.flush(true)
  const told = ['https://t.example.com/v1/consent']
  t.same(bench.posted, [['a'], told])
  t.same(bench.storage, {})
  await bench.answer(200)
  bench.choose('granted')
  bench.add({ event_name: 'c' })
  runTimers(bench)
  t.same(bench.posted, [['a'], told, ['c']])
})

test('a revoke waits for the request in flight, so that the gateway\'s last word is the revoke', async t => {
  const bench = openBench(t, false)
  bench.choose('granted')
  bench.add({ event_name: 'a' })
  bench.flush()
  bench.choose('denied')
  bench.flush()
  t.same(bench.posted, [['a']])
  await bench.answer(202)
  runTimers(bench)
  t.same(bench.posted, [['a'], ['https://t.example.com/v1/consent']])
})

test('a choice that could not be told is not told again once there is another', async t => {
  const bench = openBench(t, false)
  bench.choose('granted')
  bench.flush()
  t.same(bench.told, ['11-1'])
  bench.choose('denied')
  bench.flush()
  t.same(bench.told, ['11-1'], 'one at a time: the answers to two could set their cookies in any order')
  await bench.answer(503)
  t.same(runTimers(bench), [3000])
  t.same(bench.told, ['11-1', '00-0'])
  await bench.answer('unreachable')
  runTimers(bench)
  t.same(runTimers(bench), [6000])
  bench.choose('granted')
  bench.flush()
  await bench.answer(200)
  runTimers(bench)
  await bench.answer(200)
  t.same(bench.told, ['11-1', '00-0', '00-0', '11-1'], 'what was chosen while it was told follows at once')
  t.match((globalThis as unknown as { document: { cookie: string } }).document.cookie, /^_pstn_c=1\.11-1\./)
  t.same(bench.timers, [])
})

test('a page that is going tells its choice without waiting for an earlier one', async t => {
  const bench = openBench(t, false)
  bench.choose('granted')
  bench.flush()
  bench.choose('denied')
  bench.flush(true)
  t.same(bench.told, ['11-1', '00-0'])
  await bench.answer(503)
  await bench.answer(200)
  for (let round = 0; round < 3; round++) runTimers(bench)
  t.notOk(bench.told.slice(2).includes('11-1'), 'and the earlier one is not told again')
})

test('bodies stay small, and what the quota of a leaving page does not take is kept', async t => {
  const bench = openBench(t, true)
  for (let at = 0; at < 40; at++) bench.add({ event_name: `e${at}`, text: 'x'.repeat(2000) })
  bench.add({ event_name: 'huge', text: 'x'.repeat(30_000) })
  bench.flush(true)
  t.ok(bench.bodies.join('').length <= 20_000, `${bench.bodies.join('').length}`)
  const kept = (JSON.parse(bench.storage._pstn_c ?? '[]') as PageEvent[]).map(event => String(event.event_name))
  t.same([...bench.posted.flat(), ...kept], [...Array.from({ length: 40 }, (_, at) => `e${at}`), 'huge'])
  for (let round = 0; round < 20; round++) {
    await bench.answer(202)
    bench.flush()
  }
  t.same(bench.posted.flat(), [...Array.from({ length: 40 }, (_, at) => `e${at}`), 'huge'], 'the page lived on')
  t.same(bench.storage, {})
})

test('a post that throws loses nothing and throws nothing', async t => {
  const bench = openBench(t, true)
  const { fetch } = globalThis
  Object.assign(globalThis, { fetch: () => { throw new Error('the page replaced fetch') } })
  bench.add({ event_name: 'a' })
  t.doesNotThrow(() => bench.flush(true))
  await turn()
  Object.assign(globalThis, { fetch })
  for (let round = 0; round < 3; round++) runTimers(bench)
  t.same(bench.posted, [['a']])
})
