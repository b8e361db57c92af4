// A revoke that the gateway recorded stops what the dispatcher has not sent yet, and nothing else.
import t, { test } from 'tap'
import { explainText } from '../commands/explain_text.ts'
import { deriveKeys } from '../config/keys.ts'
import { readJourneys } from '../dispatch/journey.ts'
import { openRevokeLog } from '../gateway/revokes.ts'
import { deliveryOf, dispatchWorld, runDispatcher, storeEvent, storeTouch, testKeys, until } from './dispatch_world.ts'
import { journeyWorld } from './journey_world.ts'
import { allDenied, allGranted, noBrowser, siteUrl } from './script_site.ts'

t.setTimeout(400_000)

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

  const ads = { ads: true, analytics: false, keepsLandings: false }
  await revokes.record('main', [], ads, Date.now())
  await revokes.record('main', ['v-1', 'v-1'], ads, Date.now() - 5 * minuteMs)
  await revokes.record('main', ['v-1'], ads, Date.now() - 30 * minuteMs)
  await revokes.record('other_site', ['v-2'], ads, Date.now())
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

test('a revoke finds what was stored before the secret was changed', async t => {
  const { pool } = await dispatchWorld(t)
  await storeTouch(pool, 'v-1', { seen_at_ms: Date.now() - 60_000 })
  const ring = deriveKeys([
    'a newer secret of the tests, forty characters', 'a secret of the tests, thirty-two characters'
  ])
  const ads = { ads: true, analytics: false, keepsLandings: false }
  await openRevokeLog(pool, ring).record('main', ['v-1'], ads, Date.now())
  const { rows } = await pool.query<{ visitor: Buffer }>('SELECT visitor FROM revokes')
  t.same(rows.map(row => row.visitor.toString('hex')).sort(),
    ring.blindIndexes('main', 'visitor', 'v-1').map(index => index.toString('hex')).sort())
  t.equal((await pool.query('SELECT FROM touches')).rowCount, 0, 'and forgets the landings of that time')
})

test('what is taken back is what stops: analytics or ads, whichever was newer than the event', async t => {
  const world = await dispatchWorld(t, [{}, { destination: { purpose: 'analytics' } }])
  const { pool, network } = world
  const revokes = openRevokeLog(pool, testKeys)
  const seqs: Record<string, number> = {}
  for (const visitor of ['ads', 'analytics', 'both', 'in_turn', 'none']) {
    seqs[visitor] = await storeEvent(pool, { id: visitor, visitor, agoMs: 600_000 })
    await storeTouch(pool, visitor, { seen_at_ms: Date.now() - 600_000 })
  }
  const record = async (visitor: string, ads: boolean, analytics: boolean, keepsLandings: boolean) =>
    await revokes.record('main', [visitor], { ads, analytics, keepsLandings }, Date.now())
  await record('ads', true, false, false)
  await record('analytics', false, true, true)
  await record('both', true, true, false)
  await record('in_turn', false, true, true)
  await record('in_turn', true, false, false)
  await runDispatcher(t, world)

  const outcomes = async (visitor: string) => await Promise.all([1, 2].map(async target => {
    const { state, detail } = await until(() => deliveryOf(pool, seqs[visitor] ?? 0, target), found =>
      found !== undefined && found.state !== 'waiting') ?? {}
    return `${state} ${detail ?? ''}`.trim()
  }))
  const adsStopped = 'skipped ad_user_data: revoked'
  const analyticsStopped = 'skipped analytics_storage: revoked'
  t.same(await outcomes('ads'), [adsStopped, 'delivered'])
  t.same(await outcomes('analytics'), ['delivered', analyticsStopped])
  t.same(await outcomes('both'), [adsStopped, analyticsStopped])
  t.same(await outcomes('in_turn'), [adsStopped, analyticsStopped], 'the second does not undo the first')
  t.same(await outcomes('none'), ['delivered', 'delivered'])
  t.same(network.receipts.flatMap(receipt => receipt.ids).sort(), ['ads', 'analytics', 'none', 'none'])
  const { rows } = await pool.query<{ visitor: Buffer }>('SELECT visitor FROM touches')
  t.same(rows.map(row => row.visitor.toString('hex')).sort(), ['analytics', 'none'].map(visitor =>
    testKeys.blindIndex('main', 'visitor', visitor).toString('hex')).sort(), 'landings go with what allowed them')

  const sites = world.deps.targets.all.map(target => target.site)
  const [journey] = await readJourneys({ ...world.deps, sites }, 'analytics')
  t.match(journey?.consent, { ad_user_data: 'granted', analytics_storage: 'denied', analytics_because: 'revoked' })
  t.match(journey && explainText(journey, Date.now()), /analytics_storage +denied {2}\(revoked after the event\)/)
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
