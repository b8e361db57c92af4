// The script's tags for a site's pages, as the gateway serves them: the plain one, and one whose bytes are pinned.
import type { Settings } from '../config/settings.ts'
import { pinScript, type ScriptParts } from '../gateway/script.ts'
import { baseOf } from './doctor.ts'
import { gatewaySites } from './wiring.ts'

export interface ScriptTags {
  site: string
  host: string
  /** Always the newest script. */
  tag: string
  /** Exactly these bytes: to be changed with the settings and with each version of Postern. */
  pinned_tag: string
}

/** The tags for every host of every site. */
export function scriptTags (settings: Settings, parts: ScriptParts): ScriptTags[] {
  const known = new Map(gatewaySites(settings).map(site => [site.name, site]))
  return settings.sites.flatMap(site => site.hosts.map(host => {
    const own = known.get(site.name)
    if (own === undefined) throw new Error('every site of the settings is one of the gateway')
    const { src, integrity } = pinScript(parts, own, host)
    const base = baseOf(site, host).href
    return {
      site: site.name,
      host,
      tag: `<script async src="${base}s.js"></script>`,
      pinned_tag: `<script async src="${base}${src}" integrity="${integrity}" crossorigin="anonymous"></script>`
    }
  }))
}
