// A real standby beside the database: what only reads does so there.
import { t, test } from 'tap'
import { openPool } from '../config/postgres.ts'
import { readLagSeconds } from '../config/replica.ts'
import { addressesOf, openFolder, runCommand, startCommand } from './command_world.ts'
import { until } from './dispatch_world.ts'
import { send } from './gateway_world.ts'
import { ownPostgres } from './own_postgres.ts'

// Two servers are made, on a machine that may be busy.
t.setTimeout(200_000)

test('metrics and explain are read at the standby while it answers', async t => {
  const primary = await ownPostgres(t)
  const standby = await primary.makeStandby()
  const { folder, config, env: base } = openFolder(t, primary.url)
  const env = { ...base, POSTERN_REPLICA_URL: standby.url }
  const gateway = startCommand(t, ['gateway', '--config', config], env, folder)
  const { public: url, admin } = await addressesOf(gateway)
  const metrics = async () => await (await fetch(`${admin}/metrics`)).text()
  const explain = async (id: string) => await runCommand(t, ['explain', '--config', config, id], env, folder)
  const follower = openPool({ url: standby.url, name: 'test', onError: () => undefined })
  t.teardown(async () => { await follower.end() })

  t.match(await send(url, { event_name: 'page_view', event_id: 'seen' }), { status: 202 })
  const found = await until(async () => await explain('seen'), ({ code }) => code === 0, 120_000)
  t.match(found.out, /page_view {2}seen/)
  t.equal(found.err, '')

  await follower.query('SELECT pg_wal_replay_pause()')
  t.match(await send(url, { event_name: 'page_view', event_id: 'unseen' }), { status: 202 })
  await until(async () => await readLagSeconds(follower), lag => lag > 1, 120_000)
  const missed = await explain('unseen')
  t.equal(missed.code, 1)
  t.match(missed.err, /read from a standby that is \d+ s behind\n.*nothing is stored under "unseen"/)
  const isBehind = /^pg_replica_lag_seconds (\d+\.?\d*)$/m
  const text = await until(metrics, scraped => Number(isBehind.exec(scraped)?.[1]) > 1, 120_000)
  t.match(text, /^route_backlog_batches 1$/m, 'the second batch is not there yet')

  await standby.stop()
  const anyway = await explain('unseen')
  t.match(anyway, { code: 0, out: /page_view {2}unseen/, err: /the standby does not answer/ })
  const ofPrimary = await until(metrics, scraped => /^route_backlog_batches 2$/m.test(scraped), 120_000)
  t.match(ofPrimary, /^pg_replica_lag_seconds Nan$/m)
  t.match(gateway.output.out, /POSTERN_REPLICA_URL does not answer/)
})
