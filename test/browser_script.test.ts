// The script in a real Chromium: consent, cookies, delivery, prerendering and the back/forward cache.
import t, { test } from 'tap'
import type { BrowserContext, Page } from 'playwright-core'
import { parseConsentCookie } from '../schema/consent_cookie.ts'
import { allDenied, allGranted, collectorUrl, noBrowser, openScriptSite, siteUrl, stub, tag, until, type ScriptSite }
  from './script_site.ts'

t.setTimeout(400_000)

const landing = '/offer?utm_source=ad&fbclid=IwAR0a_B-c&gclid=Cj0K.CQ~x&TTCLID=E.C.P%2Babc'
const html = (body = '') => `<html><head><title>Offer</title>${stub}${tag}</head><body>${body}</body></html>`

/** A site with a browser, both ended after the test. */
async function openSite (
  t: { teardown: (end: () => Promise<void>) => void }, settings?: Parameters<typeof openScriptSite>[0]
): Promise<{ site: ScriptSite, context: BrowserContext }> {
  const site = await openScriptSite(settings)
  t.teardown(() => site.close())
  for (const path of ['/offer', '/next']) site.pages.set(path, html())
  return { site, context: await site.open() }
}

/** Opens a page and waits until the script has taken the stub's place. */
async function visit (context: BrowserContext, path: string) {
  const page = await context.newPage()
  await page.goto(siteUrl + path)
  await page.waitForFunction('typeof postern.track === "function"')
  return page
}

const give = (page: Page, choice: Record<string, string>) =>
  page.evaluate(given => { window.postern?.('consent', given) }, choice)
const trackIn = (page: Page, name: string, params = {}) =>
  page.evaluate(([of, given]) => window.postern?.track?.(of, given), [name, params] as const)
const jarOf = async (context: BrowserContext) =>
  Object.fromEntries((await context.cookies()).map(cookie => [cookie.name, cookie]))

test('before a grant nothing is stored or sent; the grant sends what waited, and the next page remembers', {
  skip: noBrowser
}, async t => {
  const { site, context } = await openSite(t)
  const page = await visit(context, landing)
  const startedMs = Date.now()
  await page.evaluate('history.replaceState(null, "", "/offer")')
  const cartId = (await trackIn(page, 'add_to_cart', { value: 5, currency: 'EUR' }))?.event_id
  await page.evaluate('document.dispatchEvent(new Event("visibilitychange", { bubbles: true }))')
  t.same(await context.cookies(), [])
  t.equal(await page.evaluate('localStorage.length + sessionStorage.length'), 0)
  t.same(site.posts, [])

  await give(page, allGranted)
  // Synchronously, so that pixels which run now find them.
  t.match(await page.evaluate('document.cookie'), /_fbp=.*_fbc=|_fbc=.*_fbp=/)
  await until('both events and the choice', () => site.events().length === 2 && site.told().length === 1)
  t.same(site.told(), [{ consent: allGranted, page_seed: site.events()[0]?.page_seed }])
  for (const { type } of site.posts) t.match(type, /^text\/plain/, 'which needs no preflight')
  const [view, cart] = site.events()
  t.match(view, { event_name: 'page_view', page_location: siteUrl + landing, page_title: 'Offer', gpc: false })
  t.match(view, { consent: allGranted, browser_tags: { meta: 'absent' } })
  t.notOk(view?.cookies, 'the browser sends them along by itself')
  t.same(view?.click_ids, { fbclid: 'IwAR0a_B-c', gclid: 'Cj0K.CQ~x', ttclid: 'E.C.P%2Babc' })
  t.match(view?.event_id, /^e\d/)
  t.match(cart, { event_name: 'add_to_cart', event_id: cartId, value: 5, currency: 'EUR', click_ids: view?.click_ids })
  t.equal(cart?.page_location, siteUrl + '/offer')
  t.equal(cart?.page_seed, view?.page_seed)

  const jar = await jarOf(context)
  const [seenMs = '', random] = String(view?.page_seed).split('.')
  t.ok(Math.abs(Number(seenMs) - startedMs) < 60_000)
  t.equal(jar._fbc?.value, `fb.1.${seenMs}.IwAR0a_B-c`)
  t.equal(jar._fbp?.value, `fb.1.${seenMs}.${random}`)
  const sent = site.posts.find(post => post.path === '/v1/e')?.cookie
  t.match(sent, `_fbc=${jar._fbc?.value}`)
  t.match(sent, `_fbp=${jar._fbp?.value}`)
  t.same(parseConsentCookie(jar._pstn_c?.value ?? '')?.consent, allGranted)
  for (const [name, days] of [['_fbc', 90], ['_fbp', 90], ['_pstn_c', 180]] as const) {
    t.match(jar[name], { domain: '.example.com', path: '/', secure: true, sameSite: 'Lax', httpOnly: false })
    t.ok(Math.abs((jar[name]?.expires ?? 0) - Date.now() / 1000 - days * 86_400) < 60, name)
  }

  const second = await visit(context, '/next?fbclid=IwAR0a_B-c')
  await until('the view of the next page', () => site.events().length === 3)
  t.match(site.events()[2], { event_name: 'page_view', consent: allGranted })
  t.not(site.events()[2]?.page_seed, view?.page_seed)
  await give(second, allGranted)
  const later = await jarOf(context)
  for (const name of ['_fbc', '_fbp', '_pstn_c']) {
    t.equal(later[name]?.value, jar[name]?.value, `${name} is not made anew`)
  }
})

