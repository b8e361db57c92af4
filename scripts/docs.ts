// Writes docs/settings.md and docs/destinations.md from the schemas; --check only says whether they still hold.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { CommonDestination, Consent, SettingsFile, Site } from '../config/settings_schema.ts'
import { processVariables } from '../config/process_settings.ts'
import { destinations } from '../dispatch/registry.ts'
import { levelOf } from '../schema/event_names.ts'

interface Node {
  description?: string
  default?: unknown
  secret?: boolean
  type?: string
  enum?: unknown[]
  properties?: Record<string, Node>
  required?: readonly string[]
  items?: Node
}

interface Row { key: string, kind: string, otherwise: string, meaning: string }

const cell = (text: string) => text.replaceAll('|', '\\|')

function table (head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function kindOf (node: Node): string {
  if (node.enum !== undefined) return node.enum.map(value => `\`${String(value)}\``).join(', ')
  if (node.type === 'array') {
    return node.items?.type === 'object' ? 'list of maps' : `list of ${node.items?.type ?? 'value'}s`
  }
  if (node.type === 'object') return 'map'
  return `${node.type ?? 'value'}${node.secret === true ? ', secret' : ''}`
}

function otherwiseOf (node: Node, isRequired: boolean): string {
  if (node.default !== undefined) return `\`${JSON.stringify(node.default)}\``
  return isRequired ? '**required**' : ''
}

/** Every key of a schema, inner ones with the path of their maps. */
function rowsOf (schema: Node, path: readonly string[] = []): Row[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, node]) => {
    const inner = node.items?.properties === undefined ? node : node.items
    const names = [...path, key].map(name => `\`${name}\``)
    const isRequired = schema.required?.includes(key) === true
    const own: Row = {
      key: names.join(' → '),
      kind: kindOf(node),
      otherwise: inner.properties === undefined || node.items !== undefined ? otherwiseOf(node, isRequired) : '',
      meaning: node.description ?? ''
    }
    return [own, ...rowsOf(inner, [...path, key])]
  })
}

function settingsTable (schema: unknown): string {
  const rows = rowsOf(schema as Node).map(({ key, kind, otherwise, meaning }) => [key, kind, otherwise, meaning])
  return table(['Key', 'Value', 'If absent', 'What it does'], rows)
}

function writeSettings (): string {
  const variables = Object.entries(processVariables)
    .map(([name, [otherwise, meaning]]) => [`\`${name}\``, otherwise === '' ? '' : `\`${otherwise}\``, meaning])
  const own = destinations.map(({ type, title, settings }) =>
    `### ${title} (\`type: ${type}\`)\n\n${settingsTable(settings)}`)
  return `<!-- Made by \`npm run docs\` from the schemas in the code. Change those, not this file. -->
# Settings

Postern reads one YAML file: \`--config FILE\`, else \`$POSTERN_CONFIG\`, else \`./postern.yaml\`. In every value,
\`\${NAME}\` is replaced from the environment and \`\${NAME:-default}\` has a default. An unknown key is an error.
\`postern check\` finds every mistake at once and prints what holds, secrets masked.

## Environment

${table(['Variable', 'If absent', 'What it is'], variables)}

## The file

${settingsTable(SettingsFile)}

## Site (\`sites\` → a name of yours)

${settingsTable(Site)}

### Consent

\`consent\` is one of the words above, or a map with these keys:

${settingsTable(Consent)}

## Destinations (\`destinations\` → a name of yours)

A destination whose secrets are all unset is off, and the log says so. Every destination has these keys:

${settingsTable(CommonDestination)}

And its own:

${own.join('\n\n')}
`
}

const purposes = {
  advertising: '`ad_user_data`',
  analytics: '`analytics_storage`',
  first_party: 'none'
} as const

/** What each network takes, and what our events are called there. */
function writeDestinations (): string {
  const limits = destinations.map(({ title, type, purpose, limits: limit, dedupes }) => [
    `${title} (\`${type}\`)`,
    purposes[purpose],
    String(limit.events),
    `${limit.maxAgeDays({})} days`,
    dedupes === false ? 'no' : `by event_id, ${dedupes.windowHours} h`
  ])
  const names = [...new Set(destinations.flatMap(({ events }) => Object.keys(events)))]
  const rows = names.map(name => [`\`${name}\``, levelOf(name),
    ...destinations.map(({ events, customEvents }) => events[name] ?? (customEvents ? 'as it is' : 'skipped'))])
  const others = ['any other name', 'all', ...destinations.map(one => one.customEvents ? 'as it is' : 'skipped')]
  return `<!-- Made by \`npm run docs\` from the schemas in the code. Change those, not this file. -->
# Destinations

How to get the ids and tokens of a network is in its folder: \`dispatch/destinations/<type>/README.md\`. Its settings
are in [settings.md](settings.md).

## What a network takes

${table(['Network', 'Consent it needs', 'Events in a request', 'Oldest event', 'Knows a second copy'], limits)}

## What our events are called there

\`events: conversions\` gets the first kind, \`funnel\` also the second, \`all\` everything.

${table(['Event', 'Level', ...destinations.map(({ title }) => title)], [...rows, others])}
`
}

const docs = new URL('../docs/', import.meta.url)
const files = { 'settings.md': writeSettings(), 'destinations.md': writeDestinations() }
mkdirSync(docs, { recursive: true })
for (const [name, wanted] of Object.entries(files)) {
  const file = new URL(name, docs)
  if (!process.argv.includes('--check')) {
    writeFileSync(file, wanted)
  } else if (!existsSync(file) || readFileSync(file, 'utf8') !== wanted) {
    process.stderr.write(`docs/${name} is not what the schemas say: npm run docs\n`)
    process.exitCode = 1
  }
}
