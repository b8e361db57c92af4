// A landing that was forgotten may come again: what a process remembers of landings must not stand in its way.
import { test } from 'tap'
import { gatewayWorld, granted, setCookiesOf } from '../test/gateway_world.ts'

const landing = {
  event_name: 'page_view',
  page_location: 'https://www.example.com/?gclid=Cj0K.CQ~x',
  consent: granted,
  page_seed: '1764000000000.123456789012345678'
}

/** A visitor who has landed, with eyes for the landings that are stored. */
async function visitorOf (t: Parameters<typeof gatewayWorld>[0], now?: () => number) {
  const world = await gatewayWorld(t, { now })
  const cookie = `_pstn=${setCookiesOf(await world.post(landing)).get('_pstn')?.value ?? ''}`
  const land = async () => await world.post(landing, { headers: { cookie } })
  const touches = async () => (await world.pool.query('SELECT FROM touches')).rowCount
  t.equal(await touches(), 1)
  return { ...world, cookie, land, touches }
}

test('who revokes and grants again on the same page has landed again', async t => {
  const { post, cookie, land, touches } = await visitorOf(t)
  const adsOnly = { ...granted, ad_storage: 'denied', ad_user_data: 'denied', ad_personalization: 'denied' }
  const revoked = await post({ consent: adsOnly }, { path: '/v1/consent', headers: { cookie } })
  t.equal(revoked.status, 200)
  t.equal(await touches(), 0)
  await land()
  t.equal(await touches(), 1)
})

test('a landing that another process forgot comes again within a while', async t => {
  let nowMs = 1_764_000_000_000
  const { pool, land, touches } = await visitorOf(t, () => nowMs)
  await pool.query('DELETE FROM touches')
  nowMs += 600_000
  await land()
  t.equal(await touches(), 1)
})
