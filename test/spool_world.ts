// What the tests of the spool share: arrivals, a folder of their own, and an identity for a process that can die.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { deriveKeys } from '../config/keys.ts'
import type { Arrival } from '../gateway/arrival.ts'
import type { Identity } from '../gateway/spool/owner.ts'
import { openSpool, type Spool, type SpoolEvent, type SpoolOptions } from '../gateway/spool/spool.ts'
import { arrival, leadArrival } from './arrivals.ts'

export const spoolKeys = deriveKeys(['a secret of the tests, thirty-two characters'])

/** With `bytes` of ballast, and somebody's address that must never be readable. */
const withBallast = (bytes: number): Partial<Arrival['part']> => ({
  received_at_ms: 1_764_000_000_000,
  occurred_at_ms: 1_764_000_000_000,
  data: { value: 1, user_data: { email: ['canary@example.com'] }, params: { ballast: 'x'.repeat(bytes) } }
})

export const spooled = (eventId: string, bytes = 0): Arrival => arrival(eventId, withBallast(bytes))

export const spooledLead = (eventId: string): Arrival => leadArrival(eventId, withBallast(0))

export async function spoolFolder (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-spool-'))
  t.teardown(async () => { await rm(folder, { recursive: true, force: true }) })
  return join(folder, 'spool')
}

let lastPid = 0

/** A process of a machine of its own, on which `judge` says who lives. */
export function processOf (judge: ReturnType<Identity['isAlive']>): Identity {
  return { own: { place: 'test', pid: ++lastPid, started: '' }, isAlive: () => judge }
}

/** A spool whose tests call tick() themselves; `events` fills with what it tells. */
export async function spoolIn (folder: string, more: Partial<SpoolOptions> = {}) {
  const events: SpoolEvent[] = []
  const spool = await openSpool({
    folder,
    keys: spoolKeys,
    mostBytes: 1 << 30,
    leastFreeBytes: 0,
    tickMs: 0,
    onEvent: event => { events.push(event) },
    ...more
  })
  const append = async (...arrivals: Arrival[]) => {
    await spool.append(arrivals.map(spool.seal), arrivals.some(({ lead }) => lead !== undefined))
  }
  return { spool, events, append }
}

/** Drains all there is, as event ids in their order. */
export async function drainAll (spool: Spool, limit = 500): Promise<string[]> {
  const ids: string[] = []
  while (!spool.isEmpty()) {
    await spool.drain(limit, async arrivals => { ids.push(...arrivals.map(({ part }) => part.event_id)) })
  }
  return ids
}
