// Which account the embedded Postgres runs under: PostgreSQL refuses root, and many trials are started as root.
import { spawn } from 'node:child_process'
import { chownSync, lstatSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** How the server's programs are started: as ourselves, as another account, or in a user namespace of our own. */
export type Account =
  | { kind: 'ours' }
  | { kind: 'other', uid: number, gid: number }
  | { kind: 'namespace' }

/** On every Linux and macOS with a name, as PostgreSQL demands; used by no service of its own. */
const nobody = { linux: 65_534, darwin: -2 } as const

export interface Finished { code: number, output: string }

/** Runs a program of the server and collects what it says. Rejects only when it cannot be started. */
export async function runAs (
  account: Account, program: string, args: string[], cwd: string, env: NodeJS.ProcessEnv = {}
): Promise<Finished> {
  const [command, allArgs] = account.kind === 'namespace'
    ? ['unshare', ['--user', `--map-user=${nobody.linux}`, `--map-group=${nobody.linux}`, program, ...args]]
    : [program, args]
  const identity = account.kind === 'other' ? { uid: account.uid, gid: account.gid } : {}
  // PostgreSQL's own words are wanted in English, whatever this machine speaks.
  const child = spawn(command, allArgs, {
    ...identity, cwd, env: { PATH: process.env.PATH, LC_ALL: 'C', ...env }, stdio: ['ignore', 'pipe', 'pipe']
  })
  let output = ''
  child.stdout.on('data', chunk => { output += String(chunk) })
  child.stderr.on('data', chunk => { output += String(chunk) })
  return await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code => { resolve({ code: code ?? 1, output }) })
  })
}

/** A working folder is entered before the account changes, so the account itself must enter the folder to prove it. */
async function works (account: Account, program: string, folder: string): Promise<boolean> {
  try {
    return (await runAs(account, '/bin/sh', ['-c', 'cd "$0" && exec "$1" --version', folder, program], '/')).code === 0
  } catch (error) {
    // It may not become that account, or there is no `unshare`.
    if (error instanceof Error && 'code' in error) return false
    throw error
  }
}

/**
 * Chooses the account and gives it the folder (which must exist). An ordinary user runs the server himself. For root it
 * is the folder's owner, else `nobody`; and where those may not enter the folder or read the program (a checkout under
 * /root), a user namespace in which root goes by another number.
 */
export async function chooseAccount (program: string, folder: string): Promise<Account> {
  if (process.getuid?.() !== 0) return { kind: 'ours' }
  const { uid: ownerUid, gid: ownerGid } = statSync(folder)
  const fallback = process.platform === 'darwin' ? nobody.darwin : nobody.linux
  const other: Account = ownerUid !== 0
    ? { kind: 'other', uid: ownerUid, gid: ownerGid }
    : { kind: 'other', uid: fallback, gid: fallback }
  // The folder itself is given to the account; the way to it must be open already.
  if (await works(other, program, dirname(folder))) {
    giveFolder(folder, other.uid, other.gid)
    return other
  }
  if (await works({ kind: 'namespace' }, program, folder)) {
    giveFolder(folder, 0, 0)
    return { kind: 'namespace' }
  }
  throw new Error('PostgreSQL cannot run as root, and neither `nobody` nor a user namespace may run it here. ' +
    'Start Postern as an ordinary user, or set DATABASE_URL to a Postgres of your own')
}

/** Gives a folder and all in it to an account; links are not followed. */
function giveFolder (folder: string, uid: number, gid: number): void {
  if (lstatSync(folder).uid === uid) return
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) giveFolder(path, uid, gid)
    else if (entry.isFile()) chownSync(path, uid, gid)
  }
  chownSync(folder, uid, gid)
}
