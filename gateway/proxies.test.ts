// Which addresses are believed to be proxies: single ones, networks, both families, and IPv4 spelt as IPv6.
import { test } from 'tap'
import { gatewayWorld, granted } from '../test/gateway_world.ts'
import { trustProxies } from './proxies.ts'

const cases: [networks: string[], address: string | undefined, isTrusted: boolean][] = [
  [['127.0.0.1'], '127.0.0.1', true],
  [['127.0.0.1'], '127.0.0.2', false],
  [['127.0.0.1'], '::ffff:127.0.0.1', true],
  [['127.0.0.1'], '::1', false],
  [['::1'], '::1', true],
  [['10.0.0.0/8'], '10.200.3.4', true],
  [['10.0.0.0/8'], '::ffff:10.200.3.4', true],
  [['10.0.0.0/8'], '11.0.0.1', false],
  [['192.168.1.0/24', '2001:db8::/32'], '2001:db8:1::5', true],
  [['192.168.1.0/24', '2001:db8::/32'], '2001:db9::5', false],
  [['0.0.0.0/0'], '203.0.113.7', true],
  [['10.0.0.0/8'], 'unknown', false],
  [['10.0.0.0/8'], '10.0.0.1, 10.0.0.2', false],
  [['10.0.0.0/8'], '', false],
  [['10.0.0.0/8'], undefined, false],
  [[], '127.0.0.1', false]
]

test('an address is trusted if it lies in one of the networks, each time it is asked', t => {
  for (const [networks, address, isTrusted] of cases) {
    const trusts = trustProxies(networks)
    t.strictSame([trusts(address), trusts(address)], [isTrusted, isTrusted], `${String(address)} in ${networks.join()}`)
  }
  t.end()
})

test('what is no network stops the start', t => {
  for (const network of ['10.0.0.0/40', 'example.com', '']) t.throws(() => trustProxies([network]), network)
  t.end()
})

const secret = 'a secret of the platform, long enough'
const older = 'the one before, while it is changed'

test('a platform is believed by its secret: what it says of the address and of nothing else', async t => {
  const spoofed = '203.0.113.99'
  const cases: [name: string, headers: Record<string, string>, ip: string, country: string | undefined][] = [
    ['no proof', { 'x-postern-client': spoofed, 'x-forwarded-for': spoofed }, '127.0.0.1', undefined],
    ['a wrong secret', { 'x-postern-proxy': `${secret}!`, 'x-postern-client': spoofed }, '127.0.0.1', undefined],
    ['an empty secret', { 'x-postern-proxy': '', 'x-postern-client': spoofed }, '127.0.0.1', undefined],
    ['the secret', { 'x-postern-proxy': secret, 'x-postern-client': '203.0.113.7' }, '203.0.113.7', 'FR'],
    ['the secret before it', { 'x-postern-proxy': older, 'x-postern-client': '203.0.113.7' }, '203.0.113.7', 'FR'],
    ['IPv6', { 'x-postern-proxy': secret, 'x-postern-client': '2001:db8::7' }, '2001:db8::7', 'FR'],
    ['a list, of which nobody knows who wrote what',
      { 'x-postern-proxy': secret, 'x-postern-client': `${spoofed}, 203.0.113.7` }, '127.0.0.1', 'FR'],
    ['no address', { 'x-postern-proxy': secret }, '127.0.0.1', 'FR'],
    ['another header than the one of the settings',
      { 'x-postern-proxy': secret, 'x-forwarded-for': spoofed, 'cf-connecting-ip': spoofed }, '127.0.0.1', 'FR']
  ]
  const platform = { secrets: [secret, older], addressHeader: 'x-postern-client' }
  const world = await gatewayWorld(t, { platform })
  for (const [name, headers, ip, country] of cases) {
    const event = { event_name: 'sign_up', event_id: name, consent: granted }
    const answer = await world.post(event, { headers: { 'cf-ipcountry': 'FR', ...headers } })
    t.equal(answer.status, 202, name)
    const data = (await world.parts()).find(part => part.event_id === name)?.data
    t.strictSame([data?.client?.ip, data?.country], [ip, country], name)
  }
  t.notMatch(JSON.stringify(world.lines), secret)
})

test('without a platform in the settings no secret proves anything, and a trusted proxy needs none', async t => {
  const world = await gatewayWorld(t, { trustProxy: ['127.0.0.1'] })
  const headers = { 'x-postern-proxy': '', 'x-postern-client': '203.0.113.99', 'x-forwarded-for': '203.0.113.7' }
  await world.post({ event_name: 'sign_up', consent: granted }, { headers })
  t.equal((await world.parts())[0]?.data.client?.ip, '203.0.113.7')
})
