// The name that an event has at a network, where the settings may name another than the table.

/** What `event_names` says for an event, else `theirName`. An event may be called like a key that every object has. */
export function renamed (names: Readonly<Record<string, string>>, eventName: string, theirName: string): string {
  return (Object.hasOwn(names, eventName) ? names[eventName] : undefined) ?? theirName
}
