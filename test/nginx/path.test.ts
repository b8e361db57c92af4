// Postern under a path of the site, behind the owner's nginx: what a landing without any script leads to.
import { test, type Test } from 'tap'
import { formatConsentCookie } from '../../schema/consent_cookie.ts'
import type { Touch } from '../../schema/lead.ts'
import { lengthen } from '../../schema/short_text.ts'
import { gatewayWorld, granted, site, testKeys } from '../gateway_world.ts'
import { noNginx, startNginx, visit, type Page } from './nginx.ts'
import { bodyOf, ownersNginx, startOwnersSite } from './owner.ts'

const clicks = { fbclid: 'IwAR0a_B-c%2Fz~', gclid: 'Cj0K.CQ-x', ttclid: 'E.C.P.abc' }
const landing = `/offer?utm_source=ad&${Object.entries(clicks).map(pair => pair.join('=')).join('&')}`

/** www.example.com asks first, www.example.net does not have to. */
async function pathWorld (t: Test) {
  const owner = await startOwnersSite(t)
  const gateway = await gatewayWorld(t, {
    trustProxy: ['127.0.0.1'],
    sites: [
      { ...site, hosts: ['www.example.com'] },
      {
        ...site,
        name: 'relaxed',
        hosts: ['www.example.net'],
        origins: ['https://www.example.net'],
        rule: { ...site.rule, consent: 'opt_out' }
      }
    ]
  })
  // The shipped patience is for installations; here it would measure the machine.
  const http = ownersNginx(['www.example.com', 'www.example.net']).replace(/(timeout +)\d+ms/g, '$160s')
  const nginx = await startNginx(t, http,
    { posternPort: Number(new URL(gateway.base).port), sitePort: owner.port })
  return {
    ...gateway,
    nginx,
    owner,
    /** How often Postern was asked about a page. */
    async questions (): Promise<number> {
      const { values } = await gateway.metrics.httpRequests.get()
      return values.filter(({ labels }) => labels.route === '/v1/landing').reduce((sum, { value }) => sum + value, 0)
    },
    async touches (): Promise<Touch[]> {
      const { rows } = await gateway.pool.query<{ site: string, sealed: Buffer }>('SELECT * FROM touches')
      return rows.map(row => JSON.parse(lengthen(testKeys.open(row.site, row.sealed).toString())) as Touch)
    },
    open: async (path: string, given: Parameters<typeof visit>[2] = {}) =>
      await visit(nginx.tlsPort, path, { ...given, headers: { 'user-agent': agent, ...given.headers } })
  }
}

const agent = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0'
type World = Awaited<ReturnType<typeof pathWorld>>

/** Waits for a state; throws when it does not come. */
async function until (what: string, isSo: () => Promise<boolean>): Promise<void> {
  const endMs = Date.now() + 60_000
  while (!await isSo()) {
    if (Date.now() > endMs) throw new Error(`waited too long for ${what}`)
    await new Promise<void>(resolve => { setTimeout(resolve, 20) })
  }
}

/** The cookies of a page that are not the owner's own: name → value and attributes. */
function ours ({ setCookies }: Page): Record<string, { value: string, attributes: string }> {
  return Object.fromEntries(setCookies.filter(line => !line.startsWith('shop=')).map(line => {
    const [pair = '', ...attributes] = line.split('; ')
    const at = pair.indexOf('=')
    return [pair.slice(0, at), { value: pair.slice(at + 1), attributes: attributes.join('; ') }]
  }))
}

async function isPage (t: Test, page: Page, path: string): Promise<void> {
  t.strictSame([page.status, page.body], [200, bodyOf(path)], path)
  t.ok(page.setCookies.includes('shop=1; Path=/'), 'the site\'s own cookie is there')
  t.equal(page.headers['strict-transport-security'], 'max-age=60', 'and its own header')
}

const day = 86_400
const domain = (name: string) => `Domain=example.${name}; Secure; SameSite=Lax`

async function setsCookies (t: Test, world: World, page: Page, top: string): Promise<void> {
  await isPage(t, page, landing)
  const cookies = ours(page)
  t.match(cookies._pstn?.value, /^v1\.v[\w-]{22}\.\d+\.[\w-]{43}$/)
  t.match(cookies._pstn?.attributes,
    new RegExp(`^Path=/; Max-Age=\\d+; Domain=example\\.${top}; HttpOnly; Secure; SameSite=Lax$`))
  t.match(cookies._fbp, { value: /^fb\.1\.\d{13}\.\d+$/, attributes: `Path=/; Max-Age=${90 * day}; ${domain(top)}` })
  t.equal(cookies._fbc?.value.replace(/\d{13}/, 'ms'), `fb.1.ms.${clicks.fbclid}`)
  t.equal(cookies._fbc?.attributes, `Path=/; Max-Age=${90 * day}; ${domain(top)}`)
  t.match(String(page.headers['cache-control']), 'private, no-store')
  await until('the touch', async () => (await world.touches()).length > 0)
  const [touch] = await world.touches()
  t.match(touch?.page_location, landing)
  for (const [name, value] of Object.entries(clicks)) t.equal(touch?.click_ids?.[name]?.value, value, name)
}

