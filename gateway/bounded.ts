// A small memory that forgets what was not asked for the longest: results that are computed once per distinct value.

/** Remembers up to `most` results of `compute` by key. */
export function remember<T> (most: number, compute: (key: string) => T): (key: string) => T {
  const known = new Map<string, T>()
  return key => {
    const found = known.get(key)
    const value = found === undefined ? compute(key) : found
    if (found !== undefined) known.delete(key)
    known.set(key, value)
    if (known.size > most) {
      const oldest = known.keys().next()
      if (oldest.done !== true) known.delete(oldest.value)
    }
    return value
  }
}

/** When each of up to `most` keys was first seen. */
export function rememberFirst (most: number): (key: string, nowMs: number) => number {
  let nowMs = 0
  const first = remember(most, () => nowMs)
  return (key, atMs) => {
    nowMs = atMs
    return first(key)
  }
}
