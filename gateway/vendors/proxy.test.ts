// The vendor's path over real HTTP: what reaches the vendor, what comes back, and what happens when it is in trouble.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { connect, type AddressInfo } from 'node:net'
import t, { test, type Test } from 'tap'
import { until } from '../../test/dispatch_world.ts'
import { granted, send, site, type PostOptions } from '../../test/gateway_world.ts'
import { makeCertificate } from '../../test/script_site.ts'
import { noOpenssl, sendRaw, startCanary, startVendor, vendorWorld } from '../../test/vendor_world.ts'
import { formatConsentCookie } from '../../schema/consent_cookie.ts'
import { openPaths } from '../front/paths.ts'
import { openSites, type GatewaySite } from '../site.ts'
import type { GoogleTagGateway } from './google.ts'
import type { VendorProxyOptions } from './proxy.ts'

t.setTimeout(170_000)

const consentCookie = `_pstn_c=${formatConsentCookie(granted as never, Math.floor(Date.now() / 1000))}`

/** No test but the one of slowness may fail on a slow machine. */
const patient = { connectMs: 60_000, headersMs: 60_000, bodyMs: 60_000 }

function siteWith (endpoint: string | undefined, more: Partial<GoogleTagGateway> = {}): GatewaySite {
  return {
    ...site,
    vendors: { google: { tagId: 'G-TEST123', path: '/gt', sendsAddress: true, endpoint, ...more } }
  }
}

async function world (t: Test, more: Partial<GoogleTagGateway> = {}, options: {
  vendorProxy?: VendorProxyOptions, trustProxy?: string[], sites?: GatewaySite[]
} = {}) {
  const stand = await startVendor(t)
  const own = siteWith(stand.origin, more)
  const gateway = await vendorWorld(t, {
    ...options,
    sites: [own, ...options.sites ?? []],
    vendorProxy: { ...options.vendorProxy, limits: { ...patient, ...options.vendorProxy?.limits } }
  })
  const call = async (path: string, given: PostOptions & { body?: string | Buffer } = {}) =>
    await send(gateway.base, given.body ?? '', { method: 'GET', origin: null, ...given, path })
  return { ...stand, ...gateway, call }
}

test('the whole path with prefix and query goes to the vendor, byte for byte, under the vendor\'s host', async t => {
  const { call, received, host } = await world(t)
  const targets = ['/gt', '/gt/', '/gt/healthy', '/gt/?validate_geo=healthy', '/gt?validate_geo=healthy',
    '/gt/gtm.js?id=GTM-ABC&l=dataLayer', '/gt/gtag/js?id=G-TEST123&cx=c&gtm=45He5', '/gt/d/ccm/form-data/9',
    '/gt/g/collect?v=2&tid=G-1&dl=https%3A%2F%2Fwww.example.com%2F%3Fa%3D%252F..&_s=1',
    '/gt/as/d/ccm/conversion/123/?a=b;c=d%7Ce',
    '/gt/activity;src=1;type=a;ord=1;~oref=https%3A', '/gt/_/service_worker/58c0/sw.js?origin=https%3A%2F%2Fx']
  for (const url of targets) {
    t.match(await call(url), { status: 200, text: 'ok' }, url)
    t.match(received.at(-1), { method: 'GET', url, headers: { host } }, url)
  }
  t.equal(received.length, targets.length)
})

test('a posted body arrives as it was, JSON as well, with its own type and length', async t => {
  const { call, received } = await world(t)
  const bodies = [['text/plain;charset=UTF-8', 'en=page_view&_et=5\r\nen=scroll'], ['application/json', ' {"a" : 1} '],
    ['application/x-www-form-urlencoded', 'a=%20b'], ['application/octet-stream', '\u0000\u00ff\u0001']] as const
  for (const [type, text] of bodies) {
    const body = Buffer.from(text, 'latin1')
    t.equal((await call('/gt/g/collect?v=2', { method: 'POST', type, body })).status, 200)
    t.match(received.at(-1), { body: text, headers: { 'content-type': type, 'content-length': String(body.length) } })
  }
  t.equal((await call('/gt/g/collect', { method: 'POST', type: null, body: '' })).status, 200)
  t.match(received.at(-1), { method: 'POST', body: '', headers: { 'content-length': '0' } })
})

