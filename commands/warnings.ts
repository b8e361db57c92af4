// What a serving process says loudly of its settings when it starts: all that is meant for tests, or is not on.
import type { Settings, SiteSettings } from '../config/settings.ts'
import type { Log } from '../config/log.ts'

/** Says loudly what must not be overlooked in the settings of a serving process. */
export function warnOfSettings (settings: Settings, log: Log): void {
  for (const name of settings.off) log.warn({ destination: name }, 'the destination is off: none of its secrets is set')
  for (const site of settings.sites) {
    warnOfEndpoints(site, log)
    if (site.vendors.google?.endpoint === undefined) continue
    log.warn({ site: site.name }, 'THE ENDPOINT OF THE TAG GATEWAY IS NOT GOOGLE: nothing of it reaches Google, and ' +
      'its addresses may be private ones')
  }
}

function warnOfEndpoints (site: SiteSettings, log: Log): void {
  for (const { name, endpoint } of site.destinations) {
    if (endpoint === undefined) continue
    const isLocal = /^https?:\/\/(localhost|127\.|\[::1\])/.test(endpoint)
    log.warn({ destination: `${site.name}/${name}` }, isLocal
      ? 'THE ENDPOINT IS THIS MACHINE: nothing reaches the ad network'
      : 'the endpoint setting replaces the ad network\'s own address')
  }
}
