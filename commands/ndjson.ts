// Newline-delimited JSON, one value per line: reading it from a stream, and writing it no faster than it is read.
import { once } from 'node:events'
import { StringDecoder } from 'node:string_decoder'
import type { Readable, Writable } from 'node:stream'

/** A line of input by its number, from 1; blank lines are counted and left out. */
export interface Line { number: number, text: string }

/** What is said about a line that could not be used. */
export interface LineError { line: number, error: { code: string, message: string } }

/**
 * The lines of a stream. Only \n (and a \r before it) ends a line: U+2028 may stand in JSON as it is, and
 * node:readline would break there.
 */
export async function * readLines (input: Readable): AsyncGenerator<Line> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  let number = 0
  for await (const chunk of input as AsyncIterable<Buffer | string>) {
    const lines = (rest + (typeof chunk === 'string' ? chunk : decoder.write(chunk))).split('\n')
    rest = lines.pop() ?? ''
    for (const text of lines) {
      number++
      if (text.trim() !== '') yield { number, text }
    }
  }
  rest += decoder.end()
  if (rest.trim() !== '') yield { number: number + 1, text: rest }
}

/** The object on a line, or what is wrong with it. */
export function parseLine ({ number, text }: Line): { object: Record<string, unknown> } | LineError {
  let value: unknown
  try {
    value = JSON.parse(number === 1 ? text.replace(/^\ufeff/, '') : text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return lineError(number, 'malformed_json', 'the line is not JSON')
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { object: { ...value } }
  return lineError(number, 'not_an_object', 'the line is not a JSON object')
}

export function lineError (line: number, code: string, message: string): LineError {
  return { line, error: { code, message } }
}

/** Writes values as lines. Resolves to false once nobody reads them any more (`| head`). */
export async function writeLines (output: Writable, values: readonly unknown[]): Promise<boolean> {
  if (output.destroyed || output.writableEnded) return false
  if (values.length === 0) return true
  const text = values.map(value => `${JSON.stringify(value)}\n`).join('')
  if (output.write(text)) return true
  try {
    await once(output, 'drain')
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EPIPE') return false
    throw error
  }
}

/** Lets a reader that goes away (`| head`) end the command instead of crashing it. */
export function endQuietly (output: Writable): void {
  output.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}
