// `postern hash`: how a network would have each value, line by line; design.md, "Commands".
import { parseArgs } from 'node:util'
import { personFields, type Normalized, type PersonField } from '../dispatch/destination.ts'
import { destinationOf, destinations } from '../dispatch/registry.ts'
import { endQuietly, lineError, parseLine, readLines, writeLines, type Line, type LineError } from './ndjson.ts'

const types = destinations.map(({ type }) => type).join(' ')

const usage = `usage: postern hash < values.ndjson

Each line: {"network":"meta","field":"phone","value":"0171 1234567","country":"DE"}
  network  ${types}
  field    ${personFields.join(' ')}
  country  of phone numbers, states and postal codes; optional
Answers in order: {"network","field","normalized","sha256","also"?,"why"?}
`

interface Answer extends Normalized { network: string, field: PersonField }

/** Exit codes: 0 all lines answered, 1 some line could not be read, 2 wrong usage. */
export async function run (argv: string[], _env: NodeJS.ProcessEnv): Promise<number> {
  try {
    const { values } = parseArgs({ args: argv, options: { help: { type: 'boolean', short: 'h' } } })
    if (values.help === true) {
      process.stdout.write(usage)
      return 0
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    process.stderr.write(`postern hash: ${error.message}\n\n${usage}`)
    return 2
  }
  endQuietly(process.stdout)
  let exitCode = 0
  for await (const line of readLines(process.stdin)) {
    const answer = answerLine(line, Date.now())
    if ('error' in answer) exitCode = 1
    if (!await writeLines(process.stdout, [answer])) break
  }
  return exitCode
}

/** One line's answer. `nowMs` is the clock by which a birth date is still to come. */
export function answerLine (line: Line, nowMs: number): Answer | LineError {
  const parsed = parseLine(line)
  if ('error' in parsed) return parsed
  const { network, field, value, country } = parsed.object
  const destination = typeof network === 'string' ? destinationOf(network) : undefined
  if (typeof network !== 'string' || destination === undefined) {
    return lineError(line.number, 'unknown_network', `network must be one of: ${types}`)
  }
  const known = personFields.find(name => name === field)
  if (known === undefined) {
    return lineError(line.number, 'unknown_field', `field must be one of: ${personFields.join(' ')}`)
  }
  const text = textOf(value)
  if (text === undefined) return lineError(line.number, 'unusable_value', 'value must be a text')
  const region = typeof country === 'string' && country.trim() !== '' ? country : undefined
  const { normalized, sha256, also, why } = destination.normalize(known, text, region, nowMs)
  return { network, field: known, normalized, sha256, also, why }
}

/** Nothing is an empty value; a number is its digits. */
function textOf (value: unknown): string | undefined {
  if (value === undefined || value === null) return ''
  if (typeof value === 'number' && Number.isFinite(value)) return String(value)
  return typeof value === 'string' ? value : undefined
}