test('nothing of the visitor goes out but what the vendor needs', async t => {
  const { call, received, host } = await world(t)
  await call('/gt/g/collect', {
    method: 'POST',
    body: 'x',
    origin: 'https://www.example.com',
    headers: {
      cookie: 'session=s3cret; _ga=GA1.1.1.2',
      authorization: 'Basic c2VjcmV0',
      'proxy-authorization': 'Basic c2VjcmV0',
      referer: 'https://www.example.com/reset?email=anna@example.com&token=1#x',
      'accept-language': 'de',
      'x-forwarded-for': '198.51.100.9',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-country': 'US',
      'x-forwarded-countryregion': 'US-CA',
      'x-api-key': 'secret',
      forwarded: 'for=198.51.100.9',
      'true-client-ip': '198.51.100.9',
      'cf-connecting-ip': '198.51.100.9',
      'sec-ch-ua': '"Chromium";v="142"',
      connection: 'close, user-agent',
      range: 'bytes=0-1'
    }
  })
  const { headers } = received[0] ?? { headers: {} }
  t.same(Object.keys(headers).sort(), ['accept-language', 'connection', 'content-length', 'content-type', 'host',
    'origin', 'referer', 'sec-ch-ua', 'user-agent', 'x-forwarded-for'])
  t.match(headers, {
    host, referer: 'https://www.example.com/', origin: 'https://www.example.com', 'x-forwarded-for': '127.0.0.1'
  })
})

test('Google\'s own cookies go where the visitor allowed them, and no others', async t => {
  const jar = '_ga=GA1.1.11.22; _ga_ABCD1234=GS2.1.s1; _gcl_au=1.1.2.3; _gcl_aw=GCL.1.x; FPID=abc; _fbp=fb.1.2.3; ' +
    '_pstn=v; sid=1; _ga=GA1.1.99.99; _gcl_xx=1; FPGCLAW=a%22b'
  const all = '_ga=GA1.1.11.22; _ga_ABCD1234=GS2.1.s1; _gcl_au=1.1.2.3; _gcl_aw=GCL.1.x; FPID=abc; FPGCLAW=a%22b'
  const analytics = '_ga=GA1.1.11.22; _ga_ABCD1234=GS2.1.s1; FPID=abc'
  const { call, received } = await world(t)
  const cases: [string, Record<string, string>, string | undefined][] = [
    ['no choice in an opt-in site', { cookie: jar }, undefined],
    ['a grant', { cookie: `${jar}; ${consentCookie}` }, all],
    ['a grant and GPC', { cookie: `${jar}; ${consentCookie}`, 'sec-gpc': '1' }, analytics],
    ['a denial', { cookie: `${jar}; _pstn_c=1.0000.${Math.floor(Date.now() / 1000)}` }, undefined],
    ['values that are none of Google\'s', { cookie: `_ga=<script>; FPID=a"b; ${consentCookie}` }, undefined]
  ]
  for (const [name, headers, expected] of cases) {
    await call('/gt/g/collect', { headers })
    t.equal(received.at(-1)?.headers.cookie, expected, name)
  }
})

