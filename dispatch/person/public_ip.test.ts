// Which addresses are a visitor's: the first and last of each private range are none, their neighbours are.
import { test } from 'tap'
import { readPublicIp } from './public_ip.ts'

test('a private address is none, and its neighbours are', t => {
  const ranges: [string | null, string, string, string | null][] = [
    [null, '0.0.0.0', '0.255.255.255', '1.0.0.0'],
    ['9.255.255.255', '10.0.0.0', '10.255.255.255', '11.0.0.0'],
    ['100.63.255.255', '100.64.0.0', '100.127.255.255', '100.128.0.0'],
    ['126.255.255.255', '127.0.0.0', '127.255.255.255', '128.0.0.0'],
    ['169.253.255.255', '169.254.0.0', '169.254.255.255', '169.255.0.0'],
    ['172.15.255.255', '172.16.0.0', '172.31.255.255', '172.32.0.0'],
    ['191.255.255.255', '192.0.0.0', '192.0.0.255', '192.0.1.0'],
    ['192.167.255.255', '192.168.0.0', '192.168.255.255', '192.169.0.0'],
    ['198.17.255.255', '198.18.0.0', '198.19.255.255', '198.20.0.0'],
    ['223.255.255.255', '224.0.0.0', '255.255.255.255', null]
  ]
  for (const [before, first, last, after] of ranges) {
    for (const address of [first, last]) t.equal(readPublicIp(address), null, address)
    for (const address of [before, after]) if (address !== null) t.equal(readPublicIp(address), address, address)
  }
  t.equal(readPublicIp(' ::ffff:203.0.113.7 '), '203.0.113.7')
  t.equal(readPublicIp('::ffff:10.0.0.1'), null)
  for (const none of ['', '1.2.3', '1.2.3.4.5', '256.1.1.1', '::1', 'fe80::1', 'fd00::1', 'fe80::1%eth0']) {
    t.equal(readPublicIp(none), null, none)
  }
  t.equal(readPublicIp('2001:db8::1'), '2001:db8::1')
  t.end()
})
