// The script in pages of frameworks and in bad weather, in a real Chromium: routers, React, the ESM entry, lost posts.
import t, { test } from 'tap'
import { build } from 'esbuild'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import type * as client from '../gateway/browser/esm/client.ts'
import { allDenied, allGranted, collectorUrl, noBrowser, openScriptSite, siteUrl, stub, tag, until, type ScriptSite }
  from './script_site.ts'

t.setTimeout(400_000)

const root = (path: string) => fileURLToPath(new URL('../' + path, import.meta.url))
const html = (body = '', script = tag) =>
  `<html><head><title>Home</title>${stub}${script}</head><body>${body}</body></html>`
const grant = (page: Page) => page.evaluate(given => { window.postern?.('consent', given) }, allGranted)
const isRunning = 'typeof postern?.track === "function"'

async function openDesk (
  t: { teardown: (end: () => Promise<void>) => void }, settings?: Parameters<typeof openScriptSite>[0]
): Promise<{ site: ScriptSite, page: Page, go: (path: string) => Promise<void> }> {
  const site = await openScriptSite(settings)
  t.teardown(() => site.close())
  const page = await (await site.open()).newPage()
  return {
    site,
    page,
    go: async path => {
      await page.goto(siteUrl + path)
      await page.waitForFunction(isRunning)
    }
  }
}

/** Bundles a page's own module as its build would. */
async function bundle (contents: string): Promise<string> {
  const { outputFiles: [file] } = await build({
    stdin: { contents, resolveDir: root('.'), loader: 'jsx' },
    bundle: true,
    format: 'iife',
    write: false,
    define: { 'process.env.NODE_ENV': '"production"' },
    alias: { 'postern-browser': root('gateway/browser/dist/client/index.js') }
  })
  return file?.text.replaceAll('</script', '<\\/script') ?? ''
}

for (const api of ['Navigation', 'History']) {
  test(`moves of a router are views, by the ${api} API`, { skip: noBrowser }, async t => {
    const { site, page, go } = await openDesk(t, { consent: 'opt_out' })
    if (api === 'History') await page.addInitScript('Object.defineProperty(window, "navigation", { value: undefined })')
    site.pages.set('/', html())
    await go('/?gclid=Cj0K.CQ~x')
    const views = () => site.events().map(event => `${event.page_location.replace(siteUrl, '')} ${event.page_title}`)
    await until('the landing', () => views().length === 1)
    await page.evaluate('history.replaceState({}, "", "/"); history.pushState({}, "", "/a"); document.title = "A"')
    await until('the move', () => views().length === 2)
    await page.evaluate(`history.pushState({}, "", "/a#part"); history.pushState({}, "", "/a?sort=up")
      history.pushState({}, "", "/login"); history.replaceState({}, "", "/b"); document.title = "B"`)
    await until('the redirect', () => views().length === 3)
    await page.evaluate('new Promise(resolve => { addEventListener("popstate", resolve); history.go(-4) })')
    await until('the way back', () => views().length === 4)
    await page.evaluate(`history.replaceState({}, "", "/?q=1"); history.replaceState({}, "", "/c")
      document.title = "C"`)
    await until('the replaced path', () => views().length === 5)
    t.same(views(), ['/?gclid=Cj0K.CQ~x Home', '/a A', '/b B', '/ B', '/c C'])
    t.equal(site.events()[4]?.page_referrer, siteUrl + '/')
    t.equal(site.events()[1]?.page_referrer, siteUrl + '/?gclid=Cj0K.CQ~x')
    t.same(site.events()[2]?.click_ids, { gclid: 'Cj0K.CQ~x' }, 'the landing\'s click id stays with the page')
    t.equal(new Set(site.events().map(event => event.page_seed)).size, 1)
  })
}

test('a grant on the second page still has the click ids of the first, without any storage', {
  skip: noBrowser
}, async t => {
  const { site, page, go } = await openDesk(t)
  site.pages.set('/landing', html('<a href="/second">on</a>'))
  site.pages.set('/second', html())
  await go('/landing?fbclid=IwAR0a_B-c&gclid=Cj0K.CQ~x')
  await page.click('a')
  await page.waitForURL('**/second')
  await page.waitForFunction(isRunning)
  t.same(await page.context().cookies(), [])
  await grant(page)
  await until('the view', () => site.events().length === 1)
  t.same(site.events()[0]?.click_ids, { fbclid: 'IwAR0a_B-c', gclid: 'Cj0K.CQ~x' })
})

