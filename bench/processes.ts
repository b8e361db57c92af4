// Child processes of the benchmark: pinned to a core, told apart by their CPU time, ended with it.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, readdirSync } from 'node:fs'
import { cpus } from 'node:os'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
export const canPin = existsSync('/usr/bin/taskset') && cpus().length > 1

/** The fields of /proc/<pid>/stat after the process's name, from `state` on (proc(5)); undefined once it is gone. */
function readStat (pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch (error) {
    if (error instanceof Error && 'code' in error && ['ENOENT', 'ESRCH'].includes(String(error.code))) return undefined
    throw error
  }
}

/** CPU time of a process and of its dead children: utime, stime, cutime and cstime, in microseconds. */
function ownCpuUs (stat: readonly string[]): number {
  const ticks = [11, 12, 13, 14].reduce((sum, field) => sum + Number(stat[field]), 0)
  return ticks / ticksPerSecond * 1e6
}

/** CPU time of a process with all its children, living and dead, in microseconds. */
export function cpuUs (pid: number): number {
  const own = readStat(pid)
  if (own === undefined) throw new Error(`process ${pid} is gone`)
  let sum = ownCpuUs(own)
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? readStat(Number(name)) : undefined
    if (stat !== undefined && Number(stat[1]) === pid) sum += ownCpuUs(stat)
  }
  return sum
}

/** The memory of a process, shared pages by its share of them (PSS), in bytes. */
export function memoryBytes (pid: number): number {
  const kilobytes = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]
  return Number(kilobytes) * 1024
}

/** Pins a running process, its threads and its future children to a core. */
export function pin (pid: number, core: number): void {
  if (canPin) execFileSync('taskset', ['-acp', String(core), String(pid)], { stdio: 'ignore' })
}

export interface Child {
  pid: number
  process: ChildProcess
  /** Writes a line to its standard input. */
  say: (line: string) => void
  /** The next line that it writes to standard output, as JSON. Rejects when it ends without one. */
  nextLine: () => Promise<unknown>
  stop: () => Promise<void>
}

export interface StartOptions {
  core: number
  env?: Record<string, string>
  /** A file for its standard output, instead of nextLine(). */
  logFile?: string
  nodeOptions?: readonly string[]
}

const children = new Set<Child>()

/** Starts `node <file of this checkout> …` on a core. */
export function startNode (file: string, args: readonly string[], options: StartOptions): Child {
  const words = [process.execPath, ...options.nodeOptions ?? [], `${root}${file}`, ...args]
  const [command = '', ...rest] = canPin ? ['taskset', '-c', String(options.core), ...words] : words
  const log = options.logFile === undefined ? undefined : openSync(options.logFile, 'a')
  const spawned = spawn(command, rest, {
    cwd: root, env: { ...process.env, ...options.env }, stdio: ['pipe', log ?? 'pipe', 'inherit']
  })
  if (log !== undefined) closeSync(log)
  // A child that has ended is told of by nextLine() and stop().
  spawned.stdin?.on('error', () => undefined)
  const lines = spawned.stdout === null ? undefined : createInterface({ input: spawned.stdout })[Symbol.asyncIterator]()
  const ended = new Promise<void>(resolve => { spawned.once('exit', () => { resolve() }) })
  const child: Child = {
    pid: spawned.pid ?? 0,
    process: spawned,
    say (line) { spawned.stdin?.write(`${line}\n`) },
    async nextLine () {
      const line = await lines?.next()
      if (line === undefined || line.done === true) throw new Error(`${file} ended without an answer`)
      return JSON.parse(line.value) as unknown
    },
    async stop () {
      if (spawned.exitCode === null && spawned.signalCode === null) {
        spawned.kill('SIGTERM')
        // One that stands still hears it only then.
        spawned.kill('SIGCONT')
      }
      await ended
      children.delete(child)
    }
  }
  children.add(child)
  return child
}

/** Ends whatever still runs. */
export async function stopAll (): Promise<void> {
  await Promise.all([...children].map(async child => { await child.stop() }))
}