test('the visitor\'s country and region come from a trusted proxy alone', async t => {
  const geo = { 'cf-ipcountry': 'de', 'cf-region-code': 'BY', 'x-forwarded-for': '192.0.2.7' }
  const cases: [string, string[], Record<string, string>, Record<string, string | undefined>][] = [
    ['untrusted', [], geo, { 'x-forwarded-country': undefined, 'x-forwarded-for': '127.0.0.1' }],
    ['trusted', ['127.0.0.1'], geo, {
      'x-forwarded-countryregion': 'DE-BY',
      'x-forwarded-country': 'DE',
      'x-forwarded-region': 'BY',
      'x-forwarded-for': '192.0.2.7'
    }],
    ['whole code', ['127.0.0.1'], { ...geo, 'cf-region-code': 'DE-BY' }, { 'x-forwarded-countryregion': 'DE-BY' }],
    ['no region', ['127.0.0.1'], { ...geo, 'cf-region-code': '?' }, {
      'x-forwarded-countryregion': undefined, 'x-forwarded-country': 'DE'
    }],
    ['no country', ['127.0.0.1'], { ...geo, 'cf-ipcountry': 'XX' }, {
      'x-forwarded-country': undefined, 'x-forwarded-region': undefined
    }]
  ]
  for (const [name, trustProxy, headers, expected] of cases) {
    const { call, received } = await world(t, { regionHeader: 'cf-region-code' }, { trustProxy })
    await call('/gt/gtag/js', { headers })
    for (const [header, value] of Object.entries(expected)) {
      t.equal(received.at(-1)?.headers[header], value, `${name}: ${header}`)
    }
  }
  const { call, received } = await world(t, { sendsAddress: false })
  await call('/gt/gtag/js')
  t.equal(received[0]?.headers['x-forwarded-for'], undefined, 'no address where the settings say so')
})

test('the vendor\'s bytes come back as they are; its cookies and policies do not', async t => {
  const { call, vendor } = await world(t)
  const body = Buffer.from(Array.from({ length: 70_000 }, (_, index) => index % 251))
  vendor.react = (_request, response) => {
    response.writeHead(200, {
      'content-type': 'application/javascript; charset=UTF-8',
      'content-encoding': 'br',
      'cache-control': 'private, max-age=900',
      etag: '"e1"',
      vary: 'Accept-Encoding',
      'set-cookie': ['FPID=1; Domain=example.com', '__Host-x=1; Path=/; Secure'],
      'content-security-policy': 'default-src *',
      'content-security-policy-report-only': 'default-src *',
      'strict-transport-security': 'max-age=1; includeSubDomains',
      'alt-svc': 'h3=":443"',
      'permissions-policy': 'camera=*',
      'clear-site-data': '"*"',
      'service-worker-allowed': '/',
      'report-to': '{}',
      'reporting-endpoints': 'a="https://x"',
      nel: '{}',
      'access-control-allow-origin': '*',
      'access-control-allow-credentials': 'true',
      'x-frame-options': 'ALLOWALL',
      'cross-origin-opener-policy': 'unsafe-none',
      'cross-origin-resource-policy': 'cross-origin',
      'attribution-reporting-register-source': '{}',
      'accept-ch': 'Sec-CH-UA-Model',
      link: '<https://x>; rel=preload',
      refresh: '0; url=https://evil.example',
      server: 'vendor',
      'x-anything': '1'
    })
    response.end(body)
  }
  const answer = await call('/gt/gtag/js?id=G-TEST123', { headers: { 'accept-encoding': 'br' } })
  const ofOurConnection = ['date', 'connection', 'keep-alive']
  const headers = Object.entries(answer.headers).filter(([name]) => !ofOurConnection.includes(name))
  t.same(Object.fromEntries(headers), {
    'content-type': 'application/javascript; charset=UTF-8',
    'content-encoding': 'br',
    'cache-control': 'private, max-age=900',
    etag: '"e1"',
    vary: 'Origin, Accept-Encoding',
    'content-length': '70000',
    'x-content-type-options': 'nosniff'
  })
})

test('bytes are not changed on the way', async t => {
  const { vendor, port } = await world(t)
  const body = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 256))
  vendor.react = (_request, response) => { response.end(body) }
  const raw = await sendRaw(port, 'GET /gt/x HTTP/1.1\r\nHost: t.example.com\r\nConnection: close\r\n\r\n')
  t.match(raw, /^HTTP\/1\.1 200 OK\r\n/)
  const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
  t.equal(digest(Buffer.from(raw.slice(raw.indexOf('\r\n\r\n') + 4), 'latin1')), digest(body))
})

