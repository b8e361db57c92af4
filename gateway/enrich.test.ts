// Device, bot, campaign, address, country; click ids in and out of addresses; hosts and domains.
import { test } from 'tap'
import { collectClickIds, withoutClickIds } from './clicks.ts'
import { enrich, plainIp, readCampaign, readCountry } from './enrich.ts'
import { isLoopback, openSites, registrableDomain } from './site.ts'
import { base32 } from './lead_id.ts'
import { browserAgent as chrome, site } from '../test/gateway_world.ts'

const iphone = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) ' +
  'Version/18.1 Mobile/15E148 Safari/604.1'

test('devices by user agent, and better by client hints', t => {
  const device = (userAgent: string | undefined, hints = {}) => enrich({}, { userAgent, hints }, false).device
  t.match(device(chrome), {
    browser: 'Chrome',
    browser_version: '142.0.0.0',
    os: 'Windows',
    os_version: '10',
    type: 'desktop'
  })
  t.match(device(iphone), { browser: 'Mobile Safari', os: 'iOS', type: 'mobile', model: 'iPhone' })
  t.match(device(chrome, {
    platform: '"Windows"',
    platformVersion: '"15.0.0"',
    mobile: '?0',
    fullVersionList: '"Not A;Brand";v="99", "Google Chrome";v="142.0.7444.60"'
  }), { browser_version: '142.0.7444.60', os_version: '15.0.0' })
  t.match(device(chrome, { mobile: '?1', model: '"Pixel 9"', platform: '"Android"' }), {
    type: 'mobile',
    model: 'Pixel 9',
    os: 'Android'
  })
  t.match(device(chrome, { platform: 'unquoted<script>', model: '""' }), { os: 'Windows' })
  t.equal(device(undefined), undefined)
  t.ok(device('x'.repeat(100_000)), 'an endless agent is cut')
  t.end()
})

test('addresses have one spelling', t => {
  const cases: [string | undefined, string | undefined][] = [['203.0.113.7', '203.0.113.7'], ['::ffff:203.0.113.7',
    '203.0.113.7'],
  ['::FFFF:cb00:7107', '203.0.113.7'], ['2001:DB8::1', '2001:db8::1'], ['[2001:db8::1]', '2001:db8::1'],
  ['fe80::1%eth0', 'fe80::1'],
  ['203.0.113.7:80', undefined], ['999.1.1.1', undefined], ['::ffff:999.1.1.1', undefined], ['', undefined],
  [undefined, undefined], ['unknown', undefined]]
  for (const [given, expected] of cases) t.equal(plainIp(given), expected, String(given))
  t.end()
})

test('countries are two letters that mean one', t => {
  for (const [given, expected] of [['DE', 'DE'], ['us', 'US'], ['XX', undefined], ['T1', undefined], ['', undefined],
    ['GER', undefined]] as const) {
    t.equal(readCountry(given), expected, given)
  }
  t.end()
})

test('campaigns by utm parameters, else by who linked here', t => {
  const cases: [page: string | undefined, referrer: string | undefined, campaign: object | undefined][] = [
    ['https://www.example.com/?utm_source=a&utm_medium=b%20c&utm_campaign=d&utm_term=e&utm_content=f&utm_id=g',
      undefined,
      { source: 'a', medium: 'b c', name: 'd', term: 'e', content: 'f', id: 'g' }],
    ['https://www.example.com/', 'https://www.news.example/article', { source: 'news.example', medium: 'referral' }],
    ['https://www.example.com/', 'https://shop.example.com/', undefined],
    ['https://www.example.com/?utm_source=', 'https://www.example.com/', undefined],
    [undefined, 'https://news.example/', undefined],
    ['https://www.example.com/?utm_source=%00%ED%A0%80', undefined, { source: '\uFFFD\uFFFD\uFFFD' }]
  ]
  for (const [page, referrer, campaign] of cases) {
    t.strictSame(readCampaign(page, referrer), campaign,
    `${page} from ${referrer}`)
  }
  t.end()
})

