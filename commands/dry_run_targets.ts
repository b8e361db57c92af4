// The targets that `postern dry-run` asks about: the settings' own, secrets masked, or each type with placeholders.
import type { SiteRules, Target } from '../dispatch/target.ts'
import { maskSecrets } from '../dispatch/preview.ts'
import { destinationOf, destinations } from '../dispatch/registry.ts'
import type { Destination } from '../dispatch/destination.ts'

/** The site of a dry-run without settings. */
export const unnamedSite: SiteRules = {
  name: 'site',
  consent: { consent: 'opt_in', gpc: 'drop', optOutCountries: [] },
  defaults: {},
  queryKeys: [],
  sensitivePaths: []
}

/** A target of one type, with `<its_setting>` where one must be given. It takes every event, and no parameters. */
export function placeholderTarget (destination: Destination): Target {
  return {
    id: 0,
    name: destination.type,
    site: unnamedSite,
    destination,
    settings: {},
    mode: 'live',
    events: 'all',
    endpoint: destination.endpoint,
    params: []
  }
}

/** The targets named (by name, else by type) in the order of the naming, all without names; or the name nobody has. */
export function chooseTargets (
  configured: readonly Target[], named: readonly string[]
): Target[] | { unknown: string } {
  if (named.length === 0) return configured.length > 0 ? [...configured] : destinations.map(placeholderTarget)
  const chosen = new Set<Target>()
  for (const name of new Set(named)) {
    const byName = configured.filter(target => target.name === name)
    const byType = configured.filter(target => target.destination.type === name)
    const destination = destinationOf(name)
    const found = [byName, byType, destination === undefined ? [] : [placeholderTarget(destination)]]
      .find(targets => targets.length > 0)
    if (found === undefined) return { unknown: name }
    for (const target of found) chosen.add(target)
  }
  return [...chosen]
}

/**
 * A target as it may be shown: its secrets masked. Unless the site is to be asked, consent that nobody gave counts as
 * given; a denial and GPC are heard all the same.
 */
export function forDryRun (target: Target, asksSite: boolean): Target {
  const consent = asksSite ? target.site.consent : { ...target.site.consent, consent: 'opt_out' as const }
  const settings = maskSecrets(target.destination, target.settings as Record<string, unknown>)
  return { ...target, settings, site: { ...target.site, consent } }
}