test('before a grant no other cookie, no storage and no property of the device is read', {
  skip: noBrowser
}, async t => {
  const { site, page, go } = await openDesk(t)
  // What is read is written down; the cookie jar may be asked for the consent cookie, once.
  await page.addInitScript(`window.reads = []
    const watch = (of, name) => {
      const { get, set } = Object.getOwnPropertyDescriptor(of, name)
      Object.defineProperty(of, name, { configurable: true, set,
        get () { if (/s\\.js/.test(new Error().stack)) reads.push(name); return get.call(this) } })
    }
    watch(Document.prototype, 'cookie')
    for (const name of ['localStorage', 'sessionStorage', 'indexedDB', 'devicePixelRatio', 'innerWidth', 'screen'])
      watch(window, name)
    for (const name of ['width', 'height', 'colorDepth']) watch(Screen.prototype, name)
    for (const name of ['language', 'languages', 'userAgent', 'platform', 'vendor', 'hardwareConcurrency',
      'deviceMemory', 'maxTouchPoints', 'plugins']) watch(Navigator.prototype, name)`)
  site.pages.set('/', html('<form data-postern-lead action="/thanks" method="post"><button>s</button></form>'))
  await go('/?gclid=Cj0K.CQ~x')
  await page.evaluate('postern.track("search"); dispatchEvent(new Event("pagehide")); postern.privacy()')
  t.same(await page.evaluate('reads'), ['cookie'])
  t.same(site.posts, [])
  t.equal(await page.evaluate('document.cookie + localStorage.length + sessionStorage.length'), '00')
  await grant(page)
  await until('both events', () => site.events().length === 2)
  const after = async () => await page.evaluate<string[]>('reads')
  await until('a look at what was kept', async () => (await after()).includes('localStorage'))
  t.same((await after()).filter(name => name === 'screen' || name === 'userAgent'), [])
})

test('consent mode\'s own state counts: what a tag manager\'s template updates without a command', {
  skip: noBrowser
}, async t => {
  const { site, page, go } = await openDesk(t)
  site.pages.set('/', html(`<script>heard = []
    google_tag_data = { ics: { entries: { ad_storage: { default: true } }, addListener: (keys, on) => heard.push(on) } }
    </script>`))
  await go('/')
  await page.evaluate('window.dataLayer.push({ event: "gtm.load" })')
  t.equal(await page.evaluate('heard.length'), 1)
  t.same(site.posts, [], 'a default is no choice')
  await page.evaluate(`for (const key of ${JSON.stringify(Object.keys(allGranted))})
    google_tag_data.ics.entries[key] = { update: key !== 'ad_personalization' }
    heard[0]()`)
  await until('the view', () => site.events().length === 1)
  t.same(site.events()[0]?.consent, { ...allGranted, ad_personalization: 'denied' })
})

test('the ESM entry queues, answers ids at once and loads the script once; on a server it does nothing', {
  skip: noBrowser
}, async t => {
  const { site, page } = await openDesk(t)
  const app = await bundle(`import { load, track, consent, privacy, onEvent } from 'postern-browser'
    window.heard = []
    window.stop = onEvent(event => heard.push(event.event_name + ' ' + event.event_id))
    window.first = track('CompletePayment', { transaction_id: 7, value: 5, currency: 'EUR' })
    window.early = privacy()
    load({ src: '${collectorUrl}/s.js', nonce: 'n0', data: { pageView: 'off' } })
    load({ src: '${collectorUrl}/s.js' })
    consent(${JSON.stringify(allGranted)})
    window.api = { track, privacy }`)
  site.pages.set('/app', {
    html: `<html><head><title>App</title></head><body><script nonce="n0">${app}</script></body></html>`,
    headers: { 'content-security-policy': `script-src 'nonce-n0'; connect-src ${collectorUrl}; base-uri 'none'` }
  })
  await page.goto(siteUrl + '/app')
  t.equal(await page.evaluate('first.event_id'), 'purchase.7')
  await page.waitForFunction(isRunning)
  t.equal(await page.evaluate('document.querySelectorAll("script[src]").length'), 1)
  t.equal(await page.evaluate('early'), undefined)
  t.same(await page.evaluate('api.privacy()'), { gpc: false, honored: false })
  const { event_id: id } = await page.evaluate<{ event_id: string }>('api.track("sign_up")')
  await until('both events', () => site.events().length === 2)
  t.match(site.events(), [{ event_name: 'CompletePayment', event_id: 'purchase.7', value: 5 }, { event_id: id }])
  t.same(await page.evaluate('heard'), ['CompletePayment purchase.7', `sign_up ${id}`])

  const onServer = await import(root('gateway/browser/dist/client/index.js')) as typeof client
  t.equal(onServer.track('purchase', { transaction_id: 7 }).event_id, 'purchase.7')
  t.equal(onServer.privacy(), undefined)
  t.doesNotThrow(() => { onServer.load({ src: '/s.js' }); onServer.consent({}); onServer.onEvent(() => undefined)() })
})

