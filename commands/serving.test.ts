// The admin port of a process, its signals, and stopping in order.
import { EventEmitter } from 'node:events'
import { test } from 'tap'
import { createMetrics } from '../config/metrics.ts'
import { openReader } from '../config/replica.ts'
import { testDatabase } from '../test/database.ts'
import { drain, startAdmin, untilAskedToStop } from './serving.ts'

const silent = () => undefined
const log = { info: silent, warn: silent, error: silent }

test('the admin port of a process answers for its database', async t => {
  const { pool } = await testDatabase(t)
  let isDraining = false
  let problem: string | null = 'run: postern migrate'
  const admin = await startAdmin({
    role: 'worker',
    host: '127.0.0.1',
    port: 0,
    pool,
    reader: openReader(pool, undefined, silent),
    pools: { worker: pool },
    metrics: createMetrics('test'),
    checkSchema: async () => problem,
    isDraining: () => isDraining,
    log
  })
  t.teardown(admin.close)
  const ask = async (path: string) => {
    const response = await fetch(`${admin.url}${path}`)
    return { status: response.status, text: await response.text() }
  }
  t.match(await ask('/livez'), { status: 200 })
  t.match(await ask('/readyz'), { status: 503, text: /postern migrate/ })
  problem = null
  t.match(await ask('/readyz'), { status: 200 })
  t.match(await ask('/metrics'), { status: 200, text: /^route_backlog_batches 0$/m })
  isDraining = true
  t.match(await ask('/readyz'), { status: 503, text: /stopping/ })
})

test('the first signal asks, its echoes are one with it, a later one insists', async t => {
  const exits: number[] = []
  let nowMs = 0
  const fake = Object.assign(new EventEmitter(), { exit: (code: number) => { exits.push(code) } })
  const asked = untilAskedToStop(fake as unknown as NodeJS.Process, () => nowMs)
  fake.emit('SIGINT')
  t.equal(await asked, 'SIGINT')
  fake.emit('SIGINT')
  nowMs = 900
  fake.emit('SIGTERM')
  t.same(exits, [])
  nowMs = 1100
  fake.emit('SIGINT')
  t.same(exits, [1])
})

test('draining goes in order, past failures, and not for ever', async t => {
  const taken: string[] = []
  const step = (name: string, fails = false): [string, () => Promise<void>] => [name, async () => {
    taken.push(name)
    if (fails) throw new Error(name)
  }]
  t.equal(await drain([step('gateway'), step('worker'), step('database')], log, 1000), true)
  t.equal(await drain([step('a', true), step('b')], log, 1000), false)
  t.same(taken, ['gateway', 'worker', 'database', 'a', 'b'])
  t.equal(await drain([['hangs', async () => await new Promise(silent)], step('never')], log, 20), false)
  t.notOk(taken.includes('never'))
})
