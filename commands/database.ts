// The database of a process: its owner's, or the embedded one, which is started, claimed and migrated here.
import { claimEmbedded, type Holder } from '../config/embedded_claim.ts'
import { startEmbedded } from '../config/embedded.ts'
import type { Log } from '../config/log.ts'
import { migrate } from '../config/migrate.ts'
import type { ProcessSettings } from '../config/process_settings.ts'
import { CannotStart } from './admission.ts'

/** `directUrl`: given where `url` leads to a pooler in transaction mode. `replicaUrl`: a standby, to read from. */
export interface Database { url: string, directUrl?: string, replicaUrl?: string, stop: () => Promise<void> }

/**
 * The database of the process: its own server with `DATABASE_URL`, else the embedded one, brought up to date. `serves`:
 * the process is one that runs all of Postern, and of those one folder has one. Throws CannotStart when it is taken.
 */
export async function openDatabase (
  process: ProcessSettings, log: Log, { serves = false }: { serves?: boolean } = {}
): Promise<Database> {
  const { databaseUrl, directUrl, replicaUrl, dataFolder } = process
  if (databaseUrl !== undefined) return { url: databaseUrl, directUrl, replicaUrl, stop: async () => undefined }
  const embedded = await startEmbedded({
    folder: `${dataFolder}/postgres`,
    onLost: () => { log.error({}, 'the embedded database went away and is being started again') }
  })
  let release: () => Promise<void> = async () => undefined
  const stop = async () => {
    await release()
    await embedded.stop()
  }
  try {
    if (serves) {
      const claim = await claimEmbedded(embedded.url)
      if ('since' in claim) throw new CannotStart(sayTaken(claim, dataFolder))
      release = claim.release
    }
    await migrate({ url: embedded.url })
  } catch (error) {
    await stop()
    throw error
  }
  return { url: embedded.url, stop }
}

function sayTaken ({ pid, since }: Holder, folder: string): string {
  const who = pid === null ? 'another process' : `process ${pid}`
  return `another Postern runs with the data in ${folder}: ${who}, since ${since.toISOString()}. Stop it first, or ` +
    'give this one a folder of its own with POSTERN_DATA'
}
