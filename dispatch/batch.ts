// Packs events into requests under a network's limits. Pure.
import type { Destination } from './destination.ts'
import type { Target } from './target.ts'

/** What packing must know of one event that is ready to be sent. */
export interface Packable {
  /** Attempts lie in the partition of their events' day, so a request holds one day only. */
  day: string
  /** Tests and real events never share a request. */
  isTest: boolean
  /** Size of its payload as JSON in UTF-8. */
  bytes: number
  /** The lost attempt whose bytes it repeats; what one lost request held stays together. */
  resendOf: number | null
  /** Payloads of different keys never share a request. */
  batchKey: string
  /** Suspected of having spoilt a batch: alone, unless its companions are suspected with it. */
  isSuspect: boolean
}

/**
 * Packs in order. `envelopeBytes` is what the request adds around its payloads; each payload costs one comma more.
 * An event larger than a whole request is for the caller to reject beforehand: it would get a request of its own.
 */
export function pack<T extends Packable> (
  items: readonly T[], limits: Pick<Destination['limits'], 'events' | 'bytes'>, envelopeBytes: number
): T[][] {
  const batches: T[][] = []
  const open = new Map<string, { batch: T[], bytes: number }>()
  for (const item of items) {
    if (item.isSuspect) {
      batches.push([item])
      continue
    }
    const key = `${item.day} ${item.isTest} ${item.resendOf ?? ''} ${item.batchKey}`
    const last = open.get(key)
    const bytes = item.bytes + 1
    if (last !== undefined && last.batch.length < limits.events && last.bytes + bytes <= limits.bytes) {
      last.batch.push(item)
      last.bytes += bytes
      continue
    }
    const batch = [item]
    batches.push(batch)
    open.set(key, { batch, bytes: envelopeBytes + bytes })
  }
  return batches
}

/** What packing must know of a payload that goes. */
export function packableOf (
  { payload, bytes }: { payload: unknown, bytes: number }, { destination }: Pick<Target, 'destination'>
): { payload: unknown, bytes: number, batchKey: string } {
  return { payload, bytes, batchKey: destination.batchKey?.(payload) ?? '' }
}
