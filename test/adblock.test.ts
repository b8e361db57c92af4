// The ad-block bar: real lists in real engines take none of our addresses for a tracker's, and do block trackers.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { test } from 'tap'
import { openAdguard, openUblock, requestTypes, type RequestType, type RuleFor } from './adblock_engines.ts'
import { noAdguardLists, noUblockLists } from './adblock_lists.ts'

t.setTimeout(400_000)

const engines = [
  { name: 'uBlock Origin with its default lists', skip: noUblockLists, open: openUblock },
  { name: "AdGuard's lists", skip: noAdguardLists, open: openAdguard }
] as const

/** As the gateway makes them: 16 hexadecimal digits. No list has a rule that one of a dozen could meet. */
const hashes = Array.from({ length: 12 }, (_, at) => createHash('sha256').update(`${at}`).digest('hex').slice(0, 16))

/** Every path that browsers ask the gateway for. */
const ourPaths = ['/s.js', ...hashes.map(hash => `/s.${hash}.js`), '/s.json', '/v1/e', '/v1/leads', '/v1/consent',
  '/v1/me']

/** Paths of the gateway that no page asks for: for servers, and for the operator. */
const notForBrowsers = [/^\/v1\/events/, /^\/v1\/leads\/[:{]/, /^\/v1\/sources/, /^\/v1\/landing$/, /^\/v1\/check$/]

const domains = ['example.com', 'example.de', 'example.co.uk', 'example.org', 'example.net', 'example.io', 'example.fr',
  'example.nl', 'example.pl', 'example.co.jp', 'example.com.br', 'example.com.au', 'example.ch', 'example.at',
  'example.shop', 'solar-roofs24.eu']

/** Where a gateway may stand: a host of its own, or a path or all of the site's own hosts. */
const places = ['https://t.{}', 'https://e.{}', 'https://go.{}', 'https://api.{}', 'https://data.{}',
  'https://www.{}/_p', 'https://{}/_p', 'https://www.{}', 'https://{}']

const ownPages = ['https://www.{}/', 'https://{}/offer?gclid=Cj0K.CQ-x&utm_source=google', 'https://shop.{}/cart/1']
/** A page of somebody else that uses the gateway: a landing page of a builder's, a partner's form. */
const foreignPage = 'https://pages.builder-of-pages.com/offer'

interface Blocked { url: string, page: string, type: RequestType, rule: string }

function blockedOf (ruleFor: RuleFor, pages: readonly string[], types: readonly RequestType[]) {
  const blocked: Blocked[] = []
  let asked = 0
  for (const domain of domains) {
    for (const place of places) {
      for (const page of pages.map(one => one.replace('{}', domain))) {
        for (const path of ourPaths) {
          for (const type of types) {
            asked++
            const url = place.replace('{}', domain) + path
            const rule = ruleFor({ url, page, type })
            if (rule !== undefined) blocked.push({ url, page, type, rule })
          }
        }
      }
    }
  }
  return { asked, blocked }
}

type Control = readonly [RequestType, string]

/** Real trackers of third parties, which every list knows. */
const trackers: readonly Control[] = [
  ['xmlhttprequest', 'https://www.google-analytics.com/g/collect?v=2&tid=G-1'],
  ['script', 'https://www.google-analytics.com/analytics.js'],
  ['script', 'https://www.googletagmanager.com/gtm.js?id=GTM-ABC'],
  ['image', 'https://googleads.g.doubleclick.net/pagead/viewthroughconversion/1/'],
  ['script', 'https://www.googleadservices.com/pagead/conversion/1/'],
  ['script', 'https://connect.facebook.net/en_US/fbevents.js'],
  ['image', 'https://www.facebook.com/tr?id=1&ev=PageView'],
  ['script', 'https://analytics.tiktok.com/i18n/pixel/events.js'],
  ['script', 'https://bat.bing.com/bat.js'],
  ['script', 'https://snap.licdn.com/li.lms-analytics/insight.min.js'],
  ['script', 'https://static.hotjar.com/c/hotjar-1.js'],
  ['script', 'https://cdn.segment.com/analytics.js/v1/x/analytics.min.js'],
  ['image', 'https://ct.pinterest.com/v3/'],
  ['xmlhttprequest', 'https://tr.snapchat.com/p'],
  ['image', 'https://alb.reddit.com/rp.gif'],
  ['script', 'https://static.ads-twitter.com/uwt.js'],
  ['xmlhttprequest', 'https://plausible.io/api/event']
]

/** Names that are blocked even on the site's own hosts: what ours would share if they were chosen badly. */
const badNames: readonly Control[] = [
  ['script', 'https://t.example.com/gtm.js?id=GTM-ABC'],
  ['script', 'https://t.example.com/gtag/js?id=G-1'],
  ['script', 'https://t.example.com/fbevents.js'],
  ['script', 'https://t.example.com/matomo.js'],
  ['script', 'https://t.example.com/piwik.js'],
  ['script', 'https://t.example.com/plausible.js'],
  ['script', 'https://t.example.com/umami.js'],
  ['script', 'https://t.example.com/fingerprint.js'],
  ['script', 'https://ads.example.com/s.js'],
  ['xmlhttprequest', 'https://t.example.com/collect?v=2&tid=G-1'],
  ['xmlhttprequest', 'https://t.example.com/com.snowplowanalytics.snowplow/tp2'],
  ['ping', 'https://t.example.com/hit'],
  ['image', 'https://t.example.com/pixel.gif?e=1']
]

/** Names that only the one or the other blocks. */
const badNamesOfOne: readonly (readonly Control[])[] = [
  [
    ['script', 'https://www.example.com/_p/gtm.js'],
    ['script', 'https://t.example.com/beacon.js'],
    ['xmlhttprequest', 'https://t.example.com/matomo.php'],
    ['xmlhttprequest', 'https://t.example.com/api/collect'],
    ['ping', 'https://t.example.com/api/events'],
    ['xmlhttprequest', 'https://t.example.com/g/collect?v=2'],
    ['xmlhttprequest', 'https://t.example.com/track?event=x'],
    ['xmlhttprequest', 'https://t.example.com/event?event_id=1'],
    ['xmlhttprequest', 'https://t.example.com/v1/pixel?x=1']
  ],
  [
    ['script', 'https://t.example.com/js/pixel.js'],
    ['xmlhttprequest', 'https://t.example.com/lead-tracking/x']
  ]
]

engines.forEach(({ name, skip, open }, at) => {
  test(`${name}: none of our addresses is blocked on the site's own pages, every tracker is`, { skip }, async t => {
    const ruleFor = await open()
    const own = blockedOf(ruleFor, ownPages, requestTypes)
    t.same(own.blocked, [])
    t.ok(own.asked >= 1536, `${own.asked} requests`)
    t.comment(`${own.asked} requests on own pages, ${own.blocked.length} blocked`)

    // Beacons to third parties are blocked whatever they are called, which is why the script fetches.
    const foreign = blockedOf(ruleFor, [foreignPage], requestTypes.filter(type => type !== 'ping'))
    t.same(foreign.blocked, [])
    t.comment(`${foreign.asked} requests on another site's page, ${foreign.blocked.length} blocked`)

    const controls = [...trackers, ...badNames, ...badNamesOfOne[at] ?? []]
    t.ok(controls.length >= 16)
    for (const [type, url] of controls) {
      t.ok(ruleFor({ url, page: 'https://www.example.com/offer', type }), `${type} ${url} is blocked`)
    }
  })
})

test("uBlock Origin blocks every beacon of another site's page, whatever it is called: hence the script fetches", {
  skip: noUblockLists
}, async t => {
  const { asked, blocked } = blockedOf(await openUblock(), [foreignPage], ['ping'])
  t.equal(blocked.length, asked)
  t.same([...new Set(blocked.map(({ rule }) => rule))], ['*$ping,3p'])
})

test('the addresses that were asked about are those that the gateway has and the script calls', t => {
  const gateway = join(import.meta.dirname, '..', 'gateway')
  const sources = readdirSync(gateway).filter(name => name.endsWith('.ts') && !name.endsWith('.test.ts'))
  const routes = sources.flatMap(name =>
    [...readFileSync(join(gateway, name), 'utf8').matchAll(/'(\/v1\/[^'\s]+|\/s[^'/\s]*\.js(?:on)?)'/g)].map(match =>
      match[1] ?? ''))
  const called = [...readFileSync(join(gateway, 'browser/dist/s.js'), 'utf8').matchAll(/["'`/](v1\/[a-z_/]+)/g)]
    .map(match => `/${match[1]}`)
  t.ok(routes.includes('/v1/e') && routes.includes('/s.js'), 'the routes were found')
  t.ok(called.includes('/v1/e') && called.includes('/v1/leads'), 'the calls were found')
  for (const path of new Set([...routes, ...called])) {
    if (notForBrowsers.some(pattern => pattern.test(path))) continue
    const shape = path.replace(/:\w+(\([^)]*\))?/, hashes[0] ?? '')
    t.ok(ourPaths.includes(shape), `${path} was asked about`)
  }
  t.end()
})
