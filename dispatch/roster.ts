// The roster of targets: the destinations of the settings, each with its row. Read when a worker starts.
import type { Keys } from '../config/keys.ts'
import type { Queryable } from '../config/postgres.ts'
import type { EventLevel } from '../schema/event_names.ts'
import type { Log } from './deps.ts'
import type { Destination } from './destination.ts'
import type { Mode, SiteRules, Target } from './target.ts'

/** A destination as the settings give it, checked and with its defaults. */
export interface DestinationSettings {
  name: string
  type: string
  mode: Mode
  events: EventLevel
  /** Replaces the network's origin. */
  endpoint?: string
  tokenEndpoint?: string
  params: readonly string[]
  /** The destination's own settings. */
  own: unknown
}

/** A site as the settings give it, for dispatch. */
export interface SiteTargets {
  rules: SiteRules
  destinations: readonly DestinationSettings[]
}

interface Row {
  id: number
  paused_at: Date | null
  credentials_digest: Buffer | null
}

/**
 * Gives every configured destination its row, and resumes those that were paused under other settings. A destination
 * whose type changed keeps its row: the events it was given wait for the new one.
 */
export async function enrol (
  deps: { db: Queryable, keys: Pick<Keys, 'mac' | 'macMatches'>, log: Log },
  sites: readonly SiteTargets[], destinationOf: (type: string) => Destination | undefined
): Promise<Target[]> {
  const targets: Target[] = []
  for (const { rules, destinations } of sites) {
    for (const settings of destinations) {
      const destination = destinationOf(settings.type)
      if (destination === undefined) throw new Error(`no destination of type ${settings.type}`)
      targets.push(await enrolOne(deps, rules, settings, destination))
    }
  }
  return targets
}

/** Looks before it inserts: a conflicting insert would use up one of the 32,767 numbers at every start. */
async function findOrMakeRow (db: Queryable, site: string, name: string, type: string): Promise<Row> {
  const find = async () => (await db.query<Row>(`UPDATE destinations SET type = $3 WHERE site = $1 AND name = $2
    RETURNING id, paused_at, credentials_digest`, [site, name, type])).rows[0]
  const known = await find()
  if (known !== undefined) return known
  await db.query('INSERT INTO destinations (site, name, type) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
    [site, name, type])
  const made = await find()
  if (made === undefined) throw new Error('a destination that was just written is gone')
  return made
}

async function enrolOne (
  deps: { db: Queryable, keys: Pick<Keys, 'mac' | 'macMatches'>, log: Log },
  site: SiteRules, settings: DestinationSettings, destination: Destination
): Promise<Target> {
  const row = await findOrMakeRow(deps.db, site.name, settings.name, settings.type)
  const said = JSON.stringify([settings.type, settings.endpoint, settings.tokenEndpoint, settings.own])
  const isSame = row.credentials_digest !== null && deps.keys.macMatches(row.credentials_digest, 'settings', said)
  const destinationLabel = `${site.name}/${settings.name}`
  if (row.paused_at !== null && isSame) {
    deps.log.warn({ destination: destinationLabel, paused_at: row.paused_at.toISOString() },
      'the destination is paused: its settings are still those it was paused with')
  }
  if (!isSame) {
    await deps.db.query(`UPDATE destinations SET credentials_digest = $2, paused_at = NULL, paused_detail = NULL
      WHERE id = $1`, [row.id, deps.keys.mac('settings', said)])
    if (row.paused_at !== null) deps.log.info({ destination: destinationLabel }, 'resumed: its settings have changed')
  }
  return toTarget(row.id, site, settings, destination)
}

/** A target from its row's number and the settings. `id` 0: there is no row. */
export function toTarget (
  id: number, site: SiteRules, settings: DestinationSettings, destination: Destination
): Target {
  return {
    id,
    name: settings.name,
    site,
    destination,
    settings: settings.own,
    mode: settings.mode,
    events: settings.events,
    endpoint: settings.endpoint ?? destination.endpoint,
    tokenEndpoint: settings.tokenEndpoint,
    params: settings.params
  }
}

/** The configured destinations with the rows they have, for commands that only read; one never started has id 0. */
export async function knownTargets (
  db: Queryable, sites: readonly SiteTargets[], destinationOf: (type: string) => Destination | undefined
): Promise<Target[]> {
  const { rows } = await db.query<{ id: number, site: string, name: string }>('SELECT id, site, name FROM destinations')
  const idOf = new Map(rows.map(row => [`${row.site}/${row.name}`, row.id]))
  return sites.flatMap(({ rules, destinations }) => destinations.flatMap(settings => {
    const destination = destinationOf(settings.type)
    const id = idOf.get(`${rules.name}/${settings.name}`) ?? 0
    return destination === undefined ? [] : [toTarget(id, rules, settings, destination)]
  }))
}
