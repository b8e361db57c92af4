// Whom a request claims to come from, and for which site: what a header is worth from a proxy of ours, and from others.
import { connect } from 'node:net'
import { test, type Test } from 'tap'
import { fromPlaintexts } from '../schema/sealing.ts'
import { gatewayWorld, granted, site, testKeys } from '../test/gateway_world.ts'

/** Any address of 127.0.0.0/8 is this machine's: one of them is a proxy of ours, another is anybody. */
const proxy = '127.0.0.1'
const anybody = '127.0.0.2'
const secret = 'a secret of the platform, long enough'
const settings = {
  sites: [
    site,
    { ...site, name: 'shop', hosts: ['t.shop.example', 't.shop.example:8443'], origins: ['https://www.shop.example'] },
    { ...site, name: 'local', hosts: ['localhost'], origins: [] }
  ],
  trustProxy: [proxy, '10.0.0.0/8', '2001:db8:aaaa::/48'],
  platform: { secrets: [secret], addressHeader: 'x-postern-client' }
}
type World = Awaited<ReturnType<typeof gatewayWorld>>

interface Answer { status: number, head: string }

/** One POST /v1/e, byte for byte as the lines say: a client that sends what no browser would. */
async function post (world: World, from: string, lines: readonly string[], id: string, target = '/v1/e'):
Promise<Answer> {
  const body = JSON.stringify({ event_name: 'sign_up', event_id: id, consent: granted })
  const head = [`POST ${target} HTTP/1.1`, ...lines, 'Content-Type: text/plain', `Content-Length: ${body.length}`,
    'User-Agent: test', 'Connection: close', '', '']
  const { hostname, port } = new URL(world.base)
  return await new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), localAddress: from })
    let text = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => { text += chunk })
    socket.on('error', reject)
    socket.on('end', () => {
      resolve({ status: Number(text.split(' ')[1]), head: text.split('\r\n\r\n', 1)[0] ?? '' })
    })
    socket.write(Buffer.from(head.join('\r\n'), 'latin1'))
    socket.write(body)
  })
}

interface Stored { site: string, ip: string | undefined }

async function storedIn (world: World): Promise<Map<string, Stored>> {
  const { rows } = await world.pool.query<{
    event_id: string, site: string, sealed: Buffer, sealed_client: Buffer | null
  }>('SELECT event_id, site, sealed, sealed_client FROM events')
  return new Map(rows.map(({ event_id: id, site, sealed, sealed_client: client }) => {
    const open = (bytes: Buffer) => testKeys.open(site, bytes).toString()
    const data = fromPlaintexts({ data: open(sealed), client: client === null ? null : open(client) })
    return [id, { site, ip: data.client?.ip }]
  }))
}

interface Expected { site?: string, ip?: string | null, status?: number }
type Row = [headers: string[], expected: Expected]

async function check (t: Test, from: string, own: Expected, rows: readonly Row[]): Promise<void> {
  const world = await gatewayWorld(t, settings)
  const answers: Answer[] = []
  for (const [at, [headers]] of rows.entries()) {
    const hasHost = headers.some(line => /^host:/i.test(line))
    answers.push(await post(world, from, [...hasHost ? [] : ['Host: t.example.com'], ...headers], `row-${at}`))
  }
  const stored = await storedIn(world)
  for (const [at, [headers, given]] of rows.entries()) {
    const expected = { ...own, ...given }
    const name = headers.join(' | ')
    t.equal(answers[at]?.status, expected.status, name)
    t.same(stored.get(`row-${at}`), expected.status === 202
      ? { site: expected.site, ip: expected.ip ?? undefined }
      : undefined, name)
  }
}

const spoofed = '198.51.100.66'
const real = '203.0.113.7'
const chain = 'X-Forwarded-For: '

