// The findings about names: whether DNS knows the hosts, and what Safari will make of their cookies.
import { hostName, registrableDomain } from '../../gateway/site.ts'
import type { Finding, Note } from './finding.ts'
import { locate, type NameServer } from './names.ts'
import { judgeSafari, type Located, type SafariVerdict } from './safari.ts'

const sameOrigin = 'let Postern answer on the pages\' own host: in front of the site, or under its prefix ' +
  '(deploy/nginx/)'

/** What a verdict means, in plain words, and what to change. */
function explainVerdict (verdict: SafariVerdict, page: string, gateway: string):
Pick<Finding, 'level' | 'text' | 'fix'> {
  switch (verdict.because) {
    case 'same_host': return {
      level: 'ok', text: 'this is the pages\' own host: Safari keeps the cookies for their whole life'
    }
    case 'near_addresses': return {
      level: 'ok', text: `its addresses are near those of ${page}: Safari keeps the cookies for their whole life`
    }
    case 'own_cname': return {
      level: 'warn',
      text: `its addresses are far from those of ${page}. Safari overlooks that today, because its name is a CNAME ` +
        'within the domain; it need not stay so',
      fix: `give ${gateway} addresses of the same networks as ${page}, or ${sameOrigin}`
    }
    case 'foreign_cname': return {
      level: 'warn',
      text: `its CNAME leads to ${verdict.domain}: Safari ends its cookies after seven days, and ad blockers ` +
        'uncover such names',
      fix: `give ${gateway} A and AAAA records of its own, in the networks of ${page}; or ${sameOrigin}`
    }
    case 'other_family': return {
      level: 'warn',
      text: `${page} is at ${verdict.page} and this host at ${verdict.gateway}: IPv4 and IPv6 count as strangers, ` +
        'and Safari ends the cookies of such visitors after seven days',
      fix: `give both hosts A and AAAA records, or neither AAAA; or ${sameOrigin}`
    }
    case 'far_addresses': return {
      level: 'warn',
      text: `${page} is at ${verdict.page} and this host at ${verdict.gateway}, in another network: Safari ends the ` +
        'cookies after seven days',
      fix: `put ${gateway} behind the same server or CDN as ${page} (16 bits of IPv4 and 64 of IPv6 must be the ` +
        `same), or ${sameOrigin}`
    }
    case 'no_addresses': return {
      level: 'fail',
      text: `without addresses of ${page} and of this host there is nothing to compare`,
      fix: 'add the missing A and AAAA records'
    }
    case 'other_domain': return {
      level: 'fail',
      text: `${page} is on another domain: to its visitors' browsers these are third-party cookies, and most ` +
        'refuse them',
      fix: `add a host of ${registrableDomain(page) ?? page} to the site's hosts`
    }
  }
}

/** A host in DNS; null, with a finding, where DNS cannot be asked. */
async function find (host: string, server: NameServer, note: Note): Promise<Located | null> {
  try {
    return await locate(host, server)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    note('dns', 'warn', `${host} cannot be looked up from here (${code})`, 'run this where DNS answers')
    return null
  }
}

/**
 * Looks the site's hosts and its pages' hosts up, and compares them. Each page must have a host of its own domain; the
 * result are the site's hosts as DNS has them.
 */
export async function checkNames (
  site: { hosts: readonly string[], origins: readonly string[] }, server: NameServer,
  noteOf: (host: string) => Note
): Promise<Map<string, Located>> {
  const located = new Map<string, Located>()
  for (const host of site.hosts) {
    const note = noteOf(host)
    const found = await find(host, server, note)
    if (found === null) continue
    located.set(host, found)
    const addresses = [...found.v4, ...found.v6]
    if (addresses.length === 0) note('dns', 'fail', 'it has no address', 'add its A and AAAA records')
    else note('dns', 'ok', [...found.chain.map(name => `CNAME ${name}`), ...addresses].join(', '))
  }
  const pages = site.origins.map(origin => new URL(origin).host)
  const pageHosts = new Set(pages.map(hostName))
  for (const page of pages) await comparePage(page, { gateways: [...located.values()], pageHosts }, server, noteOf)
  return located
}

/** The site's hosts as DNS has them, and the names of its pages. */
interface Compared { gateways: readonly Located[], pageHosts: ReadonlySet<string> }

async function comparePage (
  page: string, { gateways: there, pageHosts }: Compared, server: NameServer, noteOf: (host: string) => Note
): Promise<void> {
  const domainOf = (host: string) => registrableDomain(host) ?? hostName(host)
  const related = there.filter(({ host }) => domainOf(host) === domainOf(page))
  if (related.length === 0) {
    const { level, text, fix } = explainVerdict({ life: 'none', because: 'other_domain' }, page, page)
    for (const { host } of there.slice(0, 1)) noteOf(host)('safari', level, text, fix)
    return
  }
  // Pages that Postern answers under their own name ask nobody else: the names of two such are not compared, and only a
  // host that is no page's own (t.example.com) is one that pages load from.
  const own = related.find(({ host }) => hostName(host) === hostName(page))
  const asked = own === undefined ? related : related.filter(one => one === own || !pageHosts.has(hostName(one.host)))
  for (const gateway of asked) {
    const note = noteOf(gateway.host)
    const isSame = hostName(gateway.host) === hostName(page)
    const found = isSame ? gateway : await find(page, server, note)
    if (found === null) continue
    const { level, text, fix } = explainVerdict(judgeSafari(found, gateway), page, gateway.host)
    note('safari', level, text, fix)
  }
}
