// `postern doctor`: looks at the deployment from outside, and says in plain words what to change.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { howToRun } from '../config/command_line.ts'
import { deriveKeys, type Keys } from '../config/keys.ts'
import { readProcessSettings } from '../config/process_settings.ts'
import { readOrMakeSecrets, readSecrets } from '../config/secrets.ts'
import { loadSettings, type Settings, type SiteSettings } from '../config/settings.ts'
import { destinations } from '../dispatch/registry.ts'
import { isLoopback, plainHost } from '../gateway/site.ts'
import { createAsk, type Ask } from './doctor/ask.ts'
import { checkNames } from './doctor/cookies_life.ts'
import { checkDeployment } from './doctor/deployment.ts'
import { inWords, type Finding, type Note } from './doctor/finding.ts'
import { systemNameServer, type NameServer } from './doctor/names.ts'
import { checkScript, checkTagGateway } from './doctor/services.ts'
import { refuse } from './prepare.ts'

export interface DoctorDeps {
  server: NameServer
  ask: Ask
  now: () => number
  keys?: Keys
}

/** Where Postern is to be found on one of a site's hosts: on the pages' own, under the prefix. */
export function baseOf (site: Pick<SiteSettings, 'origins' | 'prefix' | 'upstream'>, host: string): URL {
  const own = site.origins.map(origin => new URL(origin)).find(origin => origin.host === plainHost(host))
  const scheme = own?.protocol ?? (isLoopback(host) ? 'http:' : 'https:')
  return new URL(`${scheme}//${host}${own === undefined && site.upstream === undefined ? '' : site.prefix}/`)
}

/** At most this many addresses of a host are asked one by one. */
const mostAddresses = 8

/** Everything that is to be said of one site, in the order of its hosts. */
export async function examineSite (site: SiteSettings, deps: DoctorDeps): Promise<Finding[]> {
  const findings: Finding[] = []
  const noteOf = (host: string): Note => (check, level, text, fix) => {
    findings.push({ site: site.name, host, check, level, text, ...(fix === undefined ? {} : { fix }) })
  }
  const located = await checkNames(site, deps.server, noteOf)
  for (const host of site.hosts) {
    const note = noteOf(host)
    const base = baseOf(site, host)
    const found = located.get(host)
    const addresses = [...found?.v4 ?? [], ...found?.v6 ?? []].slice(0, mostAddresses)
    // A host that is in no DNS may still be in this machine's own list of hosts.
    const about = { name: site.name, countryHeader: site.country_header?.toLowerCase() }
    await checkDeployment(base, about, addresses, deps, note)
    await checkScript(base, deps.ask, note)
    const google = site.vendors.google
    if (google !== undefined) await checkTagGateway(new URL('/', base), google.path, deps.ask, note)
  }
  return findings.sort((one, other) => site.hosts.indexOf(one.host) - site.hosts.indexOf(other.host))
}

const usage = `usage: postern doctor [--config FILE] [--json] [SITE …]

Looks at the deployment from outside: DNS, TLS, the proxies in front, what Safari does with the cookies. Needs the
settings, and the POSTERN_SECRET of the deployment for what only the deployment itself can tell.
`

interface Options { config?: string, isJson: boolean, names: string[] }

function readOptions (argv: string[]): Options | { problem: string } | 'help' {
  try {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: { config: { type: 'string' }, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } }
    })
    if (values.help === true) return 'help'
    return { config: values.config, isJson: values.json === true, names: positionals }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    return { problem: error.message }
  }
}

/** The deployment's secret if it is given here, or lies in the data folder; none is made. */
function findKeys (env: NodeJS.ProcessEnv): Keys | undefined {
  const process = readProcessSettings(env)
  const folder = 'settings' in process && existsSync(join(process.settings.dataFolder, 'secret'))
    ? process.settings.dataFolder
    : undefined
  const secrets = folder === undefined ? readSecrets(env) : readOrMakeSecrets(env, folder)
  return 'secrets' in secrets ? deriveKeys(secrets.secrets) : undefined
}

/** The sites of those names, all without names; or the name that none has. */
function chooseSites ({ sites }: Settings, names: readonly string[]): SiteSettings[] | { unknown: string } {
  const unknown = names.find(name => !sites.some(site => site.name === name))
  if (unknown !== undefined) return { unknown }
  return names.length === 0 ? sites : sites.filter(({ name }) => names.includes(name))
}

/** Exit codes: 0 nothing is broken (warnings are none), 1 something is, 2 wrong usage or settings. */
export async function run (
  argv: string[], env: NodeJS.ProcessEnv, given: Partial<DoctorDeps> = {},
  write: (text: string) => void = text => { process.stdout.write(text) }
): Promise<number> {
  const options = readOptions(argv)
  if (options === 'help') {
    write(usage)
    return 0
  }
  if ('problem' in options) return refuse('doctor', [options.problem]).exitCode
  const result = loadSettings(options.config, env, destinations)
  if ('problems' in result) return refuse('doctor', result.problems).exitCode
  if ('missing' in result) {
    const problem = `there are no settings: give them with --config; ${howToRun('check')} reads them, too`
    return refuse('doctor', [problem]).exitCode
  }
  const sites = chooseSites(result.settings, options.names)
  if ('unknown' in sites) return refuse('doctor', [`there is no site "${sites.unknown}" in the settings`]).exitCode
  const deps = { server: systemNameServer(), ask: createAsk(), now: Date.now, keys: findKeys(env), ...given }
  const findings: Finding[] = []
  for (const site of sites) {
    const ofSite = await examineSite(site, deps)
    if (!options.isJson) for (const finding of ofSite) write(inWords(finding))
    findings.push(...ofSite)
  }
  const isGood = findings.every(({ level }) => level !== 'fail')
  if (options.isJson) write(`${JSON.stringify({ ok: isGood, findings }, null, 2)}\n`)
  return isGood ? 0 : 1
}