test('a revoke empties the queue, deletes our cookies, and nothing more goes', { skip: noBrowser }, async t => {
  const { site, context } = await openSite(t)
  const page = await visit(context, landing)
  await give(page, allGranted)
  await until('the view', () => site.events().length === 1)
  site.collector = 'is unavailable'
  await trackIn(page, 'search')
  await until('the refused search', () => site.events().length === 2)
  await page.evaluate(choice => {
    window.postern?.('consent', choice)
    window.postern?.('track', 'contact')
  }, allDenied)
  t.same((await context.cookies()).map(cookie => cookie.name), ['_pstn_c'], 'the denial, until the gateway knows')
  site.collector = 'answers'
  await page.goto(siteUrl + '/next')
  await until('the gateway to know', async () => (await context.cookies()).length === 0)
  t.same(site.told().at(-1)?.consent, allDenied)
  await page.goto(siteUrl + '/next')
  await page.waitForFunction('typeof postern.track === "function"')
  await page.evaluate('dispatchEvent(new Event("pagehide"))')
  // An event that is sent later and arrives shows that nothing else was on its way.
  await give(page, allGranted)
  await until('the view of the next page', () => site.events().length === 3)
  t.same(site.events().map(event => event.event_name), ['page_view', 'search', 'page_view'])
})

test('where silence is a yes, events go at once and a refusal is remembered', { skip: noBrowser }, async t => {
  const { site, context } = await openSite(t, { consent: 'opt_out' })
  const page = await visit(context, landing)
  await until('the view', () => site.events().length === 1)
  t.same(site.events()[0]?.consent, {})
  t.match(await jarOf(context), { _fbp: {}, _fbc: {} })
  await give(page, allDenied)
  t.same(Object.keys(await jarOf(context)), ['_pstn_c'])
  await until('the gateway to know', () => site.told().length === 1)
  const next = await visit(context, '/next')
  await trackIn(next, 'search')
  await give(next, { analytics_storage: 'granted' })
  await trackIn(next, 'contact')
  await until('the contact', () => site.events().length === 2)
  t.equal(site.told().length, 2, 'a known denial is not told again by every page')
  t.match(site.events()[1], { event_name: 'contact', consent: { ad_storage: 'denied', analytics_storage: 'granted' } })
  t.notOk(site.events()[1]?.click_ids)
})

test('GPC is visible, and no ad id is written or sent', { skip: noBrowser }, async t => {
  const { site, context } = await openSite(t)
  await context.addInitScript('Object.defineProperty(navigator, "globalPrivacyControl", { value: true })')
  const page = await visit(context, landing)
  t.same(await page.evaluate('postern("privacy")'), { gpc: true, honored: true })
  await give(page, allGranted)
  await until('the view', () => site.events().length === 1)
  t.match(site.events()[0], { gpc: true, consent: allGranted })
  t.notOk(site.events()[0]?.click_ids)
  t.notOk((await jarOf(context))._fbc)
})

test('clicks, submits, navigations, closing tabs: each event arrives once, in order', { skip: noBrowser }, async t => {
  const { site, context } = await openSite(t)
  const body = `<button onclick="postern.track('click', { n: ++clicks })">b</button><a href="/next">n</a>
    <form action="/thanks" method="post" onsubmit="postern.track('submitted')"><button id="send">s</button></form>
    <script>let clicks = 0; addEventListener('pagehide', () => postern.track('left'))
      document.querySelector('a').onclick = () => { postern.track('navigated') }</script>`
  site.pages.set('/busy', html(body))
  const first = await visit(context, '/offer')
  await give(first, allGranted)
  for (let round = 0; round < 3; round++) {
    const page = await visit(context, '/busy')
    for (let click = 0; click < 10; click++) await page.click('button:text("b")')
    await (round === 0 ? page.click('#send') : round === 1 ? page.click('a') : Promise.resolve())
    if (round < 2) await page.waitForURL(round === 0 ? '**/thanks' : '**/next')
    await page.close({ runBeforeUnload: true })
  }
  const counts = () => Object.entries(Object.groupBy(site.events(), event => event.event_name))
    .map(([name, of]) => `${name} ${of?.length}`).sort().join()
  const expected = ['page_view 5', 'click 30', 'submitted 1', 'navigated 1', 'left 3'].sort().join()
  await until(`${expected}, not ${counts()}`, () => counts() === expected)
  t.equal(new Set(site.events().map(event => event.event_id)).size, site.events().length)
  const clicks = site.events().filter(event => event.event_name === 'click').map(event => event.n)
  t.same(clicks, [0, 1, 2].flatMap(() => Array.from({ length: 10 }, (_, at) => at + 1)))
})

