// The event names of the owner's own making: an event is found by its id alone by trying the names that there are.
import { rememberKnown, type Known } from '../config/bounded.ts'
import { prepared, type Pool, type Queryable } from '../config/postgres.ts'
import { destinations } from './registry.ts'
import type { RoutedEvent } from './route.ts'

/** The names that some network has a word for. */
export const networkNames: ReadonlySet<string> = new Set(destinations.flatMap(({ events }) => Object.keys(events)))

/** Anybody may post any name: a site's first ten thousand are kept. */
const mostNames = 10_000

/** What a process need not note any more. */
const noted = new WeakMap<Pool, Known>()

/** Notes the names of routed events that no network knows: each once in the life of a process. */
export async function noteCustomNames (
  pool: Pool, events: readonly Pick<RoutedEvent, 'site' | 'eventName'>[]
): Promise<void> {
  const seen = noted.get(pool) ?? rememberKnown(2 * mostNames)
  noted.set(pool, seen)
  const fresh = new Map<string, Pick<RoutedEvent, 'site' | 'eventName'>>()
  for (const event of events) {
    const key = `${event.site} ${event.eventName}`
    if (!networkNames.has(event.eventName) && !seen.has(key)) fresh.set(key, event)
  }
  if (fresh.size === 0) return
  const names = [...fresh.values()]
  await pool.query(prepared(pool, noteStatement),
    [names.map(({ site }) => site), names.map(({ eventName }) => eventName), mostNames])
  for (const key of fresh.keys()) seen.add(key)
}

/** In one order, so that two routers never wait for each other in a circle. */
const noteStatement = {
  name: 'note_custom_names',
  text: `
    INSERT INTO custom_names (site, event_name)
    SELECT u.site, u.event_name FROM unnest($1::text[], $2::text[]) AS u (site, event_name)
    WHERE (SELECT count(*) FROM custom_names c WHERE c.site = u.site) < $3
    ORDER BY 1, 2 ON CONFLICT DO NOTHING`
}

export async function readCustomNames (db: Queryable, sites: readonly string[]): Promise<string[]> {
  const { rows } = await db.query<{ event_name: string }>(
    'SELECT DISTINCT event_name FROM custom_names WHERE site = ANY($1)', [sites])
  return rows.map(row => row.event_name)
}
