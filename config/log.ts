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

function deepPaths (keys: string[]): string[] {
  const quoted = keys.map(key => `["${key}"]`)
  return quoted.flatMap(key => [key, `*${key}`, `*.*${key}`])
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
 * Opens the log of a process: one JSON object a line with `time` (ISO 8601), `level` and `msg`. An `err` or `error`
 * that is an Error is reduced to what holds no data.
 */
export function openLog (level: LogLevel, role: string, stream?: DestinationStream): Log {
  const options = {
    level,
    base: { role },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: describe, error: (value: unknown) => value instanceof Error ? describe(value) : value },
    redact: { paths: deepPaths(redacted), censor: '***' }
  }
  const logger: Logger = stream === undefined ? pino(options) : pino(options, stream)
  return {
    debug: (values, message) => { logger.debug(values, message) },
    info: (values, message) => { logger.info(values, message) },
    warn: (values, message) => { logger.warn(values, message) },
    error: (values, message) => { logger.error(values, message) }
  }
}