test('from anybody no header is worth anything but Host', async t => {
  const lies: string[][] = [
    [chain + spoofed], [`${chain}${spoofed}, ${real}`], [chain + proxy], [],
    [`${chain}10.0.0.1, ${spoofed}`], [chain + spoofed, chain + real], [`x-forwarded-for:${spoofed}`],
    [chain], [`${chain},,,`], [`Forwarded: for=${spoofed};host=t.shop.example;proto=https`],
    ['Forwarded: for="[2001:db8::1]:443"'], [`X-Real-IP: ${spoofed}`], [`X-Real-Ip: ${proxy}`],
    [`CF-Connecting-IP: ${spoofed}`], ['CF-Connecting-IPv6: 2001:db8::1'], [`True-Client-IP: ${spoofed}`],
    [`X-Client-IP: ${spoofed}`], [`X-Cluster-Client-IP: ${spoofed}`], [`Fastly-Client-IP: ${spoofed}`],
    [`X-Azure-ClientIP: ${spoofed}`], [`X-Vercel-Forwarded-For: ${spoofed}`], [`X-Nf-Client-Connection-Ip: ${spoofed}`],
    [`Fly-Client-IP: ${spoofed}`], [`X-Original-Forwarded-For: ${spoofed}`], [`X-ProxyUser-Ip: ${spoofed}`],
    [`WL-Proxy-Client-IP: ${spoofed}`], [`Client-IP: ${spoofed}`], [`Via: 1.1 ${spoofed}`],
    [`X-Postern-Client: ${spoofed}`], [`X-Postern-Client: ${spoofed}`, 'X-Postern-Proxy: wrong'],
    [`X-Postern-Client: ${spoofed}`, 'X-Postern-Proxy: '],
    [`X-Postern-Client: ${spoofed}`, `X-Postern-Proxy: ${secret}x`],
    [`X-Postern-Client: ${spoofed}`, `X-Postern-Proxy: ${secret.toUpperCase()}`],
    [`X-Postern-Client: ${spoofed}`, `X-Postern-Proxy: ${secret}`, 'X-Postern-Proxy: another'],
    ['X-Forwarded-Host: t.shop.example'], ['X-Forwarded-Host: t.shop.example, t.shop.example'],
    ['X-Host: t.shop.example'], ['X-Original-Host: t.shop.example'], ['X-HTTP-Host-Override: t.shop.example'],
    ['X-Forwarded-Server: t.shop.example'], ['X-Original-URL: /v1/consent'], ['X-Rewrite-URL: /livez'],
    ['X-HTTP-Method-Override: GET'], ['X-Forwarded-Prefix: /_p'], ['X-Forwarded-Proto: https'],
    ['X-Forwarded-Port: 8443'], ['X-Forwarded-Host: '], ['X-Forwarded-Proto: javascript']
  ]
  await check(t, anybody, { site: 'main', ip: anybody, status: 202 }, lies.map(headers => [headers, {}]))
})

