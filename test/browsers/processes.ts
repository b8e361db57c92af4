// Programs that a test starts for itself: found by what they print, ended with all that they started.
import { spawn, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'

export interface Program {
  /** What the program printed that the pattern's first group took. */
  said: string
  close: () => Promise<void>
}

interface Start {
  command: string
  args: string[]
  env?: Record<string, string>
  /** Where to listen: its standard output or error, or a pipe of its own. */
  listenTo: 1 | 2 | 3
  says: RegExp
}

/** Ends its whole group when the program ends, or when the test does, however it does: then its input closes. */
const keeper = '{ "$@" <&-; kill -9 0; } & read _; kill -9 0'

/** Starts a program and waits until it says what it should; rejects when it ends before. */
export async function startProgram ({ command, args, env, listenTo, says }: Start): Promise<Program> {
  const stdio: StdioOptions = ['pipe', 'ignore', 'ignore', 'ignore']
  stdio[listenTo] = 'pipe'
  const child = spawn('/bin/sh', ['-c', keeper, 'sh', command, ...args], {
    stdio, env: { ...process.env, ...env }, detached: true
  })
  const ended = once(child, 'exit')
  // A program that is gone already takes no more input.
  child.stdin?.on('error', () => { child.stdin?.destroy() })
  const close = async () => {
    child.stdin?.end()
    await ended
  }
  let heard = ''
  try {
    const said = await new Promise<string>((resolve, reject) => {
      child.stdio[listenTo]?.on('data', (chunk: Buffer) => {
        heard += String(chunk)
        const found = says.exec(heard)?.[1]
        if (found !== undefined) resolve(found)
      })
      child.on('error', reject)
      child.on('exit', () => { reject(new Error(`${command} ended: ${heard.slice(-2000)}`)) })
    })
    return { said, close }
  } catch (error) {
    await close()
    throw error
  }
}
