// Several hundred hostile addresses against every place where one can be given: none leads anywhere but where it may.
import { connect } from 'node:net'
import t, { test, type Test } from 'tap'
import { parseSettings } from '../config/settings.ts'
import type { Arrival, IngestLog } from '../gateway/arrival.ts'
import type { GatewaySite } from '../gateway/site.ts'
import { google } from '../gateway/vendors/google.ts'
import { isPublicAddress } from '../gateway/vendors/public_address.ts'
import { publicLookup } from '../gateway/vendors/public_lookup.ts'
import { send, site } from './gateway_world.ts'
import {
  closedAddresses, hostileHosts, hostilePaths, hostileSchemes, hostileUrls, openAddresses
} from './hostile_addresses.ts'
import { sendRaw, startCanary, startVendor, vendorWorld } from './vendor_world.ts'

t.setTimeout(300_000)

const trusted = 'www.example.com'

/** Takes everything and keeps it in memory. */
function memoryLog (): IngestLog & { arrivals: Arrival[] } {
  const arrivals: Arrival[] = []
  return {
    arrivals,
    append: async given => {
      arrivals.push(...given)
      return given.map(({ part }) => ({ status: 'stored', isNewEvent: true, eventId: part.event_id }))
    },
    close: async () => undefined
  }
}

async function world (test: Test) {
  const stand = await startVendor(test)
  const canary = await startCanary(test)
  const own: GatewaySite = {
    ...site,
    vendors: { google: { tagId: 'G-TEST123', path: '/gt', sendsAddress: true, endpoint: stand.origin } }
  }
  const log = memoryLog()
  // Patient: the breaker must not keep a payload from being tried.
  const limits = { connectMs: 60_000, headersMs: 60_000, bodyMs: 60_000 }
  const gateway = await vendorWorld(test, { sites: [own], log, vendorProxy: { limits } })
  return { ...stand, ...gateway, canary, log }
}

test('no request target leads the vendor proxy anywhere but to the vendor, below the path', async t => {
  const { port, received, host, canary } = await world(t)
  const evil = `127.0.0.1:${canary.port}`
  const targets = [...new Set([evil, 'evil.example', '169.254.169.254'].flatMap(one => hostilePaths('/gt', one)))]
  const heads = ['Host: t.example.com', `Host: ${evil}`, `Host: t.example.com\r\nX-Forwarded-Host: ${evil}`,
    `Host: t.example.com@${evil}`]
  let tried = 0
  for (const target of targets) {
    for (const head of heads) {
      tried++
      const before = received.length
      const answer = await sendRaw(port, Buffer.from(`GET ${target} HTTP/1.1\r\n${head}\r\nConnection: close\r\n\r\n`))
      if (/CANARY/.test(answer)) t.fail(`${target} brought the canary`)
      if (!/^HTTP\/1\.1 (200|30[1-8]|4\d\d) /.test(answer)) t.fail(`${target}: ${answer.slice(0, 40)}`)
      for (const seen of received.slice(before)) {
        const path = seen.url.split('?', 1)[0] ?? ''
        const isSafe = seen.url === target && seen.headers.host === host && /^\/gt(\/|$)/.test(path) &&
          !/\/\/|\\|%(2e|2f|5c|00|0d|0a|25)|(^|\/)\.\.?(\/|$)/i.test(path)
        if (!isSafe) t.fail(`${JSON.stringify(target)} reached the vendor as ${seen.headers.host}${seen.url}`)
      }
    }
  }
  for (const method of ['CONNECT', 'TRACE']) {
    for (const target of [evil, `http://${evil}/`, '/gt/x']) {
      tried++
      const head = 'Host: t.example.com\r\nConnection: close'
      const answer = await sendRaw(port, `${method} ${target} HTTP/1.1\r\n${head}\r\n\r\n`)
      if (/^HTTP\/1\.1 2/.test(answer) || /CANARY/.test(answer)) t.fail(`${method} ${target}`)
    }
  }
  t.ok(tried > 600, `${tried} requests were tried`)
  t.ok(received.length > 10, 'what is harmless among them did reach the vendor')
  t.equal(canary.touched, 0, 'connections to the canary')
})

