// The demo site over HTTP: its pages, what they echo, and the journey it shows.
import { test } from 'tap'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request as requestHttps } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startDemoSite, type DemoSiteOptions } from './demo_site.ts'
import { timelineOf, type DemoNetwork, type Journey, type SeenCopy, type Timeline } from './journey.ts'
import { startFakeNetworks } from '../networks/fake_networks.ts'

interface T { teardown (clean: () => unknown): void }
const gatewayUrl = 'http://localhost:1'

async function start (t: T, options: Partial<DemoSiteOptions> = {}) {
  const site = await startDemoSite({ port: 0, gatewayUrl, fakesUrl: 'http://localhost:2', ...options })
  t.teardown(() => site.close())
  return {
    url: site.url,
    get: (path: string) => fetch(site.url + path, { redirect: 'manual' }),
    page: async (path: string) => (await fetch(site.url + path)).text()
  }
}

/** The value of a page's hidden input, with the entities it was written with. */
function hiddenIn (page: string, name: string): string | undefined {
  return new RegExp(`name="${name}" value="([^"]*)"`).exec(page)?.[1]
}

const paths = ['/', '/nojs', '/thanks', '/shop', '/shop/thanks?order=D-1', '/journey', '/journey?event_id=a']

test('every page says DEMO more than once, and runs no inline script', async t => {
  const site = await start(t)
  t.match(site.url, /^http:\/\/localhost:\d+$/)
  for (const path of paths) {
    const response = await site.get(path)
    const page = await response.text()
    t.equal(response.status, 200, path)
    t.match(response.headers.get('content-type'), /^text\/html/)
    t.match(response.headers.get('content-security-policy'), /script-src 'self' http:\/\/localhost:1;/)
    t.ok((page.match(/demo/gi) ?? []).length > 3, `${path} says it`)
    t.match(page, /<title>.*DEMO.*<\/title>/)
    t.notMatch(page, /<script(?![^>]*\ssrc=)|\son\w+=|javascript:/i)
  }
})

test('the site has its files and nothing beside them', async t => {
  const site = await start(t)
  const code = /^text\/javascript/
  const files = { 'style.css': /^text\/css/, 'site.js': code, 'pixel.js': code, 'tag.js': code, 'icon.svg': /svg/ }
  for (const [name, type] of Object.entries(files)) {
    const response = await site.get(`/${name}`)
    t.equal(response.status, 200)
    t.match(response.headers.get('content-type'), type)
  }
  for (const path of ['/browser/site.js', '/..%2fpages.ts', '/pages.ts', '/.git/config', '/journey.json']) {
    t.ok((await site.get(path)).status >= 400, path)
  }
})

test('the offer carries what an agency would paste in', async t => {
  const page = await (await start(t, { pixelId: '42', scriptAttributes: { 'data-page-view': 'off' } })).page('/')
  t.match(page, '<script async src="http://localhost:1/s.js" data-page-view="off"></script>')
  t.match(page, 'data-pixel-id="42"')
  t.match(page, 'action="http://localhost:1/v1/leads" data-postern-lead>')
  t.notMatch(await (await start(t)).page('/nojs'), '<script')
})

test('a form without scripts has its own event id, the landing page and unticked boxes', async t => {
  const site = await start(t)
  const page = await site.page('/nojs?fbclid=IwAb_-1&gclid=x')
  const id = hiddenIn(page, 'postern_event_id')
  t.match(id, /^lead-[0-9a-f-]{36}$/)
  t.equal(hiddenIn(page, 'postern_page'), `${site.url}/nojs?fbclid=IwAb_-1&amp;gclid=x`)
  t.equal(hiddenIn(page, 'postern_next'), `${site.url}/thanks?event_id=${id}`)
  t.not(hiddenIn(await site.page('/nojs'), 'postern_event_id'), id, 'the next visitor has another')
  t.match(page, 'type="checkbox"\n name="postern_consent_ad_user_data" value="granted">')
  t.notMatch(page, 'checked')
  t.match(await site.page(`/thanks?event_id=${id}`), `href="/journey?event_id=${id}"`)
})

