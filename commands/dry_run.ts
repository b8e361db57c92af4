// `postern dry-run`: what would be sent for each event, by the product's own functions; design.md, "Commands".
import { parseArgs } from 'node:util'
import { loadSettings } from '../config/settings.ts'
import { preview, type Preview } from '../dispatch/preview.ts'
import { destinations } from '../dispatch/registry.ts'
import type { SiteRules, Target } from '../dispatch/target.ts'
import { readDryRunEvent, type DryRunEvent } from './dry_run_event.ts'
import { chooseTargets, forDryRun, unnamedSite } from './dry_run_targets.ts'
import { rowlessTargets, siteRules } from './wiring.ts'
import { endQuietly, lineError, parseLine, readLines, writeLines, type Line, type LineError } from './ndjson.ts'

const usage = `usage: postern dry-run [options] < events.ndjson

Each line: the body of POST /v1/e, and optionally "context": {ip, user_agent, received_at, cookies, visitor_id, country,
consent, signed}. Answers in order, one per line and destination: {"line","destination","type","event_id"} and one of
"requests", "skipped", "held", "rejected"; and "warnings".

  --destination NAME|TYPE   only this one; may be given several times
  --config FILE             the settings; else $POSTERN_CONFIG, else ./postern.yaml, else every type with placeholders
  --site NAME               which of the settings' sites
  --site-consent            no consent given: ask the site's rule (otherwise it counts as granted)
  --batch                   as many events in a request as the network takes; it stands at the first of them
Types: ${destinations.map(({ type }) => type).join(' ')}
`

/** How many lines are previewed together; with --batch also the most that share a request, as in one job. */
const chunkLines = 1000

interface Entry { line: number, event: DryRunEvent }

/** Exit codes: 0 all lines answered, 1 some line could not be read, 2 wrong usage or settings. */
export async function run (argv: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const options = readOptions(argv, env)
  if ('exitCode' in options) return options.exitCode
  const { targets, site } = options
  endQuietly(process.stdout)
  let exitCode = 0
  let chunk: (Entry | LineError)[] = []
  const answer = async (): Promise<boolean> => {
    if (chunk.some(entry => 'error' in entry)) exitCode = 1
    const answers = answersOf(chunk, targets, options.isBatched)
    chunk = []
    return await writeLines(process.stdout, answers)
  }
  for await (const line of readLines(process.stdin)) {
    chunk.push(readEntry(line, site, Date.now()))
    if (chunk.length === chunkLines && !await answer()) return exitCode
  }
  await answer()
  return exitCode
}

interface Options { targets: Target[], site: SiteRules, isBatched: boolean }

function readOptions (argv: string[], env: NodeJS.ProcessEnv): Options | { exitCode: number } {
  try {
    const { values } = parseArgs({
      args: argv,
      options: {
        destination: { type: 'string', multiple: true },
        config: { type: 'string' },
        site: { type: 'string' },
        'site-consent': { type: 'boolean' },
        batch: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' }
      }
    })
    if (values.help === true) {
      process.stdout.write(usage)
      return { exitCode: 0 }
    }
    const site = readSite(values.config, values.site, env)
    if ('problems' in site) return refuse(site.problems.join('\n'))
    const chosen = chooseTargets(site.targets, values.destination ?? [])
    if ('unknown' in chosen) return refuse(`there is no destination "${chosen.unknown}"`)
    const asksSite = values['site-consent'] === true
    const targets = chosen.map(target => forDryRun(target, asksSite))
    return { targets, site: targets[0]?.site ?? site.rules, isBatched: values.batch === true }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    return refuse(error.message)
  }
}

/** The site that is asked about, from the settings if there are any. */
function readSite (
  config: string | undefined, name: string | undefined, env: NodeJS.ProcessEnv
): { rules: SiteRules, targets: Target[] } | { problems: string[] } {
  const read = loadSettings(config, env, destinations)
  if ('problems' in read) return read
  if ('missing' in read) {
    return name === undefined
      ? { rules: unnamedSite, targets: [] }
      : { problems: ['--site needs settings: give --config FILE'] }
  }
  const { sites } = read.settings
  const site = name === undefined ? sites[0] : sites.find(one => one.name === name)
  const names = sites.map(one => one.name).join(', ')
  if (site === undefined) return { problems: [`there is no site "${name}"; the settings have ${names}`] }
  if (name === undefined && sites.length > 1) return { problems: [`name one of the sites with --site: ${names}`] }
  return { rules: siteRules(site), targets: rowlessTargets(site) }
}

function refuse (why: string): { exitCode: number } {
  process.stderr.write(`postern dry-run: ${why}\n\n${usage}`)
  return { exitCode: 2 }
}

function readEntry (line: Line, site: SiteRules, nowMs: number): Entry | LineError {
  const parsed = parseLine(line)
  if ('error' in parsed) return parsed
  const event = readDryRunEvent(parsed.object, site, `dry-run-${line.number}`, nowMs)
  return 'error' in event ? lineError(line.number, event.error.code, event.error.message) : { line: line.number, event }
}

/** The answers to some lines, in order: line by line, and for each line target by target. */
function answersOf (
  chunk: readonly (Entry | LineError)[], targets: readonly Target[], isBatched: boolean
): unknown[] {
  const entries = chunk.flatMap(entry => 'error' in entry ? [] : [entry])
  const previews = targets.map(target => preview(entries.map(({ event }) => event), target, isBatched))
  let index = -1
  return chunk.flatMap((entry): unknown[] => {
    if ('error' in entry) return [entry]
    index++
    return targets.flatMap((target, at) => {
      const found = previews[at]?.[index]
      return found === undefined ? [] : [answerOf(entry, target, found)]
    })
  })
}

function answerOf ({ line, event }: Entry, target: Target, found: Preview): object {
  const warnings = 'warnings' in found ? [...event.warnings, ...found.warnings] : event.warnings
  return {
    line,
    destination: target.name,
    type: target.destination.type,
    event_id: event.candidate.event.event_id,
    ...found,
    warnings
  }
}
