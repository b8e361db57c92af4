// What `postern doctor` says of the three deployments, each behind a real nginx with the shipped files.
import t, { test, type Test } from 'tap'
import { createAsk } from '../../commands/doctor/ask.ts'
import type { Finding } from '../../commands/doctor/finding.ts'
import { examineSite } from '../../commands/doctor.ts'
import { parseSettings } from '../../config/settings.ts'
import { gatewaySites } from '../../commands/wiring.ts'
import { testKeys } from '../gateway_world.ts'
import { startVendor, vendorWorld } from '../vendor_world.ts'
import { configuration, noNginx, startNginx, withTagGateway } from './nginx.ts'
import { ownersNginx, startOwnersSite } from './owner.ts'

t.setTimeout(170_000)

interface Deployment { name: string, hosts: string, more: string, http: () => string }

const deployments: readonly Deployment[] = [
  { name: 'on a subdomain', hosts: 't.example.com', more: '', http: () => configuration('subdomain.conf') },
  {
    name: 'under a path of the site',
    hosts: 'www.example.com',
    more: '',
    http: () => withTagGateway(ownersNginx(['www.example.com']))
  },
  {
    name: 'in front of the site',
    hosts: 'www.example.com',
    more: 'upstream: SITE',
    http: () => withTagGateway(configuration('front.conf'))
  }
]

async function examine (t: Test, { hosts, more, http }: Deployment, change: (text: string) => string) {
  const vendor = await startVendor(t)
  const owner = await startOwnersSite(t)
  const text = `
trusted_proxies: [127.0.0.1]
sites:
  main:
    hosts: [${hosts}]
    origins: ["https://www.example.com"]
    vendors: { google: { tag_id: G-TEST123, endpoint: "${vendor.origin}" } }
    ${more.replace('SITE', `"http://127.0.0.1:${owner.port}"`)}
`
  const result = parseSettings('test', text, {}, [])
  const settings = 'settings' in result ? result.settings : undefined
  const [site] = settings?.sites ?? []
  if (settings === undefined || site === undefined) throw new Error(JSON.stringify(result))
  const gateway = await vendorWorld(t, { sites: gatewaySites(settings), trustProxy: settings.trusted_proxies })
  // What gives up in milliseconds on an idle machine gives up for no reason on a busy one.
  const patient = change(http()).replace(/(_timeout +)\d+m?s;/g, '$160s;')
  const nginx = await startNginx(t, patient, { posternPort: gateway.port, sitePort: owner.port })
  const ask = createAsk(() => ({ address: '127.0.0.1', port: nginx.tlsPort }))
  return await examineSite(site, {
    server: { addresses: async (_host, family) => family === 4 ? ['127.0.0.1'] : [], aliases: async () => [] },
    ask,
    now: Date.now,
    keys: testKeys
  })
}

/** All but the certificate, which nobody believes here. */
const bad = (findings: readonly Finding[]) => findings.filter(({ level, check }) => level !== 'ok' && check !== 'tls')

for (const deployment of deployments) {
  test(`the shipped nginx ${deployment.name} leaves nothing to say`, { skip: noNginx }, async t => {
    const findings = await examine(t, deployment, text => text)
    t.same(bad(findings), [])
    t.match(findings.filter(({ check }) => check === 'tls'), [{ level: 'fail', text: /SELF_SIGNED/ }])
    t.same(new Set(findings.map(({ check }) => check)), new Set(['dns', 'safari', 'reach', 'tls', 'address', 'protocol',
      'cookies', 'cache', 'script', 'vendor']))
  })
}

test('what an owner may change in nginx for the worse is found', { skip: noNginx }, async t => {
  const [subdomain] = deployments
  if (subdomain === undefined) throw new Error('there are deployments')
  const cases: [string, RegExp, string, Partial<Finding>][] = [
    ['X-Forwarded-For passed on', /(proxy_set_header X-Forwarded-For +)\$remote_addr/, '$1$http_x_forwarded_for',
      { check: 'address', level: 'fail' }],
    ['no X-Forwarded-For', /(proxy_set_header X-Forwarded-For +)\$remote_addr/, '$1""',
      { check: 'address', level: 'fail' }],
    ['no X-Forwarded-Proto', /(proxy_set_header X-Forwarded-Proto +)\$scheme/, '$1""',
      { check: 'protocol', level: 'warn' }],
    ['another Host', /(proxy_set_header Host +)\$host/, '$1$proxy_host', { check: 'reach', level: 'fail' }],
    ['cookies hidden', /location \/ \{/, 'location / { proxy_hide_header Set-Cookie;',
      { check: 'cookies', level: 'fail' }],
    ['everything cached', /location \/ \{/, 'location / { proxy_cache postern_script; proxy_cache_valid 200 1m; ' +
      'proxy_ignore_headers Cache-Control Set-Cookie;', { check: 'cache', level: 'fail' }]
  ]
  for (const [name, from, to, expected] of cases) {
    const findings = await examine(t, subdomain, text => text.replace(from, to))
    t.match(bad(findings)[0], expected, name)
  }
})
