// Writes docs/settings.md from the schemas; with --check it only says whether the file is what they say.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { CommonDestination, Consent, SettingsFile, Site } from '../config/settings_schema.ts'
import { processVariables } from '../config/process_settings.ts'
import { destinations } from '../dispatch/registry.ts'

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

const file = new URL('../docs/settings.md', import.meta.url)
const wanted = writeSettings()
if (process.argv.includes('--check')) {
  if (readFileSync(file, 'utf8') !== wanted) {
    process.stderr.write('docs/settings.md is not what the schemas say: npm run docs\n')
    process.exitCode = 1
  }
} else {
  mkdirSync(new URL('.', file), { recursive: true })
  writeFileSync(file, wanted)
}