test('HEAD is answered as the vendor does', async t => {
  const { call, vendor, received } = await world(t)
  vendor.react = (_request, response) => { response.writeHead(200, { 'content-length': '1234' }).end() }
  const answer = await call('/gt/gtag/js', { method: 'HEAD' })
  t.match(answer, { status: 200, headers: { 'content-length': '1234' }, text: '' })
  t.match(received, [{ method: 'HEAD' }])
})

test('304, 204 and errors come through, and nobody may keep an error', async t => {
  const { call, vendor, received } = await world(t)
  const cases = [[304, ''], [204, ''], [404, 'Measurement path is empty'], [500, 'oh'], [503, 'later']] as const
  for (const [status, text] of cases) {
    vendor.react = (_request, response) => {
      response.writeHead(status, { 'cache-control': 'public, max-age=3600', 'retry-after': '1', etag: '"1"' }).end(text)
    }
    const before = received.length
    const answer = await call('/gt/gtag/js', { headers: { 'if-none-match': '"1"' } })
    t.match(answer, { status, text })
    t.equal(answer.headers['cache-control'], status >= 400 ? 'no-store' : 'public, max-age=3600')
    t.equal(received.length, before + 1, `${status} is asked for once`)
  }
  t.equal(received[0]?.headers['if-none-match'], '"1"')
})

test('a redirect is never followed, and leads only where the vendor measures', async t => {
  const { call, vendor, origin, received } = await world(t)
  const canary = await startCanary(t)
  const page = { 'sec-fetch-mode': 'navigate' }
  const part = { 'sec-fetch-mode': 'no-cors' }
  const away = 'https://www.google.com/pagead/1p-conversion/1/?x=1'
  const cases: [string, Record<string, string>, string | undefined][] = [
    ['/gt/other?a=b', page, '/gt/other?a=b'],
    ['other', page, '/gt/a/other'],
    [`${origin}/gt/x`, page, '/gt/x'],
    [away, part, away],
    ['https://googleads.g.doubleclick.net/pagead/viewthroughconversion/1', part,
      'https://googleads.g.doubleclick.net/pagead/viewthroughconversion/1'],
    [away, page, undefined],
    [away, { accept: 'text/html,*/*' }, undefined],
    ['/elsewhere', part, undefined],
    ['/gtx', part, undefined],
    ['https://www.google.com/url?q=https://evil.example', part, undefined],
    ['https://www.googleadservices.com/pagead/aclk?adurl=https://evil.example', part, undefined],
    ['https://www.google.com.evil.example/pagead/x', part, undefined],
    ['https://www.google.com@evil.example/pagead/x', part, undefined],
    ['http://www.google.com/pagead/x', part, undefined],
    ['https://www.google.com:444/pagead/x', part, undefined],
    ['//evil.example/gt/x', part, undefined],
    ['\\\\evil.example\\gt', part, undefined],
    ['javascript:alert(1)', part, undefined],
    [`http://127.0.0.1:${canary.port}/gt/x`, part, undefined],
    ['http://169.254.169.254/gt/x', part, undefined],
    ['', part, undefined]
  ]
  for (const [location, headers, expected] of cases) {
    vendor.react = (_request, response) => {
      response.writeHead(302, { location, 'cache-control': 'public, max-age=60' }).end('moved')
    }
    const before = received.length
    const answer = await call('/gt/a/b', { headers })
    t.match(answer, { status: expected === undefined ? 502 : 302 }, location)
    t.equal(answer.headers.location, expected, `${location} ${JSON.stringify(headers)}`)
    t.equal(answer.headers['cache-control'], 'no-store')
    t.equal(received.length, before + 1)
  }
  t.equal(canary.touched, 0)
})

