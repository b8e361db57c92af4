// Events over real HTTP into a real database: answers, batches, signed senders, poison, many at once.
import { test } from 'tap'
import { browserAgent, gatewayWorld, granted, setCookiesOf, type Answer } from '../test/gateway_world.ts'

test('the answers of the contract', async t => {
  const world = await gatewayWorld(t)
  const first = await world.post({ event_name: 'Lead', event_id: 'id-1', value: 'much', consent: granted })
  t.equal(first.status, 202)
  t.strictSame(first.json, { status: 'stored', event_id: 'id-1', warnings: [{ path: 'value', code: 'not_a_number' }] })
  t.strictSame((await world.post({ event_name: 'generate_lead', event_id: 'id-1' })).json, {
    status: 'duplicate',
    event_id: 'id-1'
  })
  const made = await world.post({ event_name: 'x' }, { type: 'application/json' })
  t.match(made.json.event_id, /^e[a-z2-7]{26}$/, 'an id of ours starts with a letter')
  t.strictSame((await world.post({ event_name: 'purchase', transaction_id: '9' })).json.event_id, 'purchase.9')

  const batch = await world.post({
    sent_at: Date.now(),
    events: [{ event_name: 'a', event_id: 'b-1' }, 'no event',
      { event_name: '' },
      { event_name: 'a', event_id: 'b-1' }, { event_name: 'purchase', transaction_id: 9 }, {
        event_name: 'c',
        event_id: 'b-2',
        tax: {}
      }]
  })
  t.equal(batch.status, 202)
  t.match(batch.json, {
    results: [
      { status: 'stored', event_id: 'b-1' },
      { status: 'rejected', error: { code: 'invalid_event', message: String } },
      { status: 'rejected', error: { code: 'invalid_event', message: String, path: 'event_name' } },
      { status: 'duplicate', event_id: 'b-1' },
      { status: 'duplicate', event_id: 'purchase.9' },
      { status: 'stored', event_id: 'b-2', warnings: [{ path: 'tax', code: 'not_a_number' }] }
    ]
  })
  t.equal((batch.json.results as unknown[]).length, 6)
  t.equal((await world.parts()).length, 8)
  t.equal(first.headers['cache-control'], 'no-store')
  t.equal(first.headers['x-content-type-options'], 'nosniff')
})

test('refusals have one shape, and name no more than they must', async t => {
  const world = await gatewayWorld(t)
  const long = { event_name: 'x', page_title: 'y'.repeat(65_000), more: 'z'.repeat(1000) }
  const cases: [name: string, answer: Promise<Answer>, status: number, code: string][] = [
    ['no JSON', world.post('{'), 400, 'malformed_body'],
    ['no body', world.post(''), 400, 'malformed_body'],
    ['no event', world.post({}), 400, 'invalid_event'],
    ['a list', world.post([]), 400, 'invalid_event'],
    ['a form', world.post('a=1', { type: 'application/x-www-form-urlencoded' }), 415, 'unsupported_media_type'],
    ['a bad type', world.post({ event_name: 'x' }, { type: 'nonsense' }), 415, 'unsupported_media_type'],
    ['compressed', world.post({ event_name: 'x' }, { headers: { 'content-encoding': 'gzip' } }), 415,
      'unsupported_media_type'],
    ['too large', world.post(long), 413, 'too_large'],
    ['an unknown host', world.post({}, { host: 'evil.example' }), 404, 'unknown_site'],
    ['an unknown path', world.post({}, { path: '/v1/x' }), 404, 'not_found'],
    ['a GET', world.post({}, { method: 'GET' }), 405, 'method_not_allowed'],
    ['a DELETE', world.post({}, { method: 'DELETE', path: '/v1/leads' }), 405, 'method_not_allowed'],
    ['a POST to the script', world.post({}, { path: '/s.js' }), 405, 'method_not_allowed'],
    ['a broken address', world.post({}, { path: '/v1/%zz' }), 400, 'malformed_body'],
    ['no key', world.signed({ event_name: 'x' }, { headers: { authorization: '' } }), 401, 'unauthorized'],
    ['a wrong key', world.signed({ event_name: 'x' }, { headers: { authorization: 'Bearer nope' } }), 401,
      'unauthorized'],
    ['no content type', world.post({ event_name: 'x' }, { type: null }), 202, '']
  ]
  for (const [name, pending, status, code] of cases) {
    const answer = await pending
    t.equal(answer.status, status, name)
    if (code === '') continue
    t.match(answer.json, { error: { code, message: String } }, name)
    t.strictSame(Object.keys(answer.json), ['error'], name)
  }
  t.equal((await world.post({}, { method: 'GET' })).headers.allow, 'POST, OPTIONS')
})

test('a thousand concurrent posts of one id are one event', async t => {
  const world = await gatewayWorld(t)
  const answers = await Promise.all(Array.from({ length: 1000 }, () => world.post({
    event_name: 'purchase',
    event_id: 'one',
    value: 1
  })))
  t.equal(answers.filter(answer => answer.json.status === 'stored').length, 1)
  t.equal(answers.filter(answer => answer.json.status === 'duplicate').length, 999)
  const parts = await world.parts()
  t.equal(parts.length, 1000)
  t.equal(new Set(parts.map(part => part.event_seq)).size, 1)
  const { rows } = await world.pool.query<{ n: number }>(
    'SELECT sum(cardinality(event_seqs))::int AS n FROM unrouted_batches')
  t.equal(rows[0]?.n, 1)
})

