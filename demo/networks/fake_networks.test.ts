// What all fakes share: the list of receipts, the dedupe, and the knobs by which they misbehave.
import { test } from 'tap'
import type { Behaviour } from './behaviour.ts'
import { startFakeNetworks, type FakeNetworks } from './fake_networks.ts'
import { exampleEvent, exampleNowMs, exampleUser, sha256 } from './meta_example.ts'
import type { Json } from './json.ts'

interface T { teardown (clean: () => unknown): void }
const hourMs = 3_600_000

async function start (t: T): Promise<FakeNetworks & { pass (ms: number): void }> {
  let nowMs = exampleNowMs
  const fakes = await startFakeNetworks({ now: () => nowMs })
  t.teardown(() => fakes.close())
  return { ...fakes, pass (ms) { nowMs += ms } }
}

function send (fakes: FakeNetworks, event: Json, init: RequestInit = {}, pixel = '111'): Promise<Response> {
  return fetch(`${fakes.url}/meta/v26.0/${pixel}/events?access_token=a`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ data: [event] }), ...init
  })
}

function pixel (fakes: FakeNetworks, over: Record<string, string> = {}): Promise<Response> {
  const query = new URLSearchParams({ id: '111', ev: 'Lead', dl: 'https://www.example.com/', ts: '1', ...over })
  return fetch(`${fakes.url}/meta/tr?${query}`)
}

/** Events as old as the clock of the fake, whatever it is. */
const fresh = (over: Json, hours = 0): Json => exampleEvent({
  event_time: exampleNowMs / 1000 + hours * 3600, user_data: exampleUser({ external_id: undefined }), ...over
})

const outcomes = (fakes: FakeNetworks): string[] => fakes.received().map(({ source, verdict, reason }) =>
  [source, verdict, reason].filter(Boolean).join(' '))

test('GET /_received lists every receipt in order, one JSON object a line, with the agreed keys', async t => {
  const fakes = await start(t)
  await pixel(fakes, { eid: 'a', 'cd[value]': '50', fbp: 'fb.1.1.1' })
  await send(fakes, fresh({ event_id: 'a' }))
  await send(fakes, fresh({ event_id: 'b', event_time: 1 }))
  const response = await fetch(`${fakes.url}/_received`)
  t.match(response.headers.get('content-type'), /^application\/x-ndjson/)
  const text = await response.text()
  const lines = text.trimEnd().split('\n').map(line => JSON.parse(line) as Json)
  t.ok(text.endsWith('\n'))
  t.match(lines, [
    { type: 'meta', at: '2026-11-23T10:00:00.000Z', source: 'browser', event_name: 'Lead', event_id: 'a' },
    { source: 'server', event_name: 'Lead', event_id: 'a', verdict: 'deduplicated', reason: 'same_event_id' },
    { event_id: 'b', verdict: 'rejected', reason: '100/2804003 event_too_old event_time' }
  ])
  t.strictSame(Object.keys(lines[0] ?? {}), ['type', 'at', 'source', 'event_name', 'event_id', 'verdict', 'body'])
  t.strictSame(lines[0]?.body, {
    id: '111', ev: 'Lead', dl: 'https://www.example.com/', ts: '1', eid: 'a', cd: { value: '50' }, fbp: 'fb.1.1.1'
  })
  const one = await (await fetch(`${fakes.url}/_received?event_id=b`)).text()
  t.equal(one.trimEnd().split('\n').length, 1)
})

test('nothing received is an empty list', async t => {
  const fakes = await start(t)
  t.equal(await (await fetch(`${fakes.url}/_received`)).text(), '')
})

test('a pixel is answered with its image, whatever becomes of the copy', async t => {
  const fakes = await start(t)
  const good = await pixel(fakes, { eid: 'a' })
  t.equal(good.headers.get('content-type'), 'image/gif')
  t.match(Buffer.from(await good.arrayBuffer()).subarray(0, 6).toString(), 'GIF89a')
  t.equal((await pixel(fakes, { id: 'not a number' })).status, 200)
  t.equal((await pixel(fakes, { ev: '' })).status, 200)
  const body = new URLSearchParams({ id: '111', ev: 'Lead', eid: 'p' })
  t.equal((await fetch(`${fakes.url}/meta/tr`, { method: 'POST', body })).status, 200)
  t.strictSame(outcomes(fakes),
    ['browser counted', 'browser rejected pixel_id', 'browser rejected event_name', 'browser counted'])
})

const hashA = sha256('a')
const fbp = `fb.1.${exampleNowMs}.5`