test('click ids from addresses, bodies and cookies, each with its first time', t => {
  const seenAtMs = 1_764_000_500_000
  const ids = collectClickIds({
    page_location: 'https://www.example.com/?FBCLID=IwAR%2Braw-_&gclid=New_click&scCid=sc%20id&msclkid=abcd#wbraid=no',
    page_referrer: 'https://blog.example.com/?ttclid=tt_click&fbclid=older',
    click_ids: {
      gclid: { value: 'Body_click', seen_at_ms: seenAtMs },
      twclid: {
        value: 'tw_body',
        seen_at_ms: seenAtMs
      }
    },
    cookies: {
      _fbc: 'fb.1.1764000000000.IwAR%2Braw-_',
      _gcl_aw: 'GCL.1763000000.Old_click',
      _gcl_gb: 'GCL.1763000001.wb_click',
      _gcl_ag: '2.1.kgb_click$i1763000002',
      li_fat_id: 'li-click',
      _uetmsclkid: '_uetms_click',
      FPGCLAW: '2.1.kfp_click$i1763000003'
    }
  }, seenAtMs)
  t.strictSame(ids, {
    fbclid: { value: 'IwAR%2Braw-_', seen_at_ms: 1_764_000_000_000 },
    gclid: { value: 'New_click', seen_at_ms: seenAtMs },
    wbraid: { value: 'wb_click', seen_at_ms: 1_763_000_001_000 },
    gbraid: { value: 'gb_click', seen_at_ms: 1_763_000_002_000 },
    li_fat_id: { value: 'li-click', seen_at_ms: seenAtMs },
    msclkid: { value: 'abcd', seen_at_ms: seenAtMs },
    ttclid: { value: 'tt_click', seen_at_ms: seenAtMs },
    twclid: { value: 'tw_body', seen_at_ms: seenAtMs },
    ScCid: { value: 'sc%20id', seen_at_ms: seenAtMs }
  }, 'byte for byte; the address before the body before the page before it before the cookies')
  t.equal(collectClickIds({
    page_location: 'https://a.example/?fbclid=x',
    page_referrer: 'https://b.example/?gclid=Other_site'
  }, 1), undefined)
  t.end()
})

test('click ids are taken out of addresses, and nothing else is touched', t => {
  const cases: [string, string][] = [
    ['https://a.example/?fbclid=1&x=%20y&GCLID=2#f', 'https://a.example/?x=%20y#f'],
    ['https://a.example/p?ttclid=1', 'https://a.example/p'], ['https://a.example/p?_gl=1*abc&q=a+b',
      'https://a.example/p?q=a+b'],
    ['https://a.example/p', 'https://a.example/p'], ['https://a.example/?a&b=&=c', 'https://a.example/?a&b=&=c'],
    ['https://a.example/#?fbclid=1', 'https://a.example/#?fbclid=1'], ['https://a.example/?my_fbclid=1',
      'https://a.example/?my_fbclid=1']
  ]
  for (const [given, expected] of cases) t.equal(withoutClickIds(given), expected)
  t.end()
})

test('hosts find their site; cookies find their domain', t => {
  const find = openSites([{ ...site, hosts: ['t.example.com', 'localhost:3000'] }])
  for (const host of ['t.example.com', 'T.EXAMPLE.com', 't.example.com:443', 't.example.com.', 't.example.com:8377',
    'localhost:3000']) t.ok(find(host), host)
  for (const host of ['', 'example.com', 'x.t.example.com', 't.example.com.evil.example', 'localhost',
    'localhost:3001', '__proto__']) t.notOk(find(host), host)
  const domains: [string, string | undefined][] = [['t.example.com', 'example.com'], ['a.b.example.co.uk',
    'example.co.uk'],
  ['me.github.io', 'me.github.io'], ['localhost', undefined], ['127.0.0.1:80', undefined], ['[::1]:80', undefined],
  ['co.uk', undefined]]
  for (const [host, domain] of domains) t.equal(registrableDomain(host), domain, host)
  for (const host of ['localhost', 'localhost:1', '127.0.0.1', '127.9.9.9:80', '[::1]:80',
    'a.localhost']) t.ok(isLoopback(host), host)
  for (const host of ['localhost.example.com', '10.0.0.1', '127.0.0.1.example.com']) t.notOk(isLoopback(host), host)
  t.end()
})

test('base32 is RFC 4648\'s', t => {
  for (const [text, expected] of [['', ''], ['f', 'my'], ['fo', 'mzxq'], ['foo', 'mzxw6'], ['foob', 'mzxw6yq'],
    ['fooba', 'mzxw6ytb'], ['foobar', 'mzxw6ytboi']] as const) {
    t.equal(base32(Buffer.from(text)), expected)
  }
  t.end()
})