test('the path belongs to its site, its methods and its origins alone', async t => {
  const other = { ...site, name: 'other', hosts: ['t.other.example'], vendors: {} }
  const { call, received, base } = await world(t, {}, { sites: [other] })
  for (const [host, code] of [['t.other.example', 'not_found'], ['unknown.example', 'unknown_site']] as const) {
    t.match(await call('/gt/healthy', { host }), { status: 404, json: { error: { code } } })
  }
  t.match(await call('/gtx/healthy'), { status: 404 })
  t.match(await call('/gt/g/collect', { origin: 'https://evil.example' }), { status: 403 })
  t.match(await call('/gt/g/collect', { origin: 'null' }), { status: 403 })
  for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE']) {
    t.match((await send(base, '', { method, path: '/gt/healthy', origin: null })).status, 404, method)
  }
  t.equal(received.length, 0)
  t.match(await call('/gt/healthy', { origin: 'https://www.example.com' }), {
    status: 200, headers: { 'access-control-allow-origin': 'https://www.example.com' }
  })
})

test('in front of a site the path is the vendor\'s, and every other is the owner\'s', async t => {
  const own = siteWith('http://127.0.0.1:1')
  const find = openSites([{ ...own, upstream: 'http://10.0.0.5' }])
  const { destinationOf } = openPaths(find, () => false)
  const ofOwner = { upstream: 'http://10.0.0.5' }
  const cases: [string, object][] = [['/gt', { ours: '/gt' }], ['/gt/', { ours: '/gt/' }], ['/gt?a', { ours: '/gt?a' }],
    ['/gt/gtm.js?x=/a', { ours: '/gt/gtm.js?x=/a' }], ['/gtx', ofOwner], ['/gt.html', ofOwner], ['/', ofOwner],
    ['/a/gt/b', ofOwner], ['//gt/b', ofOwner], ['/%67t/b', ofOwner], ['/_p/gt/b', { ours: '/gt/b' }]]
  for (const [url, expected] of cases) {
    const raw = { url, headers: { host: 't.example.com' }, socket: {} } as IncomingMessage
    t.match(destinationOf(raw), expected, url)
  }
  const { call, received } = await world(t)
  t.match(await call('/_p/gt/healthy'), { status: 404 }, 'under our own prefix it is not the path that Google knows')
  t.equal(received.length, 0)
})

test('a larger body than any tag posts is refused, and a larger answer is cut off with 502', async t => {
  const { call, received, vendor } = await world(t, {}, { vendorProxy: { limits: { responseBytes: 1000 } } })
  t.match(await call('/gt/g/collect', { method: 'POST', body: 'x'.repeat(256 * 1024 + 1) }), { status: 413 })
  t.equal(received.length, 0)
  vendor.react = (_request, response) => { response.end('x'.repeat(1001)) }
  t.match(await call('/gt/x'), {
    status: 502, json: { error: { code: 'vendor_unavailable' } }, headers: { 'cache-control': 'no-store' }
  })
  vendor.react = (_request, response) => { response.end('x'.repeat(1000)) }
  t.match(await call('/gt/x'), { status: 200 })
})

test('a vendor in trouble is a clean 502, and after five in a row an immediate one', async t => {
  const { call, vendor, received, lines, base } = await world(t)
  const troubles: [string, typeof vendor.react][] = [
    ['hangs up', (_request, response) => { response.destroy() }],
    ['says no HTTP', (_request, response) => { response.socket?.end('ceci n\'est pas HTTP\r\n\r\n') }],
    ['ends early', (_request, response) => {
      response.writeHead(200, { 'content-length': '10' }).write('12345', () => { response.destroy() })
    }],
    ['says less', (_request, response) => { response.writeHead(200, { 'content-length': '10' }).end('12345') }],
    ['hangs up again', (_request, response) => { response.destroy() }]
  ]
  for (const [name, react] of troubles) {
    vendor.react = react
    const answer = await call('/gt/x')
    t.match(answer, {
      status: 502, headers: { 'cache-control': 'no-store' }, json: { error: { code: 'vendor_unavailable' } }
    }, name)
    t.equal(answer.headers['retry-after'], undefined)
  }
  const before = received.length
  t.match(await call('/gt/x'), { status: 502, headers: { 'retry-after': '10', 'cache-control': 'no-store' } })
  t.equal(received.length, before, 'the vendor is left in peace')
  t.match(lines, [{ site: 'main', vendor: 'google', failure: /^(UND_ERR_SOCKET|ECONNRESET)$/ }])
  t.equal((await send(base, '', { path: '/s.js', method: 'GET' })).status, 200, 'the rest is as ever')
})