/** A copy, sent so many hours after the one before it, and what becomes of it. */
type Step = [copy: (fakes: FakeNetworks, hours: number) => Promise<Response>, waitHours: number, outcome: string]
const dedupe: Record<string, Step[]> = {
  'server first, then the pixel': [
    [(f) => send(f, fresh({ event_id: 'x' })), 0, 'server counted'],
    [(f) => pixel(f, { eid: 'x' }), 1, 'browser deduplicated same_event_id']],
  'a server that sends twice': [
    [(f) => send(f, fresh({ event_id: 'x' })), 0, 'server counted'],
    [(f) => send(f, fresh({ event_id: 'x' })), 1, 'server deduplicated same_event_id']],
  'the window begins with the first copy and is not moved': [
    [(f) => send(f, fresh({ event_id: 'x' })), 0, 'server counted'],
    [(f) => send(f, fresh({ event_id: 'x' })), 47, 'server deduplicated same_event_id'],
    [(f, h) => send(f, fresh({ event_id: 'x' }, h)), 2, 'server counted'],
    [(f, h) => send(f, fresh({ event_id: 'x' }, h)), 2, 'server deduplicated same_event_id']],
  'another name, another id in another case, another account': [
    [(f) => pixel(f, { eid: 'x' }), 0, 'browser counted'],
    [(f) => send(f, fresh({ event_id: 'x', event_name: 'Contact' })), 0, 'server counted'],
    [(f) => send(f, fresh({ event_id: 'X' })), 0, 'server counted'],
    [(f) => send(f, fresh({ event_id: 'x' }), {}, '222'), 0, 'server counted']],
  'ids that differ, although the browser is the same': [
    [(f) => pixel(f, { eid: 'x', fbp }), 0, 'browser counted'],
    [(f) => send(f, fresh({ event_id: 'y', user_data: { fbp } })), 0, 'server counted']],
  'a pixel without the id, and a server with one': [
    [(f) => pixel(f, { fbp }), 0, 'browser counted'],
    [(f) => send(f, fresh({ event_id: 'y', user_data: { fbp } })), 0, 'server counted']],
  'no ids, same browser: the server copy after the browser copy': [
    [(f) => pixel(f, { fbp }), 0, 'browser counted'],
    [(f) => send(f, fresh({ event_id: undefined, user_data: { fbp } })), 1, 'server deduplicated same_fbp']],
  'no ids, same browser: the server copy before the browser copy': [
    [(f) => send(f, fresh({ event_id: undefined, user_data: { fbp } })), 0, 'server counted'],
    [(f) => pixel(f, { fbp }), 0, 'browser counted']],
  'no ids: two server copies, two browser copies': [
    [(f) => send(f, fresh({ event_id: undefined })), 0, 'server counted'],
    [(f) => send(f, fresh({ event_id: undefined })), 0, 'server counted'],
    [(f) => pixel(f, { fbp: 'fb.1.1.1' }), 0, 'browser counted'],
    [(f) => pixel(f, { fbp: 'fb.1.1.1' }), 0, 'browser counted']],
  'no ids: external_id beats fbp': [
    [(f) => pixel(f, { fbp, 'ud[external_id]': hashA }), 0, 'browser counted'],
    [(f) => send(f, fresh({ event_id: undefined, user_data: { external_id: hashA } })), 0,
      'server deduplicated same_external_id'],
    [(f) => send(f, fresh({
      event_id: undefined, user_data: { external_id: sha256('b'), fbp }
    })), 0, 'server counted']],
  'a refused copy is none': [
    [(f) => send(f, fresh({ event_id: 'x', click_id: 1 })), 0, 'server rejected 100/2804019 unexpected_key click_id'],
    [(f) => pixel(f, { eid: 'x' }), 0, 'browser counted']]
}

for (const [name, steps] of Object.entries(dedupe)) {
  test(`counts once: ${name}`, async t => {
    const fakes = await start(t)
    let hours = 0
    for (const [copy, waitHours] of steps) {
      hours += waitHours
      fakes.pass(waitHours * hourMs)
      await (await copy(fakes, hours)).arrayBuffer()
    }
    t.strictSame(outcomes(fakes), steps.map(([, , outcome]) => outcome))
  })
}

async function behave (fakes: FakeNetworks, behaviour: Behaviour): Promise<Response> {
  return fetch(`${fakes.url}/_behaviour`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(behaviour)
  })
}

