// This machine's clock against a real Postgres's: what the metric says, and when somebody is told.
import { test } from 'tap'
import { createMetrics } from '../config/metrics.ts'
import { testDatabase } from '../test/database.ts'
import { compareClocks } from './clock_watch.ts'

const minuteMs = 60_000

/** Lines of a log, level first. */
function openLines () {
  const lines: [string, object, string][] = []
  const at = (level: string) => (values: object, message: string) => { lines.push([level, values, message]) }
  return { lines, log: { info: at('info'), warn: at('warn'), error: at('error') } }
}

test('a clock that is off is measured, and told once an hour until it is right', async t => {
  const { pool } = await testDatabase(t)
  const { lines, log } = openLines()
  const metrics = createMetrics('1.2.3')
  let aheadMs = 0
  let upMs = 0
  const { compare, offsetMs } = compareClocks({
    pool, metrics, log, now: () => Date.now() + aheadMs, monotonic: () => upMs
  })
  const gauge = async () => (await metrics.clockOffsetSeconds.get()).values[0]?.value
  t.equal(offsetMs(), undefined)
  t.ok(Number.isNaN(await gauge()), 'unknown is not zero')
  await compare()
  // Seconds of slack: the test's own machine may be busy.
  t.ok(Math.abs(offsetMs() ?? Infinity) < 20_000)
  t.same(lines, [])

  const cases: [aheadMs: number, words: RegExp][] = [
    [3 * minuteMs, /clock is 1[78]\d s ahead of postgres's.*NTP.*docs\/deploy\.md, "Clocks"/],
    [-3 * minuteMs, /clock is 1[78]\d s behind postgres's/]
  ]
  for (const [ms, words] of cases) {
    aheadMs = ms
    lines.length = 0
    await compare()
    await compare()
    t.match(lines, [['warn', { offset_seconds: Number }, words]])
    t.equal(lines.length, 1, 'said once')
    t.ok(Math.abs((await gauge() ?? 0) * 1000 - ms) < 20_000, 'the metric has its sign')
    upMs += 61 * minuteMs
    await compare()
    t.equal(lines.length, 2, 'and again after an hour')
    aheadMs = 0
    await compare()
    await compare()
    t.match(lines[2], ['info', {}, /agree again/])
    t.equal(lines.length, 3)
  }
})

test('an answer that took long accuses nobody, and an outage none at all', async t => {
  const { lines, log } = openLines()
  const metrics = createMetrics('1.2.3')
  let upMs = 0
  let answer = async () => {
    upMs += 20_000
    return { rows: [{ now_ms: 1_000_000 }] }
  }
  const pool = { query: async () => await answer() } as unknown as Parameters<typeof compareClocks>[0]['pool']
  const { compare, offsetMs } = compareClocks({ pool, metrics, log, now: () => 1_019_000, monotonic: () => upMs })
  await compare()
  t.equal(offsetMs(), 9000, 'the middle is the best guess')
  answer = async () => await Promise.reject(Object.assign(new Error('gone'), { syscall: 'connect' }))
  await compare()
  t.equal(offsetMs(), 9000, 'the last one stays')
  t.same(lines, [])
  answer = async () => await Promise.reject(new Error('a bug'))
  await compare()
  t.match(lines, [['warn', {}, /could not be compared/]])
})
