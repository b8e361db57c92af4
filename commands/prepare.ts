// What most commands begin with: their options, the settings, the environment and the secret; or every problem at once.
import { parseArgs } from 'node:util'
import { howToRun } from '../config/command_line.ts'
import { deriveKeys, type Keys } from '../config/keys.ts'
import { readProcessSettings, type ProcessSettings } from '../config/process_settings.ts'
import { readOrMakeSecrets, readSecrets } from '../config/secrets.ts'
import { loadSettings, type Settings } from '../config/settings.ts'
import { destinations } from '../dispatch/registry.ts'

export interface Prepared {
  process: ProcessSettings
  settings: Settings
  keys: Keys
  /** What else stood on the command line. */
  rest: string[]
  isJson: boolean
}

/**
 * Reads everything that a serving or reading command needs. On a problem says all of them on standard error and gives
 * the exit code 2. With the embedded database (no DATABASE_URL) the secret is made in the data folder.
 */
export function prepare (command: string, argv: string[], env: NodeJS.ProcessEnv): Prepared | { exitCode: number } {
  const options = readOptions(argv)
  const process = readProcessSettings(env)
  const settings = 'problem' in options ? { problems: [] } : loadSettings(options.config, env, destinations)
  const problems = [
    ...('problem' in options ? [options.problem] : []),
    ...('problems' in process ? process.problems : []),
    ...('problems' in settings ? settings.problems : []),
    ...('missing' in settings
      ? ['there are no settings: no --config, no $POSTERN_CONFIG, no ./postern.yaml. Write a postern.yaml (README, ' +
        `"Settings"), or look around first with: ${howToRun('demo')}`]
      : [])
  ]
  const secrets = 'problems' in process || process.settings.databaseUrl !== undefined
    ? readSecrets(env)
    : readOrMakeSecrets(env, process.settings.dataFolder)
  if ('problems' in secrets) problems.push(...secrets.problems)
  if ('problem' in options || 'problems' in process || !('settings' in settings) || 'problems' in secrets) {
    return refuse(command, problems)
  }
  return {
    process: process.settings,
    settings: settings.settings,
    keys: deriveKeys(secrets.secrets),
    rest: options.rest,
    isJson: options.isJson
  }
}

/** Says why a command does not run. */
export function refuse (command: string, problems: readonly string[]): { exitCode: number } {
  for (const problem of problems) process.stderr.write(`postern ${command}: ${problem}\n`)
  return { exitCode: 2 }
}

function readOptions (argv: string[]): { config?: string, rest: string[], isJson: boolean } | { problem: string } {
  try {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: { config: { type: 'string' }, json: { type: 'boolean' } }
    })
    return { config: values.config, rest: positionals, isJson: values.json === true }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    return { problem: error.message }
  }
}
