// The commands as an operator runs them: child processes with an environment, ports, output and exit codes.
import { randomBytes } from 'node:crypto'
import t, { test } from 'tap'
import { accessToken, addressesOf, apiKey, openFolder, runCommand, startCommand } from './command_world.ts'
import { testDatabase } from './database.ts'
import { until } from './dispatch_world.ts'
import { send } from './gateway_world.ts'
import { ownPostgres } from './own_postgres.ts'

t.setTimeout(400_000)

const postgresPassword = 'a-word-of-the-database'

test('start serves none of the demo on either port, and ends with 0 on SIGTERM', async t => {
  const { url } = await testDatabase(t)
  const { folder, config, env } = openFolder(t, url)
  const started = startCommand(t, ['start', '--config', config], env, folder)
  const addresses = await addressesOf(started)

  const controls = [[addresses.public, '/s.js'], [addresses.admin, '/readyz'], [addresses.admin, '/metrics']] as const
  for (const [base, path] of controls) {
    t.equal((await send(base, '', { path, method: 'GET' })).status, 200, `${path} is served`)
  }
  const pages = ['/', '/nojs', '/thanks', '/shop', '/shop/thanks?order=D-1', '/journey', '/journey.json?event_id=e',
    '/site.js', '/tag.js', '/pixel.js', '/journey.js', '/style.css', '/icon.svg', '/_received', '/_behaviour',
    '/meta/tr?id=1&ev=Lead', '/meta/v26.0/1234567890/events']
  const posts = ['/shop/order', '/_behaviour', '/meta/tr', '/meta/v26.0/1234567890/events']
  for (const [name, base] of [['public', addresses.public], ['admin', addresses.admin]] as const) {
    for (const path of pages) {
      t.equal((await send(base, '', { path, method: 'GET' })).status, 404, `GET ${path} on the ${name} port`)
    }
    for (const path of posts) {
      const { status } = await send(base, {}, { path, type: 'application/json' })
      t.equal(status, 404, `POST ${path} on the ${name} port`)
    }
  }
  started.child.kill('SIGTERM')
  t.equal(await started.ended, 0, started.output.err)
  t.notMatch(started.output.out + started.output.err, new RegExp(`${accessToken}|${apiKey}|${env.POSTERN_SECRET}`))
})

test('of two that start with one folder and its embedded database, the second names the first and ends', async t => {
  const { folder, config, env } = openFolder(t, '')
  env.POSTERN_SECRET = env.DATABASE_URL = undefined
  const first = startCommand(t, ['start', '--config', config], env, folder)
  const { admin } = await addressesOf(first)
  const second = await runCommand(t, ['start', '--config', config], env, folder)
  t.equal(second.code, 1)
  const taken = `another Postern runs with the data in ${env.POSTERN_DATA}: process ${first.child.pid}, since 20`
  t.match(second.err, taken)
  t.match(second.err, /POSTERN_DATA\n$/)
  t.equal((await send(admin, '', { path: '/readyz', method: 'GET' })).status, 200, 'the first goes on')
  const migrated = await runCommand(t, ['migrate'], env, folder)
  t.match(migrated, { code: 0, err: '' }, 'who does not serve may come in')

  first.child.kill('SIGKILL')
  await first.ended
  const third = startCommand(t, ['start', '--config', config], env, folder)
  t.match(await addressesOf(third), { admin: /^http/ }, 'a killed one holds nothing')
  third.child.kill('SIGTERM')
  t.equal(await third.ended, 0, third.output.err)
  const fourth = startCommand(t, ['start', '--config', config], env, folder)
  t.match(await addressesOf(fourth), { admin: /^http/ }, 'nor does one that was stopped')
  fourth.child.kill('SIGTERM')
  t.equal(await fourth.ended, 0, fourth.output.err)
})

