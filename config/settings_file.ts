// Finds and reads the settings file: YAML, with ${NAME} and ${NAME:-default} from the environment.
import { existsSync, readFileSync } from 'node:fs'
import { isMap, isScalar, LineCounter, parseDocument, stringify, type Document } from 'yaml'

export interface SettingsText {
  /** As given on the command line or found, for messages. */
  path: string
  value: unknown
  /** The line of a key, 1-based; undefined where the file has no such key. */
  lineOf: (keys: readonly string[]) => number | undefined
  /** Names of the environment that the file asks for without a default and that are not set. */
  unset: ReadonlySet<string>
}

/** `--config`, else $POSTERN_CONFIG (an empty one is none), else ./postern.yaml if there is one. */
export function findSettingsFile (given: string | undefined, env: NodeJS.ProcessEnv): string | undefined {
  const named = given ?? (env.POSTERN_CONFIG === '' ? undefined : env.POSTERN_CONFIG)
  return named ?? (existsSync('postern.yaml') ? 'postern.yaml' : undefined)
}

/** Reads a settings file; the problems are for people. A value with an unset variable becomes undefined. */
export function readSettingsText (path: string, env: NodeJS.ProcessEnv): SettingsText | { problems: string[] } {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    return { problems: [`${path} cannot be read (${code}): give the path of a settings file with --config`] }
  }
  return parseSettingsText(path, text, env)
}

export function parseSettingsText (
  path: string, text: string, env: NodeJS.ProcessEnv
): SettingsText | { problems: string[] } {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: true })
  if (document.errors.length > 0) {
    return {
      problems: document.errors.map(error => `${path}:${error.linePos?.[0].line ?? 1}: ${firstLine(error.message)}`)
    }
  }
  const unset = new Set<string>()
  try {
    const value = substitute(document.toJS({ maxAliasCount: 100 }), env, unset)
    return { path, value, lineOf: keys => lineOf(document, lines, keys), unset }
  } catch (error) {
    // An alias that contains itself, or a bomb of aliases: yaml and the recursion above give up on them.
    if (!(error instanceof RangeError || error instanceof ReferenceError)) throw error
    return { problems: [`${path}: its aliases (&name, *name) lead in a circle or are too many: write the values out`] }
  }
}

function firstLine (message: string): string {
  return message.split('\n')[0] ?? message
}

function lineOf (document: Document, lines: LineCounter, keys: readonly string[]): number | undefined {
  for (let depth = keys.length; depth > 0; depth--) {
    const path = keys.slice(0, depth).map(key => /^\d+$/.test(key) ? Number(key) : key)
    const parent = depth === 1 ? document.contents : document.getIn(path.slice(0, -1), true)
    // A map begins where its first key does, so the line of its own key is asked for.
    const pair = isMap(parent) ? parent.items.find(({ key }) => isScalar(key) && key.value === path.at(-1)) : undefined
    const node = pair?.key ?? document.getIn(path, true)
    const hasRange = isScalar(node) || (typeof node === 'object' && node !== null && 'range' in node)
    const range = hasRange ? node.range : undefined
    if (Array.isArray(range)) return lines.linePos(Number(range[0])).line
  }
  return undefined
}

const variable = /\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}/g

/**
 * Replaces the variables in every string. A string with an unset variable is as if it were not there: half an address
 * (`https://${HOST}/thanks`) would pass for a whole one.
 */
function substitute (value: unknown, env: NodeJS.ProcessEnv, unset: Set<string>): unknown {
  if (Array.isArray(value)) {
    return value.map(inner => substitute(inner, env, unset)).filter(inner => inner !== undefined)
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([key, inner]) => [key, substitute(inner, env, unset)] as const)
    return Object.fromEntries(entries.filter(([, inner]) => inner !== undefined))
  }
  if (typeof value !== 'string' || !value.includes('${')) return value
  let isWhole = true
  const replaced = value.replace(variable, (_, name: string, otherwise: string | undefined) => {
    const given = env[name]
    if (given !== undefined && given !== '') return given
    if (otherwise !== undefined) return otherwise
    unset.add(name)
    isWhole = false
    return ''
  })
  return isWhole && replaced !== '' ? replaced : undefined
}

/** A value as YAML, for people. */
export function asYaml (value: unknown): string {
  return stringify(value)
}