test('a proxy of ours is believed in what it adds itself', async t => {
  await check(t, proxy, { site: 'main', ip: proxy, status: 202 }, [
    [[], {}],
    [[chain + real], { ip: real }],
    [[`${chain}${spoofed}, ${real}`], { ip: real }],
    [[`${chain}${spoofed},${real}`], { ip: real }],
    [[`${chain}${spoofed}, ${spoofed}, ${spoofed}, ${real}`], { ip: real }],
    [[chain + spoofed, chain + real], { ip: real }],
    [[`${chain}${spoofed}, ${real}, 10.1.2.3`], { ip: real }],
    [[`${chain}${spoofed}, ${real}, 10.1.2.3, 10.1.2.4`], { ip: real }],
    [[`${chain}${spoofed}, 10.9.9.9, ${real}, 10.1.2.3`], { ip: real }],
    [[`${chain}${spoofed}, ${real}, 2001:db8:aaaa::5`], { ip: real }],
    [[`${chain}${real}, ::ffff:10.1.2.3`], { ip: real }],
    [[`${chain}10.1.2.3, 10.1.2.4`], { ip: '10.1.2.3' }],
    [[`${chain}2001:db8::7`], { ip: '2001:db8::7' }],
    [[`${chain}2001:DB8::7`], { ip: '2001:db8::7' }],
    [[`${chain}::ffff:${real}`], { ip: real }],
    [[`${chain}::ffff:cb00:7107`], { ip: real }],
    [[`${chain}fe80::1%eth0`], { ip: 'fe80::1' }],
    // As some balancers write it: with the port.
    [[`${chain}${real}:51234`], { ip: real }],
    [[`${chain}[2001:db8::7]:51234`], { ip: '2001:db8::7' }],
    [[`${chain}[2001:db8::7]`], { ip: '2001:db8::7' }],
    [[`${chain}${spoofed}, ${real}, 10.1.2.3:8080`], { ip: real }],
    [[`${chain}${spoofed}, ${real}, [2001:db8:aaaa::5]:8080`], { ip: real }],
    // What is no address is nobody's, and what stands before it is not believed either.
    [[`${chain}${spoofed}, unknown`], { ip: null }],
    [[`${chain}${spoofed}, _hidden`], { ip: null }],
    [[`${chain}unknown`], { ip: null }],
    [[`${chain}${spoofed}, 300.1.1.1`], { ip: null }],
    [[`${chain}${spoofed}, 203.0.113.7.8`], { ip: null }],
    [[`${chain}${spoofed}, 0x7f.1`], { ip: null }],
    [[`${chain}${spoofed}, 10.1`], { ip: null }],
    [[`${chain}${spoofed}, 010.1.2.3`], { ip: null }],
    [[`${chain}${spoofed}, t.example.com`], { ip: null }],
    [[`${chain}${spoofed}, "10.1.2.3"`], { ip: null }],
    [[`${chain}${spoofed}, <script>`], { ip: null }],
    [[`${chain}${spoofed}, ${real} ${spoofed}`], { ip: null }],
    [[`${chain}${spoofed};${real}`], { ip: null }],
    [[`${chain}${spoofed}, ${real}:port`], { ip: null }],
    [[`${chain}${'1.1.1.1, '.repeat(500)}${real}`], { ip: real }],
    [[chain], {}],
    [[`${chain},`], {}],
    [[`${chain} , ,`], {}],
    [[`${chain}${real},`], { ip: real }],
    [[`${chain}, ${real}`], { ip: real }],
    // Headers that a proxy passes on without having written them.
    [[`X-Real-IP: ${spoofed}`], {}],
    [[`X-Real-IP: ${spoofed}`, chain + real], { ip: real }],
    [[`Forwarded: for=${spoofed}`, chain + real], { ip: real }],
    [[`CF-Connecting-IP: ${spoofed}`, chain + real], { ip: real }],
    [[`True-Client-IP: ${spoofed}`, chain + real], { ip: real }],
    [[`X-Client-IP: ${spoofed}`, chain + real], { ip: real }],
    [[`X-Postern-Client: ${spoofed}`, chain + real], { ip: real }],
    [[`X-Postern-Client: ${spoofed}`, 'X-Postern-Proxy: wrong', chain + real], { ip: real }],
    // Behind the proxy stands a platform that proves itself: its word is the last.
    [[`X-Postern-Client: ${real}`, `X-Postern-Proxy: ${secret}`, chain + spoofed], { ip: real }],
    // The host that it was asked for; it must be one of ours.
    [['X-Forwarded-Host: t.shop.example', chain + real], { ip: real, site: 'shop' }],
    [['X-Forwarded-Host: T.Shop.Example.', chain + real], { ip: real, site: 'shop' }],
    [['X-Forwarded-Host: t.shop.example:8443'], { site: 'shop' }],
    [['X-Forwarded-Host: t.example.com, t.shop.example'], { site: 'shop' }],
    [['X-Forwarded-Host: t.shop.example', 'X-Forwarded-Host: t.example.com'], {}],
    [['X-Forwarded-Host: evil.example'], { status: 404 }],
    [['X-Forwarded-Host: t.shop.example, evil.example'], { status: 404 }],
    [['X-Forwarded-Host: '], {}]
  ])
})

test('a platform that proves itself is believed from anywhere, in the address alone', async t => {
  const proof = `X-Postern-Proxy: ${secret}`
  await check(t, anybody, { site: 'main', ip: anybody, status: 202 }, [
    [[proof], {}],
    [[proof, `X-Postern-Client: ${real}`], { ip: real }],
    [[proof, 'X-Postern-Client: 2001:db8::7'], { ip: '2001:db8::7' }],
    [[proof, `X-Postern-Client: ${spoofed}, ${real}`], {}],
    [[proof, `X-Postern-Client: ${spoofed}`, `X-Postern-Client: ${real}`], {}],
    [[proof, 'X-Postern-Client: unknown'], {}],
    [[proof, `X-Forwarded-For: ${spoofed}`], {}],
    [[proof, 'X-Forwarded-Host: t.shop.example'], {}]
  ])
})