test('a form that React controls and submits by fetch keeps its state, and the lead has what was typed', {
  skip: noBrowser
}, async t => {
  const { site, page, go } = await openDesk(t)
  const app = await bundle(`import React, { useState } from 'react'
    import { createRoot } from 'react-dom/client'
    function Form () {
      const [email, setEmail] = useState('')
      const [renders, setRenders] = useState(0)
      window.state = { email, renders }
      return <form data-postern-lead="fetch" id="react-form" onSubmit={event => {
        event.preventDefault()
        const posted = Object.fromEntries(new FormData(event.target))
        fetch('/api/contact', { method: 'POST', body: JSON.stringify({ email, id: posted.postern_event_id }) })
        setRenders(renders + 1)
      }}>
        <input name="field_7" data-postern-field="email" value={email} onChange={e => setEmail(e.target.value)} />
        <button>send {renders}</button>
      </form>
    }
    createRoot(document.getElementById('root')).render(<Form />)`)
  const problems: string[] = []
  page.on('pageerror', error => problems.push(error.message))
  // The site has no icon.
  page.on('console', message => {
    if (message.type() === 'error' && !message.text().includes('404')) problems.push(message.text())
  })
  site.pages.set('/react', html(`<div id="root"></div><script>${app}</script>`))
  await go('/react')
  await grant(page)
  await page.fill('[name=field_7]', 'a@example.com')
  await page.click('button')
  const leads = () => site.posts.filter(post => post.path === '/v1/leads')
    .map(post => Object.fromEntries(new URLSearchParams(post.body)))
  const own = () => site.posts.filter(post => post.path === '/api/contact')
    .map(post => JSON.parse(post.body) as { email: string, id: string })
  await until('the lead and the page\'s own post', () => leads().length === 1 && own().length === 1)
  t.match(leads()[0], { email: 'a@example.com', postern_event_id: own()[0]?.id })
  t.notOk('field_7' in (leads()[0] ?? {}), 'the answer goes under its mapped name')
  t.equal(own()[0]?.email, 'a@example.com')
  t.same(await page.evaluate('state'), { email: 'a@example.com', renders: 1 })
  await page.fill('[name=field_7]', 'b@example.com')
  await page.click('button')
  await until('the second lead', () => leads().length === 2)
  t.equal(leads()[1]?.email, 'b@example.com')
  t.same(problems, [])
})

test('what could not be sent is kept with consent, goes with the next page, and once', { skip: noBrowser }, async t => {
  const { site, page, go } = await openDesk(t)
  for (const path of ['/one', '/two']) site.pages.set(path, html())
  await go('/one?gclid=Cj0K.CQ~x')
  site.collector = 'is unavailable'
  await grant(page)
  await until('the refused view', () => site.events().length > 0)
  await page.waitForFunction('localStorage.length === 1')
  const [refused] = site.events()
  const tries = site.posts.length
  site.collector = 'answers'
  await go('/two')
  const received = () => site.posts.slice(tries).filter(post => post.path === '/v1/e')
    .flatMap(post => (JSON.parse(post.body) as { events: Array<{ event_id: string, page_location: string }> }).events)
  await until('both views', () => new Set(received().map(event => event.event_id)).size === 2)
  t.equal(received().find(event => event.event_id === refused?.event_id)?.page_location, refused?.page_location)
  t.match(received().find(event => event.event_id === refused?.event_id),
    { click_ids: { gclid: 'Cj0K.CQ~x' }, page_seed: refused?.page_seed }, 'as it was on its own page')
  await page.waitForFunction('localStorage.length === 0')
  await page.evaluate(given => { window.postern?.('consent', given) }, allDenied)
  t.equal(await page.evaluate('localStorage.length'), 0)
})

test('more than a leaving page may send arrives all the same: the rest with the next page', {
  skip: noBrowser
}, async t => {
  const { site, page, go } = await openDesk(t, { consent: 'opt_out' })
  for (const path of ['/big', '/after']) site.pages.set(path, html())
  await go('/big')
  await until('the view', () => site.events().length === 1)
  await page.evaluate(`addEventListener('pagehide', () => {
      for (let at = 0; at < 40; at++) postern.track('bulk', { at, text: 'x'.repeat(3000) })
    })
    location.href = '/after'`)
  await page.waitForURL('**/after')
  const bulk = () => site.events().filter(event => event.event_name === 'bulk')
  await until('all 40', () => new Set(bulk().map(event => event.event_id)).size === 40)
  t.equal(bulk().length, 40, 'none of them twice')
})

test('a collector that never answers for the script, or is not there, leaves the page as it is', {
  skip: noBrowser
}, async t => {
  const { site, page } = await openDesk(t)
  const problems: string[] = []
  page.on('pageerror', error => problems.push(error.message))
  const form = '<form data-postern-lead action="/thanks" method="post"><button>s</button></form>'
  const calls = '<script>postern("track", "search"); postern("consent", { ad_storage: "granted" })</script>'
  for (const [path, src] of [['/hangs', `${collectorUrl}/hang.js`], ['/gone', 'https://gone.example.com:1/s.js']]) {
    site.pages.set(path ?? '', html(calls + form, `<script async src="${src}"></script>`))
    await page.goto(siteUrl + path, { waitUntil: 'commit' })
    await page.click('button')
    await page.waitForURL('**/thanks')
  }
  t.equal(site.posts.filter(post => post.path === '/thanks').length, 2)
  t.same(problems, [])
})