test('whatever is echoed is escaped', async t => {
  const site = await start(t, { consentText: '<script>a</script>', scriptAttributes: { 'data-x': '"><script>' } })
  const evil = '"><script>alert(1)</script>\'&'
  const query = encodeURIComponent(evil)
  for (const path of [`/?x=${query}`, `/nojs?x=${query}`, `/?x=${evil}`, `/nojs?${evil}`, `/thanks?event_id=${query}`,
    `/journey?event_id=${query}`, `/${query}`, `/shop/thanks?order=${query}`]) {
    t.notMatch(await site.page(path), /<script>|alert\(1\)<|"">/, path)
  }
  t.match(await site.page(`/journey?event_id=${query}`),
    'data-journey="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&#39;&amp;"')
})

test('the shop makes an order, and a made-up order number is none', async t => {
  const site = await start(t)
  const bought = await fetch(`${site.url}/shop/order`, {
    method: 'POST', redirect: 'manual', body: new URLSearchParams({ buy: '1' })
  })
  const next = bought.headers.get('location') ?? ''
  t.equal(bought.status, 303)
  t.match(next, /^\/shop\/thanks\?order=D-[0-9a-f]{8}$/)
  const page = (await site.page(next)).replaceAll('&quot;', '"')
  t.match(page, /data-order="{"transaction_id":"D-[0-9a-f]{8}","value":149.9,/)
  t.equal((await site.get('/shop/thanks?order=<b>')).status, 303)
})

const at = (second: number): string => `2026-11-23T10:00:0${second}.000Z`
const copy = (source: string, second: number, verdict: string, type = 'meta'): SeenCopy =>
  ({ type, source, at: at(second), verdict })
const arrival = { at: at(2), event_name: 'generate_lead', trust: 'same_site' }
const skipped = { destination: 'meta', state: 'skipped', reason: 'no_consent', because: 'consent was denied' }
const networks: DemoNetwork[] = [
  { name: 'meta', type: 'meta', title: 'Meta', mode: 'live' },
  { name: 'tiktok', type: 'tiktok', title: 'TikTok', mode: 'shadow' }
]

/** A name, what Postern says, what the fakes say, and what follows: titles, Meta's outcome and titles, the summary. */
type Case = [string, Journey | unknown, SeenCopy[] | undefined, RegExp[], string, RegExp[], string]
const timelines: Case[] = [
  ['nothing yet', null, [], [/Nothing has arrived/], 'not routed yet', [], 'No ad network has counted it.'],
  ['fakes that are away', null, undefined, [/Nothing has arrived/], 'not routed yet', [],
    'The fake networks do not answer.'],
  ['both copies', {
    arrivals: [arrival],
    consent: 'all granted',
    attempts: [{ destination: 'meta', at: at(3), answer: '200' }, { destination: 'tiktok', at: at(3), answer: '200' }],
    deliveries: [{ destination: 'meta', state: 'delivered', at: at(5) }]
  }, [copy('browser', 1, 'counted'), copy('server', 4, 'deduplicated'), copy('server', 4, 'counted', 'tiktok')],
  [/^Stored/, /^Consent/], 'delivered', [/own tag: counted/, /^Sent by Postern/, /from Postern: known already/],
  'Counted once at Meta and TikTok.'],
  ['a delivery that waits',
    { arrivals: [arrival], deliveries: [{ destination: 'meta', state: 'waiting', reason: 'new' }] },
    [], [/^Stored/], 'waiting: new', [], 'No ad network has counted it.'],
  ['a refusal', { arrivals: [arrival, arrival], deliveries: [skipped] },
    [], [/^Stored in/, /^Stored once more/], 'skipped: no consent', [], 'No ad network has counted it.'],
  ['a double count', { arrivals: [arrival] }, [copy('browser', 1, 'counted'), copy('server', 3, 'counted')],
    [/^Stored/], 'not routed yet', [/counted/, /counted/], 'Counted more than once: Meta 2 times.'],
  ['something that is no journey', { arrivals: 'x', deliveries: [null, 7] }, [], [/Nothing has arrived/],
    'not routed yet', [], 'No ad network has counted it.']
]

test('a journey is told in the order in which it happened, network by network', async t => {
  for (const [name, journey, copies, titles, outcome, metaTitles, summary] of timelines) {
    const timeline = timelineOf(journey, networks, copies)
    const [meta] = timeline.networks
    t.match(timeline.steps.map(step => step.title), titles, name)
    t.equal(timeline.steps.length, titles.length, name)
    t.equal(meta?.outcome, outcome, name)
    t.match(meta?.steps.map(step => step.title), metaTitles, name)
    t.equal(meta?.steps.length, metaTitles.length, name)
    t.equal(timeline.summary, summary, name)
  }
  t.match(timelineOf({ arrivals: [arrival], deliveries: [skipped] }, networks.slice(0, 1), []),
    { finished: true, networks: [{ state: 'stopped', because: 'consent was denied' }] })
  t.match(timelineOf({ arrivals: [arrival], deliveries: [skipped] }, networks, []), { finished: false })
})

test('a network is switched by its button, also without scripts, and nothing else is', async t => {
  const modes = new Map([['meta', 'live']])
  const site = await start(t, {
    networks: () => [{ name: 'meta', type: 'meta', title: 'Meta', mode: modes.get('meta') ?? '' }],
    setMode (network, mode) {
      if (!modes.has(network) || !['live', 'shadow'].includes(mode)) return false
      modes.set(network, mode)
      return true
    }
  })
  t.match(await site.page('/journey'), 'Switch Meta to shadow')
  const post = async (fields: Record<string, string>) => await fetch(`${site.url}/mode`,
    { method: 'POST', redirect: 'manual', body: new URLSearchParams(fields) })
  const switched = await post({ network: 'meta', mode: 'shadow', event_id: 'a&b' })
  t.equal(switched.status, 303)
  t.equal(switched.headers.get('location'), '/journey?event_id=a%26b')
  t.match(await site.page('/journey'), 'Switch Meta to live')
  t.equal((await post({ network: 'x', mode: 'live' })).status, 400)
})

test('the journey joins what Postern knows and what the fakes received, and survives without either', async t => {
  const fakes = await startFakeNetworks()
  t.teardown(() => fakes.close())
  await fetch(`${fakes.url}/meta/tr?id=1&ev=Lead&eid=ev-1`)
  const asked: string[] = []
  const site = await start(t, {
    fakesUrl: fakes.url,
    networks: () => networks,
    async journey (eventId) {
      asked.push(eventId)
      if (eventId === 'broken') throw new Error('no database')
      return { arrivals: [arrival] }
    }
  })
  const read = async (id: string) =>
    await (await site.get(`/journey.json?event_id=${id}`)).json() as Timeline
  const found = await read('ev-1')
  t.equal(found.summary, 'Counted once at Meta.')
  t.match(found.steps, [{ title: 'Stored in Postgres' }])
  t.match(found.networks[0]?.steps, [{ title: /from the page's own tag: counted/ }])
  t.match(await site.page('/journey?event_id=ev-1'), '<strong>Stored in Postgres</strong>')
  t.match((await read('broken')).steps, [{ detail: 'Postern could not be asked.' }])
  t.strictSame(asked, ['ev-1', 'ev-1', 'broken'])
  await fakes.close()
  t.equal((await read('ev-1')).summary, 'The fake networks do not answer.')
})

test('serves https under the host name it is asked for', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-demo-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
    '-days', '1', '-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem'), '-subj', '/CN=demo'],
  { stdio: 'ignore' })
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
  const site = await start(t, { tls: { key: read('key.pem'), cert: read('cert.pem') } })
  const page = await new Promise<string>((resolve, reject) => {
    const sent = requestHttps(`${site.url}/nojs?gclid=a`, {
      rejectUnauthorized: false, headers: { host: 'www.example.com' }
    }, response => {
      response.toArray().then(chunks => resolve(Buffer.concat(chunks as Buffer[]).toString()), reject)
    })
    sent.on('error', reject).end()
  })
  t.equal(hiddenIn(page, 'postern_page'), 'https://www.example.com/nojs?gclid=a')
  t.match(hiddenIn(page, 'postern_next'), /^https:\/\/www\.example\.com\/thanks/)
})
