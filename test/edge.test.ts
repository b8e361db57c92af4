// deploy/edge/ as platforms run it: against a real gateway, with what is ill in its place, and with paths that mislead.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { test, type Test } from 'tap'
import { clickIdKinds } from '../schema/identity.ts'
import { mostCookies } from '../gateway/landing_route.ts'
import { illnesses, standIn } from './nginx/postern_process.ts'
import { gatewayWorld, granted, site } from './gateway_world.ts'

type Options = { origin: string, secret: string, patienceMs?: number }
type Open = () => Promise<Response>

interface Edge {
  serve: (request: Request, address: string | null, options: Options, openPage: Open) => Promise<Response>
}

const read = (name: string) => readFileSync(new URL(`../deploy/edge/${name}`, import.meta.url), 'utf8')
const { serve } = await import(new URL('../deploy/edge/postern.js', import.meta.url).href) as Edge
const secret = 'a secret of the platform, long enough'
const landing = 'https://www.example.com/offer?utm_source=ad&fbclid=IwAR0a_B-c%2Fz~'
const agent = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0'

const browser = { 'user-agent': agent, accept: 'text/html,*/*;q=0.8' }

const openPage: Open = async () => await Promise.resolve(new Response('<p>The page</p>', {
  headers: { 'content-type': 'text/html', 'set-cookie': 'shop=1', 'cache-control': 'public, max-age=60' }
}))

async function edgeWorld (t: Test) {
  const gateway = await gatewayWorld(t, {
    sites: [{ ...site, hosts: ['t.example.com', '127.0.0.1'], rule: { ...site.rule, consent: 'opt_out' } }],
    platform: { secrets: [secret], addressHeader: 'x-postern-client' }
  })
  // Machines that test are slow.
  const options: Options = { origin: gateway.base, secret, patienceMs: 60_000 }
  const open = async (url: string, given: RequestInit = {}, used = options) =>
    await serve(new Request(url, { ...given, headers: { ...browser, ...given.headers } }), '203.0.113.7', used,
      openPage)
  return { ...gateway, options, open }
}

test('a landing brings its cookies, and nothing else does', async t => {
  const { open, pool } = await edgeWorld(t)
  const page = await open(landing)
  t.strictSame([page.status, await page.text()], [200, '<p>The page</p>'])
  const cookies = page.headers.getSetCookie()
  t.same(cookies.map(line => line.split('=')[0]), ['shop', '_pstn', '_fbp', '_fbc'])
  t.match(cookies.at(-1), /^_fbc=fb\.\d\.\d{13}\.IwAR0a_B-c%2Fz~; /)
  t.equal(page.headers.get('cache-control'), 'private, no-store')
  while ((await pool.query('SELECT FROM touches')).rowCount === 0) {
    await new Promise<void>(resolve => { setTimeout(resolve, 20) })
  }
  const others: [url: string, given: RequestInit][] = [
    ['https://www.example.com/offer', {}],
    [landing, { method: 'POST', body: 'a=b' }],
    [landing, { headers: { 'sec-fetch-dest': 'image' } }],
    ['https://www.example.net/offer?fbclid=IwAR0a_B-c', {}]
  ]
  for (const [url, given] of others) {
    const other = await open(url, given)
    t.strictSame([other.status, other.headers.getSetCookie(), other.headers.get('cache-control')],
      [200, ['shop=1'], 'public, max-age=60'], url)
  }
})

test('under the prefix is Postern, and the visitor\'s address is what the platform says', async t => {
  const { open, parts, options } = await edgeWorld(t)
  const script = await open('https://www.example.com/_p/s.js')
  t.strictSame([script.status, script.headers.get('content-encoding')], [200, null])
  t.match(await script.text(), 'postern')
  const event = {
    method: 'POST',
    body: JSON.stringify({ event_name: 'sign_up', consent: granted }),
    headers: {
      origin: 'https://www.example.com',
      'content-type': 'text/plain',
      'x-forwarded-for': '203.0.113.99',
      'x-postern-client': '203.0.113.99',
      'x-postern-proxy': 'none'
    }
  }
  const answer = await open('https://www.example.com/_p/v1/e', event)
  t.equal(answer.status, 202)
  t.equal((await parts())[0]?.data.client?.ip, '203.0.113.7')
  await open('https://www.example.com/_p/v1/e', event, { ...options, secret: 'another, which is not in the settings' })
  t.equal((await parts())[1]?.data.client?.ip, '127.0.0.1', 'without the secret nobody is believed')
  const foreign = await open('https://www.example.com/_p/v1/landing', { headers: { 'x-postern-page': landing } })
  t.same(foreign.headers.getSetCookie(), [], 'a visitor cannot land by his own word')
})

test('no path leads to another host', async t => {
  const asked: string[] = []
  const server = createServer((request, response) => { asked.push(request.url ?? ''); response.end() })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { server.closeAllConnections(); server.close() })
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const paths = ['//example.net/', '/@example.net/', '/\\example.net', '/..//example.net', '/%2F%2Fexample.net',
    '/http://example.net/', '/.example.net:80/', '/:80@example.net/', '/?u=//example.net']
  for (const path of paths) {
    await serve(new Request(`https://www.example.com/_p${path}`), null, { origin, secret }, openPage)
  }
  t.equal(asked.length, paths.filter(path => !path.startsWith('/..')).length, 'all came here, or left the prefix')
})