test('the Host header names one of the configured hosts, or nothing', async t => {
  const hosts: [host: string, expected: Expected][] = [
    ['t.example.com', {}], ['T.EXAMPLE.com', {}], ['t.example.com.', {}], ['t.example.com:80', {}],
    ['t.example.com:443', {}], ['t.example.com:8080', {}], ['t.example.com.:8080', {}],
    ['t.shop.example', { site: 'shop' }], ['t.shop.example:8443', { site: 'shop' }],
    ['localhost:4711', { site: 'local' }],
    ...['t.example.com..', 't.example.com:', 't.example.com:x', 't.example.com:80:443', 't.example.com:123456',
      't.example.com:-1', 'user@t.example.com', 'user:pw@t.example.com', 't.example.com@evil.example',
      'evil.example#t.example.com', 'evil.example/t.example.com', 'evil.example\\t.example.com',
      't.example.com/..', 't.example.com?', 't.example.com#', 't.example.com%00', 't.example.com, t.example.com',
      't.example.com t.shop.example', 'http://t.example.com', '//t.example.com', '.t.example.com', '*.example.com',
      't.*', 'evil.t.example.com', 't.example.com.evil.example', 't-example.com', 'texample.com', 'example.com',
      'www.example.com', 't.ex\xe4mple.com', 't.xn--exmple-cua.com', 't%2eexample.com', 't\xa1\xa3example.com',
      '127.0.0.1', '[::1]', '0', '', 'constructor', '__proto__', 'localhost.localdomain', 'localhost.evil.example'
    ].map((host): [string, Expected] => [host, { status: 404 }])
  ]
  const rows = hosts.map(([host, expected]): Row => [[`Host: ${host}`], expected])
  await check(t, anybody, { site: 'main', ip: anybody, status: 202 }, rows)
})

test('a request that names two hosts, or another one than its target, is none', async t => {
  const world = await gatewayWorld(t, settings)
  const cases: [name: string, lines: string[], target: string, status: number][] = [
    ['two hosts', ['Host: t.example.com', 'Host: t.shop.example'], '/v1/e', 400],
    ['the same host twice', ['Host: t.example.com', 'Host: t.example.com'], '/v1/e', 400],
    ['in another spelling', ['Host: t.example.com', 'hOST: evil.example'], '/v1/e', 400],
    ['folded', ['Host: t.example.com', ' t.shop.example'], '/v1/e', 400],
    ['with a blank before the colon', ['Host : t.example.com'], '/v1/e', 400],
    ['no host at all', [], '/v1/e', 400],
    ['a whole address of another host', ['Host: t.example.com'], 'http://evil.example/v1/e', 400],
    ['a whole address of another site', ['Host: t.example.com'], 'HTTPS://t.shop.example/v1/e', 400],
    ['its own whole address', ['Host: t.example.com'], 'http://t.example.com/v1/e', 400],
    ['a host for a path', ['Host: t.example.com'], '//t.shop.example/v1/e', 404],
    ['a control character', ['Host: t.example.com\x01'], '/v1/e', 400]
  ]
  for (const [name, lines, target, status] of cases) {
    t.equal((await post(world, anybody, lines, `two-${name}`, target)).status, status, name)
    t.equal((await post(world, proxy, lines, `two-${name}`, target)).status, status, `${name}, from a proxy`)
  }
  t.equal((await storedIn(world)).size, 0)
})

test('only a proxy of ours can say https', async t => {
  const world = await gatewayWorld(t, settings)
  const cases: [from: string, headers: string[], isHttps: boolean][] = [
    [anybody, [], false], [anybody, ['X-Forwarded-Proto: https'], false], [anybody, ['Forwarded: proto=https'], false],
    [anybody, ['X-Forwarded-Ssl: on', 'Front-End-Https: on', 'X-Forwarded-Scheme: https'], false],
    [anybody, ['X-Url-Scheme: https', 'X-Forwarded-Port: 443'], false],
    [anybody, ['X-Forwarded-Proto: https', `X-Forwarded-For: ${proxy}`], false],
    [anybody, ['X-Forwarded-Proto: https', `X-Postern-Proxy: ${secret}`], false],
    [proxy, [], false], [proxy, ['X-Forwarded-Proto: https'], true], [proxy, ['X-Forwarded-Proto: http'], false],
    [proxy, ['X-Forwarded-Proto: http, https'], true], [proxy, ['X-Forwarded-Proto: https, http'], false],
    [proxy, ['X-Forwarded-Proto: http', 'X-Forwarded-Proto: https'], true],
    [proxy, ['X-Forwarded-Proto: javascript'], false], [proxy, ['X-Forwarded-Proto: '], false],
    [proxy, ['X-Forwarded-Ssl: on'], false], [proxy, ['X-Forwarded-Port: 443'], false],
    [proxy, ['Forwarded: proto=https'], false]
  ]
  for (const [at, [from, headers, isHttps]] of cases.entries()) {
    const { head } = await post(world, from, ['Host: localhost', ...headers], `scheme-${at}`)
    const line = /^set-cookie: _pstn=.*$/im.exec(head)?.[0] ?? ''
    t.match(line, /SameSite=Lax/)
    t.equal(line.includes('; Secure'), isHttps, `${from}: ${headers.join(' | ')}`)
  }
})