test('fails the next requests with the ordered status and codes, then works again', async t => {
  const fakes = await start(t)
  await behave(fakes, {
    faults: [
      { kind: 'status', status: 500, code: 2, times: 2 },
      { kind: 'status', status: 429, retry_after_seconds: 7, times: 1 },
      { kind: 'status', status: 401, code: 190, subcode: 463, times: 1 },
      { kind: 'html', times: 1 },
      { kind: 'status', status: 500, processed: true, times: 1 }]
  })
  const answers: [number, unknown][] = []
  for (let turn = 0; turn < 6; turn++) {
    const response = await send(fakes, fresh({ event_id: 'x' }))
    const text = await response.text()
    const { code, error_subcode: subcode } = text.startsWith('{') ? (JSON.parse(text) as { error: Json }).error : {}
    answers.push([response.status, [code, subcode, response.headers.get('retry-after')].filter(part => part != null)])
  }
  t.strictSame(answers, [[500, [2]], [500, [2]], [429, [4, '7']], [401, [190, 463]], [502, []], [500, [2]]])
  t.equal((await send(fakes, fresh({ event_id: 'x' }))).status, 200)
  t.strictSame(outcomes(fakes), ['server rejected fault_status_500', 'server rejected fault_status_500',
    'server rejected fault_status_429', 'server rejected fault_status_401', 'server rejected fault_html_502',
    'server counted', 'server deduplicated same_event_id'])
  t.strictSame(await (await fetch(`${fakes.url}/_behaviour`)).json(), { faults: [] })
})

test('drops the connection after it has counted the event, or before', async t => {
  const fakes = await start(t)
  fakes.behave({ faults: [{ kind: 'drop', times: 1 }, { kind: 'drop', processed: false, times: 1 }] })
  await t.rejects(send(fakes, fresh({ event_id: 'x' })))
  await t.rejects(send(fakes, fresh({ event_id: 'y' })))
  await send(fakes, fresh({ event_id: 'x' }))
  t.strictSame(outcomes(fakes), ['server counted', 'server rejected fault_drop', 'server deduplicated same_event_id'])
})

test('hangs until the caller gives up or the server closes, and leaves the browser alone', async t => {
  const fakes = await start(t)
  fakes.behave({ faults: [{ kind: 'hang' }] })
  const hanging = () => outcomes(fakes).filter(outcome => outcome === 'server rejected fault_hang').length
  const leaving = new AbortController()
  const first = send(fakes, fresh({ event_id: 'x' }), { signal: leaving.signal })
  const second = send(fakes, fresh({ event_id: 'y' }))
  const ends = Promise.allSettled([first, second])
  while (hanging() < 2) t.equal((await pixel(fakes)).status, 200)
  leaving.abort()
  await t.rejects(first, { name: 'AbortError' })
  await fakes.close()
  await t.rejects(second, { name: 'TypeError' })
  await ends
})

test('holds an answer back after the event is counted, and closes in the middle of it', async t => {
  const fakes = await start(t)
  fakes.behave({ delay_ms: 600_000 })
  const late = send(fakes, fresh({ event_id: 'x' }))
  late.catch(() => undefined)
  while (!outcomes(fakes).includes('server counted')) await pixel(fakes)
  await fakes.close()
  await t.rejects(late)
})

test('random failures are the same for the same seed and about as many as ordered', async t => {
  const runs: string[][] = []
  for (const seed of [7, 7, 8]) {
    const fakes = await start(t)
    fakes.behave({ random: { seed, rate: 0.3, faults: [{ kind: 'status', status: 500 }, { kind: 'html' }] } })
    for (let turn = 0; turn < 60; turn++) await (await send(fakes, fresh({ event_id: `n${turn}` }))).text()
    runs.push(outcomes(fakes))
  }
  const [first, again, other] = runs
  t.strictSame(first, again)
  t.notSame(first, other)
  const failed = first?.filter(outcome => outcome.includes('fault')).length ?? 0
  t.ok(failed > 6 && failed < 32, `${failed} of 60`)
  t.ok(first?.includes('server rejected fault_html_502') && first.includes('server rejected fault_status_500'))
})

test('can be ordered for one network or for the browser\'s side', async t => {
  const fakes = await start(t)
  fakes.behave({ source: 'browser', faults: [{ kind: 'status', status: 503 }] })
  t.equal((await pixel(fakes, { eid: 'x' })).status, 503)
  t.equal((await send(fakes, fresh({}))).status, 200)
  fakes.behave({ type: 'tiktok', faults: [{ kind: 'status', status: 503 }] })
  t.equal((await send(fakes, fresh({}))).status, 200)
})

test('an order that it does not understand is refused and changes nothing', async t => {
  const fakes = await start(t)
  const orders = [{ fault: 'x' }, { faults: [{ kind: 'explode' }] }, { delay_ms: '5' },
    { faults: [{ kind: 'status', status: 200 }] }]
  for (const order of orders) {
    t.equal((await behave(fakes, order as Behaviour)).status, 400)
  }
  t.equal((await send(fakes, fresh({}))).status, 200)
})
