// `postern doctor` against a real gateway behind a real proxy over TLS; what proxies spoil is a table.
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer as createHttpServer, request as httpRequest, type IncomingMessage } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { join } from 'node:path'
import t, { test, type Test } from 'tap'
import { deriveKeys } from '../config/keys.ts'
import { parseSettings, type SiteSettings } from '../config/settings.ts'
import { destinations } from '../dispatch/registry.ts'
import { readSelfCheck, makeSelfCheck } from '../gateway/self_check.ts'
import { send, site, testKeys } from '../test/gateway_world.ts'
import { makeCertificate } from '../test/script_site.ts'
import { noOpenssl, startVendor, vendorWorld } from '../test/vendor_world.ts'
import { baseOf, examineSite, run, type DoctorDeps } from './doctor.ts'
import { createAsk, type Reply } from './doctor/ask.ts'
import { checkNames } from './doctor/cookies_life.ts'
import { checkTls } from './doctor/deployment.ts'
import type { Finding } from './doctor/finding.ts'
import type { NameServer } from './doctor/names.ts'

t.setTimeout(170_000)

const certificate = noOpenssl === false ? makeCertificate() : { key: '', cert: '' }

const settingsText = `
sites:
  main:
    hosts: [t.example.com]
    origins: ["https://www.example.com"]
    country_header: CF-IPCountry
    vendors: { google: { tag_id: G-TEST123 } }
`

function siteOf (text: string): SiteSettings {
  const result = parseSettings('test', text, {}, destinations)
  const found = 'settings' in result ? result.settings.sites[0] : undefined
  if (found === undefined) throw new Error(JSON.stringify(result))
  return found
}

/** DNS as a table: a name's CNAME and its addresses. */
function nameServer (table: Record<string, string[]>): NameServer {
  return {
    addresses: async (host, family) => (table[host] ?? []).filter(one => one.includes(':') === (family === 6))
      .filter(one => /^[\d.]+$|:/.test(one)),
    aliases: async host => (table[host] ?? []).filter(one => /[a-z]$/.test(one) && !one.includes(':'))
  }
}

/** A visitor's address that nothing is sent to. */
const visitor = '93.184.216.20'
const near = { 'www.example.com': ['192.0.2.1'], 't.example.com': ['192.0.2.2'] }

interface Exchange { headers: Record<string, string | string[] | undefined>, body: Buffer, status: number }

/** What a proxy does to what it passes on; as nginx's own snippets unless told otherwise. */
interface Habits {
  request?: (headers: Record<string, string | undefined>, from: IncomingMessage) => void
  response?: (exchange: Exchange) => void
  isCaching?: boolean
}

const addressOf = (server: Server) => (server.address() as AddressInfo).port

const given = <T>(headers: Record<string, T | undefined>) =>
  Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)) as Record<string, T>