test('the gateway alone stores a lead, and nobody sends it', async t => {
  const { url, pool } = await testDatabase(t)
  const { folder, config, env } = openFolder(t, url)
  const started = startCommand(t, ['gateway', '--config', config], env, folder)
  const addresses = await addressesOf(started)
  const answer = await send(addresses.public, { email: 'anna@example.com' },
    { path: '/v1/leads', type: 'application/json' })
  t.match(answer, { status: 202, json: { lead_id: String, event_id: String } })
  const { rows } = await pool.query('SELECT lead_id FROM leads')
  t.same(rows, [{ lead_id: answer.json.lead_id }])
  t.match((await send(addresses.admin, '', { path: '/readyz', method: 'GET' })).status, 200)
  await until(async () => (await send(addresses.admin, '', { path: '/metrics', method: 'GET' })).text,
    text => /^clock_offset_seconds -?\d/m.test(text))
  started.child.kill('SIGTERM')
  t.equal(await started.ended, 0, started.output.err)
  const { rows: [left] } = await pool.query(`SELECT (SELECT count(*) FROM unrouted_batches) AS unrouted,
    (SELECT count(*) FROM deliveries) AS deliveries, (SELECT count(*) FROM destinations) AS destinations`)
  t.same(left, { unrouted: 1, deliveries: 0, destinations: 0 })
  t.notMatch(started.output.out + started.output.err, /anna@/)
})

test('another secret than the database\'s refuses to start and says what to do', async t => {
  const { url } = await testDatabase(t)
  const { folder, config, env } = openFolder(t, url)
  const first = startCommand(t, ['gateway', '--config', config], env, folder)
  await addressesOf(first)
  first.child.kill('SIGTERM')
  t.equal(await first.ended, 0)

  const other = randomBytes(32).toString('base64url')
  for (const command of ['start', 'gateway', 'worker']) {
    const refused = await runCommand(t, [command, '--config', config], { ...env, POSTERN_SECRET: other }, folder)
    t.equal(refused.code, 1, command)
    t.match(refused.err, /^postern \w+: POSTERN_SECRET \(key \w+\) is not the secret of this database .*new,old/)
    t.notMatch(refused.err + refused.out, new RegExp(other), 'the secret is not quoted')
  }
  const ring = startCommand(t, ['gateway', '--config', config],
    { ...env, POSTERN_SECRET: `${other},${env.POSTERN_SECRET}` }, folder)
  t.ok(await addressesOf(ring), 'with the old secret behind it the new one is taken')
  ring.child.kill('SIGTERM')
  t.equal(await ring.ended, 0)
})

