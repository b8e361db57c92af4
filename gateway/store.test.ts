// What this version cannot store, of all that another version may have left in the spool.
import { test } from 'tap'
import { rememberKnown } from '../config/bounded.ts'
import { testDatabase } from '../test/database.ts'
import { testKeys } from '../test/gateway_world.ts'
import { spooled } from '../test/spool_world.ts'
import type { Arrival } from './arrival.ts'
import { rememberKeys } from './seen_keys.ts'
import { storeSpooled, type StoreDeps } from './store.ts'

/** As a version might write it whose persons look different. */
function unsealable (eventId: string): Arrival {
  const arrival = spooled(eventId)
  return { part: { ...arrival.part, data: { user_data: { phone_number: [7 as unknown as string] } } } }
}

test('an arrival that cannot even be sealed is set aside, and its neighbours are stored', async t => {
  const { pool } = await testDatabase(t)
  const told: string[] = []
  const deps: StoreDeps = {
    pool,
    keys: testKeys,
    countryOf: () => undefined,
    keptTouches: rememberKnown(10),
    seenKeys: rememberKeys(),
    onSetAside: reason => { told.push(reason) }
  }
  await t.rejects(storeSpooled([unsealable('alone')], deps), TypeError, 'the fault may be ours')

  const receipts = await storeSpooled([spooled('a'), unsealable('odd'), spooled('b')], deps)
  t.match(receipts, [{ eventId: 'a' }, { eventId: 'odd', isSetAside: true }, { eventId: 'b' }], 'in the order given')
  t.same(told, ['TypeError'])
  const { rows: stored } = await pool.query('SELECT event_id FROM events ORDER BY seq')
  t.same(stored, [{ event_id: 'a' }, { event_id: 'b' }])
  const { rows: [kept] } = await pool.query<{ sealed: Buffer }>('SELECT sealed FROM failed_events')
  t.match(testKeys.open('main', kept?.sealed ?? Buffer.alloc(0)).toString(), '"phone_number":[7]', 'whole')
})
