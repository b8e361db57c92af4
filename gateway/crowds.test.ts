// One visitor id that comes from everywhere: found, ended, told of, and remembered by every process.
import { test, type Test } from 'tap'
import { createMetrics } from '../config/metrics.ts'
import { testDatabase } from '../test/database.ts'
import { gatewayWorld, granted, send, setCookiesOf, site, testKeys, type Answer } from '../test/gateway_world.ts'
import { openCrowds, placeOf, type Crowd } from './crowds.ts'
import { startGateway, type GatewayService } from './service.ts'

const dayMs = 86_400_000

test('a place is an address or a /64, its network a /24 or a /48', t => {
  const cases: [address: string | undefined, place: string | undefined, network: string | undefined][] = [
    ['203.0.113.7', '203.0.113.7', '203.0.113'],
    ['::ffff:203.0.113.7', '203.0.113.7', '203.0.113'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2', '2001:db8:1'],
    ['2001:0db8:0001:0002::6', '2001:db8:1:2', '2001:db8:1'],
    ['2001:db8::6', '2001:db8:0:0', '2001:db8:0'],
    ['::1', '0:0:0:0', '0:0:0'],
    ['unix:', undefined, undefined],
    [undefined, undefined, undefined]
  ]
  for (const [address, place, network] of cases) {
    t.strictSame(placeOf(address), place === undefined ? undefined : { place, network }, String(address))
  }
  t.end()
})

test('many networks or many addresses within a day make a crowd, once; a person\'s do not', t => {
  const found: Crowd[] = []
  const open = () => openCrowds({
    isKnown: id => found.some(({ visitorId }) => visitorId === id),
    onFound: crowd => { found.push(crowd) },
    limits: { networks: 5, addresses: 20 }
  })
  const ask = (crowds: ReturnType<typeof open>, visitorId: string, address: string, nowMs: number) =>
    crowds.isCrowd({ site: 'main', visitorId, address, nowMs })

  const crowds = open()
  const networks = [1, 2, 3, 4, 5, 6].map(at => ask(crowds, 'v-networks', `203.0.${at}.7`, at))
  t.same(networks, [false, false, false, false, true, true])
  t.same(found, [{ site: 'main', visitorId: 'v-networks', networks: 5, addresses: 5 }])
  const addresses = Array.from({ length: 20 }, (_, at) => ask(crowds, 'v-addresses', `203.0.113.${at}`, at))
  t.equal(addresses.filter(Boolean).length, 1)
  t.equal(found.length, 2)
  t.ok(ask(open(), 'v-networks', '203.0.113.7', 0), 'another process asks what is known')

  const calm = Array.from({ length: 100 }, (_, at) => ask(crowds, 'v-person', `203.0.${at % 4}.${at % 4}`, at))
  t.notOk(calm.includes(true), 'the same few places are one person')
  const travels = Array.from({ length: 100 }, (_, at) => ask(crowds, 'v-traveller', `203.0.${at}.7`, at * dayMs / 3))
  t.notOk(travels.includes(true), 'a few new ones a day, too')
  t.notOk(crowds.isCrowd({ site: 'main', visitorId: 'v-nowhere', address: undefined, nowMs: 0 }))
  t.end()
})

interface World {
  start: () => Promise<GatewayService>
  metrics: ReturnType<typeof createMetrics>
  lines: Record<string, unknown>[]
}

async function serviceWorld (t: Test): Promise<World & Awaited<ReturnType<typeof testDatabase>>> {
  const database = await testDatabase(t)
  const metrics = createMetrics('test')
  const lines: Record<string, unknown>[] = []
  const note = (fields: object, message: string) => { lines.push({ ...fields, message }) }
  const start = async () => {
    const service = await startGateway({
      databaseUrl: database.url,
      keys: testKeys,
      sites: [site],
      trustProxy: ['127.0.0.1'],
      host: '127.0.0.1',
      port: 0,
      log: { info: () => undefined, warn: note, error: note },
      metrics,
      limits: { eventsPerMinute: 1e6 }
    })
    return service
  }
  return { ...database, start, metrics, lines }
}

const event = { event_name: 'page_view', page_location: 'https://www.example.com/', consent: granted }
const click = { ...event, page_location: 'https://www.example.com/?fbclid=IwAR0abc' }

const ask = async (base: string, body: object, cookie: string, address: string): Promise<Answer> =>
  await send(base, body, { headers: { 'x-forwarded-for': address, ...cookie === '' ? {} : { cookie } } })

function jarOf (answer: Answer): string {
  return [...setCookiesOf(answer)].map(([name, { value }]) => `${name}=${value}`).join('; ')
}

test('a cached Set-Cookie: the id is ended for all who have it, in each process and after a restart', async t => {
  const world = await serviceWorld(t)
  const first = await world.start()
  const stops = [first.stop]
  t.teardown(async () => { for (const stop of stops) await stop() })
  const cached = jarOf(await ask(first.url, click, '', '203.0.0.1'))
  t.match(cached, /_pstn=.*_fbc=/, 'somebody came by an ad')
  t.equal((await world.pool.query('SELECT FROM touches')).rowCount, 1)

  const answers: Answer[] = []
  for (let at = 1; at <= 30; at++) answers.push(await ask(first.url, event, cached, `203.0.${at}.7`))
  t.ok(answers.every(({ status }) => status === 202), 'every event is stored')
  const isRenewed = answers.map(answer => setCookiesOf(answer).has('_pstn'))
  t.equal(isRenewed.indexOf(true), 11, 'the twelfth network is too many')
  t.notOk(isRenewed.slice(11).includes(false), 'from then on everybody who has it gets another')
  const ids = answers.slice(11).map(answer => setCookiesOf(answer).get('_pstn')?.value.split('.')[1])
  t.equal(new Set(ids).size, 19, 'and each his own')
  const ended = setCookiesOf(answers[20] ?? answers[0] as Answer)
  t.match(ended.get('_fbc'), { value: '', attributes: /Max-Age=0/ }, 'the click was another\'s')
  t.notMatch(cached, ended.get('_fbp')?.value ?? 'nothing', 'the browser id, too')

  const { rows } = await world.pool.query<{ visitors: number, fbc: number }>(
    'SELECT count(DISTINCT visitor)::int AS visitors FROM events')
  t.same(rows, [{ visitors: 20 }])
  t.equal((await world.metrics.crowds.get()).values[0]?.value, 1)
  t.equal(world.lines.filter(({ message }) => String(message).startsWith('one visitor id came from')).length, 1)
  t.notMatch(JSON.stringify(world.lines), String(cached.split('.')[1]))

  const own = jarOf(answers[20] ?? answers[0] as Answer).replace(/_fbc=;?/, '')
  t.notOk(setCookiesOf(await ask(first.url, event, own, '203.0.77.7')).has('_pstn'), 'the new one is good')

  const countOf = async (table: string) => (await world.pool.query(`SELECT FROM ${table}`)).rowCount
  while (await countOf('crowds') === 0) await new Promise<void>(resolve => { setTimeout(resolve, 20) })
  const other = await world.start()
  stops.push(other.stop)
  t.ok(setCookiesOf(await ask(other.url, event, cached, '203.0.113.8')).has('_pstn'), 'another process knows it')
  t.notOk(setCookiesOf(await ask(other.url, event, own, '203.0.113.8')).has('_pstn'))
  t.equal(await countOf('crowds'), 1)
  t.equal(await countOf('touches'), 0, 'its landing is nobody\'s way here')
  for (const [keeper, isKept] of [['; _pstn_k=x', true], ['', false]] as const) {
    const cookie = `${cached}; _ga=GA1.1.1.1764000000${keeper}`
    const answer = await ask(first.url, { ...event, event_name: 'scroll' }, cookie, '203.0.40.7')
    t.equal(setCookiesOf(answer).get('_ga')?.value, isKept ? '' : undefined, 'what was kept came from the cache, too')
  }
})

test('the addresses of a proxy that is not believed are no places of its visitors', async t => {
  const seen: (string | undefined)[] = []
  const crowds = { isCrowd: ({ address }: { address: string | undefined }) => { seen.push(address); return false } }
  const cases: [trustProxy: string[], headers: Record<string, string>, address: string | undefined][] = [
    [[], {}, '127.0.0.1'],
    [[], { 'x-forwarded-for': '203.0.113.9' }, undefined],
    [['127.0.0.1'], { 'x-forwarded-for': '203.0.113.9' }, '203.0.113.9'],
    [['127.0.0.1'], {}, '127.0.0.1']
  ]
  for (const [trustProxy, headers, address] of cases) {
    const world = await gatewayWorld(t, { trustProxy, crowds })
    const cookie = jarOf(await world.post(event))
    t.equal((await world.post(event, { headers: { ...headers, cookie } })).status, 202)
    t.equal(seen.at(-1), address, JSON.stringify([trustProxy, headers]))
  }
  t.equal(seen.length, cases.length)
})