test('check prints the settings with every secret masked', async t => {
  const urls = [
    { url: `postgres://postern:${postgresPassword}@db.example.com:5432/postern`, shown: 'db.example.com' },
    { url: `postgres://postern:${postgresPassword}@/postern?host=/run/postgresql`, shown: '/run/postgresql' },
    { url: `postgres:///postern?host=/run/postgresql&user=postern&password=${postgresPassword}`, shown: 'postern' }
  ]
  for (const { url, shown } of urls) {
    const { folder, config, env } = openFolder(t, url)
    for (const more of [[], ['--json']]) {
      const checked = await runCommand(t, ['check', '--config', config, ...more], env, folder)
      t.equal(checked.code, 0, checked.err)
      for (const secret of [accessToken, apiKey, postgresPassword, String(env.POSTERN_SECRET)]) {
        t.notOk((checked.out + checked.err).includes(secret), `${secret} is not shown`)
      }
      t.match(checked.out, /access_token"?: "?\*\*\*/)
      t.match(checked.out, /1234567890/)
      t.match(checked.out, /s\.[0-9a-f]{16}\.js\\?"\s+integrity=\\?"sha384-[\w+/]{64}\\?"/, 'the script\'s tags')
      t.ok(decodeURIComponent(checked.out).includes(shown), `${shown} is shown`)
      if (more.length > 0) t.type(JSON.parse(checked.out), 'object')
    }
  }
})

const unset = { POSTERN_SECRET: undefined, DATABASE_URL: 'postgres://127.0.0.1:1/nowhere' }
const refusals: { what: string, argv: string[], env?: NodeJS.ProcessEnv, code: number, says: RegExp[] }[] = [
  { what: 'no settings', argv: ['start'], code: 2, says: [/there are no settings/, /postern\.yaml/, /-- demo\n/] },
  { what: 'a settings file that is gone', argv: ['start', '--config', 'gone.yaml'], code: 2, says: [/gone\.yaml/] },
  {
    what: 'no secret beside a database of its own',
    argv: ['start', '--config', 'settings.yaml'],
    env: unset,
    code: 2,
    says: [/POSTERN_SECRET is not set; make one with: openssl/]
  },
  {
    what: 'no settings, no secret and a wrong port at once',
    argv: ['start'],
    env: { ...unset, PORT: 'http' },
    code: 2,
    says: [/there are no settings/, /PORT: "http" is no port/]
  },
  {
    what: 'a database that does not answer',
    argv: ['worker', '--config', 'settings.yaml'],
    env: { DATABASE_URL: 'postgres://127.0.0.1:1/nowhere' },
    code: 1,
    says: [/Postgres does not answer \(ECONNREFUSED\): check DATABASE_URL/]
  },
  { what: 'an unknown command', argv: ['strat'], code: 2, says: [/there is no command "strat"/, /\n {2}start /] }
]

test('what keeps a command from starting is said in words, without a stack', async t => {
  const { folder, env } = openFolder(t, 'postgres://127.0.0.1:1/nowhere')
  for (const { what, argv, env: changed, code, says } of refusals) {
    const refused = await runCommand(t, argv, { ...env, ...changed }, folder)
    t.equal(refused.code, code, `${what}: ${refused.err}`)
    for (const expected of says) t.match(refused.err, expected, what)
    t.notMatch(refused.err, / {4}at /, what)
  }
})

test('a gateway that starts while Postgres is away acknowledges, and hands over as soon as it answers', async t => {
  const postgres = await ownPostgres(t)
  const { folder, config, env } = openFolder(t, postgres.url)
  await postgres.stop()
  const started = startCommand(t, ['start', '--config', config], env, folder)
  const addresses = await addressesOf(started)
  const lead = { event_id: 'early', email: 'anna@example.com' }
  const answer = await send(addresses.public, lead, { path: '/v1/leads', type: 'application/json' })
  t.match(answer, { status: 202, json: { status: 'stored', event_id: 'early', lead_id: String } })
  await postgres.start()
  const rows = async () => (await postgres.pool.query(`SELECT lead_id, d.destination_id FROM leads l
    LEFT JOIN deliveries d ON d.event_seq = l.event_seq`)).rows as { lead_id: string, destination_id: number | null }[]
  const [row] = await until(rows, found => found[0]?.destination_id !== null && found.length > 0)
  t.equal(row?.lead_id, answer.json.lead_id, 'stored, and routed by the worker that came up late')
  started.child.kill('SIGTERM')
  t.equal(await started.ended, 0)

  await postgres.stop()
  const other = { ...env, POSTERN_SECRET: randomBytes(32).toString('base64url') }
  const stranger = startCommand(t, ['gateway', '--config', config], other, folder)
  const second = await send((await addressesOf(stranger)).public, { ...lead, event_id: 'late' },
    { path: '/v1/leads', type: 'application/json' })
  t.equal(second.status, 202)
  await postgres.start()
  t.equal(await stranger.ended, 1, 'Postgres turns out to have another secret')
  t.match(stranger.output.err, /postern gateway: POSTERN_SECRET .* is not the secret of this database/)
  t.equal((await rows()).length, 1, 'nothing was written under the wrong secret')
  const again = startCommand(t, ['gateway', '--config', config],
    { ...env, POSTERN_SECRET: `${env.POSTERN_SECRET},${other.POSTERN_SECRET}` }, folder)
  await addressesOf(again)
  await until(rows, found => found.length === 2)
  again.child.kill('SIGTERM')
  t.equal(await again.ended, 0, 'what was acknowledged is there, once both secrets are given')
})
