// The findings about a host as it answers: TLS, who answers, and what the proxies in front do to a request.
import { isIPv6 } from 'node:net'
import type { Keys } from '../../config/keys.ts'
import { isPublicAddress } from '../../gateway/vendors/public_address.ts'
import { makeSelfCheck, selfCheckHeader, selfCheckRoute, type SelfCheck } from '../../gateway/self_check.ts'
import type { Ask, Reply } from './ask.ts'
import type { Note } from './finding.ts'

export interface DeploymentDeps {
  ask: Ask
  /** Absent: the deployment's secret is not known here, and it tells nothing of a request. */
  keys?: Keys
  now: () => number
}

/** An address of the documentation, and a country without websites: whoever believes these believes anything. */
const claimed = { address: '203.0.113.77', country: 'AQ' }
const dayMs = 86_400_000
const nginxHeaders = 'proxy_set_header X-Forwarded-For $remote_addr (deploy/nginx/)'

/** Whether the certificate is one that browsers believe, and for how long still. */
export function checkTls ({ tls }: Reply, url: URL, nowMs: number, note: Note): void {
  if (tls === undefined) {
    if (/^(localhost|127\.[\d.]+|\[::1\])$/.test(url.hostname)) return
    note('tls', 'fail', 'it is asked over plain http: browsers keep no Secure cookies from it',
      'serve it over https (deploy/nginx/), and write its origin with https')
    return
  }
  const until = Number.isNaN(tls.validToMs) ? 'an unknown day' : new Date(tls.validToMs).toISOString().slice(0, 10)
  const days = Math.floor((tls.validToMs - nowMs) / dayMs)
  if (tls.problem !== undefined) {
    note('tls', 'fail', `browsers do not believe its certificate (${tls.problem}; it is for ` +
      `${tls.names || 'no name'}, until ${until})`, `give ${url.hostname} a certificate of its own, with its chain`)
  } else if (days < 14) {
    note('tls', 'warn', `its certificate ends on ${until}, in ${days} days`,
      'renew it, and see why that is not automatic')
  } else {
    note('tls', 'ok', `its certificate is good until ${until}`)
  }
}

type Answered = { check: SelfCheck, reply: Reply }

/** Asks the deployment about our own request. Undefined, with a finding, when it is not it that answers. */
async function askItself (
  base: URL, address: string | undefined, country: string | undefined, { ask, now }: DeploymentDeps, keys: Keys,
  note: Note
): Promise<Answered | undefined> {
  const { nonce, token } = makeSelfCheck(keys, now())
  const url = new URL(`${base.pathname.replace(/\/$/, '')}${selfCheckRoute}`, base)
  const headers = {
    [selfCheckHeader]: token,
    'x-forwarded-for': claimed.address,
    ...(country === undefined ? {} : { [country]: claimed.country })
  }
  const where = address === undefined ? '' : ` at ${address}`
  const asked = await ask(url, { headers, address })
  if ('failure' in asked) {
    const isLackOfV6 = address !== undefined && isIPv6(address) && /^E(NET|HOST)UNREACH$/.test(asked.failure)
    note('reach', isLackOfV6 ? 'warn' : 'fail', `nobody answers${where} (${asked.failure})`, isLackOfV6
      ? 'run this where there is IPv6'
      : 'start what listens there, open the port, or correct the DNS record')
    return undefined
  }
  const { reply } = asked
  const check = readCheck(reply.body)
  if (reply.status === 200 && check !== undefined) {
    if (check.nonce !== nonce) {
      note('cache', 'fail', `the answer${where} is that of another request, with its cookies: something in front ` +
        'keeps answers that say no-store', 'take this host and its paths out of the cache of the proxy or CDN')
      return undefined
    }
    return { check, reply }
  }
  noteStranger(reply, where, url, now(), note)
  return undefined
}

