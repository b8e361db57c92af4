// `postern explain <event_id or lead_id>`: the whole journey of an event, from its arrivals to the networks' answers.
import { openLog, type Log } from '../config/log.ts'
import { openPool, type Pool } from '../config/postgres.ts'
import { openReader } from '../config/replica.ts'
import { targetsOf } from '../dispatch/deps.ts'
import { readJourneys, type Journey } from '../dispatch/journey.ts'
import { destinationOf } from '../dispatch/registry.ts'
import { knownTargets } from '../dispatch/roster.ts'
import { checkDatabase } from './admission.ts'
import { explainText } from './explain_text.ts'
import { prepare, refuse, type Prepared } from './prepare.ts'
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
    const open = (url: string) => openPool({ url, name: 'postern explain', onError: () => undefined })
    const pool = open(database.url)
    const replica = database.replicaUrl === undefined ? undefined : open(database.replicaUrl)
    try {
      const reader = openReader(pool, replica, () => tell('the standby does not answer: read from the database itself'))
      const { value: journeys, lagSeconds } = await reader.read(async db => await readFrom(db, prepared, id, log))
      if (lagSeconds !== null && lagSeconds >= 1) tell(`read from a standby that is ${Math.ceil(lagSeconds)} s behind`)
      if (journeys.length === 0) {
        tell(`nothing is stored under ${JSON.stringify(id)}`)
        return 1
      }
      process.stdout.write(prepared.isJson
        ? `${JSON.stringify(journeys, null, 2)}\n`
        : journeys.map(journey => explainText(journey, Date.now())).join('\n'))
      return 0
    } finally {
      await Promise.all([pool.end(), replica?.end()])
      await database.stop()
    }
  } catch (error) {
    tell(explainFailure(error))
    return 1
  }
}

const tell = (message: string) => { process.stderr.write(`postern explain: ${message}\n`) }

async function readFrom (pool: Pool, { keys, settings }: Prepared, id: string, log: Log): Promise<Journey[]> {
  await checkDatabase(pool, keys, log, { usesQueue: false, onlyReads: true })
  const targets = targetsOf(await knownTargets(pool, siteTargets(settings), destinationOf))
  return await readJourneys({ pool, keys, targets, sites: settings.sites.map(siteRules) }, id)
}
