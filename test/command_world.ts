// The commands as child processes, with a settings file, an environment and ports of their own.
import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

const main = join(import.meta.dirname, '..', 'main.ts')
export const accessToken = 'EAAB-a-token-that-nobody-may-read'
export const apiKey = 'a-key-of-the-shop-that-nobody-may-read'
const settings = `
sites:
  main:
    hosts: [t.example.com]
    origins: ["https://www.example.com"]
    api_keys: [{ name: shop, key: ${apiKey} }]
    destinations:
      meta: { pixel_id: "1234567890", access_token: ${accessToken}, endpoint: "http://127.0.0.1:1/meta" }
`

export interface Started { child: ChildProcess, output: { out: string, err: string }, ended: Promise<number | null> }

/** A folder with a settings file, and an environment without anything of ours but what is given. */
export function openFolder (t: Test, databaseUrl: string): { folder: string, config: string, env: NodeJS.ProcessEnv } {
  const folder = mkdtempSync(join(tmpdir(), 'postern-commands-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  const config = join(folder, 'settings.yaml')
  writeFileSync(config, settings)
  const env = {
    PATH: process.env.PATH,
    DATABASE_URL: databaseUrl,
    POSTERN_SECRET: randomBytes(32).toString('base64url'),
    POSTERN_HOST: '127.0.0.1',
    PORT: '0',
    POSTERN_ADMIN_PORT: '0',
    POSTERN_DATA: join(folder, 'data')
  }
  return { folder, config, env }
}

export function startCommand (t: Test, argv: string[], env: NodeJS.ProcessEnv, cwd: string): Started {
  const child = spawn(process.execPath, [main, ...argv], { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  const output = { out: '', err: '' }
  child.stdout.on('data', chunk => { output.out += String(chunk) })
  child.stderr.on('data', chunk => { output.err += String(chunk) })
  const ended = once(child, 'close').then(([code]) => code as number | null)
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return { child, output, ended }
}

/** The two addresses that a serving command says it listens on; throws with its output when it ends before. */
export async function addressesOf ({ output, child, ended }: Started): Promise<{ public: string, admin: string }> {
  const find = () => output.out.split('\n').find(line => line.includes('"postern runs"'))
  const found = new Promise<string>(resolve => {
    child.stdout?.on('data', () => {
      const line = find()
      if (line !== undefined && output.out.includes(`${line}\n`)) resolve(line)
    })
  })
  const line = await Promise.race([found, ended.then(code => `ended with ${code}: ${output.err}${output.out}`)])
  if (!line.startsWith('{')) throw new Error(line)
  return JSON.parse(line) as { public: string, admin: string }
}

/** Runs a command to its end. */
export async function runCommand (t: Test, argv: string[], env: NodeJS.ProcessEnv, cwd: string) {
  const started = startCommand(t, argv, env, cwd)
  return { code: await started.ended, ...started.output }
}
