// Tests of how a site's settings come into the script, and of the committed bundle.
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'tap'
import { embedSite, sitePlaceholder, type PublicSite } from './public_site.ts'

const run = promisify(execFile)
const root = (path: string) => fileURLToPath(new URL('../../' + path, import.meta.url))

const site: PublicSite =
  { consent: 'opt_in', gpc: 'drop', cookie_domain: 'example.com', consent_cookie: '_pstn_c', consent_days: 180 }

test('the committed script is what its source makes, and within its bar', async t => {
  const { stdout } = await run(process.execPath, [root('scripts/build_script.mjs'), '--check'])
  t.match(stdout, /^s\.js: \d+ bytes, \d+ gzip, \d+ brotli/)
  const committed = await readFile(root('gateway/browser/dist/s.js'), 'utf8')
  t.equal(committed.split(sitePlaceholder).length, 2)
  t.notMatch(committed, /\beval\b|new Function|innerHTML|document\.write|localStorage|sessionStorage|beforeunload/)
})

test('the settings replace the placeholder as JSON that is safe inside a script', async t => {
  const served = embedSite('run("__POSTERN_SITE__")', { ...site, consent_cookie: '</script>$&\u2028' })
  t.notMatch(served, /<|\u2028|__POSTERN_SITE__/)
  t.same(JSON.parse(served.slice(4, -1)), { ...site, consent_cookie: '</script>$&\u2028' })
})

test('only a name with a dot becomes the domain of cookies', async t => {
  const cases = [['example.com', 'example.com'], ['localhost', ''], ['127.0.0.1', ''], ['[::1]', ''], ['', '']]
  for (const [given, embedded] of cases) {
    const served = embedSite('"__POSTERN_SITE__"', { ...site, cookie_domain: given ?? '' })
    t.equal((JSON.parse(served) as PublicSite).cookie_domain, embedded)
  }
})

test('a file without the placeholder is refused', async t => {
  t.throws(() => embedSite('console.log(1)', site), /no "__POSTERN_SITE__"/)
})
