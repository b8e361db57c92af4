// WebKit's rule for the cookies of subresources, case by case (browser.md §2).
import { test } from 'tap'
import { judgeSafari, sharedBits, type Located } from './safari.ts'

const at = (host: string, ...rest: string[]): Located => ({
  host,
  v4: rest.filter(one => /^[\d.]+$/.test(one)),
  v6: rest.filter(one => one.includes(':')),
  chain: rest.filter(one => /[a-z]\.[a-z]/.test(one))
})

test('the leading bits that two addresses share', async t => {
  const cases: [string, string, number][] = [['192.0.2.1', '192.0.2.1', 32], ['192.0.2.1', '192.0.2.0', 31],
    ['192.0.2.1', '192.1.2.1', 15], ['192.0.2.1', '192.0.130.1', 16], ['0.0.0.0', '128.0.0.0', 0],
    ['2a00:1:2:3::1', '2a00:1:2:3:ffff::', 64], ['2a00:1:2:3::1', '2a00:1:2:3:7fff::', 65],
    ['2a00:1:2:3::', '2a00:1:2:2::', 63], ['2a00::', '2A00:0:0::0', 128], ['192.0.2.1', '::ffff:192.0.2.1', 0]]
  for (const [one, other, bits] of cases) {
    t.equal(sharedBits(one, other), bits, `${one} ${other}`)
    t.equal(sharedBits(other, one), bits)
  }
})

test('how long Safari keeps the cookies of a host', async t => {
  const www = 'www.example.com'
  const sub = 't.example.com'
  const v6 = '2a00:1:2:3::1'
  const cases: [string, Located, Located, object][] = [
    ['the page\'s own host', at(www, '192.0.2.1'), at(www, '192.0.2.1'), { life: 'full', because: 'same_host' }],
    ['its own host, however written', at('www.example.com:443'), at('WWW.example.com.'), { life: 'full' }],
    ['one machine', at(www, '192.0.2.1'), at(sub, '192.0.2.1'), { life: 'full', because: 'near_addresses' }],
    ['one /16', at(www, '198.51.100.1'), at(sub, '198.51.3.9'), { life: 'full' }],
    ['neighbouring /16s', at(www, '198.51.100.1'), at(sub, '198.50.100.1'), {
      life: 'seven_days', because: 'far_addresses', page: '198.51.100.1', gateway: '198.50.100.1'
    }],
    ['one of two addresses far away', at(www, '198.51.0.1'), at(sub, '198.51.0.2', '203.0.113.1'), {
      life: 'seven_days', gateway: '203.0.113.1'
    }],
    ['one /64', at(www, v6), at(sub, '2a00:1:2:3:9::'), { life: 'full' }],
    ['neighbouring /64s', at(www, v6), at(sub, '2a00:1:2:2::1'), { life: 'seven_days', because: 'far_addresses' }],
    ['page with IPv6, host without', at(www, '192.0.2.1', v6), at(sub, '192.0.2.1'), {
      life: 'seven_days', because: 'other_family', page: v6, gateway: '192.0.2.1'
    }],
    ['host with IPv6, page without', at(www, '192.0.2.1'), at(sub, '192.0.2.1', v6), {
      life: 'seven_days', because: 'other_family'
    }],
    ['both with both', at(www, '192.0.2.1', v6), at(sub, '192.0.2.9', '2a00:1:2:3::9'), { life: 'full' }],
    ['near in IPv6, far in IPv4', at(www, '192.0.2.1', v6), at(sub, '203.0.113.1', '2a00:1:2:3::9'), {
      life: 'seven_days', because: 'far_addresses', gateway: '203.0.113.1'
    }],
    ['CNAME to a vendor', at(www, '192.0.2.1'), at(sub, 'x.vendor.net', '192.0.2.1'), {
      life: 'seven_days', because: 'foreign_cname', domain: 'vendor.net'
    }],
    ['CNAME through a vendor and back', at(www, '192.0.2.1'), at(sub, 'x.vendor.net', 'y.example.com', '192.0.2.1'), {
      life: 'full'
    }],
    ['both CNAMEs to one CDN', at(www, 'a.cdn.net', '192.0.2.1'), at(sub, 'b.cdn.net', '192.0.2.1'), { life: 'full' }],
    ['CNAMEs to different CDNs', at(www, 'a.cdn.net', '192.0.2.1'), at(sub, 'b.other.net', '192.0.2.1'), {
      life: 'seven_days', because: 'foreign_cname'
    }],
    ['a shared host\'s customers are strangers', at(www, 'a.github.io', '192.0.2.1'),
      at(sub, 'b.github.io', '192.0.2.1'), {
        life: 'seven_days', because: 'foreign_cname', domain: 'b.github.io'
      }],
    ['CNAME within the domain, far away', at(www, '192.0.2.1'), at(sub, 'gw.example.com', '203.0.113.1'), {
      life: 'spared', because: 'own_cname'
    }],
    ['CNAME within the domain, near', at(www, '192.0.2.1'), at(sub, 'gw.example.com', '192.0.2.2'), { life: 'full' }],
    ['another domain', at(www, '192.0.2.1'), at('t.example.net', '192.0.2.1'), {
      life: 'none', because: 'other_domain'
    }],
    ['two customers of a public suffix', at('a.co.uk', '192.0.2.1'), at('b.co.uk', '192.0.2.1'), { life: 'none' }],
    ['no addresses', at(www), at(sub, '192.0.2.1'), { life: 'unknown' }],
    ['no addresses of the host', at(www, '192.0.2.1'), at(sub), { life: 'unknown' }]
  ]
  for (const [name, page, gateway, expected] of cases) t.match(judgeSafari(page, gateway), expected, name)
})
