// What only shows between the sites of a settings file: hosts that two of them claim, and upstreams that lead back.
import type { SiteSettings } from './settings.ts'
import type { Problem } from './settings_problems.ts'

/** A host as the gateway looks it up: whatever its case, with or without its scheme's own port. */
const sameHost = (host: string) => host.toLowerCase().replace(/:(80|443)$/, '').replace(/\.(?=$|:)/, '')

/** An upstream that is a site's own host would be asked by us, of us, without an end. */
export function findLoops (sites: readonly SiteSettings[]): Problem[] {
  const own = new Set(sites.flatMap(site => site.hosts.map(sameHost)))
  return sites.flatMap(({ name, upstream, insert_script: inserts }) => {
    const keys = ['sites', name]
    if (upstream === undefined) {
      return inserts ? [{ keys: [...keys, 'insert_script'], text: 'needs upstream: else no page comes by' }] : []
    }
    const { host } = new URL(upstream)
    return own.has(sameHost(host))
      ? [{ keys: [...keys, 'upstream'], text: `${host} is a host of this gateway: name the web server behind it` }]
      : []
  })
}

/** Hosts that two sites claim. */
export function findClashes (sites: readonly SiteSettings[]): Problem[] {
  const owner = new Map<string, string>()
  return sites.flatMap(site => site.hosts.flatMap((host, index) => {
    const other = owner.get(sameHost(host))
    owner.set(sameHost(host), site.name)
    return other === undefined || other === site.name
      ? []
      : [{ keys: ['sites', site.name, 'hosts', String(index)], text: `${host} belongs to the site ${other} already` }]
  }))
}