test('a page that loads the script twice reports once', { skip: noBrowser }, async t => {
  const { site, context } = await openSite(t)
  site.pages.set('/twice', html(`${tag}${tag}<script>postern('track', 'from_stub'); postern('consent', {
    ad_storage: 'granted' })</script>${tag}`))
  const page = await visit(context, '/twice')
  await page.waitForLoadState('load')
  await trackIn(page, 'last')
  await until('the last', () => site.events().some(event => event.event_name === 'last'))
  t.same(site.events().map(event => event.event_name), ['page_view', 'from_stub', 'last'])
})

test('consent mode in the dataLayer counts, and the page\'s tags hear of every id', { skip: noBrowser }, async t => {
  const { site, context } = await openSite(t)
  const gtag = '<script>dataLayer=[];function gtag(){dataLayer.push(arguments)};window.fbq=function(){}</script>'
  site.pages.set('/tags', html(`${gtag}<script>gtag('consent', 'default', ${JSON.stringify(allGranted)})
    heard = []; document.addEventListener('postern:event', event => heard.push(event.detail))</script>`))
  const page = await visit(context, '/tags?fbclid=IwAR0a_B-c')
  const id = (await trackIn(page, 'Purchase', { transaction_id: '1042', value: 9 }))?.event_id
  t.equal(id, 'purchase.1042')
  t.same(site.posts, [], 'a default of the site is no choice of the visitor')
  await page.evaluate(`gtag('consent', 'update', ${JSON.stringify(allGranted)})`)
  await until('both events', () => site.events().length === 2)
  t.match(site.events()[1], { event_name: 'Purchase', event_id: id, browser_tags: { meta: 'unknown' } })
  t.same(Object.keys(await jarOf(context)), ['_pstn_c'], 'the page has Meta\'s pixel: its cookies are its own')
  t.match(await page.evaluate('heard.at(-1)'), { event_name: 'Purchase', event_id: id, params: { value: 9 } })
  t.match(await page.evaluate('dataLayer.find(entry => entry.event === "postern.Purchase")'), { event_id: id })
})

test('under a strict Content Security Policy all of it works, without a violation', { skip: noBrowser }, async t => {
  const { site, context } = await openSite(t)
  const policy = `default-src 'none'; script-src 'nonce-n0' ${collectorUrl}; connect-src ${collectorUrl};` +
    " form-action 'self'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
  site.pages.set('/strict', {
    html: `<title>x</title><script nonce="n0">addEventListener('securitypolicyviolation', event =>
      console.error(event.violatedDirective))</script>${tag}<form data-postern-lead action="/thanks" method="post">
      <button>s</button></form>`,
    headers: { 'content-security-policy': policy }
  })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', message => {
    // The form leads to a page that is not there: the browser remarks on that when it is quick enough.
    if (!message.text().includes('status of 404')) complaints.push(message.text())
  })
  await page.goto(siteUrl + '/strict')
  await page.waitForFunction(() => window.postern?.track !== undefined)
  await give(page, allGranted)
  await until('the view', () => site.events().length === 1)
  await page.click('button')
  await until('the lead', () => site.events().length === 2)
  t.same(complaints, [])
})

test('a prerendered page reports when it is seen, and a page from the back/forward cache again', {
  skip: noBrowser
}, async t => {
  const site = await openScriptSite({ consent: 'opt_out' })
  t.teardown(() => site.close())
  // No debugger may be attached, so the pages themselves go on when the server says so, and tell it how far they are.
  // One question at a time: a page with a request in flight does not go into the cache.
  const onState = (state: string, act: string) => `<script>(async function ask () {
    if (!document.prerendering && (await (await fetch('/state')).text()).endsWith('${state}')) ${act}
    else setTimeout(ask, 20)
  })()</script>`
  const rules = '<script type="speculationrules">{"prerender":[{"urls":["/ahead"],"eagerness":"immediate"}]}</script>'
  site.pages.set('/state', 'wait')
  site.pages.set('/start', html(rules + onState('forth', 'location.href = "/ahead"')))
  site.pages.set('/ahead', html(`${onState('back', 'history.back()')}<script>const ahead = setInterval(() => {
    if (!window.postern.v) return
    clearInterval(ahead)
    fetch(document.prerendering ? '/ran-ahead' : '/ran-late')
  }, 5)</script>`))
  site.openAlone('/start')
  await until('the first view', () => site.events().length === 1)
  await until('the script to run in the second page', () => site.gets.some(get => get.startsWith('/ran-')))
  t.notOk(site.gets.some(get => get.startsWith('/ran-late')), 'the page was prerendered')
  const goneMs = Date.now()
  site.pages.set('/state', 'forth')
  await until('the second view', () => site.events().length === 2)
  t.match(site.events()[1], { event_name: 'page_view', page_location: siteUrl + '/ahead' })
  t.ok(Number(site.events()[1]?.page_seed.split('.')[0]) >= goneMs, 'it began when it was seen')
  site.pages.set('/state', 'back')
  await until('the view from the cache', () => site.events().length === 3)
  const [first, , again] = site.events()
  t.match(again, { event_name: 'page_view', page_location: siteUrl + '/start', page_seed: first?.page_seed })
  t.not(again?.event_id, first?.event_id)
})
