// How much the spool may hold: its own bytes, and what it leaves free on the disk; with a reserve for leads.
import type { Disk } from './disk.ts'

export interface QuotaOptions {
  disk: Disk
  folder: string
  mostBytes: number
  /** What events leave free on the disk; leads may use half of it. */
  leastFreeBytes: number
}

export interface Quota {
  /** Why these bytes may not be written; undefined when they may. `heldBytes`: what the spool holds already. */
  refuse: (bytes: number, heldBytes: number, isLead: boolean) => 'spool_full' | 'disk_full' | undefined
  /** Bytes were written since the disk was last asked. */
  spend: (bytes: number) => void
  /** Asks the disk what is free. */
  refresh: () => Promise<void>
}

/** The last fifth is kept for leads: they are few, small, and what nobody gets again. */
const shareOfEvents = 0.8

export function openQuota ({ disk, folder, mostBytes, leastFreeBytes }: QuotaOptions): Quota {
  let freeBytes = Number.POSITIVE_INFINITY
  return {
    refuse: (bytes, heldBytes, isLead) => {
      if (heldBytes + bytes > mostBytes * (isLead ? 1 : shareOfEvents)) return 'spool_full'
      return freeBytes - bytes < leastFreeBytes * (isLead ? 0.5 : 1) ? 'disk_full' : undefined
    },
    spend: bytes => { freeBytes -= bytes },
    refresh: async () => { freeBytes = await disk.freeBytes(folder) }
  }
}
