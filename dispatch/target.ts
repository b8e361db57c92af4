// A target: one destination as a site's settings configure it. What dispatch/ is given to work with; holds secrets.
import type { ConsentRule } from '../schema/consent.ts'
import { isWanted, type EventLevel } from '../schema/event_names.ts'
import type { Destination } from './destination.ts'

/** What a site says about its events that matters when they leave. */
export interface SiteRules {
  name: string
  consent: ConsentRule
  defaults: { country?: string, currency?: string, lead_value?: number }
  /** Query keys of page addresses that may leave, besides the campaign's (`utm_*`). */
  queryKeys: readonly string[]
  /** Path prefixes whose addresses leave as their origin alone; `['/']` is the whole site. */
  sensitivePaths: readonly string[]
}

/** `shadow` does everything but the sending; `test` asks the network to treat events as tests; `live` counts. */
export type Mode = 'shadow' | 'test' | 'live'

export interface Target {
  /** Its row in `destinations`; 0 where there is no database (dry-run). */
  id: number
  /** Its name in the settings; unique within the site. */
  name: string
  site: SiteRules
  destination: Destination
  /** The destination's own settings, secrets included. Never logged. */
  settings: unknown
  mode: Mode
  events: EventLevel
  /** The network's origin, or what replaces it. */
  endpoint: string
  /** Replaces the address of Google's token service. */
  tokenEndpoint?: string
  /** Parameters of the event that may leave; and of `user_data`, whether `birth_date` and `gender` may. */
  params: readonly string[]
}

/** How logs, metrics and answers call a target: `site/name`. */
export function targetLabel (target: Pick<Target, 'site' | 'name'>): string {
  return `${target.site.name}/${target.name}`
}

/** Whether a target gets events of a name: by the level of its `events:`, or because its settings name it. */
export function wants ({ destination, settings, events }: Target, eventName: string): boolean {
  return isWanted(eventName, events) || destination.names?.(settings, eventName) === true
}
