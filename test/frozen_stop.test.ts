// A process ends when it is asked to, also while Postgres is frozen; and what it has acknowledged is durable.
import { t, test } from 'tap'
import { addressesOf, openFolder, startCommand } from './command_world.ts'
import { send } from './gateway_world.ts'
import { ownPostgres } from './own_postgres.ts'

t.setTimeout(120_000)

test('SIGTERM with arrivals under way, and Postgres frozen until after the end', async t => {
  const postgres = await ownPostgres(t)
  const { folder, config, env } = openFolder(t, postgres.url)
  const first = startCommand(t, ['gateway', '--config', config], env, folder)
  const { public: url } = await addressesOf(first)
  const post = async (id: string) => await send(url, { event_name: 'page_view', event_id: id })
  t.equal((await post('before')).status, 202)

  await postgres.freeze()
  const under = Promise.all(Array.from({ length: 50 }, async (_, at) => (await post(`e${at}`)).status))
  t.same(await post('last').then(({ status }) => status), 202, 'spooled')
  first.child.kill('SIGTERM')
  t.equal(await first.ended, 0, first.output.err)
  const statuses = await under
  t.notOk(statuses.some(status => status !== 202 && status !== 503), String(statuses))
  const acknowledged = 2 + statuses.filter(status => status === 202).length

  await postgres.thaw()
  const second = startCommand(t, ['gateway', '--config', config], env, folder)
  await addressesOf(second)
  const stored = async () => (await postgres.pool.query('SELECT FROM events')).rowCount
  while (await stored() !== acknowledged) await new Promise(resolve => setTimeout(resolve, 20))
  t.equal(await stored(), acknowledged, 'each once')
})