test('poison never fails a request, nor its neighbours', async t => {
  const world = await gatewayWorld(t)
  const deep = (levels: number) => '{"event_name":"deep","a":' + '['.repeat(levels) + ']'.repeat(levels) + '}'
  const bodies: [body: string | Buffer, status: number][] = [
    ['{"event_name":"x\\u0000y","event_id":"\\u0000"}', 202],
    ['{"event_name":"x","event_id":"\\ud800","page_title":"\\udfff\\ud800"}', 202],
    ['{"event_name":"x","__proto__":{"a":1},"constructor":{"prototype":{"a":1}}}', 202], [deep(20), 202], [deep(40),
      400],
    ['{"event_name":"x","value":1e999,"tax":-1e999,"items":[{"price":1e400}]}', 202],
    ['{"event_name":"x","value":1e200}', 202],
    ['{"event_name":"x","event_time":1e300}', 202], [`{"event_name":"x","k${'y'.repeat(5000)}":1}`, 202],
    [Buffer.from([0x7B, 0xFF, 0xFE, 0x7D]), 400], [Buffer.from('{"event_name":"\xff\xfe"}', 'latin1'), 202],
    ['\uFEFF{"event_name":"x"}', 202],
    [`{"event_name":"x",${Array.from({ length: 3000 }, (_, at) => `"k${at}":${at}`).join()}}`, 202],
    ['{"event_name":"x","event_name":"y"}', 202],
    [`{"event_name":"x","event_id":"${'"'.replace('"', '\\"').repeat(255)}"}`, 202],
    ['['.repeat(60_000), 400], ['{"events":[[[]],null,{"event_name":{}}]}', 202],
    ['{"event_name":"x","page_location":"https://[bad"}', 202],
    ['{"event_name":"x","user_data":{"email":[[["x"]]],"address":[[]],"__proto__":1}}', 202], ['"just text"', 400]
  ]
  const answers = await Promise.all(bodies.flatMap(([body, status], at) => [
    world.post(body).then(answer => ({ answer, status, name: String(body).slice(0, 60) })),
    world.post({ event_name: 'neighbour', event_id: `n-${at}` }).then(answer => ({
      answer,
      status: 202,
      name: 'neighbour'
    }))
  ]))
  for (const { answer, status, name } of answers) t.equal(answer.status, status, name)
  const names = (await world.parts()).map(part => part.event_name)
  t.equal(names.filter(name => name === 'neighbour').length, bodies.length)
  t.strictSame(world.alerts, [], 'nothing had to be set aside')
  t.equal(({} as Record<string, unknown>).a, undefined)
})

test('a signed sender says whose event it is; its own address and agent are nobody\'s', async t => {
  const world = await gatewayWorld(t)
  const answer = await world.signed({
    event_name: 'purchase',
    transaction_id: '1',
    event_time: '2026-01-05T10:00:00Z',
    consent: granted,
    ip_override: '::ffff:203.0.113.7',
    user_agent: browserAgent,
    visitor_id: 'v-known',
    click_ids: { gclid: 'Gc_1234' }
  }, { headers: { cookie: '_fbp=fb.1.1700000000000.42' } })
  t.equal(answer.status, 202)
  t.equal(setCookiesOf(answer).size, 0)
  await world.signed({ event_name: 'refund', transaction_id: '1' })
  const [first, second] = await world.parts()
  t.match(first, {
    trust: 'signed',
    is_bot: false,
    occurred_at: new Date('2026-01-05T10:00:00Z'),
    data: {
      client: { ip: '203.0.113.7', user_agent: browserAgent },
      visitor_id: 'v-known',
      device: { browser: 'Chrome' }
    }
  })
  t.equal(first?.data.cookies, undefined)
  t.equal(second?.data.client, undefined)
  t.equal(second?.data.bot, undefined, 'no agent says nothing of a browser')

  const strict = await world.signed({ event_name: 'x', value: 'much', currency: 'EURO' },
    { headers: { prefer: 'handling=strict' } })
  t.equal(strict.status, 400)
  t.match(strict.json, {
    error: {
      code: 'invalid_event',
      path: 'value',
      message: /value: not_a_number, currency: unknown_currency/
    }
  })
  t.match((await world.signed({ events: [{ event_name: 'x', value: 'much' }, { event_name: 'y' }] },
    { headers: { prefer: 'handling=strict' } })).json,
  { results: [{ status: 'rejected' }, { status: 'stored' }] })
  t.equal((await world.post({ event_name: 'x', value: 'much' }, { headers: { prefer: 'handling=strict' } })).status,
    202, 'browsers may not ask')
})

test('over the limit an event is refused with Retry-After', async t => {
  const world = await gatewayWorld(t, { limits: { eventsPerMinute: 3 } })
  const answers: Answer[] = []
  for (let at = 0; at < 5; at++) answers.push(await world.post({ event_name: 'x' }))
  t.strictSame(answers.map(answer => answer.status), [202, 202, 202, 429, 429])
  t.match(answers[3]?.json, { error: { code: 'too_many' } })
  t.ok(Number(answers[3]?.headers['retry-after']) > 0)
  t.equal(answers[3]?.headers['access-control-allow-origin'], 'https://www.example.com', 'the page may read it')
  t.equal((await world.signed({ event_name: 'x' })).status, 202, 'signed senders are not counted')
})