test('a vendor that is too slow is a clean 504', async t => {
  const { call, vendor } = await world(t, {}, { vendorProxy: { limits: { headersMs: 300, bodyMs: 300 } } })
  const troubles: [string, typeof vendor.react][] = [
    ['says nothing', () => {}],
    ['never ends', (_request, response) => { response.write('1') }]
  ]
  for (const [name, react] of troubles) {
    vendor.react = react
    t.match(await call('/gt/x'), {
      status: 504, headers: { 'cache-control': 'no-store' }, json: { error: { code: 'vendor_timeout' } }
    }, name)
  }
})

test('a vendor that hangs holds a bounded number of requests, and none of anybody else', async t => {
  const limits = { most: 3 }
  const { call, vendor, received, base } = await world(t, {}, { vendorProxy: { limits } })
  const held: (() => void)[] = []
  const full = Promise.withResolvers<undefined>()
  vendor.react = (_request, response) => {
    held.push(() => { response.end('at last') })
    if (held.length === 3) full.resolve(undefined)
  }
  const waiting = [1, 2, 3].map(async () => await call('/gt/x'))
  await full.promise
  t.match(await call('/gt/x'), { status: 502, headers: { 'retry-after': '10' } }, 'the fourth does not wait')
  t.equal((await send(base, '', { path: '/s.js', method: 'GET' })).status, 200)
  t.equal(received.length, 3)
  for (const release of held) release()
  t.match(await Promise.all(waiting), [{ status: 200 }, { status: 200 }, { status: 200 }])
  vendor.react = (_request, response) => { response.end('ok') }
  t.match(await call('/gt/x'), { status: 200 }, 'and there is room again')
})

test('visitors who go away leave no request behind that counts', async t => {
  const { call, vendor, received, port } = await world(t, {}, { vendorProxy: { limits: { most: 1 } } })
  let release = () => {}
  vendor.react = (_request, response) => { release = () => { response.end('too late') } }
  const socket = connect(port, '127.0.0.1')
  socket.write('GET /gt/x HTTP/1.1\r\nHost: t.example.com\r\n\r\n')
  await until(() => received.length, length => length === 1)
  t.match(await call('/gt/x'), { status: 502 }, 'the only place is taken')
  socket.resetAndDestroy()
  await once(socket, 'close')
  t.match(await call('/gt/x'), { status: 502 }, 'and stays so while the vendor still works for him')
  release()
  vendor.react = (_request, response) => { response.end('ok') }
  t.match(await until(async () => (await call('/gt/x')).status, status => status === 200), 200)
})

test('a certificate of nobody\'s is not taken', { skip: noOpenssl }, async t => {
  const { key, cert } = makeCertificate()
  const asked: string[] = []
  const server = createHttpsServer({ key, cert }, (request, response) => {
    asked.push(request.url ?? '')
    response.end('ok')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const { call } = await world(t, { endpoint: `https://127.0.0.1:${port}` })
  t.match(await call('/gt/gtag/js'), { status: 502, json: { error: { code: 'vendor_unavailable' } } })
  t.same(asked, [])
})

test('a vendor whose name leads to this machine or network is not connected to', async t => {
  const asked: string[] = []
  const resolve = async (host: string) => {
    asked.push(host)
    return [{ address: '127.0.0.1', family: 4 }]
  }
  const { call, lines } = await world(t, { endpoint: undefined }, { vendorProxy: { resolve } })
  t.match(await call('/gt/gtag/js'), { status: 502, json: { error: { code: 'vendor_unavailable' } } })
  t.same(asked, ['g-test123.fps.goog'], 'the tag\'s id is the host\'s name')
  for (let more = 0; more < 4; more++) await call('/gt/gtag/js')
  t.match(lines, [{ failure: 'ECLOSEDADDRESS' }], 'and the log says why')
})
