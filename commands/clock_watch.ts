// Whether this machine's clock and Postgres's agree: events are dated by the one, and networks refuse wrong dates.
import type { Metrics } from '../config/metrics.ts'
import { isOutage, type Queryable } from '../config/postgres.ts'
import { describeError, type Log } from '../dispatch/deps.ts'
import { startLoop } from '../dispatch/loop.ts'

export interface ClockDeps {
  pool: Queryable
  metrics: Pick<Metrics, 'clockOffsetSeconds'>
  log: Log
  /** This machine's clock, Unix milliseconds, and another that nobody sets. */
  now?: () => number
  monotonic?: () => number
}

export interface ClockComparison {
  /** Asks Postgres for the time once. Does nothing while it is away: others tell of that. */
  compare: () => Promise<void>
  /** How far this machine's clock is ahead of Postgres's (behind: negative); undefined until both were compared. */
  offsetMs: () => number | undefined
}

/** More than this, and somebody must look: a clock that NTP keeps is off by some thousandths of a second. */
const toleratedMs = 5000
const everyMs = 60_000
const repeatMs = 3_600_000

/** Makes the comparison, without asking yet. Warns when the clocks part, once an hour while they stay apart. */
export function compareClocks (deps: ClockDeps): ClockComparison {
  const { pool, metrics, log, now = Date.now, monotonic = () => performance.now() } = deps
  let offsetMs: number | undefined
  let toldMs: number | undefined

  /** A slow answer tells less: the time in it is from somewhere between question and answer. */
  async function measure (): Promise<{ offMs: number, unsureMs: number }> {
    const askedMs = monotonic()
    const { rows: [row] } = await pool.query<{ now_ms: number }>(
      'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now_ms')
    const unsureMs = (monotonic() - askedMs) / 2
    return { offMs: now() - unsureMs - (row?.now_ms ?? Number.NaN), unsureMs }
  }

  function tell (offMs: number, isApart: boolean): void {
    const fields = { offset_seconds: Math.round(offMs / 1000) }
    if (!isApart) {
      if (toldMs !== undefined) log.info(fields, 'this machine\'s clock and postgres\'s agree again')
      toldMs = undefined
    } else if (toldMs === undefined || monotonic() - toldMs >= repeatMs) {
      toldMs = monotonic()
      const direction = offMs > 0 ? 'ahead of' : 'behind'
      log.warn(fields, `this machine's clock is ${Math.abs(fields.offset_seconds)} s ${direction} postgres's: events ` +
        'are dated by it, and networks refuse events from the future and those that seem too old. Let NTP set the ' +
        'clocks of both machines (docs/deploy.md, "Clocks")')
    }
  }

  return {
    offsetMs: () => offsetMs,
    async compare () {
      try {
        const { offMs, unsureMs } = await measure()
        offsetMs = offMs
        metrics.clockOffsetSeconds.set(offMs / 1000)
        tell(offMs, Math.abs(offMs) - unsureMs > toleratedMs)
      } catch (error) {
        if (isOutage(error)) return
        log.warn({ error: describeError(error) }, 'the clock could not be compared with postgres\'s')
      }
    }
  }
}

/** Compares at once and then every minute, never in the path of a request. `stop` waits for a question under way. */
export function watchClock (deps: ClockDeps): Pick<ClockComparison, 'offsetMs'> & { stop: () => Promise<void> } {
  const { compare, offsetMs } = compareClocks(deps)
  const run = async () => {
    await compare()
    return false
  }
  // compare() throws nothing that an outage could cause; anything else is said by it.
  const loop = startLoop({ run, busyMs: everyMs, idleMs: everyMs, errorMs: everyMs, onError: () => undefined })
  return { offsetMs, stop: loop.stop }
}
