// The name that an event has at a network, where the settings may name another than the table.
import { canonicalEventName } from '../schema/event_names.ts'
import type { Configured, Conflict } from './destination.ts'

/** What `event_names` says for an event, else `theirName`. An event may be called like a key that every object has. */
export function renamed (names: Readonly<Record<string, string>>, eventName: string, theirName: string): string {
  return (Object.hasOwn(names, eventName) ? names[eventName] : undefined) ?? theirName
}

/** Why no event of this name ever comes; undefined where one may. */
export function whyNeverMet (eventName: string): string | undefined {
  const canonical = canonicalEventName(eventName)
  return canonical === eventName
    ? undefined
    : `no event is called ${eventName}: such events come in as ${canonical}`
}

/** For `check`: names in `event_names` under which no event ever comes. */
export function findUnmetNames (
  configured: readonly Configured<{ event_names: Record<string, string> }>[]
): Conflict[] {
  return configured.flatMap(({ name, settings }) => Object.keys(settings.event_names).flatMap(eventName => {
    const text = whyNeverMet(eventName)
    return text === undefined ? [] : [{ name, keys: ['event_names', eventName], text }]
  }))
}
