// `postern explain <event_id or lead_id>`: the whole journey of an event, from its arrivals to the networks' answers.
import { openLog } from '../config/log.ts'
import { openPool } from '../config/postgres.ts'
import { targetsOf } from '../dispatch/deps.ts'
import { readJourneys } from '../dispatch/journey.ts'
import { destinationOf } from '../dispatch/registry.ts'
import { knownTargets } from '../dispatch/roster.ts'
import { checkDatabase } from './admission.ts'
import { explainText } from './explain_text.ts'
import { prepare, refuse } from './prepare.ts'
import { openDatabase } from './database.ts'
import { explainFailure } from './roles.ts'
import { siteRules, siteTargets } from './wiring.ts'

/** Exit codes: 0 found, 1 not found or the database does not answer, 2 wrong usage or settings. */
export async function run (argv: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const prepared = prepare('explain', argv, env)
  if ('exitCode' in prepared) return prepared.exitCode
  const [id, ...more] = prepared.rest
  if (id === undefined || more.length > 0) return refuse('explain', ['name one event_id or lead_id']).exitCode
  try {
    const log = openLog('error', 'explain')
    const database = await openDatabase(prepared.process, log)
    const pool = openPool({ url: database.url, name: 'postern explain', onError: () => undefined })
    try {
      await checkDatabase(pool, prepared.keys, log, { usesQueue: false })
      const targets = targetsOf(await knownTargets(pool, siteTargets(prepared.settings), destinationOf))
      const sites = prepared.settings.sites.map(siteRules)
      const journeys = await readJourneys({ pool, keys: prepared.keys, targets, sites }, id)
      if (journeys.length === 0) {
        process.stderr.write(`postern explain: nothing is stored under ${JSON.stringify(id)}\n`)
        return 1
      }
      process.stdout.write(prepared.isJson
        ? `${JSON.stringify(journeys, null, 2)}\n`
        : journeys.map(journey => explainText(journey, Date.now())).join('\n'))
      return 0
    } finally {
      await pool.end()
      await database.stop()
    }
  } catch (error) {
    process.stderr.write(`postern explain: ${explainFailure(error)}\n`)
    return 1
  }
}
