// The request as TikTok reads it: one source each, accepted by the strict fake; what judge() keeps of an answer.
import { test } from 'tap'
import { startFakeNetworks } from '../../../demo/networks/fake_networks.ts'
import tiktok from './destination.ts'
import { explain } from './errors.ts'

const token = '4f8a0c1e9d7b6a5f'
const settings = {
  pixel_code: 'CP0STERN0TESTS000001',
  access_token: token,
  test_event_code: 'TEST1',
  offline_event_set_id: '7301964452018376450',
  crm_event_set_id: '7301964452018376833'
}
const hash = 'b'.repeat(64)
const base = { event_time: 1795163400, user: { email: [hash] } }
const web = { ...base, event: 'Lead', event_id: 'a', page: { url: 'https://www.example.com/offer' } }
const offline = { ...base, event: 'Purchase', event_id: 'b' }
const crm = { ...base, event: 'QualifiedLead', event_id: 'c', lead: { lead_id: '7301964452018999123' } }

function requestOf (payloads: unknown[], given: object = settings, isTest = false) {
  return tiktok.request(payloads, given, 'https://fake.example/', isTest)
}

test('names the source of its events and keeps sources apart', t => {
  for (const [payload, source, id] of [[web, 'web', settings.pixel_code],
    [offline, 'offline', settings.offline_event_set_id], [crm, 'crm', settings.crm_event_set_id]] as const) {
    t.equal(tiktok.batchKey?.(payload), source)
    const { url, body } = requestOf([payload])
    t.equal(url, 'https://fake.example/open_api/v1.3/event/track/')
    t.same(JSON.parse(JSON.stringify(body)), { event_source: source, event_source_id: id, data: [payload] })
  }
  t.throws(() => requestOf([web, offline]), /one event source/)
  t.throws(() => requestOf([]), /one event source/)
  t.throws(() => requestOf([offline], { ...settings, offline_event_set_id: undefined }), /no event_source_id/)
  t.same(requestOf([web, web], settings, true).body, {
    event_source: 'web', event_source_id: settings.pixel_code, test_event_code: 'TEST1', data: [web, web]
  })
  t.end()
})

test('is accepted by TikTok, each source by itself, and counts once', async t => {
  const fakes = await startFakeNetworks({
    now: () => 1795163401000,
    tiktok: {
      accounts: {
        [token]: {
          web: [settings.pixel_code],
          offline: [settings.offline_event_set_id],
          crm: [settings.crm_event_set_id]
        }
      }
    }
  })
  t.teardown(() => fakes.close())
  async function send (payloads: object[], given = settings) {
    const { url, headers, body } = tiktok.request(payloads, given, `${fakes.url}/tiktok/`, false)
    const auth = tiktok.auth.kind === 'header' ? { [tiktok.auth.name]: tiktok.auth.value(given) } : {}
    const response = await fetch(url, {
      method: 'POST', headers: { ...headers, ...auth }, body: JSON.stringify(body)
    })
    const answer = {
      status: response.status, headers: Object.fromEntries(response.headers), body: await response.json() as unknown
    }
    return tiktok.judge?.(answer, payloads)
  }
  for (const payload of [web, offline, crm, web]) {
    t.match(await send([payload]), { all: { kind: 'delivered' }, trace: /^2026\d{10}/, said: undefined })
  }
  t.match(await send([web], { ...settings, access_token: 'x' }), { all: { kind: 'pause', detail: /^code 40105/ } })
  const event = (id: string) => ({ ...web, event_id: id })
  t.match(await send([event('d'), { ...event('e'), event_time: 1 }, event('f')]), {
    each: [{ kind: 'retry', reason: 'isolating' }, { kind: 'rejected', reason: 'network_refused' },
      { kind: 'retry', reason: 'isolating' }],
    said: /\.1\.event_time/
  })
  t.same(fakes.received().map(({ verdict }) => verdict), ['counted', 'counted', 'counted', 'deduplicated', 'rejected',
    'rejected', 'rejected', 'rejected'])
})

test('keeps what TikTok said, and its trace', t => {
  const judge = (body: unknown, headers = {}) => tiktok.judge?.({ status: 200, headers, body }, [web, web])
  t.match(judge({ code: 0, message: 'OK', request_id: 'R1', data: {} }), { trace: 'R1', said: undefined })
  t.match(judge({ code: 20001, message: 'Partly', data: { failed: 1 } }, { 'x-tt-logid': 'L1' }), {
    all: { kind: 'delivered' }, trace: 'L1', said: 'Partly · {"failed":1}'
  })
  t.match(judge('', { 'x-tt-logid': 'L2' }), { trace: 'L2', all: { kind: 'retry', reason: 'network_error' } })
  t.match(judge({ code: 40002, message: 'Invalid value for event_source_id: not a valid string.' }), {
    all: { kind: 'pause', detail: 'code 40002: an invalid parameter (event_source_id)' }
  })
  t.equal(explain(40007), 'code 40007: the pixel or event set does not exist')
  t.equal(explain(49999), 'code 49999')
  t.end()
})