test('no redirect of a vendor\'s leads to another host, or below another path', async t => {
  const { base, vendor, canary } = await world(t)
  const evil = hostileHosts(canary.port).flatMap(host => hostileUrls(host, trusted)).concat(hostileSchemes)
    .map(address => address.replaceAll(trusted, 'www.google.com').replace(/\/$/, '/pagead/x'))
  const { mayLeadTo } = google({ tagId: 'G-1', path: '/gt', sendsAddress: true })
  const through = [...new Set(evil)].filter(address => {
    const url = URL.parse(address)
    return url !== null && mayLeadTo(url)
  })
  t.same(through, [], `of ${new Set(evil).size} addresses none may be led to`)
  t.ok(mayLeadTo(new URL('https://www.google.com/pagead/x')))
  const overHttp = [...new Set(hostileUrls(`127.0.0.1:${canary.port}`, trusted).concat(hostileSchemes))]
    .filter(location => /^[\t\x20-\x7e]*$/.test(location))
  for (const location of overHttp) {
    vendor.react = (_request, response) => { response.writeHead(302, { location }).end() }
    const answer = await send(base, '', {
      path: '/gt/a/b',
      method: 'GET',
      origin: null,
      headers: {
        'sec-fetch-mode': 'no-cors'
      }
    })
    const leads = answer.headers.location
    if (leads !== undefined && !/^\/gt(\/[\w.%-]*)*(\?|$)/.test(leads)) t.fail(`${location} went out as ${leads}`)
  }
  t.ok(overHttp.length > 40, `${overHttp.length} of them were tried over HTTP`)
  t.equal(canary.touched, 0)
})

test('postern_next leads to a host of the site\'s or to its thank-you page, whatever it says', async t => {
  const { base, canary, log } = await world(t)
  const payloads = [...new Set([
    ...hostileHosts(canary.port).flatMap(host => [`http://${host}/`, `//${host}/`, `https://${trusted}@${host}/x`]),
    ...['evil.example', `127.0.0.1:${canary.port}`, '[::1]'].flatMap(host => hostileUrls(host, trusted)),
    ...hostileSchemes
  ])]
  const go = async (next: string) => {
    const body = new URLSearchParams({ email: 'anna@example.com', postern_next: next }).toString()
    return await send(base, body, {
      path: '/v1/leads', type: 'application/x-www-form-urlencoded', headers: { accept: 'text/html' }
    })
  }
  const own = /^https?:\/\/www\.example\.com\/[!-~]*$/
  for (const next of payloads) {
    const answer = await go(next)
    const { location } = answer.headers
    // The host stands in front of everything, and nothing stands in front of it.
    if (answer.status !== 303 || location === undefined || !own.test(location)) {
      t.fail(`${JSON.stringify(next)} led to ${answer.status} ${location}`)
    }
  }
  // A path alone names no host (design: "if its host is in redirect_hosts"), whatever a browser would make of it.
  const pathsAlone = ['/thanks', '/', '.', '../x', 'thanks', '?a=1', '#b', '/\\evil.example', '\\/evil.example',
    '///evil.example', '\t//evil.example', '/\t/evil.example', '/\n\\evil.example', ' //evil.example',
    '/%2f/evil.example', '/..//evil.example', '/.//evil.example', '\u0000//evil.example', '/\u2028/evil.example',
    '/@evil.example', ':443//evil.example']
  for (const next of pathsAlone) {
    t.match((await go(next)).headers, { location: 'https://www.example.com/thanks' }, encodeURI(next))
  }
  t.match((await go('https://www.example.com/danke?a=1')).headers, { location: 'https://www.example.com/danke?a=1' })
  t.match((await go('https://evil.example/')).headers, { location: 'https://www.example.com/thanks' })
  t.ok(payloads.length > 300, `${payloads.length} addresses were tried`)
  t.equal(log.arrivals.length, payloads.length + pathsAlone.length + 2, 'and every lead is stored')
  t.equal(canary.touched, 0)
})

test('addresses in events and leads are read, never fetched', async t => {
  const { base, canary, log } = await world(t)
  const inner = await startCanary(t, '::1').catch(() => undefined)
  const ports = [canary.port, ...inner === undefined ? [] : [inner.port]]
  const hosts = ports.flatMap(port => ['127.0.0.1', 'localhost', '2130706433', '0x7f.1', '017700000001', '[::1]',
    '[::ffff:127.0.0.1]', '①②⑦.⓪.⓪.①', '127.1', '0'].map(host => `${host}:${port}`))
  const urls = [...new Set(hosts.flatMap(host => hostileUrls(host, trusted)))]
  let stored = 0
  for (let at = 0; at < urls.length; at += 100) {
    const events = urls.slice(at, at + 100).map(url => ({
      event_name: 'page_view', page_location: url, page_referrer: url, page_title: url, link_url: url, image: url
    }))
    const answer = await send(base, { events }, { headers: { referer: urls[at]?.replace(/[^!-~]/g, '') ?? '' } })
    if (answer.status !== 202) t.fail(`a batch was answered with ${answer.status}`)
    const results = answer.json.results as { status: string }[]
    stored += results.filter(({ status }) => status === 'stored').length
  }
  for (const url of urls.slice(0, 60)) {
    const lead = { email: 'anna@example.com', website: url, postern_page: url, page_location: url, avatar: url }
    t.match((await send(base, lead, { path: '/v1/leads', type: 'application/json' })).status, 202)
  }
  t.ok(stored > 300, `${stored} events with such addresses were stored`)
  t.equal(log.arrivals.length, stored + 60)
  t.equal(canary.touched + (inner?.touched ?? 0), 0, 'nobody came to see')
})

