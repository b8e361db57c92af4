// What `postern explain` tells of an event's journey.
import { test } from 'tap'
import { readJourneys } from '../dispatch/journey.ts'
import { maskEmail, maskPhone } from '../dispatch/mask.ts'
import { routeOnce } from '../dispatch/route.ts'
import { deliveryOf, dispatchWorld, json, runDispatcher, storeEvent, until } from '../test/dispatch_world.ts'
import { granted } from '../test/fictional.ts'
import { explainText } from './explain_text.ts'

test('the whole journey of a lead, without its personal data', async t => {
  const world = await dispatchWorld(t, [{}, { events: 'all', mode: 'shadow' }])
  const { pool, network, acceptAll, deps } = world
  let isFirst = true
  network.answer = (receipt, response) => {
    if (!isFirst) return acceptAll(receipt, response)
    isFirst = false
    json(response, 503, { error: 'busy with anna@example.com' })
  }
  const seq = await storeEvent(pool, {
    id: 'lead-1',
    data: {
      page_location: 'https://www.example.com/offer?email=anna@example.com',
      user_data: { email: ['anna@example.com'], phone_number: ['+491701234567'], address: { last_name: 'Schmidt' } },
      click_ids: { fbclid: { value: 'SecretClick', seen_at_ms: 1 } },
      warnings: [{ path: 'value', code: 'not_a_number', value: 'anna' }],
      browser_tags: { fictional: 'sent_with_id' }
    }
  })
  await runDispatcher(t, world)
  await until(() => deliveryOf(pool, seq), delivery => delivery?.state === 'delivered')
  await storeEvent(pool, { id: 'lead-1', partOf: seq, data: { consent: {} } })

  const explain = { ...deps, sites: [deps.targets.all[0]?.site].filter(site => site !== undefined) }
  const journeys = await readJourneys(explain, 'lead-1')
  t.equal(journeys.length, 1)
  const [journey] = journeys
  if (journey === undefined) throw new Error('no journey')
  const text = explainText(journey, Date.now())
  for (const expected of [
    /^generate_lead {2}lead-1$/m,
    /^Arrivals \(2\)$/m,
    /page https:\/\/www\.example\.com\/offer$/m,
    /person: email a•••@example\.com · phone •••67 · address: last_name/,
    /click ids: fbclid/,
    /the page's own tags: fictional sent_with_id/,
    /warning: value not_a_number/,
    /ad_user_data {7}granted/,
    /as the visitor said/,
    /^ {2}fictional_1 \(fictional, live\)\n {4}delivered$/m,
    /attempt \d+ .* retry, HTTP 503/,
    /the network said: .*busy with ‹email›/,
    /attempt \d+ .* delivered, HTTP 200/,
    /the network calls it b2/,
    /without the arrival of .*: it came too late/,
    /^ {2}fictional_2 \(fictional, shadow\)\n {4}skipped\(shadow\): the destination is in shadow mode/m
  ]) t.match(text, expected)
  for (const shown of [text, JSON.stringify(journeys)]) {
    t.notMatch(shown, /anna@|1701234567|Schmidt|SecretClick|secret-token/, 'no personal data, click id or secret')
  }
})

test('why an event went nowhere, and what comes next', async t => {
  const { pool, deps } = await dispatchWorld(t, [{}, {}])
  const explain = { ...deps, sites: [deps.targets.all[0]?.site].filter(site => site !== undefined) }
  const tell = async (id: string) => {
    const [journey] = await readJourneys(explain, id)
    return journey === undefined ? 'unknown' : explainText(journey, Date.now())
  }
  await storeEvent(pool, { id: 'unrouted' })
  t.match(await tell('unrouted'), /not meant for it: not routed yet/)
  const denied = { ...granted, ad_user_data: 'denied' } as const
  await storeEvent(pool, { id: 'view', name: 'page_view', data: { consent: denied } })
  await storeEvent(pool, { id: 'settling', hasContact: false })
  await routeOnce(deps)
  t.match(await tell('view'), /takes events of the level `conversions`; page_view is of the level `all`/)
  t.match(await tell('view'), /ad_user_data {7}denied/)
  const settling = await tell('settling')
  t.match(settling, /waiting\(settling\): waits for the form post.*\n {4}next: sent at .* \(in (1\d|2[01]) s\)/)
  await pool.query('UPDATE destinations SET paused_at = now(), paused_detail = \'HTTP 401\' WHERE id = 1')
  t.match(await tell('settling'), /next: nothing, while the destination is paused \(since .*: HTTP 401\)/)
  t.equal(await tell('nobody'), 'unknown')
  await pool.query('UPDATE events SET sealed = NULL WHERE event_id = \'view\'')
  t.match(await tell('view'), /its personal data was erased/)
})

test('an event of a name that no network knows is found by its id alone', async t => {
  const { pool, deps } = await dispatchWorld(t, [{}])
  const explain = { ...deps, sites: [deps.targets.all[0]?.site].filter(site => site !== undefined) }
  const find = async (id: string) => (await readJourneys(explain, id)).map(journey => journey.event_name)
  await storeEvent(pool, { id: 'own-1', name: 'price_calculated' })
  t.same(await find('own-1'), ['price_calculated'], 'before it is routed')
  await routeOnce(deps)
  await storeEvent(pool, { id: 'own-2', name: 'price_calculated' })
  await storeEvent(pool, { id: 'own-2', name: 'roof_measured' })
  await routeOnce(deps)
  t.same(await find('own-1'), ['price_calculated'])
  t.same((await find('own-2')).sort(), ['price_calculated', 'roof_measured'])
})

test('masking', t => {
  t.equal(maskEmail('anna@example.com'), 'a•••@example.com')
  t.equal(maskEmail('no address'), '•••')
  t.equal(maskPhone('+49 170 1234567'), '•••67')
  t.end()
})
