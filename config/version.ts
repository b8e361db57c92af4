// The version of this Postern, from package.json.
import { existsSync, readFileSync } from 'node:fs'

/** package.json lies one folder up in a checkout, two from dist/config/. */
function readVersion (): string {
  const near = new URL('../package.json', import.meta.url)
  const file = existsSync(near) ? near : new URL('../../package.json', import.meta.url)
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
  return version
}

export const version = readVersion()
