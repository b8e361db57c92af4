// The load generator, a process of its own: raw kept-alive sockets, closed or open loop, as little CPU as it can be.
import { createConnection, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { makePages, type PageMix } from './pages.ts'
import { fill, makeTemplates, type Mix } from './traffic.ts'

export interface Load {
  port: number
  path: string
  mix: Mix | PageMix
  /** Closed: each connection sends when it has its answer. Open: by the clock, whatever the answers do. */
  loop: 'closed' | 'open'
  /** At once, and at most; an open loop opens what it needs, up to 2,000 where this is 0. */
  connections: number
  /** Requests a second; open loop only. */
  rate?: number
  /** How many requests; a round of so many costs the same however slow the machine is today. */
  count: number
  /** Four characters that tell the ids of this run from those of others. */
  run: string
  /** Open loop only: so long connections are opened and compilers warm up, and no latency counts. */
  warmSeconds?: number
  /** Also tell when each event was acknowledged. */
  withAcks?: boolean
}

/** What came of it. Times in milliseconds; those of an open loop count from when a request was due. */
export interface LoadResult {
  sent: number
  accepted: number
  failed: number
  /** How many of the failed by status; 0: the connection broke. */
  refusals: Record<string, number>
  seconds: number
  p50: number
  p99: number
  most: number
  /** By event id, on the clock that all processes share. */
  acks?: [id: string, atMs: number][]
}

/** CLOCK_MONOTONIC: the same in every process of the machine. */
export const nowMs = () => Number(process.hrtime.bigint()) / 1e6

const mostConnections = 2000

interface Connection {
  send: (bytes: Buffer, done: (status: number) => void) => void
  isOpen: () => boolean
  close: () => void
}

/** One kept-alive connection with one request at a time. A broken one answers 0. */
function connect (port: number): Connection {
  const socket: Socket = createConnection({ port, host: '127.0.0.1', noDelay: true })
  let held = ''
  let waiting: ((status: number) => void) | undefined
  const finish = (status: number) => {
    const done = waiting
    waiting = undefined
    held = ''
    done?.(status)
  }
  socket.setEncoding('latin1')
  socket.on('data', (chunk: string) => {
    held += chunk
    const end = held.indexOf('\r\n\r\n')
    if (end < 0) return
    if (/^transfer-encoding: chunked/im.test(held.slice(0, end))) {
      if (held.endsWith('\r\n0\r\n\r\n')) finish(Number(held.slice(9, 12)))
      return
    }
    const length = /content-length: (\d+)/i.exec(held)?.[1]
    if (held.length >= end + 4 + Number(length ?? 0)) finish(Number(held.slice(9, 12)))
  })
  socket.on('error', () => { finish(0) })
  socket.on('close', () => { finish(0) })
  return {
    send (bytes, done) {
      waiting = done
      if (socket.destroyed) finish(0)
      else socket.write(bytes)
    },
    isOpen: () => !socket.destroyed && !socket.readableEnded,
    close () { socket.destroy() }
  }
}

function openRun (load: Load) {
  const templates = load.mix === 'pages' || load.mix === 'site'
    ? makePages(load.mix, 4000)
    : makeTemplates(load.mix, 4000, load.path, Date.now())
  const latencies: number[] = []
  const acks: [string, number][] = []
  const counts = { sent: 0, accepted: 0, failed: 0, refusals: {} as Record<string, number> }
  return {
    counts,
    latencies,
    acks,
    /** Latencies of requests that are due from then on count. */
    countsFromMs: 0,
    /** Sends the next request over a free connection; `dueMs` is when it should have gone. */
    send (connection: Connection, dueMs: number, done: () => void) {
      const id = `${load.run}${String(counts.sent).padStart(12, '0')}`
      const template = templates[counts.sent % templates.length]
      if (template === undefined) throw new Error('there are no templates')
      counts.sent++
      connection.send(fill(template, id, Date.now()), status => {
        const atMs = nowMs()
        if (status >= 200 && status < 400) {
          counts.accepted++
          if (dueMs >= this.countsFromMs) latencies.push(atMs - dueMs)
          if (load.withAcks === true) acks.push([id, atMs])
        } else {
          counts.failed++
          counts.refusals[status] = (counts.refusals[status] ?? 0) + 1
        }
        done()
      })
    }
  }
}

type Run = ReturnType<typeof openRun>

async function runClosed (load: Load, run: Run): Promise<void> {
  await Promise.all(Array.from({ length: load.connections }, async () => await new Promise<void>(resolve => {
    const connection = connect(load.port)
    const next = () => {
      if (run.counts.sent < load.count) return run.send(connection, nowMs(), next)
      connection.close()
      resolve()
    }
    next()
  })))
}

async function runOpen (load: Load, run: Run): Promise<void> {
  const free: Connection[] = []
  let open = 0
  const most = load.connections === 0 ? mostConnections : load.connections
  const everyMs = 1000 / (load.rate ?? 1)
  const startMs = nowMs() + 20
  run.countsFromMs = startMs + (load.warmSeconds ?? 0) * 1000
  await new Promise<void>(resolve => {
    let finished = 0
    const due: number[] = []
    const release = (used: Connection) => {
      if (++finished === load.count) resolve()
      const next = due.shift()
      // What broke is not used again: it would fail all that waits at once.
      const connection = used.isOpen() ? used : connect(load.port)
      if (next === undefined) free.push(connection)
      else run.send(connection, next, () => { release(connection) })
    }
    const start = (dueMs: number) => {
      const connection = takeFree() ?? (open < most ? (open++, connect(load.port)) : undefined)
      if (connection === undefined) due.push(dueMs)
      else run.send(connection, dueMs, () => { release(connection) })
    }
    // The server closes those that nobody has used for a while, as it does with browsers'.
    const takeFree = () => {
      for (let one = free.pop(); one !== undefined; one = free.pop()) {
        if (one.isOpen()) return one
        open--
      }
      return undefined
    }
    let started = 0
    const tick = () => {
      const passedMs = nowMs() - startMs
      for (; started < load.count && started * everyMs <= passedMs; started++) start(startMs + started * everyMs)
      if (started < load.count) setTimeout(tick, 1)
    }
    tick()
  })
  for (const connection of free) connection.close()
}

export function percentile (sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

async function main (load: Load): Promise<void> {
  const run = openRun(load)
  process.stdout.write('{"ready":true}\n')
  const input = createInterface({ input: process.stdin })
  await new Promise<void>(resolve => input.once('line', () => { resolve() }))
  const startedMs = nowMs()
  await (load.loop === 'closed' ? runClosed : runOpen)(load, run)
  const sorted = run.latencies.toSorted((a, b) => a - b)
  const result: LoadResult = {
    ...run.counts,
    seconds: (nowMs() - startedMs) / 1000,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    most: sorted.at(-1) ?? 0,
    acks: load.withAcks === true ? run.acks : undefined
  }
  // It lives on until its standard input ends, so that its CPU time can still be read.
  process.stdout.write(`${JSON.stringify(result)}\n`)
}

if (import.meta.main) await main(JSON.parse(process.argv[2] ?? '') as Load)
