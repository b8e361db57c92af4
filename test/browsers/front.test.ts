// In front of a site, behind nginx: landings with click ids in real browsers, without any script, and with the tag.
import type { IncomingMessage, ServerResponse } from 'node:http'
import t, { test, type Test } from 'tap'
import type { GatewaySite } from '../../gateway/site.ts'
import type { ConsentRule } from '../../schema/consent.ts'
import { frontWorld, until } from '../front_world.ts'
import { configuration, noNginx, startNginx } from '../nginx/nginx.ts'
import { siteUrl } from '../script_site.ts'
import { openChromium, noChromium } from './chromium.ts'
import type { BrowserCookie, Driver, Tab } from './driver.ts'
import { startHostProxy } from './proxy.ts'
import { openWebkit, noWebkit } from './webkit.ts'

t.setTimeout(400_000)

const landing = '/offer?utm_source=ad&gclid=Cj0K.CQ-x&fbclid=IwAR0a_B-c'
const nonce = 'bm9uY2U='

/** The owner's pages: an offer with a form that posts to us, and a banner that keeps its choice in its own cookie. */
function answer (request: IncomingMessage, response: ServerResponse): void {
  const path = request.url?.split('?', 1)[0]
  const headers: Record<string, string> = { 'content-type': 'text/html; charset=utf-8' }
  if (path === '/banner') {
    const choice = `{stamp:'x',necessary:true,statistics:true,marketing:true,method:'explicit',utc:${Date.now()}}`
    headers['set-cookie'] = `CookieConsent=${encodeURIComponent(choice)}; Path=/; Secure`
  }
  if (path === '/strict') headers['content-security-policy'] = `script-src 'nonce-${nonce}'`
  response.writeHead(200, headers).end(`<!doctype html><html lang="de"><head><title>${path}</title></head><body>
    <form method="post" action="/_p/v1/leads"><input name="email" value="anna@example.com"><button>s</button></form>
    <a id="next" href="/next">next</a></body></html>`)
}

/** The shipped file with all the patience there is: what a slow gateway does is fails_open.test.ts's. */
const patient = configuration('front.conf')
  .replace(/(proxy_\w+_timeout +)\d+m?s;/g, (_all, name: string) => `${name}60s;`)

/** nginx with the shipped file, the gateway, the owner's server; and a browser that finds them. */
async function open (t: Test, browser: Kind, rule: ConsentRule['consent'], more: Partial<GatewaySite> = {}) {
  const given: Partial<GatewaySite> = {
    rule: { consent: rule, gpc: 'drop', optOutCountries: [] },
    consentCookies: ['cookiebot'],
    keepsCookies: [],
    thankYou: `${siteUrl}/thanks`,
    ...more
  }
  const world = await frontWorld(t, given, answer, { trustProxy: ['127.0.0.1'] })
  const nginx = await startNginx(t, patient, {
    posternPort: Number(new URL(world.base).port), sitePort: Number(new URL(world.upstream).port)
  })
  const proxy = await startHostProxy(nginx.tlsPort, host => host === 'www.example.com')
  const driver = await browser.open(proxy.address)
  t.teardown(async () => {
    await driver.close()
    await proxy.close()
  })
  return { ...world, driver, tab: await driver.open() }
}

interface Kind {
  name: string
  missing: string | false
  open: (proxy: string) => Promise<Driver>
}

const kinds: Kind[] = [
  { name: 'Chromium', missing: noChromium || noNginx, open: openChromium },
  {
    name: 'Chromium without JavaScript',
    missing: noChromium || noNginx,
    open: async proxy => await openChromium(proxy, false)
  },
  { name: 'WebKitGTK with ITP', missing: noWebkit || noNginx, open: openWebkit }
]

const jarOf = async (driver: Driver, tab: Tab): Promise<Record<string, BrowserCookie>> =>
  Object.fromEntries((await driver.cookies(tab)).map(cookie => [cookie.name, cookie]))

type World = Awaited<ReturnType<typeof open>>

/** Submits the form, as a browser does it by itself. */
async function submit ({ tab, leads }: World) {
  await tab.click('button')
  await until('the lead', async () => (await leads()).length === 1)
  const [lead] = await leads()
  if (lead === undefined) throw new Error('there is a lead')
  return lead
}