function readCheck (body: string): SelfCheck | undefined {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null && 'nonce' in value && 'peer' in value
      ? value as SelfCheck
      : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Why the answer is not that of this deployment. */
function noteStranger (reply: Reply, where: string, url: URL, nowMs: number, note: Note): void {
  const code = /^\{"error":\{"code":"(\w+)"/.exec(reply.body)?.[1]
  const skewMs = Math.abs(Date.parse(reply.headers.date ?? '') - nowMs)
  if (code === 'unknown_site') {
    note('reach', 'fail', `Postern answers${where}, but does not know the host ${url.host}`,
      'proxy_set_header Host $host, and restart Postern if the settings were changed')
  } else if (code === 'not_found' && skewMs > 240_000) {
    note('clock', 'fail', `the clocks of this machine and of the deployment are ${Math.round(skewMs / 1000)} s apart`,
      'set both by NTP')
  } else if (code === 'not_found') {
    note('reach', 'fail', `a Postern answers${where} that has another secret than this command`,
      'give this command the POSTERN_SECRET of the deployment; else DNS leads to another deployment')
  } else {
    note('reach', 'fail', `something else answers${where} (status ${reply.status}): no Postern`,
      `let the proxy pass ${url.pathname} on to Postern, or correct the DNS record`)
  }
}

/** Everything that only the running deployment can tell, at each address of the host. */
export async function checkDeployment (
  base: URL, site: { name: string, countryHeader?: string }, addresses: readonly string[], deps: DeploymentDeps,
  note: Note
): Promise<void> {
  const { keys } = deps
  if (keys === undefined) {
    const asked = await deps.ask(base)
    if ('reply' in asked) checkTls(asked.reply, base, deps.now(), note)
    note('reach', 'warn', 'without the deployment\'s secret it cannot be asked what arrives there',
      'run this with its POSTERN_SECRET')
    return
  }
  const answers: Answered[] = []
  for (const address of addresses.length === 0 ? [undefined] : addresses) {
    const answered = await askItself(base, address, site.countryHeader, deps, keys, note)
    if (answered !== undefined) answers.push(answered)
  }
  const [first] = answers
  if (first === undefined) return
  const { check, reply } = first
  if (check.site === site.name) note('reach', 'ok', `this deployment answers as the site ${site.name}`)
  else note('reach', 'fail', `it answers as the site ${check.site}`, 'restart Postern with these settings')
  checkTls(reply, base, deps.now(), note)
  checkAddress(check, reply, note)
  checkCountry(check, site.countryHeader, note)
  checkProtocol(check, base, note)
  checkCookies(reply, check.nonce, note)
  checkClock(check, deps.now(), note)
  // Asked again at the same address: an answer that was kept would be the first one's.
  const again = await askItself(base, addresses[0], site.countryHeader, deps, keys, note)
  if (again !== undefined) checkCaching(again.reply, note)
}

/** Whether the deployment's clock is right, as far as two others can tell: Postgres's, and this machine's. */
function checkClock ({ now_ms: theirMs, clock_offset_ms: offsetMs = 0 }: SelfCheck, nowMs: number, note: Note): void {
  const seconds = (ms: number) => Math.round(Math.abs(ms) / 1000)
  if (Math.abs(offsetMs) > 5000) {
    const direction = offsetMs > 0 ? 'ahead of' : 'behind'
    note('clock', 'warn', `the deployment's clock is ${seconds(offsetMs)} s ${direction} its Postgres's: events are ` +
      'dated by it, and networks refuse wrong dates', 'set the clocks of both machines by NTP')
  }
  if (Math.abs(theirMs - nowMs) > 60_000) {
    note('clock', 'warn', `the clocks of this machine and of the deployment are ${seconds(theirMs - nowMs)} s apart`,
      'set both by NTP')
  }
}

/** Whether visitors' addresses arrive, and only those that a trusted proxy names. */
function checkAddress (check: SelfCheck, reply: Reply, note: Note): void {
  const { address, peer, is_forwarded: isForwarded, has_forwarded_for: hasForwardedFor } = check
  if (address === claimed.address) {
    note('address', 'fail', 'anybody can claim any address: the X-Forwarded-For of visitors is believed',
      `${nginxHeaders} and only your own proxies in trusted_proxies`)
  } else if (!hasForwardedFor) {
    note('address', 'fail', `no X-Forwarded-For arrives: every visitor has the address of the proxy, ${peer}`,
      nginxHeaders)
  } else if (!isForwarded && peer === reply.localAddress) {
    note('address', 'ok', 'visitors come to Postern without a proxy')
  } else if (!isForwarded) {
    const isSure = !isPublicAddress(peer) && isPublicAddress(reply.remoteAddress)
    note('address', isSure ? 'fail' : 'warn', `requests come from ${peer}, which is not among trusted_proxies: its ` +
      'word of the visitor\'s address is not believed', `if ${peer} is your proxy, add it to trusted_proxies`)
  } else if (!isPublicAddress(address) && address !== reply.localAddress) {
    note('address', 'warn', `this request seems to come from ${address}: another proxy of yours, or this network`,
      `if ${address} is a proxy, add it to trusted_proxies; else run this from outside to be sure`)
  } else {
    note('address', 'ok', `visitors' addresses arrive (this request came from ${address})`)
  }
}

function checkCountry (check: SelfCheck, header: string | undefined, note: Note): void {
  if (header === undefined) return
  if (check.country === claimed.country) {
    note('country', 'fail', `anybody can claim any country: the visitor's own ${header} is believed`,
      'let the proxy set that header, or empty it')
  } else {
    note('country', check.country === undefined ? 'warn' : 'ok', check.country === undefined
      ? `no country arrives in ${header}`
      : `visitors' countries arrive (this request came from ${check.country})`,
    check.country === undefined ? 'let the proxy set it, or take country_header out of the settings' : undefined)
  }
}

function checkProtocol ({ protocol }: SelfCheck, base: URL, note: Note): void {
  const asked = base.protocol.slice(0, -1)
  if (protocol === asked) note('protocol', 'ok', `Postern knows that visitors come over ${asked}`)
  else {
    note('protocol', 'warn', `it was asked over ${asked}, and Postern believes ${protocol}`,
      'proxy_set_header X-Forwarded-Proto $scheme')
  }
}

function checkCookies ({ headers }: Reply, nonce: string, note: Note): void {
  const lines = headers['set-cookie'] ?? []
  const found = [1, 2].map(index => lines.find(line => line.startsWith(`_pstn_check_${index}=${nonce};`)))
  if (found.includes(undefined)) {
    note('cookies', 'fail', `of two cookies ${found.filter(line => line !== undefined).length} came through`,
      'take proxy_hide_header Set-Cookie, and whatever else drops cookies, out of the proxy or CDN')
  } else if (found.some(line => !/; Max-Age=60; HttpOnly; Secure; SameSite=Lax$/i.test(line ?? ''))) {
    note('cookies', 'warn', 'the attributes of cookies are changed on the way',
      'take proxy_cookie_flags and the like out')
  } else {
    note('cookies', 'ok', 'cookies come through whole')
  }
}

function checkCaching ({ headers }: Reply, note: Note): void {
  if (/\bno-store\b/.test(headers['cache-control'] ?? '')) {
    note('cache', 'ok', 'nothing in front keeps answers that set cookies')
  } else {
    note('cache', 'warn', 'Cache-Control: no-store is taken out of the answer: somebody may keep the cookies in it',
      'let Cache-Control of Postern\'s answers through')
  }
}
