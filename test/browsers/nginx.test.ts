// Behind the shipped nginx, in real browsers: a path of the site with and without JavaScript, and a subdomain.
import t, { test, type Test } from 'tap'
import { gatewayWorld, site } from '../gateway_world.ts'
import { configuration, noNginx, startNginx } from '../nginx/nginx.ts'
import { ownersNginx, startOwnersSite } from '../nginx/owner.ts'
import { allGranted, siteUrl, stub } from '../script_site.ts'
import { openChromium, noChromium } from './chromium.ts'
import type { BrowserCookie, Driver, Tab } from './driver.ts'
import { startHostProxy } from './proxy.ts'
import { openWebkit, noWebkit } from './webkit.ts'

t.setTimeout(400_000)

interface Kind {
  name: string
  missing: string | false
  runsScripts: boolean
  open: (proxy: string) => Promise<Driver>
}

const kinds: Kind[] = [
  {
    name: 'Chromium without JavaScript',
    missing: noChromium || noNginx,
    runsScripts: false,
    open: async proxy => await openChromium(proxy, false)
  },
  { name: 'Chromium', missing: noChromium || noNginx, runsScripts: true, open: openChromium },
  { name: 'WebKitGTK with ITP', missing: noWebkit || noNginx, runsScripts: true, open: openWebkit }
]

const landing = '/offer?utm_source=ad&gclid=Cj0K.CQ-x&fbclid=IwAR0a_B-c'
const scripted = (base: string) => `<!doctype html><html lang="de"><head><title>Page</title>${stub}
  <script async src="${base}/s.js"></script></head><body>
  <button onclick='postern("consent", ${JSON.stringify(allGranted)})'>yes</button></body></html>`
const pages = new Map([['/inside', scripted('/_p')], ['/outside', scripted('https://t.example.com')]])
const chosen = `{stamp:'x',necessary:true,statistics:true,marketing:true,method:'explicit',utc:${Date.now()}}`
const banner = new Map([['/banner', `CookieConsent=${encodeURIComponent(chosen)}; Path=/; Secure`]])

/** The owner's site with Postern under a path and on a subdomain, in one nginx; and a browser that finds both. */
async function open (t: Test, kind: Kind) {
  const gateway = await gatewayWorld(t, {
    trustProxy: ['127.0.0.1'],
    sites: [{
      ...site, hosts: ['t.example.com', 'www.example.com'], consentCookies: ['cookiebot'], keepsCookies: []
    }]
  })
  const owner = await startOwnersSite(t, pages, banner)
  // All the patience there is: what a slow gateway does is fails_open.test.ts's.
  const http = [ownersNginx(['www.example.com']), configuration('subdomain.conf')].join('\n')
    .replace(/(proxy_\w+_timeout +)\d+m?s;/g, (_all, name: string) => `${name}60s;`)
  const nginx = await startNginx(t, http, { posternPort: Number(new URL(gateway.base).port), sitePort: owner.port })
  const proxy = await startHostProxy(nginx.tlsPort, host => host.endsWith('.example.com'))
  const driver = await kind.open(proxy.address)
  t.teardown(async () => {
    await driver.close()
    await proxy.close()
  })
  return {
    ...gateway,
    driver,
    tab: await driver.open(),
    /** Whose landings are stored. */
    async landings (): Promise<string[]> {
      const { rows } = await gateway.pool.query<{ visitor: Buffer }>('SELECT DISTINCT visitor FROM touches')
      return rows.map(({ visitor }) => visitor.toString('hex'))
    },
    async visitors (): Promise<(string | undefined)[]> {
      const { rows } = await gateway.pool.query<{ visitor: Buffer | null }>(
        'SELECT DISTINCT visitor FROM events WHERE event_name = \'page_view\'')
      return rows.map(({ visitor }) => visitor?.toString('hex'))
    }
  }
}

/** Waits for a state for as long as a slow machine may need. */
async function until (what: string, isSo: () => Promise<boolean>): Promise<void> {
  const endMs = Date.now() + 90_000
  while (!await isSo()) {
    if (Date.now() > endMs) throw new Error(`waited too long for ${what}`)
    await new Promise<void>(resolve => { setTimeout(resolve, 25) })
  }
}

const ours = async (driver: Driver, tab: Tab): Promise<Record<string, BrowserCookie>> => Object.fromEntries(
  (await driver.cookies(tab)).filter(({ name }) => name.startsWith('_')).map(cookie => [cookie.name, cookie]))

function liveLong (t: Test, jar: Record<string, BrowserCookie>): void {
  for (const [name, days] of [['_pstn', 180], ['_fbc', 90], ['_fbp', 90]] as const) {
    t.ok(Math.abs((jar[name]?.days ?? 0) - days) < 1, `${name} lives for ${jar[name]?.days} days`)
    t.equal(jar[name]?.domain.replace(/^\./, ''), 'example.com', name)
    t.equal(jar[name]?.secure, true, name)
  }
  t.equal(jar._pstn?.httpOnly, true)
}

for (const kind of kinds) {
  test(`a path of the site: ${kind.name}`, { skip: kind.missing }, async t => {
    const world = await open(t, kind)
    const { driver, tab } = world
    await tab.visit(siteUrl + landing)
    t.same(await ours(driver, tab), {}, 'without a choice nothing is set')
    t.same(await world.landings(), [], 'and nothing is stored')
    await tab.visit(`${siteUrl}/banner`)
    // The page of before may be in the browser's own cache, without cookies.
    await tab.visit(siteUrl + landing.replace('/offer', '/page'))
    const jar = await ours(driver, tab)
    t.same(Object.keys(jar).sort(), ['_fbc', '_fbp', '_pstn'])
    liveLong(t, jar)
    t.equal(jar._fbc?.value.split('.')[3], 'IwAR0a_B-c')
    await until('the landing', async () => (await world.landings()).length === 1)
    if (!kind.runsScripts) return
    await tab.visit(`${siteUrl}/inside`)
    await until('the script', async () => await tab.run('typeof postern.track') === 'function')
    await tab.click('button')
    await until('the view', async () => (await world.visitors()).length > 0)
    t.same(await world.visitors(), await world.landings(), 'the script\'s events are of who landed')
    const { _pstn: visitor, _fbp: browser, _fbc: click } = await ours(driver, tab)
    t.same([visitor?.value, browser?.value, click?.value], [jar._pstn?.value, jar._fbp?.value, jar._fbc?.value],
      'and nobody is renamed')
  })

  test(`a subdomain: ${kind.name}`, { skip: kind.runsScripts ? kind.missing : 'there is nothing without a script' },
    async t => {
      const world = await open(t, kind)
      const { driver, tab } = world
      await tab.visit(`${siteUrl}/outside?fbclid=IwAR0a_B-c`)
      await until('the script', async () => await tab.run('typeof postern.track') === 'function')
      t.same(await ours(driver, tab), {})
      await tab.click('button')
      await until('the view', async () => (await world.visitors()).length > 0)
      await until('the cookies', async () => '_pstn' in await ours(driver, tab))
      const { _pstn: visitor } = await ours(driver, tab)
      t.match(visitor, { httpOnly: true, secure: true, domain: /example\.com$/ })
      t.ok(Math.abs((visitor?.days ?? 0) - 180) < 1, `it lives for ${visitor?.days} days`)
      t.equal((await world.landings()).length, 1)
    })
}
