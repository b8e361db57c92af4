// The shipped files as they are written for two gateways: while one of them fails, the other takes every request.
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import t, { test, type Test } from 'tap'
import { gatewayWorld, site } from '../gateway_world.ts'
import { startVendor, vendorWorld } from '../vendor_world.ts'
import { configuration, forTwo, freePort, noNginx, startNginx, visit, withTagGateway } from './nginx.ts'
import { ownersNginx, startOwnersSite } from './owner.ts'

t.setTimeout(170_000)

async function listenWith (t: Test, react: RequestListener): Promise<number> {
  const server = createServer(react)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** What becomes of the second gateway: its port. */
const second: Record<string, (t: Test) => Promise<number>> = {
  'is killed': async () => await freePort(),
  'is stopping': async t => await listenWith(t, (_request, response) => { response.writeHead(503).end('stopping') }),
  'dies before it answers': async t => await listenWith(t, request => {
    request.resume()
    request.on('end', () => { request.socket.destroy() })
  })
}

const deployments = [
  { name: 'subdomain', http: configuration('subdomain.conf'), host: 't.example.com', path: '/v1/e' },
  { name: 'path', http: ownersNginx(['www.example.com']), host: 'www.example.com', path: '/_p/v1/e' },
  { name: 'front', http: configuration('front.conf'), host: 'www.example.com', path: '/_p/v1/e' }
]

for (const { name, http, host, path } of deployments) {
  test(`${name}: no post is lost with one of two gateways`, { skip: noNginx }, async t => {
    const { base, parts } = await gatewayWorld(t, {
      trustProxy: ['127.0.0.1'], sites: [{ ...site, hosts: ['t.example.com', 'www.example.com'] }]
    })
    const owner = await startOwnersSite(t)
    const all = { posternPort: Number(new URL(base).port), sitePort: owner.port }
    let posted = 0
    for (const [what, start] of Object.entries(second)) {
      const nginx = await startNginx(t, forTwo(http), { ...all, secondPort: await start(t) })
      const statuses: number[] = []
      // nginx takes turns: some of these come to the second one first.
      for (let number = 0; number < 6; number++) {
        const body = JSON.stringify({ event_name: 'page_view', event_id: `two-${what}-${number}` })
        const headers = { origin: 'https://www.example.com', 'content-type': 'text/plain' }
        statuses.push((await visit(nginx.tlsPort, path, { host, method: 'POST', body, headers })).status)
        posted++
      }
      t.same(statuses, [202, 202, 202, 202, 202, 202], what)
    }
    t.equal((await parts()).length, posted, 'and each is one event')
  })
}

for (const [name, http] of [
  ['path', ownersNginx(['www.example.com'])], ['front', configuration('front.conf')]
] as const) {
  test(`${name}: Google's tag gateway under the site's own path`, { skip: noNginx }, async t => {
    const { origin, received } = await startVendor(t)
    const google = { tagId: 'G-TEST123', path: '/gt', sendsAddress: true, endpoint: origin }
    const { port } = await vendorWorld(t, {
      trustProxy: ['127.0.0.1'], sites: [{ ...site, hosts: ['www.example.com'], vendors: { google } }]
    })
    const owner = await startOwnersSite(t)
    const nginx = await startNginx(t, withTagGateway(http), { posternPort: port, sitePort: owner.port })
    const answer = await visit(nginx.tlsPort, '/gt/g/collect?v=2&en=page_view', {
      headers: { 'x-forwarded-for': '198.51.100.9', cookie: 'session=of-the-site' }, from: '127.0.0.7'
    })
    t.match(answer, { status: 200, body: 'ok' })
    t.match(received, [{ url: '/gt/g/collect?v=2&en=page_view' }])
    const told = JSON.stringify(received[0]?.headers)
    t.notMatch(told, /198\.51\.100\.9|of-the-site/)
    t.match(told, '127.0.0.7', 'the address that nginx saw')
    t.notMatch(nginx.logs(), /en=page_view/, 'what the tag sends is in no log')
  })
}
