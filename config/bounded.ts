// A small memory that forgets what was not asked for the longest: results that are computed once per distinct value.
// Both halves have use for it; what it holds never reaches a disk.

/** Longer keys come once: to keep them would only cost memory. */
const longestKey = 1000

/**
 * Remembers up to `most` results of `compute` by key, in two halves: what is asked for moves into the newer one, and
 * when that is full, the older one is forgotten as a whole. A hit in the newer half, the usual case, changes nothing.
 */
export function remember<T> (most: number, compute: (key: string) => T): (key: string) => T {
  const half = Math.max(1, Math.floor(most / 2))
  let newer = new Map<string, T>()
  let older = new Map<string, T>()
  return key => {
    const found = newer.get(key)
    if (found !== undefined) return found
    const value = older.get(key) ?? compute(key)
    if (key.length > longestKey) return value
    if (newer.size >= half) {
      older = newer
      newer = new Map()
    }
    newer.set(key, value)
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

/** Up to `most` keys that were added lately; forgotten in halves, as in remember(). */
export interface Known { has: (key: string) => boolean, add: (key: string) => void, clear: () => void }

export function rememberKnown (most: number): Known {
  const half = Math.max(1, Math.floor(most / 2))
  let newer = new Set<string>()
  let older = new Set<string>()
  return {
    has: key => newer.has(key) || older.has(key),
    add: key => {
      if (newer.size >= half) {
        older = newer
        newer = new Set()
      }
      newer.add(key)
    },
    clear: () => {
      newer = new Set()
      older = new Set()
    }
  }
}
