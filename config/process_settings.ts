// What a process is told by its environment: ports, folders, the database, the log level.
import { isIP } from 'node:net'
import { logLevels, type LogLevel } from './log.ts'

export interface ProcessSettings {
  /** Where the public port listens. */
  host: string
  port: number
  adminHost: string
  adminPort: number
  demoPort: number
  fakesPort: number
  /** Proxies that are believed besides those of the settings file. */
  trustedProxies: readonly string[]
  dataFolder: string
  databaseUrl?: string
  /** Past the pooler that databaseUrl leads to; absent where there is none. */
  directUrl?: string
  /** A standby of the same database; absent where there is none. */
  replicaUrl?: string
  /** How much may wait on the disk while Postgres is away, and what that leaves free; absent: nothing waits there. */
  spool?: { mostBytes: number, leastFreeBytes: number }
  logLevel: LogLevel
}

/** Every variable, its default and what it is for; docs/settings.md is made from this. */
export const processVariables = {
  PORT: ['8377', 'the public port'],
  POSTERN_HOST: ['0.0.0.0', 'the address the public port listens on'],
  POSTERN_TRUSTED_PROXIES: ['', 'addresses and networks besides trusted_proxies of the settings, separated by commas'],
  POSTERN_ADMIN_PORT: ['8378', 'the admin port: health and metrics'],
  POSTERN_ADMIN_HOST: ['127.0.0.1', 'the address the admin port listens on'],
  POSTERN_DEMO_PORT: ['8379', 'the demo site of `postern demo`'],
  POSTERN_FAKES_PORT: ['8380', 'the fake ad networks of `postern demo`'],
  POSTERN_DATA: ['./data', 'the folder of the embedded database, of the secret made for it, and of the spool'],
  DATABASE_URL: ['', 'a Postgres of your own, 15 or newer; without it the embedded one is used'],
  POSTERN_DIRECT_URL: ['', 'the same database past the pooler, where DATABASE_URL leads to PgBouncer in transaction ' +
    'mode: for LISTEN, locks and migrations'],
  POSTERN_REPLICA_URL: ['', 'a standby of the same database (streaming replication): metrics and `explain` are ' +
    'read there while it answers'],
  POSTERN_SPOOL_MB: ['1024', 'how much the spool may hold while Postgres is away, in MiB; 0: no spool'],
  POSTERN_SPOOL_FREE_MB: ['512', 'how much the spool leaves free on its disk, in MiB'],
  POSTERN_SECRET: ['', 'the secret that personal data is sealed under; a list new,old rotates it'],
  POSTERN_SECRET_FILE: ['', 'a file that holds it instead'],
  POSTERN_CONFIG: ['./postern.yaml', 'the settings file'],
  POSTERN_LOG: ['info', `how much is logged: ${logLevels.join(', ')}`]
} as const

type Variable = keyof typeof processVariables

function isNetwork (given: string): boolean {
  const [address = '', prefix, ...rest] = given.split('/')
  const family = isIP(address)
  const isLength = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 6 ? 128 : 32))
  return family !== 0 && isLength && rest.length === 0
}

/** Reads the environment; every problem at once. */
export function readProcessSettings (env: NodeJS.ProcessEnv): { settings: ProcessSettings } | { problems: string[] } {
  const problems: string[] = []
  const text = (name: Variable) => env[name] !== undefined && env[name] !== '' ? env[name] : processVariables[name][0]
  const port = (name: Variable) => {
    const given = text(name)
    if (!/^\d{1,5}$/.test(given) || Number(given) > 65_535) problems.push(`${name}: "${given}" is no port (0 to 65535)`)
    return Number(given)
  }
  const mebibytes = (name: Variable) => {
    const given = text(name)
    if (!/^\d{1,9}$/.test(given)) problems.push(`${name}: "${given}" is no whole number of MiB`)
    return Number(given) * (1 << 20)
  }
  const logLevel = logLevels.find(level => level === text('POSTERN_LOG'))
  if (logLevel === undefined) problems.push(`POSTERN_LOG: "${text('POSTERN_LOG')}" is none of ${logLevels.join(', ')}`)
  const spool = {
    mostBytes: mebibytes('POSTERN_SPOOL_MB'), leastFreeBytes: mebibytes('POSTERN_SPOOL_FREE_MB')
  }
  const trustedProxies = text('POSTERN_TRUSTED_PROXIES').split(',').map(one => one.trim()).filter(one => one !== '')
  for (const given of trustedProxies) {
    if (!isNetwork(given)) problems.push(`POSTERN_TRUSTED_PROXIES: "${given}" is no address and no network (CIDR)`)
  }
  const urls = ['DATABASE_URL', 'POSTERN_DIRECT_URL', 'POSTERN_REPLICA_URL'] as const
  const [databaseUrl, directUrl, replicaUrl] = urls.map(name => {
    const given = text(name)
    if (given !== '' && !/^postgres(ql)?:\/\//.test(given)) {
      problems.push(`${name}: an address like postgres://user:password@host:5432/database is needed`)
    }
    return given === '' ? undefined : given
  })
  if (directUrl !== undefined && databaseUrl === undefined) {
    problems.push('POSTERN_DIRECT_URL: it belongs to a DATABASE_URL that leads to a pooler')
  }
  if (replicaUrl !== undefined && databaseUrl === undefined) {
    problems.push('POSTERN_REPLICA_URL: it belongs to a DATABASE_URL, whose standby it names')
  }
  const settings: ProcessSettings = {
    host: text('POSTERN_HOST'),
    port: port('PORT'),
    adminHost: text('POSTERN_ADMIN_HOST'),
    adminPort: port('POSTERN_ADMIN_PORT'),
    demoPort: port('POSTERN_DEMO_PORT'),
    fakesPort: port('POSTERN_FAKES_PORT'),
    trustedProxies,
    dataFolder: text('POSTERN_DATA'),
    databaseUrl,
    directUrl,
    replicaUrl,
    spool: spool.mostBytes === 0 ? undefined : spool,
    logLevel: logLevel ?? 'info'
  }
  return problems.length > 0 ? { problems } : { settings }
}
