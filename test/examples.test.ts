// The examples of docs/script.md do what they say, each in a browser: as its build bundles it, or its PHP prints it.
import t, { test } from 'tap'
import { build } from 'esbuild'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { collectorUrl, noBrowser, openScriptSite, siteUrl, until } from './script_site.ts'

t.setTimeout(400_000)

const root = (path: string) => fileURLToPath(new URL('../' + path, import.meta.url))
const read = (path: string) => readFileSync(root(path), 'utf8')

test('the plain page: a choice, a lead by its form, and the pixel under the same id', { skip: noBrowser }, async t => {
  const site = await openScriptSite()
  t.teardown(() => site.close())
  site.pages.set('/offer', read('examples/plain.html'))
  const page = await (await site.open()).newPage()
  await page.goto(siteUrl + '/offer?gclid=Cj0K.CQ~x')
  await page.waitForFunction('typeof postern.track === "function"')
  await page.evaluate('sent = []; fbq = (...call) => sessionStorage.setItem("sent", JSON.stringify(call))')
  await page.click('[data-choice=granted]')
  await until('the view', () => site.events().length === 1)
  await page.fill('[name=email]', 'a@example.com')
  await page.click('text=Send')
  await page.waitForURL(collectorUrl + '/v1/leads')
  const lead = Object.fromEntries(new URLSearchParams(site.posts.find(post => post.path === '/v1/leads')?.body))
  t.match(lead,
    { email: 'a@example.com', postern_trap: '', postern_click_gclid: 'Cj0K.CQ~x', postern_elapsed: /^\d+$/ })
  await page.goto(siteUrl + '/offer')
  t.same(await page.evaluate('JSON.parse(sessionStorage.getItem("sent"))'),
    ['track', 'Lead', {}, { eventID: lead.postern_event_id }])
})

/** Bundles a page's own module as its build would, for a script element. */
async function bundle (contents: string, loader: 'ts' | 'tsx'): Promise<string> {
  const { outputFiles: [file], errors, warnings } = await build({
    stdin: { contents, loader, resolveDir: root('.') },
    bundle: true,
    write: false,
    format: 'iife',
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': '"production"' },
    alias: { 'postern-browser': root('gateway/browser/dist/client/index.js') },
    logLevel: 'silent'
  })
  if (file === undefined || errors.length + warnings.length > 0) throw new Error(JSON.stringify([errors, warnings]))
  return file.text.replaceAll('</script', '<\\/script')
}

test('the Astro component: its tag loads the script, and its module hands each lead\'s id to the pixel', {
  skip: noBrowser
}, async t => {
  const text = read('examples/astro/postern.astro')
  const [, tag = ''] = /^(<script is:inline.*)$/m.exec(text) ?? []
  const [, module = ''] = /<script>\n([\s\S]*?)<\/script>/.exec(text) ?? []
  const site = await openScriptSite({ consent: 'opt_out' })
  t.teardown(() => site.close())
  // As Astro renders it: without its own words, and an attribute that is undefined is left out.
  const rendered = tag.replace(' is:inline', '').replace('src={src}', `src="${collectorUrl}/s.js"`)
    .replace(/ \w+=\{[^}]*\}/g, '')
  site.pages.set('/', `<head>${rendered}</head><script>sent = []; fbq = (...call) => sent.push(call)</script>
    <script>${await bundle(module, 'ts')}</script>`)
  const page = await (await site.open()).newPage()
  await page.goto(siteUrl + '/')
  await page.waitForFunction('typeof postern?.track === "function"')
  const { event_id: id } = await page.evaluate<{ event_id: string }>('postern.track("generate_lead")')
  t.same(await page.evaluate('sent'), [['track', 'Lead', {}, { eventID: id }]])
  await until('the lead', () => site.events().some(event => event.event_id === id))
})

test('the Next components: the script loads, the banner chooses, the form\'s route and the event have one id', {
  skip: noBrowser
}, async t => {
  const site = await openScriptSite()
  t.teardown(() => site.close())
  const app = await bundle(`${read('examples/next/postern.tsx').replace("'use client'", '')}
    import { StrictMode } from 'react'
    import { createRoot } from 'react-dom/client'
    createRoot(document.getElementById('root')!).render(
      <StrictMode><Postern src='${collectorUrl}/s.js' /><Callback />
        <button id='yes' onClick={() => choose('granted')}>yes</button></StrictMode>)`, 'tsx')
  site.pages.set('/app', `<head></head><body><div id="root"></div><script>${app}</script></body>`)
  const page = await (await site.open()).newPage()
  await page.goto(siteUrl + '/app')
  await page.waitForFunction('typeof window.postern?.track === "function"')
  t.equal(await page.evaluate('document.querySelectorAll("script[src]").length'), 1, 'once, also in strict mode')
  await page.fill('[name=phone]', '+49 30 901820')
  await page.click('text=Call me')
  const routed = () => site.posts.find(post => post.path === '/api/callback')?.body
  await until('the route to have it', () => routed() !== undefined)
  t.same(site.events(), [], 'no grant yet')
  await page.click('#yes')
  await until('the events', () => site.events().length === 2)
  const contact = site.events().find(event => event.event_name === 'contact')
  t.match(contact, { form_id: 'callback', consent: { ad_storage: 'granted' } })
  t.same(JSON.parse(routed() ?? ''), { phone: '+49 30 901820', event_id: contact?.event_id })
})

/** What the plugin's PHP puts between the quotes and into its calls; it needs no more of PHP than that. */
test('the WordPress plugin: what it prints runs, a marked form is a lead, an order has its webhook\'s id', {
  skip: noBrowser
}, async t => {
  const php = read('examples/wordpress/postern.php')
  const [, stub = ''] = /\$stub = '(.*)';/.exec(php) ?? []
  const [, base = ''] = /const POSTERN_BASE = '(.*)';/.exec(php) ?? []
  const [, file = ''] = /'src' => POSTERN_BASE \. '(.*)'/.exec(php) ?? []
  const [, attribute = '', mode = ''] = /'(data-[\w-]+)' => '(\w+)'/.exec(php) ?? []
  const [, order = ''] = /wp_print_inline_script_tag\("(postern.*)"\);/.exec(php) ?? []
  const site = await openScriptSite({ consent: 'opt_out' })
  t.teardown(() => site.close())
  const purchase = JSON.stringify({ transaction_id: '1042', value: 19.9, currency: 'EUR' })
  site.pages.set('/', `<head><script>${stub}</script><script async src="${base}${file}"></script></head>
    <form class="wpcf7-form" ${attribute}="${mode}" method="post" action="/">
    <input name="your-email" value="a@example.com"><button>s</button></form>
    <script>${order.replace('{$purchase}', purchase)}
    document.forms[0].addEventListener('submit', event => event.preventDefault())</script>`)
  const page = await (await site.open()).newPage()
  await page.goto(siteUrl + '/')
  await until('the order', () => site.events().length === 2)
  t.match(site.events(), [{ event_name: 'page_view' },
    { event_name: 'purchase', event_id: 'purchase.1042', value: 19.9, currency: 'EUR' }])
  await page.click('button')
  await until('the lead', () => site.posts.some(post => post.path === '/v1/leads'))
  t.match(site.posts.find(post => post.path === '/v1/leads')?.body, /your-email=a%40example\.com/)
})
