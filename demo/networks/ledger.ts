// What the fake networks received, in order, and which of it they counted.
import type { Copy, FakeNetwork, Receipt, Source, Verdict } from './network.ts'

export interface Ledger {
  /** Writes down every copy of one request and decides its verdict; `fault` marks all of them as not processed. */
  record (network: FakeNetwork, copies: readonly Copy[], nowMs: number, fault?: string): void
  receipts (): Receipt[]
}

/** A ledger in memory. A copy is a duplicate when a key it finds was first left within the network's window. */
export function openLedger (): Ledger {
  const receipts: Receipt[] = []
  const firstLeft = new Map<string, { atMs: number, source: Source }>()

  function decide (network: FakeNetwork, copy: Copy, nowMs: number): { verdict: Verdict, reason?: string } {
    if (copy.refused !== undefined) return { verdict: 'rejected', reason: copy.refused }
    const firstOf = (key: string) => firstLeft.get(`${network.type} ${key}`)
    const isOpen = (key: string): boolean => nowMs - (firstOf(key)?.atMs ?? -Infinity) <= network.windowMs
    const found = copy.finds.find(isOpen)
    // A window begins with the first receipt and is not moved by later ones, so a key that is still open stays.
    const first = found === undefined ? undefined : firstOf(found)
    for (const key of copy.leaves) {
      if (!isOpen(key)) firstLeft.set(`${network.type} ${key}`, { atMs: nowMs, source: copy.source })
    }
    if (found === undefined || first === undefined) return { verdict: 'counted' }
    const isMerged = first.source !== copy.source && nowMs - first.atMs <= (copy.mergesWithinMs ?? -1)
    return { verdict: 'deduplicated', reason: `${isMerged ? 'merged' : 'same'}_${found.slice(0, found.indexOf(':'))}` }
  }

  return {
    record (network, copies, nowMs, fault) {
      for (const copy of copies) {
        const seen = fault === undefined ? copy : { ...copy, refused: fault }
        receipts.push({
          type: network.type,
          at: new Date(nowMs).toISOString(),
          source: copy.source,
          event_name: copy.eventName,
          event_id: copy.eventId,
          ...decide(network, seen, nowMs),
          body: copy.body
        })
      }
    },
    receipts: () => [...receipts]
  }
}
