// Tests of how a site's settings come into the script, and of the committed bundle.
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'tap'
import { embedSite, modulesPlaceholder, sitePlaceholder, toEmbedded, type PublicSite } from './public_site.ts'

const run = promisify(execFile)
const root = (path: string) => fileURLToPath(new URL('../../' + path, import.meta.url))

const site: PublicSite = {
  consent: 'opt_in',
  gpc: 'drop',
  cookie_domain: 'example.com',
  secure: true,
  consent_cookie: '_pstn_c',
  consent_days: 180
}
const placeholders = `run(${sitePlaceholder},[${modulesPlaceholder}])`

test('the committed script is what its source makes, and within its bar', async t => {
  const { stdout } = await run(process.execPath, [root('scripts/build_script.mjs'), '--check'])
  t.match(stdout, /^s\.js: \d+ bytes, \d+ gzip, \d+ brotli/)
  const committed = await readFile(root('gateway/browser/dist/s.js'), 'utf8')
  for (const place of [sitePlaceholder, modulesPlaceholder]) t.equal(committed.split(place).length, 2, place)
  t.notMatch(committed, /\beval\b|new Function|innerHTML|document\.write|sessionStorage|beforeunload|indexedDB/)
})

test('the settings replace the placeholder as JSON that is safe inside a script', async t => {
  const served = embedSite(placeholders, { ...site, consent_cookie: '</script>$&\u2028' })
  t.notMatch(served, /<|\u2028|__POSTERN/)
  t.same(JSON.parse(served.slice(4, -4)), toEmbedded({ ...site, consent_cookie: '</script>$&\u2028' }))
})

test('what the script reads says the same as the settings', async t => {
  t.same(toEmbedded(site), ['', 1, ';Path=/;SameSite=Lax;Domain=example.com;Secure', '_pstn_c', 15_552_000, 'fb.1.'])
  t.same(toEmbedded({ ...site, consent: 'opt_out', gpc: 'limit', secure: false, cookie_domain: 'example.co.uk' }),
    ['1', 0, ';Path=/;SameSite=Lax;Domain=example.co.uk', '_pstn_c', 15_552_000, 'fb.2.'])
  t.equal(toEmbedded({ ...site, gpc: 'respect_later_opt_in' })[1], 2)
})

test('only a name with a dot becomes the domain of cookies', async t => {
  const cases = [['example.com', ';Domain=example.com', 'fb.1.'], ['localhost', '', 'fb.0.'],
    ['127.0.0.1', '', 'fb.0.'], ['[::1]', '', 'fb.0.'], ['', '', 'fb.0.']] as const
  for (const [given, domain, prefix] of cases) {
    const [, , attributes, , , metaPrefix] = toEmbedded({ ...site, cookie_domain: given })
    t.equal(attributes, `;Path=/;SameSite=Lax${domain};Secure`)
    t.equal(metaPrefix, prefix)
  }
})

test('modules become a list of functions, in their order', async t => {
  const served = embedSite(placeholders, site, ['(p,o)=>{a}', '(p,o)=>{b$&}'])
  t.match(served, ',[(p,o)=>{a},(p,o)=>{b$&}])')
})

test('a file without a placeholder is refused', async t => {
  t.throws(() => embedSite('console.log(1)', site), /no "__POSTERN_SITE__"/)
  t.throws(() => embedSite(sitePlaceholder, site), /no "__POSTERN_MODULES__"/)
})
