// A small memory for pure functions: what was computed for a text lately is not computed again. Never on disk.

/** Longer texts come once: to keep them would only cost memory. */
const longestKey = 500

/**
 * Remembers up to `most` results of `compute`, in two halves: what is asked for moves into the newer one, and when that
 * is full, the older one is forgotten as a whole. `compute` must depend on its key alone.
 */
export function remember<T extends object | string | number | boolean | null> (
  most: number, compute: (key: string) => T
): (key: string) => T {
  let newer = new Map<string, T>()
  let older = new Map<string, T>()
  return key => {
    const found = newer.get(key)
    if (found !== undefined) return found
    const value = older.get(key) ?? compute(key)
    if (key.length > longestKey) return value
    if (newer.size >= most / 2) {
      older = newer
      newer = new Map()
    }
    newer.set(key, value)
    return value
  }
}
