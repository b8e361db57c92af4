// Which addresses are believed to be proxies: single ones, networks, both families, and IPv4 spelt as IPv6.
import { test } from 'tap'
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
