// The gateway in front of a real server over real HTTP: whose site it is, what is asked of it, and what it is told.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import { ask, frontSite, frontWorld } from '../../test/front_world.ts'
import { site } from '../../test/gateway_world.ts'

test('the path goes to the site as it was asked for, whatever is in it', async t => {
  const world = await frontWorld(t, {}, (request, response) => { response.end(request.url) })
  const paths = ['/', '/a%20b', '/caf%E9', '/100%', '/a//b', '//double', '/x?gclid=Cj0%2b%&b=ä'.replace('ä', '%E4'),
    '/../up', '/a/%2e%2e/b', '/a/./b', '/back\\slash', '/%5Fp/v1/e', '/_P/v1/e', '/_p', '/_pp/s.js', '/v1/e',
    '/v1/leads', '/s.js', '/livez', '/readyz', '/https://www.example.org/', '/a?x=1?y=2#not', '/;a=b', '/"quoted"|{}^`', '/?']
  for (const path of paths) {
    const got = await world.get(path)
    t.equal(got.status, 200, path)
    t.equal(got.body.toString('latin1'), path)
  }
})

test('our routes are under the prefix, and nowhere else', async t => {
  const world = await frontWorld(t, {}, (_request, response) => { response.end('the site') })
  t.match((await world.get('/_p/s.js')).headers['content-type'], /javascript/)
  t.equal((await world.get('/s.js')).body.toString(), 'the site')
  const stored = await world.post({ event_name: 'sign_up' }, { path: '/_p/v1/e', host: 'www.example.com' })
  t.equal(stored.status, 202)
  t.equal((await world.get('/_p/nothing')).status, 404)
  t.match((await world.get('/_p/nothing')).body.toString(), /"not_found"/)
  t.equal((await world.get('/_p/livez')).status, 404)
  t.equal((await ask(world.base, '/', { host: 'elsewhere.example' })).status, 404, 'a host of nobody is nobody\'s site')
  t.equal(world.seen.length, 1)
})

test('a site without an upstream has our routes with and without the prefix', async t => {
  const world = await frontWorld(t, { upstream: undefined })
  for (const path of ['/s.js', '/_p/s.js']) t.equal((await world.get(path)).status, 200, path)
  t.equal((await world.get('/anything')).status, 404)
})

test('the host map alone says whose site it is', async t => {
  const other = createServer((_request, response) => { response.end('the other site') })
  await new Promise<void>(resolve => { other.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { other.close() })
  const { port } = other.address() as AddressInfo
  const world = await frontWorld(t, {}, (_request, response) => { response.end('the site') })
  const two = await frontWorld(t, {}, (_request, response) => { response.end('the site') }, {
    sites: [
      { ...site, name: 'one', hosts: ['www.example.com'], upstream: world.upstream },
      {
        ...site,
        name: 'two',
        hosts: ['www.example.org', 'shop.example.org:8443'],
        prefix: '/x/y',
        upstream: `http://127.0.0.1:${port}`
      },
      { ...site, name: 'three', hosts: ['t.example.net'] }
    ]
  })
  const cases: [host: string, path: string, status: number, body: RegExp][] = [
    ['www.example.com', '/', 200, /^the site$/],
    ['WWW.EXAMPLE.COM.', '/', 200, /^the site$/],
    ['www.example.com:443', '/', 200, /^the site$/],
    ['www.example.org', '/', 200, /^the other site$/],
    ['www.example.org', '/_p/s.js', 200, /^the other site$/],
    ['www.example.org', '/x/y/s.json', 200, /integrity/],
    ['shop.example.org:8443', '/', 200, /^the other site$/],
    ['t.example.net', '/', 404, /not_found/],
    ['t.example.net', '/s.json', 200, /integrity/],
    ['evil.example', '/', 404, /unknown_site/],
    ['www.example.com.evil.example', '/', 404, /unknown_site/],
    ['www.example.com@evil.example', '/', 404, /unknown_site/]
  ]
  for (const [host, path, status, body] of cases) {
    const got = await ask(two.base, path, { host })
    t.equal(got.status, status, `${host}${path}`)
    t.match(got.body.toString(), body, `${host}${path}`)
    const forged = await ask(two.base, path, { host, headers: { 'x-forwarded-host': 'www.example.org' } })
    t.match(forged.body.toString(), body, `${host}${path} with a forged X-Forwarded-Host`)
  }
})

test('the site learns who asks, and only what is believed of it', async t => {
  const world = await frontWorld(t, {}, (_request, response) => { response.end() })
  const headers = {
    cookie: 'a=1; _pstn=v1.x; _pstn_c=1.1111.1764000000; b=2',
    'x-forwarded-for': '203.0.113.9',
    'x-forwarded-proto': 'https',
    'x-real-ip': '203.0.113.9',
    forwarded: 'for=203.0.113.9',
    connection: 'close, x-secret',
    'x-secret': '1',
    te: 'trailers',
    'x-own': 'kept'
  }
  await world.get('/', { headers })
  const [asked] = world.seen
  t.match(asked?.headers, {
    host: 'www.example.com',
    cookie: 'a=1; b=2',
    'x-forwarded-for': '127.0.0.1',
    'x-real-ip': '127.0.0.1',
    'x-forwarded-host': 'www.example.com',
    'x-forwarded-proto': 'http',
    'x-own': 'kept'
  })
  for (const name of ['forwarded', 'x-secret', 'te', 'accept-encoding']) t.notOk(name in (asked?.headers ?? {}), name)
})

test('a proxy that is believed says who asks, and of which host', async t => {
  const forwarded = {
    'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'www.example.com'
  }
  const trusting = await frontWorld(t, {}, undefined, { trustProxy: ['127.0.0.1'] })
  const { upstream } = trusting
  const world = await frontWorld(t, {}, undefined, { trustProxy: ['127.0.0.1'], sites: [{ ...frontSite, upstream }] })
  await world.get('/', { host: 'nginx.internal', headers: forwarded })
  t.match(trusting.seen.at(-1)?.headers, {
    host: 'www.example.com', 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https'
  })
})

test('an upstream that leads back to the gateway ends after a few rounds', async t => {
  const world = await frontWorld(t)
  world.owner.handle = (request, response) => {
    ask(world.base, request.url ?? '', { headers: request.headers }).then(({ status, body }) => {
      response.writeHead(status).end(body)
    }, () => { response.destroy() })
  }
  const got = await world.page('/')
  t.equal(got.status, 508)
  t.equal(world.seen.length, 3)
  t.equal(world.lines.at(-1)?.message, 'the upstream leads back to this gateway')
})
