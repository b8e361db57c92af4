// Programs that a test starts for itself: found by what they print, ended with all that they started.
import { spawn, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { kill } from 'node:process'

export interface Program {
  /** What the program printed that the pattern's first group took. */
  said: string
  close: () => Promise<void>
}

interface Start {
  command: string
  args: string[]
  env?: Record<string, string>
  /** Where to listen: 2 is its standard error, 3 a pipe of its own. */
  listenTo: 1 | 2 | 3
  says: RegExp
}

/** Starts a program and waits until it says what it should; rejects when it ends before. */
export async function startProgram ({ command, args, env, listenTo, says }: Start): Promise<Program> {
  const stdio: StdioOptions = ['ignore', 'ignore', 'ignore', 'ignore']
  stdio[listenTo] = 'pipe'
  // A group of its own, so that its children go with it.
  const child = spawn(command, args, { stdio, env: { ...process.env, ...env }, detached: true })
  const ended = once(child, 'exit')
  const close = async () => {
    if (child.pid === undefined) return
    if (child.exitCode === null && child.signalCode === null) kill(-child.pid, 'SIGKILL')
    await ended
  }
  let heard = ''
  const said = await new Promise<string>((resolve, reject) => {
    child.stdio[listenTo]?.on('data', (chunk: Buffer) => {
      heard += String(chunk)
      const found = says.exec(heard)?.[1]
      if (found !== undefined) resolve(found)
    })
    child.on('error', reject)
    child.on('exit', code => { reject(new Error(`${command} ended with ${code}: ${heard.slice(-2000)}`)) })
  })
  return { said, close }
}