test('an address that is not public is told from one that is, however it is written', async t => {
  t.same(closedAddresses.filter(isPublicAddress), [], `${closedAddresses.length} that are closed`)
  t.same(openAddresses.filter(address => !isPublicAddress(address)), [], `${openAddresses.length} that are open`)
  t.ok(closedAddresses.length > 130)
})

test('a name that leads inside is not connected to, whatever else it leads to as well', async t => {
  const canary = await startCanary(t)
  const reach = async (answers: string[], isExempt = false) => await new Promise<string>(resolve => {
    const addresses = answers.map(address => ({ address, family: address.includes(':') ? 6 : 4 }))
    const lookup = publicLookup(async () => addresses, () => isExempt)
    const socket = connect({ host: 'rebinding.example', port: canary.port, lookup })
    socket.on('error', (error: NodeJS.ErrnoException) => { resolve(error.code ?? error.message) })
    socket.on('connect', () => {
      socket.destroy()
      resolve('connected')
    })
  })
  t.equal(await reach(['127.0.0.1'], true), 'connected', 'a stand-in that the settings name is reached')
  const touched = canary.touched
  const answers = closedAddresses.filter(address => /^[0-9a-f:.]+$/.test(address) && address !== '127.1')
  for (const address of answers) {
    const codes = [await reach([address]), await reach(['8.8.8.8', address]), await reach([address, '2600::1'])]
    if (codes.some(code => code !== 'ECLOSEDADDRESS')) t.fail(`${address}: ${codes.join()}`)
  }
  t.equal(await reach([]), 'ECLOSEDADDRESS')
  t.ok(answers.length > 120, `${answers.length} answers, each alone and beside public ones`)
  t.equal(canary.touched, touched)
})

test('the settings take no tag id and no path that would make another host', async t => {
  const written = (tagId: string, path: string) => JSON.stringify({
    sites: {
      main: {
        hosts: ['t.example.com'],
        origins: ['https://www.example.com'],
        vendors: {
          google: { tag_id: tagId, path }
        }
      }
    }
  })
  const isTaken = (tagId: string, path: string) => 'settings' in parseSettings('test', written(tagId, path), {}, [])
  t.ok(isTaken('G-TEST123', '/gt'))
  const hosts = hostileHosts(1)
  const tagIds = ['', 'G', 'G-', 'G-1.evil', 'G-1/evil', 'G-1@evil.example', 'G-1#', 'G-1?', 'G-1:80', 'G-1%2e',
    'G-1\n', 'G-1 ', ' G-1', 'X-1', 'G_1', 'G-1\\', 'Ｇ-1', 'G-é', `G-${'1'.repeat(60)}`, ...hosts,
    ...hosts.map(one => `G-1@${one}/`), ...hosts.map(one => `G-${one}`)]
  t.same(tagIds.filter(one => isTaken(one, '/gt')).filter(one => !/^G-\w{1,40}$/.test(one)), [])
  const paths = ['', '/', 'gt', '/gt/', '//gt', '/gt/a', '/../gt', '/.', '/gt?', '/gt#', '/g%74', '/v1', '/livez',
    '/readyz', '/_p', '/gt\n', '/gt*', '/:gt', ...hosts.map(one => `/${one}`), ...hosts.map(one => `//${one}/gt`)]
  const plain = hosts.filter(one => /^[\w-]+$/.test(one)).map(one => `/${one}`)
  t.same(paths.filter(one => isTaken('G-1', one) && !plain.includes(one)), [])
})

test('no request target leads the proxy in front of a site anywhere but to the owner\'s server', async t => {
  const owner = await startVendor(t)
  const canary = await startCanary(t)
  const { port } = await vendorWorld(t, { sites: [{ ...site, upstream: owner.origin }], log: memoryLog() })
  const evil = `127.0.0.1:${canary.port}`
  const targets = [...new Set(['', '/page', '/_p', '/_p/v1'].flatMap(path => hostilePaths(path, evil)))]
  let answered = 0
  for (const target of targets) {
    const head = `Host: t.example.com\r\nX-Forwarded-Host: ${evil}\r\nForwarded: host=${evil}\r\nConnection: close`
    const answer = await sendRaw(port, Buffer.from(`GET ${target} HTTP/1.1\r\n${head}\r\n\r\n`))
    if (/CANARY/.test(answer)) t.fail(`${target} brought the canary`)
    if (!/^HTTP\/1\.1 [234]\d\d /.test(answer)) t.fail(`${JSON.stringify(target)}: ${answer.slice(0, 40)}`)
    answered++
  }
  const strange = owner.received.filter(({ url, headers }) =>
    !url.startsWith('/') || headers.host !== 't.example.com' || headers['x-forwarded-host'] === evil)
  t.same(strange.map(({ url, headers }) => [url, headers.host, headers['x-forwarded-host']]), [])
  t.ok(answered > 200, `${answered} targets were tried`)
  t.ok(owner.received.length > 100, `${owner.received.length} reached the owner's server`)
  t.equal(canary.touched, 0)
})
