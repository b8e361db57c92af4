// What is found by one process is known to all, and is written down when Postgres is back.
import { test } from 'tap'
import { openPool, type Pool } from '../config/postgres.ts'
import { testDatabase } from '../test/database.ts'
import { testKeys } from '../test/gateway_world.ts'
import { openCrowdLog } from './crowd_log.ts'

const crowd = (visitorId: string) => ({ site: 'main', visitorId, networks: 12, addresses: 12 })
const never = 1e9

test('each process knows what another found, and what was found before it', async t => {
  const { pool } = await testDatabase(t)
  const troubles: Error[] = []
  const open = () => openCrowdLog(pool, testKeys, error => { troubles.push(error) }, never)
  const [one, other] = [open(), open()]
  t.teardown(async () => { await one.close(); await other.close() })
  await other.sync()
  t.notOk(one.isKnown('v-1'))
  one.record(crowd('v-1'))
  t.ok(one.isKnown('v-1'), 'at once')
  t.notOk(one.isKnown('v-2'))
  await one.sync()
  await other.sync()
  t.strictSame([other.isKnown('v-1'), other.isKnown('v-2')], [true, false])
  other.record(crowd('v-2'))
  other.record(crowd('v-1'))
  await other.sync()
  await one.sync()
  t.ok(one.isKnown('v-2'))
  const later = open()
  t.teardown(later.close)
  await later.sync()
  t.strictSame([later.isKnown('v-1'), later.isKnown('v-2'), later.isKnown('v-3')], [true, true, false])
  t.equal((await pool.query('SELECT FROM crowds')).rowCount, 2)
  t.same(troubles, [])
})

test('without Postgres it is known in this process, and written as soon as that is possible', async t => {
  const { pool: real } = await testDatabase(t)
  const away = openPool({ url: 'postgresql://nobody@127.0.0.1:1/none', name: 'away', onError: () => undefined })
  t.teardown(async () => { await away.end() })
  let isAway = true
  const query = async (text: string, values: unknown[]) => await (isAway ? away : real).query(text, values)
  const pool = { query: query as unknown as Pool['query'] }
  const troubles: Error[] = []
  const log = openCrowdLog(pool, testKeys, error => { troubles.push(error) }, never)
  t.teardown(log.close)
  log.record(crowd('v-1'))
  await log.sync()
  t.ok(log.isKnown('v-1'))
  t.same(troubles, [], 'an outage is told of by others')
  t.equal((await real.query('SELECT FROM crowds')).rowCount, 0)
  isAway = false
  await log.sync()
  t.equal((await real.query('SELECT FROM crowds')).rowCount, 1)
})
