// What an overloaded gateway sheds: events first, leads last, in the words of every other refusal.
import { test } from 'tap'
import { gatewayWorld, granted } from '../test/gateway_world.ts'

const relaxed = { eventDelayMs: 60_000, leadDelayMs: 60_000, eventMemory: 2, leadMemory: 2 }
const event = { event_name: 'page_view', consent: granted }
const lead = { email: 'a@b.de' }

/** Asks until the guard has looked at the process, once a second. */
async function untilShed<T extends { status: number }> (ask: () => Promise<T>): Promise<T> {
  for (;;) {
    const answer = await ask()
    if (answer.status === 503) return answer
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

test('short of memory, events are turned away first, then leads; pages, scripts and health stay', async t => {
  const world = await gatewayWorld(t, { pressure: { ...relaxed, eventMemory: 1e-6 } })
  const answer = await untilShed(async () => await world.post(event))
  t.match(answer.json, { error: { code: 'unavailable', message: /overloaded/ } })
  t.ok(Number(answer.headers['retry-after']) >= 5)
  t.equal(answer.headers['access-control-allow-origin'], 'https://www.example.com', 'the page can read why')
  t.equal((await world.lead(lead, { type: 'application/json' })).status, 202, 'a lead is taken')
  t.equal((await world.post('', { method: 'GET', path: '/s.js' })).status, 200)
  t.equal((await world.post('', { method: 'GET', path: '/readyz', host: 'health.internal' })).status, 200)

  const worse = await gatewayWorld(t, { pressure: { ...relaxed, eventMemory: 1e-6, leadMemory: 1e-6 } })
  const refused = await untilShed(async () => await worse.lead(lead, { type: 'application/json' }))
  t.match(refused.json, { error: { code: 'unavailable' } })
  const page = await worse.lead('email=a%40b.de', {
    type: 'application/x-www-form-urlencoded', headers: { accept: 'text/html', 'sec-fetch-mode': 'navigate' }
  })
  t.match(page, { status: 503, headers: { 'content-type': /text\/html/, 'retry-after': /^\d+$/ } })
})

test('a slow event loop sheds only where it stays slow', async t => {
  // Every loop is slower than nothing at all.
  const world = await gatewayWorld(t, { pressure: { ...relaxed, eventDelayMs: 1e-9 } })
  t.equal((await world.post(event)).status, 202, 'not at once')
  await untilShed(async () => await world.post(event))
  t.equal((await world.lead(lead, { type: 'application/json' })).status, 202, 'leads have a limit of their own')
})