test('opt-in: a landing without a choice leaves nothing, in the browser and in the database', { skip: noNginx },
  async t => {
    const world = await pathWorld(t)
    const page = await world.open(landing)
    await isPage(t, page, landing)
    t.same(ours(page), {})
    t.equal(page.headers['cache-control'], 'public, max-age=60')
    t.equal(await world.questions(), 1)
    t.same(await world.touches(), [])
    t.same(await world.parts(), [])

    const yes = Object.fromEntries(Object.keys(granted).map(key => [key, 'granted' as const]))
    const choice = formatConsentCookie(yes, Math.floor(Date.now() / 1000) - 10 * day)
    const chosen = await world.open(landing, { headers: { cookie: `_pstn_c=${choice}` } })
    await t.test('after the choice its cookies come with the page', async t => {
      await setsCookies(t, world, chosen, 'com')
      const [, age] = /Max-Age=(\d+)/.exec(ours(chosen)._pstn?.attributes ?? '') ?? []
      t.ok(Math.abs(Number(age) - 170 * day) < 600, 'they end with the choice, which is ten days old')
    })
  })

test('opt-out: a landing sets the cookies and is stored; a refusal in the cookie is a refusal', { skip: noNginx },
  async t => {
    const world = await pathWorld(t)
    const denied = Object.fromEntries(Object.keys(granted).map(key => [key, 'denied' as const]))
    const cookie = `_pstn_c=${formatConsentCookie(denied, Math.floor(Date.now() / 1000))}`
    t.same(ours(await world.open(landing, { host: 'www.example.net', headers: { cookie } })), {})
    const limited = await world.open(landing, { host: 'www.example.net', headers: { 'sec-gpc': '1' } })
    t.same(Object.keys(ours(limited)), ['_pstn'], 'Global Privacy Control is about ads')
    t.same(await world.touches(), [])
    const page = await world.open(landing, { host: 'www.example.net' })
    await setsCookies(t, world, page, 'net')
    t.equal((await world.touches()).length, 1)

    await t.test('who comes back with them gets none again', async t => {
      const jar = Object.entries(ours(page)).map(([name, { value }]) => `${name}=${value}`).join('; ')
      const again = await world.open(landing, { host: 'www.example.net', headers: { cookie: jar } })
      await isPage(t, again, landing)
      t.notOk('_pstn' in ours(again))
      t.notOk('_fbc' in ours(again))
    })
    await t.test('a redirect takes them along, too', async t => {
      const moved = await world.open('/moved?fbclid=IwAR0a_B-c', { host: 'www.example.net' })
      t.equal(moved.status, 302)
      t.same(Object.keys(ours(moved)).sort(), ['_fbc', '_fbp', '_pstn'])
    })
  })

test('Postern is asked about pages with click ids alone', { skip: noNginx }, async t => {
  const world = await pathWorld(t)
  const others: [path: string, given: Parameters<typeof visit>[2]][] = [
    ['/offer', {}],
    ['/offer?utm_source=ad', {}],
    ['/offer?q=gclid', {}],
    ['/offer?gclid=', {}],
    ['/offer?mygclid=abcdef', {}],
    ['/gclid=abcdef', {}],
    [landing, { method: 'POST', body: 'a=b' }],
    [landing, { method: 'HEAD' }],
    [landing, { headers: { 'sec-fetch-dest': 'image' } }],
    [landing, { headers: { 'sec-fetch-dest': 'iframe' } }]
  ]
  for (const [path, given] of others) t.equal((await world.open(path, given)).status, 200, path)
  t.equal(await world.questions(), 0)
  t.equal(world.owner.asked.length, others.length)
  for (const path of ['/offer?a=b&GCLID=abcdef', '/?fbclid=abcdef', '/x?ScCid=abcdef#top']) await world.open(path)
  t.equal(await world.questions(), 3)
  await world.open(landing, { headers: { 'sec-fetch-dest': 'document' } })
  t.equal(await world.questions(), 4)
})

test('what a visitor says of himself is not believed, and nothing of his address is logged', { skip: noNginx },
  async t => {
    const world = await pathWorld(t)
    const headers = {
      'x-forwarded-for': '203.0.113.99',
      'x-real-ip': '203.0.113.99',
      forwarded: 'for=203.0.113.99',
      'x-forwarded-host': 'www.example.net',
      'x-forwarded-proto': 'http',
      'x-original-uri': landing,
      'x-postern-page': `https://www.example.net${landing}`,
      'x-postern-proxy': 'none',
      'x-postern-cookie-1': 'a=b',
      'cf-ipcountry': 'US'
    }
    const asked = await world.open('/_p/v1/landing', { headers })
    t.strictSame([asked.status, asked.setCookies, asked.headers['x-postern-cookie-1']], [204, [], undefined])
    const page = await world.open(landing, { headers, from: '127.0.0.7' })
    await isPage(t, page, landing)
    t.same(ours(page), {}, 'still the site that asks first')

    const event = { event_name: 'sign_up', consent: granted }
    const answer = await world.open('/_p/v1/e', {
      method: 'POST',
      body: JSON.stringify(event),
      from: '127.0.0.7',
      headers: { ...headers, origin: 'https://www.example.com', 'content-type': 'text/plain' }
    })
    t.equal(answer.status, 202)
    t.match(answer.setCookies.join('\n'), 'Domain=example.com')
    const [part] = await world.parts()
    t.strictSame([part?.data.client?.ip, part?.data.country], ['127.0.0.7', undefined])
    t.equal((await world.open('/_p/s.js')).status, 200)
    const logs = world.nginx.logs().split('\n').filter(line => !line.startsWith('access.log'))
    t.notMatch(logs.join('\n'), /\?|clid|IwAR/, 'the site\'s own log of accesses is the owner\'s')
  })
