// The request as Meta reads it: accepted by the strict fake, with proof where an app demands it; what judge() keeps.
import { test } from 'tap'
import { startFakeNetworks } from '../../../demo/networks/fake_networks.ts'
import meta from './destination.ts'

const pixel = '618273645501928'
const token = 'EAAGm0PX4ZCpsBA'
const settings = { pixel_id: pixel, access_token: token, api_version: 'v26.0' }
const payload = {
  event_name: 'Lead',
  event_time: 1795163400,
  event_id: 'lead-1',
  action_source: 'website',
  event_source_url: 'https://www.example.com/offer',
  user_data: { client_ip_address: '93.184.216.34', client_user_agent: 'Mozilla/5.0' }
}

interface Answer { status: number, body: unknown }

async function send (settingsGiven: object, endpoint: string, isTest: boolean): Promise<Answer> {
  const request = meta.request([payload], settingsGiven, endpoint, isTest)
  const headers = meta.auth.kind === 'header'
    ? { ...request.headers, [meta.auth.name]: meta.auth.value(settingsGiven) }
    : request.headers
  const answer = await fetch(request.url, { method: 'POST', headers, body: JSON.stringify(request.body) })
  return { status: answer.status, body: await answer.json() }
}

test('is accepted, with proof of the app\'s secret where the app demands it, and counts once', async t => {
  const fakes = await startFakeNetworks({
    now: () => 1795163401000,
    meta: { pixels: { [pixel]: token }, appSecret: 'the-secret-of-the-app' }
  })
  t.teardown(() => fakes.close())
  const endpoint = `${fakes.url}/meta/`
  const refused = await send(settings, endpoint, false)
  const judged = meta.judge?.({ status: refused.status, headers: {}, body: refused.body }, [payload])
  t.match(judged, { all: { kind: 'pause', detail: /^code 104/ }, trace: String })
  const proving = { ...settings, app_secret: 'the-secret-of-the-app', test_event_code: 'TEST1' }
  for (const isTest of [false, true]) {
    const { status, body } = await send(proving, endpoint, isTest)
    t.equal(status, 200)
    t.match(meta.judge?.({ status, headers: {}, body }, [payload]), { all: { kind: 'delivered' }, trace: String })
  }
  t.same(fakes.received().map(receipt => receipt.verdict), ['rejected', 'counted', 'deduplicated'])
})

test('keeps what the network said, and its trace', t => {
  const headers = { 'x-ad-api-version-warning': 'auto-upgraded' }
  const body = { events_received: 1, messages: [], fbtrace_id: 'Abc' }
  t.match(meta.judge?.({ status: 200, headers, body }, [payload]), { trace: 'Abc', said: 'auto-upgraded' })
  const error = { code: 100, error_subcode: 2804016, message: '(#100)', error_user_title: 'Titel', fbtrace_id: 'Def' }
  t.match(meta.judge?.({ status: 400, headers: {}, body: { error } }, [payload]), {
    all: { detail: 'code 100/2804016: a value that must be hashed is not' },
    trace: 'Def',
    said: 'Titel · (#100)'
  })
  t.end()
})
