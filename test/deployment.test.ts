// Dockerfile and compose.yaml, as far as they can be checked without an engine: what they name is there.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { parse } from 'yaml'
import { processVariables } from '../config/process_settings.ts'

const root = join(import.meta.dirname, '..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')

interface Service {
  command?: string[]
  environment?: Record<string, string>
  volumes?: string[]
  depends_on?: Record<string, { condition: string }> | string[]
  ports?: string[]
  profiles?: string[]
  network_mode?: string
}

const compose = parse(read('compose.yaml'), { merge: true }) as {
  services: Record<string, Service>
  volumes: Record<string, unknown>
  networks: { default: { ipam: { config: { subnet: string, gateway: string }[] } } }
}
const others = ['postgres', 'nginx']

test('compose starts Postgres, migrates, then gateway and worker', t => {
  const { services, volumes } = compose
  t.same(Object.keys(services), ['postgres', 'migrate', 'gateway', 'worker', 'nginx'])
  const commands = readdirSync(join(root, 'commands'))
  for (const [name, { command, depends_on: needs = {} }] of Object.entries(services)) {
    if (!others.includes(name)) t.ok(commands.includes(`${command?.join()}.ts`), `${name} runs a command of ours`)
    const needed = Array.isArray(needs) ? needs : Object.keys(needs)
    for (const need of needed) t.ok(need in services, `${name} needs ${need}`)
  }
  for (const name of ['gateway', 'worker']) {
    t.match(services[name]?.depends_on, { migrate: { condition: 'service_completed_successfully' } }, name)
  }
  const mounts = Object.values(services).flatMap(({ volumes: own = [] }) =>
    own.map(volume => volume.split(':')[0] ?? ''))
  const named = mounts.filter(volume => !/^[./]/.test(volume))
  // postern.yaml is the owner's.
  const shipped = mounts.filter(volume => volume.startsWith('./') && volume !== './postern.yaml')
  for (const file of shipped) t.ok(existsSync(join(root, file)), file)
  t.same(new Set(named), new Set(Object.keys(volumes)), 'every volume is declared, and none in vain')
  t.end()
})

test('nothing but the gateway is reachable, and only from this machine', t => {
  const open = Object.entries(compose.services).flatMap(([name, { ports = [] }]) =>
    ports.map(port => `${name} ${port}`))
  t.same(open, ['gateway 127.0.0.1:8377:8377'])
  t.equal(processVariables.PORT[0], '8377')
  t.end()
})

test('nginx starts only when asked for, and is believed as it is seen from inside', t => {
  const { nginx, gateway } = compose.services
  t.same(nginx?.profiles, ['nginx'])
  t.equal(nginx?.network_mode, 'host')
  t.match(nginx?.volumes?.[0], './deploy/nginx/subdomain.conf:')
  t.match(read('deploy/nginx/subdomain.conf'), 'server 127.0.0.1:8377;', 'where compose publishes the gateway')
  const [network] = compose.networks.default.ipam.config
  t.equal(gateway?.environment?.POSTERN_TRUSTED_PROXIES, network?.gateway)
  t.end()
})

test('every variable of compose is explained in .env.example, and what must be set has no default', t => {
  const text = read('compose.yaml')
  const example = read('.env.example')
  for (const [, name = '', rest = ''] of text.matchAll(/\$\{(\w+)([^}]*)\}/g)) {
    t.match(example, new RegExp(`^${name}=`, 'm'), name)
    const isNeeded = name === 'POSTERN_SECRET' || name === 'POSTGRES_PASSWORD'
    t.match(rest, isNeeded ? /^:\?/ : /^:-$/, `${name}${rest}`)
  }
  const names = Object.keys(compose.services.gateway?.environment ?? {})
  for (const name of names) if (/^(POSTERN_|DATABASE_URL)/.test(name)) t.ok(name in processVariables, name)
  t.end()
})

test('what the Dockerfile copies is there, and no demo is left in the image', t => {
  const lines = read('Dockerfile').split('\n')
  const copied = lines.filter(line => line.startsWith('COPY ') && !line.includes('--from'))
    .flatMap(line => line.split(/\s+/).slice(1, -1))
  for (const file of copied) t.ok(existsSync(join(root, file)), file)
  const fromBuild = lines.flatMap(line => /^COPY --from=build \/build\/(\S+)/.exec(line)?.[1] ?? [])
  t.same(fromBuild.filter(file => !existsSync(join(root, file)) && file !== 'dist'), [])
  t.notOk(fromBuild.includes('demo'))
  t.match(read('Dockerfile'), 'rm -rf dist/demo')
  t.match(read('Dockerfile'), /^USER node$/m)
  t.end()
})
