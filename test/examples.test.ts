// The examples of docs/script.md do what they say: the plain page in a browser, the others as their builds take them.
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

test('the modules of Astro and Next find everything that they import', async t => {
  const [, astro = ''] = /<script>\n([\s\S]*?)<\/script>/.exec(read('examples/astro/postern.astro')) ?? []
  for (const [contents, loader] of [[astro, 'ts'], [read('examples/next/postern.tsx'), 'tsx']] as const) {
    const { errors, warnings } = await build({
      stdin: { contents, loader, resolveDir: root('.') },
      bundle: true,
      write: false,
      format: 'esm',
      jsx: 'automatic',
      external: ['react', 'react/jsx-runtime'],
      alias: { 'postern-browser': root('gateway/browser/dist/client/index.js') },
      logLevel: 'silent'
    })
    t.same([...errors, ...warnings], [])
  }
})

test('the attributes and names that the examples use are the script\'s', async t => {
  const script = read('gateway/browser/dist/s.js')
  for (const name of ['posternLead', 'postern_event_id', 'postern:event', 'v1/leads']) t.match(script, name)
  t.match(read('examples/wordpress/postern.php'), /'data-postern-lead' => 'fetch'/)
})
