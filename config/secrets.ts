// Where the secrets come from: POSTERN_SECRET, a file, or, beside the embedded database, one made on first start.
import { randomBytes } from 'node:crypto'
import {
  closeSync, existsSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, rmSync, writeSync
} from 'node:fs'
import { join } from 'node:path'

/** A ring of secrets, the active one first, or every reason why there is none. */
export type Secrets = { secrets: string[] } | { problems: string[] }

const shortest = 32
const fewestDistinct = 10
const howToMake = 'make one with: openssl rand -base64 32'
const placeholders = /change.?me|replace|placeholder|example|password|your[-_ ]|secret|postern|12345678|abcdefgh/i

function codeOf (error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

/** Why a secret is refused, or undefined. Never quotes it. */
function findWeakness (secret: string): string | undefined {
  if (placeholders.test(secret)) return `is a placeholder; ${howToMake}`
  if (secret.length < shortest) return `has ${secret.length} characters, at least ${shortest} are needed; ${howToMake}`
  return new Set(secret).size >= fewestDistinct
    ? undefined
    : `repeats too few characters to be random; ${howToMake}`
}

function parseRing (text: string, source: string): Secrets {
  const secrets = text.split(/[,\n]/).map((part) => part.trim()).filter((part) => part !== '')
  if (secrets.length === 0) return { problems: [`${source} is empty; ${howToMake}`] }
  const problems = secrets.flatMap((secret, index) => {
    const weakness = findWeakness(secret)
    const which = secrets.length > 1 ? `entry ${index + 1} of ${source}` : source
    return weakness === undefined ? [] : [`${which} ${weakness}`]
  })
  if (new Set(secrets).size < secrets.length) problems.push(`${source} holds one secret twice; remove the repetition`)
  return problems.length > 0 ? { problems } : { secrets }
}

/**
 * Reads POSTERN_SECRET or the file that POSTERN_SECRET_FILE names. A list, separated by commas or line breaks, is a
 * ring: the first is active, the others still open what was sealed under them. Short and placeholder secrets are
 * refused.
 */
export function readSecrets (env: NodeJS.ProcessEnv): Secrets {
  const { POSTERN_SECRET: given, POSTERN_SECRET_FILE: file } = env
  if (given !== undefined && file !== undefined) {
    return { problems: ['POSTERN_SECRET and POSTERN_SECRET_FILE are both set; remove one of them'] }
  }
  if (given !== undefined) return parseRing(given, 'POSTERN_SECRET')
  if (file === undefined) {
    return { problems: [`POSTERN_SECRET is not set; ${howToMake}, and keep it: the stored data opens with it alone`] }
  }
  try {
    return parseRing(readFileSync(file, 'utf8'), 'POSTERN_SECRET_FILE')
  } catch (error) {
    return { problems: [`POSTERN_SECRET_FILE cannot be read (${codeOf(error)}); give the path of a readable file`] }
  }
}

/**
 * The secret of an embedded database: given by the environment, else the one in `<dataFolder>/secret`, made (0600, on
 * disk before it is used) on the first start. Two processes that start at once get the same one.
 */
export function readOrMakeSecrets (env: NodeJS.ProcessEnv, dataFolder: string): Secrets {
  if (env.POSTERN_SECRET !== undefined || env.POSTERN_SECRET_FILE !== undefined) return readSecrets(env)
  const path = join(dataFolder, 'secret')
  try {
    mkdirSync(dataFolder, { recursive: true })
    if (!existsSync(path)) makeSecretFile(path)
    return parseRing(readFileSync(path, 'utf8'), path)
  } catch (error) {
    return { problems: [`${path} cannot be read or made (${codeOf(error)}); check the folder's owner and rights`] }
  }
}

/** Writes the whole file under another name first: a file called `secret` is never half a secret. */
function makeSecretFile (path: string): void {
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
  const file = openSync(draft, 'wx', 0o600)
  try {
    writeSync(file, randomBytes(32).toString('base64url') + '\n')
    fsyncSync(file)
    linkSync(draft, path)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  } finally {
    closeSync(file)
    rmSync(draft)
  }
}
