// What the fake networks received, in order, and which of it they counted.
import type { Copy, FakeNetwork, Receipt, Verdict } from './network.ts'

export interface Ledger {
  /** Writes down every copy of one request and decides its verdict; `fault` marks all of them as not processed. */
  record (network: FakeNetwork, copies: readonly Copy[], nowMs: number, fault?: string): void
  receipts (): Receipt[]
}

/** A ledger in memory. A copy is a duplicate when a key it finds was first left within the network's window. */
export function openLedger (): Ledger {
  const receipts: Receipt[] = []
  const firstLeftAtMs = new Map<string, number>()

  function decide (network: FakeNetwork, copy: Copy, nowMs: number): { verdict: Verdict, reason?: string } {
    if (copy.refused !== undefined) return { verdict: 'rejected', reason: copy.refused }
    const isOpen = (key: string): boolean => {
      const leftAtMs = firstLeftAtMs.get(`${network.type} ${key}`)
      return leftAtMs !== undefined && nowMs - leftAtMs <= network.windowMs
    }
    const found = copy.finds.find(isOpen)
    // A window begins with the first receipt and is not moved by later ones, so a key that is still open stays.
    for (const key of copy.leaves) if (!isOpen(key)) firstLeftAtMs.set(`${network.type} ${key}`, nowMs)
    if (found === undefined) return { verdict: 'counted' }
    return { verdict: 'deduplicated', reason: `same_${found.slice(0, found.indexOf(':'))}` }
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
