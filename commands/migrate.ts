// `postern migrate`: brings the database to this version's schema, the job queue's included.
import { migrate } from '../config/migrate.ts'
import { readProcessSettings } from '../config/process_settings.ts'
import { openLog } from '../config/log.ts'
import { refuse } from './prepare.ts'
import { openDatabase } from './database.ts'
import { explainFailure } from './roles.ts'

/** Exit codes: 0 up to date, 1 the migration failed (it left nothing half done), 2 wrong environment. */
export async function run (argv: string[], env: NodeJS.ProcessEnv): Promise<number> {
  if (argv.length > 0) return refuse('migrate', [`takes no options; there was ${argv.join(' ')}`]).exitCode
  const read = readProcessSettings(env)
  if ('problems' in read) return refuse('migrate', read.problems).exitCode
  const say = (text: string) => { process.stdout.write(`${text}\n`) }
  try {
    // The embedded database migrates as it opens.
    const database = await openDatabase(read.settings, openLog('error', 'migrate'))
    try {
      await migrate({ url: database.directUrl ?? database.url, say })
    } finally {
      await database.stop()
    }
    say('The database is up to date.')
    return 0
  } catch (error) {
    process.stderr.write(`postern migrate: ${explainFailure(error)}\n`)
    return 1
  }
}
