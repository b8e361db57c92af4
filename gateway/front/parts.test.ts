// The rules of the site in front: what may be cached, which policy lets the script in, which headers and cookies pass.
import { test } from 'tap'
import { toVisitor, withoutCookies, type Headers } from './headers.ts'
import { readPolicies } from './policy.ts'
import { isShared, privately } from './sharing.ts'
import { isPage, markEtag, unmarkEtags } from './tag.ts'
import { openSites } from '../site.ts'
import { site as plain } from '../../test/gateway_world.ts'

const nowMs = Date.UTC(2026, 10, 23)

test('a response that a shared cache gave or may keep is known', async t => {
  const responses: [shared: boolean, headers: Headers][] = [
    [false, {}],
    [false, { 'cache-control': 'no-store' }],
    [false, { 'cache-control': 'private, max-age=600' }],
    [false, { 'cache-control': 'max-age=0' }],
    [false, { 'cache-control': 'no-cache', expires: 'Mon, 23 Nov 2027 00:00:00 GMT' }],
    [false, { expires: 'Mon, 23 Nov 2020 00:00:00 GMT' }],
    [false, { expires: '0' }],
    [false, { 'last-modified': 'Mon, 23 Nov 2020 00:00:00 GMT' }],
    [true, { 'cache-control': 'public' }],
    [true, { 'cache-control': 'max-age=600' }],
    [true, { 'cache-control': 'MAX-AGE="600"' }],
    [true, { 'cache-control': 'no-cache, s-maxage=60' }],
    [true, { 'cache-control': 'max-age=0, s-maxage=60' }],
    [true, { expires: 'Mon, 23 Nov 2027 00:00:00 GMT' }],
    [true, { age: '0' }],
    [true, { age: '12', 'cache-control': 'private' }],
    [true, { 'cache-control': 'private', 'cdn-cache-control': 'max-age=60' }],
    [true, { 'surrogate-control': 'max-age=60' }],
    [true, { 'x-accel-expires': '60' }]
  ]
  for (const [shared, headers] of responses) t.equal(isShared(headers, nowMs), shared, JSON.stringify(headers))
  t.equal(privately(undefined), 'private')
  t.equal(privately('public, max-age=0, s-maxage=0, must-revalidate'), 'private, max-age=0, must-revalidate')
  t.equal(privately('no-cache="set-cookie"'), 'private, no-cache="set-cookie"')
})

test('the policy of a page says whether the tag may stand in it, and with which nonce', async t => {
  const host = 'www.example.com'
  const forbidden = 'forbidden' as const
  const policies: [policy: string | string[] | undefined, permit: ReturnType<typeof readPolicies>][] = [
    [undefined, { nonce: undefined }],
    ["img-src 'none'", { nonce: undefined }],
    ["script-src 'self'", { nonce: undefined }],
    ["default-src 'self' data:", { nonce: undefined }],
    ['script-src https:', { nonce: undefined }],
    ['script-src www.example.com', { nonce: undefined }],
    ['script-src https://www.example.com:443/x', { nonce: undefined }],
    ["script-src 'nonce-r4nd0m+/=='", { nonce: 'r4nd0m+/==' }],
    ["script-src 'self' 'nonce-abc'", { nonce: 'abc' }],
    ["script-src 'strict-dynamic' 'nonce-abc' 'self'", { nonce: 'abc' }],
    ["SCRIPT-SRC 'NONCE-abc'", { nonce: 'abc' }],
    ["script-src-elem 'nonce-elem'; script-src 'nonce-src'", { nonce: 'elem' }],
    ["script-src 'nonce-first'; script-src 'nonce-second'", { nonce: 'first' }],
    [["script-src 'nonce-abc'", "default-src 'self'"], { nonce: 'abc' }],
    [["script-src 'nonce-abc'", "script-src 'nonce-abc'"], { nonce: 'abc' }],
    ["script-src 'nonce-abc', img-src 'none'", { nonce: 'abc' }],
    [["script-src 'nonce-abc'", "script-src 'nonce-xyz'"], forbidden],
    ["script-src 'none'", forbidden],
    ['script-src', forbidden],
    ['script-src https://cdn.example.net', forbidden],
    ["script-src 'strict-dynamic' 'self'", forbidden],
    ["script-src 'sha256-abc'", forbidden],
    ["script-src 'nonce-\"><script>'", forbidden],
    ["default-src 'none'", forbidden]
  ]
  for (const [policy, permit] of policies) t.same(readPolicies(policy, host), permit, JSON.stringify(policy))
})