/** A proxy over TLS in front of the gateway. `proxy.habits` may change. */
async function startProxy (t: Test, gatewayPort: number, proxy: { habits: Habits }): Promise<number> {
  const kept = new Map<string, Exchange>()
  const server = createHttpsServer(certificate, (from, to) => {
    const { habits } = proxy
    const answer = ({ headers, body, status }: Exchange) => { to.writeHead(status, given(headers)).end(body) }
    const known = habits.isCaching === true ? kept.get(from.url ?? '') : undefined
    if (known !== undefined) {
      answer(known)
      return
    }
    const headers: Record<string, string | undefined> = {
      ...from.headers as Record<string, string>,
      'x-forwarded-for': visitor,
      'x-forwarded-proto': 'https',
      'cf-ipcountry': 'DE',
      connection: 'close'
    }
    habits.request?.(headers, from)
    const place = { host: '127.0.0.1', port: gatewayPort, path: from.url, headers: given(headers) }
    const request = httpRequest(place, back => {
      const chunks: Buffer[] = []
      back.on('data', (chunk: Buffer) => chunks.push(chunk))
      back.on('end', () => {
        const own = { ...back.headers, connection: undefined, 'transfer-encoding': undefined }
        const exchange = { headers: own, body: Buffer.concat(chunks), status: back.statusCode ?? 0 }
        habits.response?.(exchange)
        if (habits.isCaching === true && from.url?.startsWith('/v1/') === true) kept.set(from.url, exchange)
        answer(exchange)
      })
    })
    request.on('error', () => { to.writeHead(502).end() })
    request.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return addressOf(server)
}

interface Place {
  habits?: Habits
  names?: Record<string, string[]>
  deps?: Partial<DoctorDeps>
  text?: string
  /** How far the gateway's clock is ahead of Postgres's. */
  offsetMs?: number
}

/** A whole deployment. `examine`: what the doctor says of it, under these circumstances. */
async function deploy (t: Test, trustProxy = ['127.0.0.1']) {
  const vendor = await startVendor(t)
  const clock: { offsetMs?: number } = {}
  const gateway = await vendorWorld(t, {
    clockOffsetMs: () => clock.offsetMs,
    trustProxy,
    sites: [{
      ...site,
      vendors: { google: { tagId: 'G-TEST123', path: '/gt', sendsAddress: true, endpoint: vendor.origin } }
    }]
  })
  const proxy = { habits: {} }
  const port = await startProxy(t, gateway.port, proxy)
  const ask = createAsk(() => ({ address: '127.0.0.1', port, ca: certificate.cert }))
  const all = { server: nameServer(near), ask, now: Date.now, keys: testKeys }
  const examine = async ({ offsetMs, habits = {}, names = near, deps = {}, text = settingsText }: Place = {}) => {
    proxy.habits = habits
    clock.offsetMs = offsetMs
    const findings = await examineSite(siteOf(text), { ...all, server: nameServer(names), ...deps })
    return { findings, say: (check: Finding['check']) => findings.filter(one => one.check === check) }
  }
  return { examine, vendor, port, all }
}

test('of a deployment where all is well, everything is ok', { skip: noOpenssl }, async t => {
  const { examine } = await deploy(t)
  const { findings } = await examine()
  const checks = ['dns', 'safari', 'reach', 'tls', 'address', 'country', 'protocol', 'cookies', 'cache', 'script',
    'vendor']
  t.same(findings.map(({ check, level }) => [check, level]), checks.map(check => [check, 'ok']))
  t.ok(findings.every(({ fix, site, host }) => fix === undefined && site === 'main' && host === 't.example.com'))
})

test('what a proxy spoils is named, with what to change', { skip: noOpenssl }, async t => {
  const cases: [string, Place, Finding['check'], Finding['level'], RegExp, RegExp][] = [
    ['no X-Forwarded-For', { habits: { request: headers => { headers['x-forwarded-for'] = undefined } } },
      'address', 'fail', /every visitor has the address of the proxy, 127\.0\.0\.1/, /X-Forwarded-For/],
    ['the visitor\'s own X-Forwarded-For', {
      habits: {
        request: (headers, from) => {
          headers['x-forwarded-for'] = String(from.headers['x-forwarded-for'])
        }
      }
    }, 'address', 'fail', /anybody can claim any address/, /trusted_proxies/],
    ['a second proxy inside', { habits: { request: headers => { headers['x-forwarded-for'] = '10.0.0.9' } } },
      'address', 'warn', /seems to come from 10\.0\.0\.9/, /if 10\.0\.0\.9 is a proxy, add it/],
    ['the visitor\'s own country', {
      habits: {
        request: (headers, from) => {
          headers['cf-ipcountry'] = String(from.headers['cf-ipcountry'])
        }
      }
    }, 'country', 'fail', /anybody can claim any country/, /let the proxy set that header/],
    ['no country', { habits: { request: headers => { headers['cf-ipcountry'] = undefined } } },
      'country', 'warn', /no country arrives/, /take country_header out/],
    ['no X-Forwarded-Proto', { habits: { request: headers => { headers['x-forwarded-proto'] = undefined } } },
      'protocol', 'warn', /asked over https, and Postern believes http/, /X-Forwarded-Proto/],
    ['one cookie of two', {
      habits: {
        response: ({ headers }) => {
          headers['set-cookie'] = (headers['set-cookie'] as string[] | undefined)?.slice(0, 1)
        }
      }
    }, 'cookies', 'fail', /of two cookies 1 came through/, /Set-Cookie/],
    ['other attributes', {
      habits: {
        response: ({ headers }) => {
          const lines = headers['set-cookie'] as string[] | undefined
          headers['set-cookie'] = lines?.map(one => one.replace('Lax', 'None'))
        }
      }
    }, 'cookies', 'warn', /attributes of cookies are changed/, /proxy_cookie_flags/],
    ['a cache', { habits: { isCaching: true } }, 'cache', 'fail', /is that of another request/, /out of the cache/],
    ['Cache-Control taken out', { habits: { response: ({ headers }) => { delete headers['cache-control'] } } },
      'cache', 'warn', /no-store is taken out/, /let Cache-Control/],
    ['another Host', { habits: { request: headers => { headers.host = 'postern:8377' } } },
      'reach', 'fail', /does not know the host t\.example\.com/, /proxy_set_header Host/],
    ['a gateway that is away', {
      habits: {
        response: exchange => { Object.assign(exchange, { status: 502, headers: {}, body: Buffer.from('no') }) }
      }
    },
    'reach', 'fail', /something else answers at 192\.0\.2\.2 \(status 502\)/, /pass \/v1\/check on/],
    ['no compression', { habits: { request: headers => { headers['accept-encoding'] = undefined } } },
      'script', 'warn', /comes uncompressed/, /Accept-Encoding/],
    ['the script as HTML', { habits: { response: ({ headers }) => { headers['content-type'] = 'text/html' } } },
      'script', 'fail', /no script \(status 200\)/, /\/s\.js/],
    ['another secret', { deps: { keys: deriveKeys(['another secret, of thirty-two characters too']) } },
      'reach', 'fail', /has another secret/, /POSTERN_SECRET/],
    ['no secret', { deps: { keys: undefined } }, 'reach', 'warn', /without the deployment's secret/, /POSTERN_SECRET/],
    ['clocks an hour apart', { deps: { now: () => Date.now() + 3_600_000 } },
      'clock', 'fail', /clocks .* 36\d\d s apart/, /NTP/],
    ['clocks two minutes apart', { deps: { now: () => Date.now() + 120_000 } }, 'clock', 'warn', /clocks/, /NTP/],
    ['a clock that is not Postgres\'s', { offsetMs: -42_000 },
      'clock', 'warn', /clock is 42 s behind its Postgres's/, /NTP/],
    ['names on another network', { names: { ...near, 'www.example.com': ['203.0.113.1'] } },
      'safari', 'warn', /203\.0\.113\.1 and this host at 192\.0\.2\.2.*seven days/,
      /put t\.example\.com behind the same/],
    ['IPv6 on one side', { names: { ...near, 'www.example.com': ['192.0.2.1', '2a00::1'] } },
      'safari', 'warn', /count as strangers/, /A and AAAA/],
    ['a vendor\'s CNAME', { names: { ...near, 't.example.com': ['x.vendor.net', '192.0.2.2'] } },
      'safari', 'warn', /CNAME leads to vendor\.net: Safari ends its cookies/, /of its own/],
    ['a CNAME within', { names: { ...near, 't.example.com': ['x.example.com', '203.0.113.2'] } },
      'safari', 'warn', /overlooks that today/, /same networks/],
    ['no address', { names: { 'www.example.com': ['192.0.2.1'] } }, 'dns', 'fail', /no address/, /A and AAAA/],
    ['pages elsewhere', { text: settingsText.replace('www.example.com', 'www.example.net') },
      'safari', 'fail', /third-party cookies/, /add a host of example\.net/]
  ]
  const { examine } = await deploy(t)
  for (const [name, place, check, level, text, fix] of cases) {
    const { say, findings } = await examine(place)
    t.match(say(check), [{ level, text, fix }], name)
    t.same(findings.filter(one => (one.level === 'ok') !== (one.fix === undefined)), [], 'what is not ok has its fix')
  }
})

test('apex and www, each with its own pages, are not held against each other', async t => {
  const origins = ['https://example.com', 'https://www.example.com']
  const table = { 'example.com': ['192.0.2.1'], 'www.example.com': ['198.51.100.1'], 't.example.com': ['192.0.2.2'] }
  const say = async (hosts: string[], pages = origins) => {
    const said: [string, string, Finding['level'], string][] = []
    await checkNames({ hosts, origins: pages }, nameServer(table),
      host => (check, level, text) => { if (check === 'safari') said.push([host, check, level, text]) })
    return said.map(([host, , level, text]) => `${host} ${level} ${/own host|near|another network/.exec(text)?.[0]}`)
  }
  t.same(await say(['example.com', 'www.example.com']), ['example.com ok own host', 'www.example.com ok own host'])
  t.same(await say(['example.com', 'www.example.com', 't.example.com']), [
    'example.com ok own host', 't.example.com ok near', 'www.example.com ok own host',
    't.example.com warn another network'
  ], 'a host that is no page\'s own still is, for each of them')
  t.same(await say(['example.com']), ['example.com ok own host', 'example.com warn another network'],
    'and the apex for the pages under www that it serves')
})

test('a proxy that is not trusted, and no proxy at all', { skip: noOpenssl }, async t => {
  const { examine, all } = await deploy(t, [])
  // Both ends are this machine here, so it could as well be the asker itself.
  const { say } = await examine()
  t.match(say('address'), [{ level: 'ok', text: /without a proxy/ }])
  t.match(say('country'), [{ level: 'warn' }])
  const { ask } = all
  const fromOutside: typeof ask = async (url, options) => {
    const asked = await ask(url, options)
    if ('failure' in asked) return asked
    return { reply: { ...asked.reply, localAddress: '192.168.0.2', remoteAddress: '8.8.8.8' } }
  }
  const outside = await examine({ deps: { ask: fromOutside } })
  t.match(outside.say('address'), [{
    level: 'fail', text: /come from 127\.0\.0\.1, which is not among trusted_proxies/, fix: /add it to trusted_proxies/
  }])
})

test('each address of a host is asked, and a stale one is named', { skip: noOpenssl }, async t => {
  const { examine, port } = await deploy(t)
  const stranger = createHttpsServer(certificate, (_request, response) => { response.end('<h1>parked</h1>') })
  stranger.listen(0, '127.0.0.1')
  await once(stranger, 'listening')
  t.teardown(() => { stranger.close() })
  const good = createAsk(() => ({ address: '127.0.0.1', port, ca: certificate.cert }))
  const bad = createAsk(() => ({ address: '127.0.0.1', port: addressOf(stranger), ca: certificate.cert }))
  const ask: typeof good = async (url, options) => {
    if (options?.address === '2a00::9') return { failure: 'ENETUNREACH' }
    return await (options?.address === '192.0.2.3' ? bad : good)(url, options)
  }
  const names = { ...near, 't.example.com': ['192.0.2.2', '192.0.2.3', '2a00::9'] }
  const { say } = await examine({ names, deps: { ask } })
  t.match(say('reach'), [
    { level: 'fail', text: /something else answers at 192\.0\.2\.3 \(status 200\)/ },
    { level: 'warn', text: /nobody answers at 2a00::9/, fix: /IPv6/ },
    { level: 'ok' }
  ])
})

test('nobody there, and a name server that fails, are findings and no crash', async t => {
  const closed = createHttpServer()
  closed.listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const port = addressOf(closed)
  closed.close()
  await once(closed, 'close')
  const findings = await examineSite(siteOf(settingsText), {
    server: {
      addresses: async () => { throw Object.assign(new Error('no'), { code: 'ESERVFAIL' }) }, aliases: async () => []
    },
    ask: createAsk(() => ({ address: '127.0.0.1', port })),
    now: Date.now,
    keys: testKeys
  })
  t.match(findings.filter(({ check }) => check === 'dns'), [{ level: 'warn', text: /ESERVFAIL/ }])
  t.match(findings.filter(({ check }) => check === 'reach'), [{
    level: 'fail', text: /nobody answers \(ECONNREFUSED\)/
  }])
})

test('a certificate is judged as a browser would', { skip: noOpenssl }, async t => {
  const { examine, all, port } = await deploy(t)
  const url = new URL('https://t.example.com/')
  const judge = (tls: Reply['tls'], nowMs: number, address = url) => {
    const notes: unknown[][] = []
    checkTls({ tls } as Reply, address, nowMs, (...note) => { notes.push(note) })
    return notes
  }
  const nowMs = Date.UTC(2026, 10, 1)
  const good = { validToMs: nowMs + 30 * 86_400_000, names: 'DNS:t.example.com' }
  t.match(judge(good, nowMs), [['tls', 'ok', /2026-12-01/]])
  t.match(judge(good, nowMs + 20 * 86_400_000), [['tls', 'warn', /in 10 days/, /renew/]])
  t.match(judge({ ...good, problem: 'CERT_HAS_EXPIRED' }, nowMs), [['tls', 'fail', /CERT_HAS_EXPIRED/, /certificate/]])
  t.match(judge(undefined, nowMs, new URL('http://t.example.com/')), [['tls', 'fail', /plain http/, /https/]])
  t.same(judge(undefined, nowMs, new URL('http://localhost:8377/')), [])

  const unknown = createAsk(() => ({ address: '127.0.0.1', port }))
  const { say } = await examine({ deps: { ask: unknown } })
  t.match(say('tls'), [{ level: 'fail', text: /DEPTH_ZERO_SELF_SIGNED_CERT/ }])
  const asked = await all.ask(new URL('https://x.example.com/'))
  t.match(asked, { reply: { tls: { problem: 'ERR_TLS_CERT_ALTNAME_INVALID' } } })
})

test('Google\'s own health checks are asked through the path', { skip: noOpenssl }, async t => {
  const { vendor, examine } = await deploy(t)
  await examine()
  t.same(vendor.received.map(({ url }) => url), ['/gt/healthy', '/gt/?validate_geo=healthy'])
  const answers: [string, string, Finding['level'], RegExp][] = [
    ['ok', 'no', 'warn', /from their addresses alone/],
    ['no', 'no', 'fail', /does not answer under \/gt\/healthy \(no\)/]]
  for (const [health, place, level, text] of answers) {
    vendor.vendor.react = ({ url }, response) => { response.end(url.includes('validate_geo') ? place : health) }
    const { say } = await examine()
    t.match(say('vendor'), [{ level, text }])
  }
})

test('where Postern is to be found on a host', async t => {
  const at = { origins: ['https://www.example.com', 'http://localhost:8379'], prefix: '/_p', upstream: undefined }
  t.equal(baseOf(at, 't.example.com').href, 'https://t.example.com/')
  t.equal(baseOf(at, 'www.example.com').href, 'https://www.example.com/_p/')
  t.equal(baseOf({ ...at, upstream: 'http://10.0.0.1' }, 't.example.com').href, 'https://t.example.com/_p/')
  t.equal(baseOf(at, 'localhost:8377').href, 'http://localhost:8377/')
  t.equal(baseOf(at, 'localhost:8379').href, 'http://localhost:8379/_p/')
})

test('the self-check answers the deployment\'s own secret alone, and for five minutes', async t => {
  const { base } = await vendorWorld(t, {})
  const nowMs = Date.now()
  const { token, nonce } = makeSelfCheck(testKeys, nowMs)
  const ask = async (given: string | undefined, host = 't.example.com') => await send(base, '', {
    path: '/v1/check',
    method: 'GET',
    origin: null,
    host,
    headers: given === undefined ? {} : { 'x-postern-check': given }
  })
  t.match(await ask(token), { status: 200, json: { nonce, site: 'main', host: 't.example.com', protocol: 'http' } })
  t.match((await ask(token)).headers, { 'cache-control': 'no-store' })
  const strangers = [undefined, '', 'x', token.slice(0, -1), `${token}A`, token.replace(nonce, 'A'.repeat(16)),
    makeSelfCheck(deriveKeys(['another secret, of thirty-two characters too']), nowMs).token,
    makeSelfCheck(testKeys, nowMs - 301_000).token, makeSelfCheck(testKeys, nowMs + 360_000).token]
  for (const given of strangers) {
    const answer = await ask(given)
    t.match(answer, { status: 404, json: { error: { code: 'not_found' } } }, String(given))
    t.equal(answer.headers['set-cookie'], undefined)
  }
  t.match(await ask(token, 'unknown.example'), { status: 404, json: { error: { code: 'unknown_site' } } })
  t.equal(readSelfCheck(token, testKeys, nowMs + 300_000), nonce)
  t.equal(readSelfCheck(token, testKeys, nowMs + 300_001), undefined)
})

test('the command prints lines or JSON, and exits with 1 if something is broken', { skip: noOpenssl }, async t => {
  const folder = t.testdir({})
  const config = join(folder, 'postern.yaml')
  const second = 'second: { hosts: [t.example.net], origins: ["https://www.example.net"] }'
  writeFileSync(config, `${settingsText}  ${second}\n`)
  const { all } = await deploy(t)
  const names = { ...near, 't.example.net': ['192.0.2.1'], 'www.example.net': ['192.0.2.1'] }
  const ofTwo = { ...all, server: nameServer(names) }
  const doctor = async (argv: string[]) => {
    let text = ''
    const code = await run(['--config', config, ...argv], {}, ofTwo, more => { text += more })
    return { code, text }
  }
  const one = await doctor(['main'])
  t.equal(one.code, 0, one.text)
  t.equal(one.text.split('\n').length, 12)
  t.match(one.text, /^ok {4}main {2}t\.example\.com {2}dns: 192\.0\.2\.2\.$/m)
  const both = await doctor([])
  t.equal(both.code, 1)
  t.match(both.text, /^fail {2}second {2}t\.example\.net {2}reach: Postern answers at .*, but does not know .* Fix: /m)
  const json = await doctor(['--json'])
  t.equal(json.code, 1)
  t.match(JSON.parse(json.text), { ok: false, findings: [{ site: 'main', check: 'dns', level: 'ok' }] })
  t.equal((await doctor(['third'])).code, 2)
  t.equal((await doctor(['--wrong'])).code, 2)
  t.match(await doctor(['--help']), { code: 0, text: /usage: postern doctor/ })
})