async function landAndLead (t: Test, world: World): Promise<void> {
  const { driver, tab, touches } = world
  await tab.visit(siteUrl + landing)
  const jar = await jarOf(driver, tab)
  t.same(Object.keys(jar).filter(name => name.startsWith('_')).sort(), ['_fbc', '_fbp', '_pstn'])
  for (const [name, days] of [['_pstn', 180], ['_fbc', 90], ['_fbp', 90]] as const) {
    t.ok(Math.abs((jar[name]?.days ?? 0) - days) < 1, `${name} lives for ${jar[name]?.days} days`)
    t.equal(jar[name]?.domain.replace(/^\./, ''), 'example.com', name)
    t.equal(jar[name]?.secure, true, name)
  }
  t.equal(jar._pstn?.httpOnly, true)
  t.equal(jar._fbc?.value.split('.')[3], 'IwAR0a_B-c')
  await until('the landing', async () => (await touches()).length === 1)
  t.match((await touches())[0], {
    page_location: siteUrl + landing, click_ids: { gclid: { value: 'Cj0K.CQ-x' }, fbclid: { value: 'IwAR0a_B-c' } }
  })
  // As a visitor goes on: what the page holds is all that the next one knows.
  await tab.click('#next')
  await until('the next page', () => world.seen.some(({ url }) => url === '/next'))
  const lead = await submit(world)
  t.match(lead.first_touch, { click_ids: { gclid: { value: 'Cj0K.CQ-x' } } }, 'the lead knows where it came from')
}

for (const kind of kinds) {
  test(`${kind.name}: a landing without any script of ours`, { skip: kind.missing }, async t => {
    await t.test('an opt-out site', async t => { await landAndLead(t, await open(t, kind, 'opt_out')) })

    await t.test('an opt-in site, nothing granted', async t => {
      const world = await open(t, kind, 'opt_in')
      await world.tab.visit(siteUrl + landing)
      t.same(await world.driver.cookies(world.tab), [], 'no cookie')
      await world.tab.visit(`${siteUrl}/next`)
      const lead = await submit(world)
      t.equal(lead.first_touch, null)
      t.equal(lead.data.user_data?.email?.[0], 'anna@example.com', 'what was typed is kept')
      t.notMatch(JSON.stringify([lead, await world.parts()]), /Cj0K|IwAR0a/, 'and no id with it')
      t.same(await world.touches(), [])
      t.same((await world.driver.cookies(world.tab)).filter(({ name }) => name !== 'CookieConsent'), [])
    })

    await t.test('an opt-in site whose banner knows of a grant', async t => {
      const world = await open(t, kind, 'opt_in')
      await world.tab.visit(`${siteUrl}/banner`)
      await landAndLead(t, world)
    })
  })
}

const granted = '{ad_storage:"granted",ad_user_data:"granted",ad_personalization:"granted",analytics_storage:"granted"}'

for (const kind of kinds.filter(({ name }) => !name.includes('without'))) {
  test(`${kind.name}: the tag in a page whose policy wants a nonce`, { skip: kind.missing }, async t => {
    const world = await open(t, kind, 'opt_in', { insertsScript: true })
    const { tab, driver } = world
    await tab.visit(siteUrl + landing.replace('/offer', '/strict'))
    await until('the script', async () => await tab.run('typeof window.postern?.track') === 'function')
    t.equal(await tab.run('document.scripts.length'), 1)
    t.equal(await tab.run('document.scripts[0].nonce || document.scripts[0].getAttribute("nonce")'), nonce)
    t.same(await driver.cookies(tab), [], 'nothing is set before the grant')
    t.same(await world.parts(), [], 'and nothing is stored')
    t.same(await world.touches(), [])
    const beforeMs = Date.now()
    await tab.run(`(postern("consent", ${granted}), 1)`)
    await until('the page view', async () => (await world.parts()).some(part => part.event_name === 'page_view'))
    const [part] = await world.parts()
    const { gclid, fbclid } = part?.data.click_ids ?? {}
    t.equal(gclid?.value, 'Cj0K.CQ-x')
    t.equal(fbclid?.value, 'IwAR0a_B-c')
    t.ok((gclid?.seen_at_ms ?? Infinity) <= beforeMs, 'with the time when it was first seen')
    await until('the visitor\'s cookie', async () => (await jarOf(driver, tab))._pstn !== undefined)
    t.ok(((await jarOf(driver, tab))._pstn?.days ?? 0) > 100, 'the gateway\'s cookie outlives the seven days')
  })
}