test('it fails open', async t => {
  const { open, app, base, options } = await edgeWorld(t)
  const port = Number(new URL(base).port)
  await app.close()
  const check = async (fault: string) => {
    const page = await open(landing, {}, { ...options, patienceMs: 250 })
    t.strictSame([page.status, await page.text(), page.headers.getSetCookie()],
      [200, '<p>The page</p>', ['shop=1']], fault)
    const script = await open('https://www.example.com/_p/s.js', {}, { ...options, patienceMs: 250 })
    t.ok(script.status >= 200, `${fault}: the script is answered, ${script.status}`)
  }
  await check('killed')
  for (const [name, illness] of Object.entries(illnesses)) {
    const close = await standIn(port, illness)
    await check(name)
    await close()
  }
})

/** A slow machine may need several tries to answer within the patience that is shipped. */
async function untilCookies (openOnce: () => Promise<Response>, count = 4): Promise<void> {
  const endMs = Date.now() + 60_000
  while ((await openOnce()).headers.getSetCookie().length < count) {
    if (Date.now() > endMs) throw new Error('the cookies never come')
  }
}

test('the platforms\' own files', async t => {
  const { base } = await edgeWorld(t)
  const request = () => new Request(landing, { headers: { ...browser, 'cf-connecting-ip': '203.0.113.7' } })
  const variables: Record<string, string> = { POSTERN_ORIGIN: base, POSTERN_PROXY_SECRET: secret }
  type Worker = { default: { fetch: (request: Request, env: object, context: object) => Promise<Response> } }
  const worker = await import(new URL('../deploy/edge/cloudflare.js', import.meta.url).href) as Worker
  const fetchAnywhere = globalThis.fetch
  t.teardown(() => { globalThis.fetch = fetchAnywhere })
  globalThis.fetch = async (...given) => given[0] instanceof Request ? await openPage() : await fetchAnywhere(...given)
  let passes = 0
  const context = { passThroughOnException: () => { passes++ } }
  await untilCookies(async () => await worker.default.fetch(request(), variables, context))
  t.ok(passes > 0)

  Reflect.set(globalThis, 'Netlify', { env: { get: (name: string) => variables[name] } })
  type EdgeFunction = { default: (request: Request, context: object) => Promise<Response>, config: object }
  const netlify = await import(new URL('../deploy/edge/netlify.js', import.meta.url).href) as EdgeFunction
  await untilCookies(async () => await netlify.default(request(), { ip: '203.0.113.7', next: openPage }))
  t.match(netlify.config, { path: '/*' })
})

test('it knows every click id, and takes as many cookies as there are', t => {
  const [, names = ''] = /\[\?&\]\(([^)]*)\)=/.exec(read('postern.js')) ?? []
  t.same(names.split('|').sort(), clickIdKinds.map(({ param }) => param).sort())
  t.match(read('postern.js'), `mostCookies = ${mostCookies}`)
  const page = readFileSync(new URL('../deploy/nginx/path_page.conf', import.meta.url), 'utf8')
  t.equal([...page.matchAll(/^add_header Set-Cookie \$postern_cookie_\d+ always;$/gm)].length, mostCookies)
  t.end()
})

/** What the snippets import of their platforms, as far as they use it. */
const platforms: Record<string, string> = {
  'next/server': 'export const NextResponse = { next: () => new Response("<p>The page</p>") }',
  '@vercel/functions': `export const ipAddress = request => request.headers.get('x-real-ip')
    export const next = ({ headers }) => new Response("<p>The page</p>", { headers })`
}

/** A snippet of docs/deploy.md, bundled with postern.js and with stand-ins for its platform. */
async function loadSnippet (code: string): Promise<Record<string, unknown>> {
  const edge = fileURLToPath(new URL('../deploy/edge/', import.meta.url))
  const { outputFiles: [file] } = await build({
    stdin: { contents: code, resolveDir: edge },
    bundle: true,
    write: false,
    format: 'esm',
    define: { 'import.meta.env': 'process.env' },
    plugins: [{
      name: 'platforms',
      setup: ({ onResolve, onLoad }) => {
        onResolve({ filter: /^(next\/|@vercel)/ }, ({ path }) => ({ path, namespace: 'platforms' }))
        onLoad({ filter: /.*/, namespace: 'platforms' }, ({ path }) => ({ contents: platforms[path] }))
      }
    }]
  })
  return await import(`data:text/javascript,${encodeURIComponent(file?.text ?? '')}`) as Record<string, unknown>
}

test('the snippets of docs/deploy.md', async t => {
  const { base } = await edgeWorld(t)
  Object.assign(process.env, { POSTERN_ORIGIN: base, POSTERN_PROXY_SECRET: secret })
  const docs = readFileSync(new URL('../docs/deploy.md', import.meta.url), 'utf8')
  const snippets = [...docs.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code = '']) => code)
  t.equal(snippets.length, 3)
  const request = (url: string) => new Request(url, { headers: { ...browser, 'x-real-ip': '203.0.113.7' } })
  for (const code of snippets) {
    const { onRequest, proxy, default: middleware } = await loadSnippet(code) as Record<string,
      ((...given: unknown[]) => Promise<Response>) | undefined>
    const open = async (url: string): Promise<Response> => {
      if (onRequest === undefined) return await (proxy ?? middleware)?.(request(url)) ?? new Response()
      return await onRequest({ request: request(url), clientAddress: '203.0.113.7' }, openPage)
    }
    await untilCookies(async () => await open(landing), 3)
    const page = await open('https://www.example.com/offer')
    t.strictSame([await page.text(), page.headers.has('cache-control') && onRequest === undefined],
      ['<p>The page</p>', false])
    const json = await open('https://www.example.com/_p/s.json')
    t.match(await json.json(), { integrity: /^sha384-/ }, code.split('\n', 1)[0] ?? '')
  }
})
