// The only home of `pino`: structured log lines on standard output, and the one list of what never appears in them.
import pino, { type DestinationStream, type Logger } from 'pino'

/** A structured logger: an object of values, then the message. */
export interface Log {
  debug: (values: object, message: string) => void
  info: (values: object, message: string) => void
  warn: (values: object, message: string) => void
  error: (values: object, message: string) => void
}

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = typeof logLevels[number]

// A second wall: whoever logs picks the fields, and these never leave even when somebody picks too much.
const redacted = ['email', 'phone', 'phone_number', 'user_data', 'address', 'first_name', 'last_name', 'street', 'city',
  'postal_code', 'birth_date', 'gender', 'fields', 'params', 'ip', 'user_agent', 'visitor_id', 'user_id', 'cookies',
  'cookie', 'set-cookie', 'authorization', 'x-api-key', 'click_ids', 'page_location', 'page_referrer', 'url', 'body',
  'headers', 'access_token', 'app_secret', 'api_key', 'secret', 'password', 'token', 'credentials', 'settings']

const isRedacted = new Set(redacted)
const deepest = 5

/**
 * The values of a line without what is on the list, however deep. A copy is made only of what holds something listed:
 * this runs for every accepted event, where pino's own redaction takes longer than everything else that logging does.
 */
function censor (value: object, depth = 0): object {
  let copy: Record<string, unknown> | undefined
  for (const [name, inner] of Object.entries(value) as [string, unknown][]) {
    let kept = inner
    if (isRedacted.has(name)) {
      if (inner !== undefined) kept = '***'
    } else if (typeof inner === 'object' && inner !== null && !(inner instanceof Error)) {
      kept = depth < deepest ? censor(inner, depth + 1) : '***'
    }
    if (kept !== inner) {
      copy ??= (Array.isArray(value) ? [...value as unknown[]] : { ...value }) as Record<string, unknown>
      copy[name] = kept
    }
  }
  return copy ?? value
}

/** Error messages of drivers and validators quote rows and bodies, so only the name, the code and the place remain. */
function describe (error: unknown): object {
  if (!(error instanceof Error)) return { name: typeof error }
  const frames = (error.stack ?? '').split('\n').filter(line => line.startsWith('    at '))
  return {
    name: error.name,
    code: 'code' in error && typeof error.code === 'string' ? error.code : undefined,
    stack: frames.join('\n')
  }
}

/**
 * Standard output in pieces of some lines: one write per accepted event costs more than making its line. What waits is
 * written after a tenth of a second, with anything graver than information, and when the process exits; a process
 * that is killed takes it along.
 */
function openStandardOutput (): { stream: DestinationStream, flush: () => void } {
  const stream = pino.destination({ dest: 1, sync: true, minLength: 4096, periodicFlush: 100 })
  const flush = () => { stream.flushSync() }
  process.once('exit', flush)
  return { stream, flush }
}

/**
 * Opens the log of a process: one JSON object a line with `time` (ISO 8601), `level` and `msg`. An `err` or `error`
 * that is an Error is reduced to what holds no data.
 */
export function openLog (level: LogLevel, role: string, stream?: DestinationStream): Log {
  const options = {
    level,
    base: { role },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (values: object) => censor(values) as Record<string, unknown>
    },
    serializers: { err: describe, error: (value: unknown) => value instanceof Error ? describe(value) : value }
  }
  const out = stream === undefined ? openStandardOutput() : { stream, flush: () => undefined }
  const logger: Logger = pino(options, out.stream)
  return {
    debug: (values, message) => { logger.debug(values, message) },
    info: (values, message) => { logger.info(values, message) },
    warn: (values, message) => {
      logger.warn(values, message)
      out.flush()
    },
    error: (values, message) => {
      logger.error(values, message)
      out.flush()
    }
  }
}
