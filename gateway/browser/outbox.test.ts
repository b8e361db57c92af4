// Tests of the outbox: order, batches, waiting for a grant, and what happens when the gateway cannot be reached.
import { test } from 'tap'
import { openOutbox, type Outbox, type PageEvent } from './outbox.ts'

interface Bench {
  outbox: Outbox
  /** The names of the events in each post so far. */
  posted: string[][]
  bodies: string[]
  /** Answers the oldest open post. */
  settle: (done: boolean) => void
  retries: Array<{ run: () => void, delayMs: number }>
  open: (is: boolean) => void
}

function openBench (isOpen: boolean): Bench {
  const settlers: Array<(done: boolean) => void> = []
  const bench = { posted: [] as string[][], bodies: [] as string[], retries: [] as Bench['retries'] }
  const outbox = openOutbox(
    () => isOpen,
    event => ({ ...event, completed: true }),
    (body, settle) => {
      const { events } = JSON.parse(body) as { events: PageEvent[] }
      bench.bodies.push(body)
      bench.posted.push(events.map(event => String(event.event_name)))
      settlers.push(settle)
    },
    (run, delayMs) => bench.retries.push({ run, delayMs })
  )
  return {
    ...bench,
    outbox,
    settle: done => settlers.shift()?.(done),
    open: is => { isOpen = is }
  }
}

/** Lets the microtasks run that add() has queued. */
const turn = () => new Promise<void>(resolve => { setImmediate(resolve) })

test('what happens in one task travels in one body, in order and completed', async t => {
  const { outbox, posted, bodies } = openBench(true)
  for (const name of ['a', 'b', 'c']) outbox.add({ event_name: name })
  t.same(posted, [])
  await turn()
  t.same(posted, [['a', 'b', 'c']])
  const body = JSON.parse(bodies[0] ?? '') as { sent_at: number, events: PageEvent[] }
  t.ok(body.events.every(event => event.completed === true))
  t.ok(Math.abs(body.sent_at - Date.now()) < 60_000)
})

test('nothing leaves before a grant; then all of it, the landing first', async t => {
  const { outbox, posted, open } = openBench(false)
  for (let at = 0; at < 70; at++) outbox.add({ event_name: `e${at}` })
  await turn()
  outbox.flush()
  outbox.flush(true)
  t.same(posted, [])
  open(true)
  outbox.flush()
  const names = posted.flat()
  t.equal(names.length, 50)
  t.equal(names[0], 'e0')
  t.same(names.slice(1), Array.from({ length: 49 }, (_, at) => `e${at + 21}`))
})

test('one request at a time, unless the page is about to go', async t => {
  const { outbox, posted, settle } = openBench(true)
  outbox.add({ event_name: 'first' })
  await turn()
  outbox.add({ event_name: 'second' })
  await turn()
  t.same(posted, [['first']])
  outbox.flush(true)
  t.same(posted, [['first'], ['second']])
  outbox.add({ event_name: 'third' })
  await turn()
  settle(true)
  settle(true)
  t.same(posted, [['first'], ['second'], ['third']])
})

test('a failed batch goes again, in its place and with growing delays', async t => {
  const { outbox, posted, settle, retries } = openBench(true)
  outbox.add({ event_name: 'a' })
  await turn()
  settle(false)
  t.same(retries.map(retry => retry.delayMs), [2000])
  outbox.add({ event_name: 'b' })
  await turn()
  t.same(posted, [['a'], ['a', 'b']])
  settle(false)
  t.same(retries.map(retry => retry.delayMs), [2000, 4000])
  retries[1]?.run()
  t.same(posted, [['a'], ['a', 'b'], ['a', 'b']])
  settle(true)
  retries[0]?.run()
  t.equal(posted.length, 3)
})

test('what was emptied is not tried again, also when it was in flight', async t => {
  const { outbox, posted, settle, retries } = openBench(true)
  outbox.add({ event_name: 'a' })
  await turn()
  outbox.add({ event_name: 'b' })
  outbox.empty()
  settle(false)
  for (const { run } of retries) run()
  outbox.flush(true)
  t.same(posted, [['a']])
  outbox.add({ event_name: 'c' })
  await turn()
  t.same(posted, [['a'], ['c']])
})

test('bodies stay small enough for several keepalive requests, and nothing is lost between them', async t => {
  const { outbox, posted, bodies } = openBench(true)
  for (let at = 0; at < 40; at++) outbox.add({ event_name: `e${at}`, text: 'x'.repeat(2000) })
  outbox.add({ event_name: 'huge', text: 'x'.repeat(30_000) })
  outbox.flush(true)
  t.same(posted.flat(), [...Array.from({ length: 40 }, (_, at) => `e${at}`), 'huge'])
  t.ok(bodies.slice(0, -1).every(body => body.length <= 16_000))
})

test('a post that throws loses nothing and throws nothing', async t => {
  let broken = true
  const sent: string[] = []
  const outbox = openOutbox(() => true, event => event, body => {
    if (broken) throw new Error('the page replaced fetch')
    sent.push(body)
  })
  outbox.add({ event_name: 'a' })
  t.doesNotThrow(() => outbox.flush(true))
  broken = false
  outbox.flush()
  t.equal(sent.length, 1)
  t.match(sent[0], '"event_name":"a"')
})
