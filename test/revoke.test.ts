// A revoke that the gateway recorded stops what the dispatcher has not sent yet, and nothing else.
import t, { test } from 'tap'
import { openRevokeLog } from '../gateway/revokes.ts'
import { deliveryOf, dispatchWorld, runDispatcher, storeEvent, storeTouch, testKeys, until } from './dispatch_world.ts'
import { journeyWorld } from './journey_world.ts'
import { allDenied, allGranted, noBrowser, siteUrl } from './script_site.ts'

t.setTimeout(90_000)

test('what a visitor did before a revoke is not sent any more; what others did and what came after it is', async t => {
  const world = await dispatchWorld(t)
  const { pool, network } = world
  const revokes = openRevokeLog(pool, testKeys)
  const minuteMs = 60_000
  const before = await storeEvent(pool, { id: 'before', visitor: 'v-1', agoMs: 10 * minuteMs })
  // The revoked browser is one part of an event, the shop's own copy the other.
  const shared = await storeEvent(pool, { id: 'shared', trust: 'signed', agoMs: 10 * minuteMs })
  await storeEvent(pool, { id: 'shared', partOf: shared, visitor: 'v-1', agoMs: 10 * minuteMs })
  const after = await storeEvent(pool, { id: 'after', visitor: 'v-1', agoMs: minuteMs })
  const others = await storeEvent(pool, { id: 'others', visitor: 'v-2', agoMs: 10 * minuteMs })
  const nobodys = await storeEvent(pool, { id: 'nobodys', agoMs: 10 * minuteMs })
  for (const visitor of ['v-1', 'v-2']) await storeTouch(pool, visitor, { seen_at_ms: Date.now() - 20 * minuteMs })

  await revokes.record('main', [], Date.now())
  await revokes.record('main', ['v-1', 'v-1'], Date.now() - 5 * minuteMs)
  await revokes.record('main', ['v-1'], Date.now() - 30 * minuteMs)
  await revokes.record('other_site', ['v-2'], Date.now())
  await runDispatcher(t, world)

  for (const seq of [before, shared]) {
    const delivery = await until(() => deliveryOf(pool, seq), found => found !== undefined && found.state !== 'waiting')
    t.match(delivery, { state: 'skipped', reason: 'no_consent', detail: 'ad_user_data: revoked', attempts: 0 })
  }
  for (const seq of [after, others, nobodys]) {
    await until(() => deliveryOf(pool, seq), found => found?.state === 'delivered')
  }
  t.same(network.receipts.flatMap(receipt => receipt.ids).sort(), ['after', 'nobodys', 'others'])
  const { rows } = await pool.query<{ visitor: Buffer }>('SELECT visitor FROM touches')
  t.same(rows.map(row => row.visitor.toString('hex')), [testKeys.blindIndex('main', 'visitor', 'v-2').toString('hex')])
})

test('in a browser: the visitor cookie comes with the grant and goes with the revoke, and nothing more is stored', {
  skip: noBrowser
}, async t => {
  const world = await journeyWorld(t, 'gateway')
  const context = await world.open()
  const page = await context.newPage()
  await page.goto(`${siteUrl}/?gclid=Cj0KCQiAexampleExampleExample&fbclid=IwAR0a_B-c`)
  await page.waitForFunction('typeof postern.track === "function"')
  const names = async () => (await context.cookies()).map(cookie => cookie.name).sort()
  t.same(await names(), [])
  await page.evaluate(given => { window.postern?.('consent', given) }, allGranted)
  await until(names, found => found.includes('_pstn') && found.includes('_pstn_c'))
  const jar = await context.cookies()
  t.match(jar.find(cookie => cookie.name === '_pstn'), { httpOnly: true, secure: true, domain: '.example.com' })
  await until(async () => (await world.pool.query('SELECT FROM touches')).rowCount, found => found === 1)

  await page.evaluate(given => { window.postern?.('consent', given) }, allDenied)
  await until(names, found => found.length === 0)
  t.equal((await world.pool.query('SELECT FROM revokes')).rowCount, 1)
  t.equal((await world.pool.query('SELECT FROM touches')).rowCount, 0)
  const stored = (await world.events()).length
  await page.evaluate('postern.track("search"); dispatchEvent(new Event("pagehide"))')
  await page.goto(siteUrl + '/shop')
  await page.waitForFunction('typeof postern.track === "function"')
  t.same(await names(), [])
  t.equal((await world.events()).length, stored, 'what was done after the revoke is nowhere')
})
