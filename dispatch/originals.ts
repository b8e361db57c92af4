// Adjustments (a refund, a later stage) that must come after the event they adjust, at the same destination.
import type { DeliveryState } from '../schema/outcome.ts'
import type { Claim } from './agenda.ts'
import type { Deps } from './deps.ts'
import type { LoadedDelivery } from './load.ts'
import type { Settlement } from './settle.ts'
import { settleUnsent } from './store.ts'

const askAgainMs = 5 * 60_000

/**
 * The deliveries whose original, if they have one, has arrived. Those whose original is still open wait on; those whose
 * original will never arrive share its fate: a network cannot adjust what it does not know.
 */
export async function followOriginals (
  deps: Deps, claim: Claim, deliveries: readonly LoadedDelivery[]
): Promise<LoadedDelivery[]> {
  const wanted = deliveries.flatMap(one => one.afterSeq ?? [])
  if (wanted.length === 0) return [...deliveries]
  const { rows } = await deps.pool.query<{ event_seq: number, state: DeliveryState, reason: string | null }>(
    'SELECT event_seq, state, reason FROM deliveries WHERE destination_id = $1 AND event_seq = ANY($2)',
    [claim.target.id, wanted])
  const originals = new Map(rows.map(row => [row.event_seq, row]))
  const due: LoadedDelivery[] = []
  const settlements: Settlement[] = []
  for (const one of deliveries) {
    const original = one.afterSeq === null ? undefined : originals.get(one.afterSeq)
    const settlement = one.afterSeq === null ? null : fateOf(one.seq, original)
    if (settlement === null) due.push(one)
    else settlements.push(settlement)
  }
  await settleUnsent(deps, claim, settlements)
  return due
}

interface Original { state: DeliveryState, reason: string | null }

/** Null: the original has arrived. One that nobody knows may only not be routed yet. */
function fateOf (seq: number, original: Original | undefined): Settlement | null {
  switch (original?.state) {
    case 'delivered':
    case 'accepted':
      return null
    case 'skipped':
    case 'rejected':
      return { seq, state: original.state, reason: original.reason ?? undefined, detail: 'like the event it adjusts' }
    case 'waiting':
    case 'held':
    case undefined:
      return { seq, state: 'waiting', reason: 'original_pending', afterMs: askAgainMs }
  }
}
