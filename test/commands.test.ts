// The commands as an operator runs them: child processes with an environment, ports, output and exit codes.
import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { test, type Test } from 'tap'
import { testDatabase } from './database.ts'
import { send } from './gateway_world.ts'

t.setTimeout(120_000)

const main = join(import.meta.dirname, '..', 'main.ts')
const accessToken = 'EAAB-a-token-that-nobody-may-read'
const apiKey = 'a-key-of-the-shop-that-nobody-may-read'
const postgresPassword = 'a-word-of-the-database'
const settings = `
sites:
  main:
    hosts: [t.example.com]
    origins: ["https://www.example.com"]
    api_keys: [{ name: shop, key: ${apiKey} }]
    destinations:
      meta: { pixel_id: "1234567890", access_token: ${accessToken}, endpoint: "http://127.0.0.1:1/meta" }
`

interface Started { child: ChildProcess, output: { out: string, err: string }, ended: Promise<number | null> }

/** A folder with a settings file, and an environment without anything of ours but what is given. */
function openFolder (t: Test, databaseUrl: string): { folder: string, config: string, env: NodeJS.ProcessEnv } {
  const folder = mkdtempSync(join(tmpdir(), 'postern-commands-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  const config = join(folder, 'settings.yaml')
  writeFileSync(config, settings)
  const env = {
    PATH: process.env.PATH,
    DATABASE_URL: databaseUrl,
    POSTERN_SECRET: randomBytes(32).toString('base64url'),
    POSTERN_HOST: '127.0.0.1',
    PORT: '0',
    POSTERN_ADMIN_PORT: '0',
    POSTERN_DATA: join(folder, 'data')
  }
  return { folder, config, env }
}

function start (t: Test, argv: string[], env: NodeJS.ProcessEnv, cwd: string): Started {
  const child = spawn(process.execPath, [main, ...argv], { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  const output = { out: '', err: '' }
  child.stdout.on('data', chunk => { output.out += String(chunk) })
  child.stderr.on('data', chunk => { output.err += String(chunk) })
  const ended = once(child, 'close').then(([code]) => code as number | null)
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return { child, output, ended }
}

/** The two addresses that a serving command says it listens on; throws with its output when it ends before. */
async function addressesOf ({ output, child, ended }: Started): Promise<{ public: string, admin: string }> {
  const find = () => output.out.split('\n').find(line => line.includes('"postern runs"'))
  const found = new Promise<string>(resolve => {
    child.stdout?.on('data', () => {
      const line = find()
      if (line !== undefined && output.out.includes(`${line}\n`)) resolve(line)
    })
  })
  const line = await Promise.race([found, ended.then(code => `ended with ${code}: ${output.err}${output.out}`)])
  if (!line.startsWith('{')) throw new Error(line)
  return JSON.parse(line) as { public: string, admin: string }
}

/** Runs a command to its end. */
async function run (t: Test, argv: string[], env: NodeJS.ProcessEnv, cwd: string) {
  const started = start(t, argv, env, cwd)
  return { code: await started.ended, ...started.output }
}

test('start serves none of the demo on either port, and ends with 0 on SIGTERM', async t => {
  const { url } = await testDatabase(t)
  const { folder, config, env } = openFolder(t, url)
  const started = start(t, ['start', '--config', config], env, folder)
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

test('the gateway alone stores a lead, and nobody sends it', async t => {
  const { url, pool } = await testDatabase(t)
  const { folder, config, env } = openFolder(t, url)
  const started = start(t, ['gateway', '--config', config], env, folder)
  const addresses = await addressesOf(started)
  const answer = await send(addresses.public, { email: 'anna@example.com' },
    { path: '/v1/leads', type: 'application/json' })
  t.match(answer, { status: 202, json: { lead_id: String, event_id: String } })
  const { rows } = await pool.query('SELECT lead_id FROM leads')
  t.same(rows, [{ lead_id: answer.json.lead_id }])
  t.match((await send(addresses.admin, '', { path: '/readyz', method: 'GET' })).status, 200)
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
  const first = start(t, ['gateway', '--config', config], env, folder)
  await addressesOf(first)
  first.child.kill('SIGTERM')
  t.equal(await first.ended, 0)

  const other = randomBytes(32).toString('base64url')
  for (const command of ['start', 'gateway', 'worker']) {
    const refused = await run(t, [command, '--config', config], { ...env, POSTERN_SECRET: other }, folder)
    t.equal(refused.code, 1, command)
    t.match(refused.err, /^postern \w+: POSTERN_SECRET \(key \w+\) is not the secret of this database .*new,old/)
    t.notMatch(refused.err + refused.out, new RegExp(other), 'the secret is not quoted')
  }
  const ring = start(t, ['gateway', '--config', config], { ...env, POSTERN_SECRET: `${other},${env.POSTERN_SECRET}` },
    folder)
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
      const checked = await run(t, ['check', '--config', config, ...more], env, folder)
      t.equal(checked.code, 0, checked.err)
      for (const secret of [accessToken, apiKey, postgresPassword, String(env.POSTERN_SECRET)]) {
        t.notOk((checked.out + checked.err).includes(secret), `${secret} is not shown`)
      }
      t.match(checked.out, /access_token"?: "?\*\*\*/)
      t.match(checked.out, /1234567890/)
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
    argv: ['gateway', '--config', 'settings.yaml'],
    env: { DATABASE_URL: 'postgres://127.0.0.1:1/nowhere' },
    code: 1,
    says: [/Postgres does not answer \(ECONNREFUSED\): check DATABASE_URL/]
  },
  { what: 'an unknown command', argv: ['strat'], code: 2, says: [/there is no command "strat"/, /\n {2}start /] }
]

test('what keeps a command from starting is said in words, without a stack', async t => {
  const { folder, env } = openFolder(t, 'postgres://127.0.0.1:1/nowhere')
  for (const { what, argv, env: changed, code, says } of refusals) {
    const refused = await run(t, argv, { ...env, ...changed }, folder)
    t.equal(refused.code, code, `${what}: ${refused.err}`)
    for (const expected of says) t.match(refused.err, expected, what)
    t.notMatch(refused.err, / {4}at /, what)
  }
})