test('a source of a policy fits our script by scheme, host, port and path', async t => {
  const script = { host: 'www.example.com', scheme: 'https', port: 443, path: '/_p/s.js' } as const
  const fitting = [
    '*', 'https:', 'http:', 'HTTPS:', "'self'", '*.example.com', '*.EXAMPLE.com', '*.com', 'https://*.example.com',
    'http://*.example.com', 'https://*', '*:443', '*.example.com:*', '*.example.com:443', 'www.example.com:80',
    'https://www.example.com/', 'www.example.com/_p/', 'www.example.com/_p/s.js', '*.example.com/%5Fp/s.js', '*/_p/',
    'WWW.example.com', 'https://cdn.example.net *.example.com'
  ]
  const foreign = [
    'example.com', '*.www.example.com', '*.example.net', '*.ample.com', 'www.example.com.evil.example', 'data:',
    'blob:', 'wss:', 'wss://www.example.com', '*.example.com:8443', 'www.example.com:8443', 'www.example.com/_p',
    '*/js/', 'www.example.com/_P/', 'www.example.com/s.js', 'www.example.com/_p/%', '**.example.com', '*.*.com',
    'https://', "'none'", "'unsafe-inline'", '*example.com', 'https:/www.example.com'
  ]
  for (const source of fitting) t.same(readPolicies(`script-src ${source}`, script), { nonce: undefined }, source)
  for (const source of foreign) t.equal(readPolicies(`script-src ${source}`, script), 'forbidden', source)

  const plain = { host: 'localhost', scheme: 'http', port: 8377, path: '/_p/s.js' } as const
  const ofPlain: [source: string, fits: boolean][] = [
    ['https:', false], ['http:', true], ['localhost:8377', true], ['http://localhost:*', true], ['localhost', false],
    ['https://localhost:8377', false]
  ]
  for (const [source, isFitting] of ofPlain) {
    t.equal(readPolicies(`script-src ${source}`, plain) !== 'forbidden', isFitting, source)
  }

  // Where the host alone is known, the rest of a source is the owner's business.
  for (const source of ['*.example.com', 'https://*.example.com/js/', 'www.example.com:8443']) {
    t.same(readPolicies(`script-src ${source}`, 'www.example.com'), { nonce: undefined }, source)
  }
  t.equal(readPolicies('script-src *.example.net', 'www.example.com'), 'forbidden')
  t.equal(readPolicies("script-src 'strict-dynamic' *.example.com", 'www.example.com'), 'forbidden')
  t.equal(readPolicies(['script-src *.example.com', 'script-src *.example.net'], 'www.example.com'), 'forbidden')
})

test('only whole pages of an encoding like ASCII can take the tag', async t => {
  const html = 'text/html; charset=utf-8'
  const responses: [isPage: boolean, status: number, headers: Headers][] = [
    [true, 200, { 'content-type': html }],
    [true, 203, { 'content-type': 'Text/HTML' }],
    [true, 200, { 'content-type': 'text/html;charset="shift_jis"' }],
    [false, 200, { 'content-type': 'text/html; charset=utf-16' }],
    [false, 200, { 'content-type': 'text/html; charset=UTF-16LE' }],
    [false, 200, { 'content-type': 'text/htmlx' }],
    [false, 200, { 'content-type': 'application/json' }],
    [false, 200, {}],
    [false, 204, { 'content-type': html }],
    [false, 206, { 'content-type': html }],
    [false, 304, { 'content-type': html }],
    [false, 404, { 'content-type': html }],
    [false, 200, { 'content-type': html, 'content-range': 'bytes 0-1/2' }],
    [false, 200, { 'content-type': html, 'content-disposition': 'attachment; filename=x.html' }],
    [false, 200, { 'content-type': html, 'cache-control': 'no-transform' }]
  ]
  for (const [is, status, headers] of responses) {
    t.equal(isPage(status, headers), is, `${status} ${JSON.stringify(headers)}`)
  }
})

test('an entity tag of a page with the tag in it comes back as the site knows it, and no other does', async t => {
  const site = openSites([plain])('t.example.com')
  const other = openSites([{ ...plain, prefix: '/x' }])('t.example.com')
  if (site === undefined || other === undefined) throw new Error('the sites are there')
  const marked = markEtag('"abc"', site) ?? ''
  t.match(marked, /^W\/"abc-p[0-9a-f]{8}"$/)
  t.equal(markEtag('W/"abc"', site), marked)
  t.equal(markEtag('no tag', site), undefined)
  t.equal(unmarkEtags(marked, site), 'W/"abc"')
  t.equal(unmarkEtags(`"old", ${marked}, W/"older"`, site), 'W/"abc"', 'what was stored without the tag is asked anew')
  t.equal(unmarkEtags('"old"', site), undefined)
  t.equal(unmarkEtags(marked, other), undefined, 'and so is what was stored with another one')
  t.equal(unmarkEtags('*', site), '*')
})

test('our cookies stay here, and the site\'s pass byte for byte', async t => {
  const ours = ['_pstn', '_pstn_c']
  t.equal(withoutCookies('a=1; _pstn=v1.x; b="2 ;x";_pstn_c=1.1111.1;c', ours), 'a=1; b="2 ;x";c')
  t.equal(withoutCookies('_pstn=1', ours), undefined)
  t.equal(withoutCookies(' x_pstn=1;  _pstnx=2', ours), 'x_pstn=1;  _pstnx=2')
  t.equal(withoutCookies(undefined, ours), undefined)
})

test('what belongs to one connection ends here, and text beyond ASCII keeps its bytes', async t => {
  const headers = toVisitor({
    connection: 'keep-alive, X-Hop',
    'keep-alive': 'timeout=5',
    'x-hop': '1',
    trailer: 'x',
    upgrade: 'h2',
    location: Buffer.from('/größe').toString('latin1'),
    'x-odd': 'a\x7Fb',
    'set-cookie': [Buffer.from('a=ä').toString('latin1'), 'b=1']
  })
  t.same(headers, {
    location: Buffer.from('/größe').toString('latin1'),
    'x-odd': 'ab',
    'set-cookie': [Buffer.from('a=ä').toString('latin1'), 'b=1']
  })
})
