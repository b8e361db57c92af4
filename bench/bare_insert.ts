// The least an acknowledgement can wait for: arrivals by the clock; whoever comes during an INSERT shares the next.
import { randomBytes, randomUUID } from 'node:crypto'
import { createInterface } from 'node:readline'
import { nowMs, percentile, type LoadResult } from './generator.ts'
import { openBenchPool } from './world.ts'

/** As in Load: `warmSeconds` count towards `seconds`, and not towards the latencies. */
export interface InsertLoad { rate: number, seconds: number, warmSeconds: number, rowBytes: number }

/** One multi-row INSERT into `events`, which commits by itself: no keys, no other table, no HTTP. */
const insert = {
  name: 'insert_rows',
  text: `
    INSERT INTO events (event_seq, seq, received_at, occurred_at, receipt_id, day, trust, has_contact, is_bot, is_lead,
      site, event_name, event_id, sealed)
    SELECT n, n, now(), now(), id, (now() AT TIME ZONE 'UTC')::date, 'same_site', false, false, false, 'main',
      'page_view', id::text, sealed
    FROM (SELECT nextval('part_seq') AS n, u.* FROM unnest($1::uuid[], $2::bytea[]) AS u (id, sealed)) AS rows`
}
const lanes = 2

const load = JSON.parse(process.argv[2] ?? '') as InsertLoad
const pool = openBenchPool(process.env.DATABASE_URL ?? '', lanes)
const sealed = randomBytes(load.rowBytes)
const latencies: number[] = []
let countsFromMs = 0
let done = 0
let waiting: number[] = []
let inFlight = 0

async function insertRows (dueMs: readonly number[]): Promise<void> {
  await pool.query({ ...insert, values: [dueMs.map(() => randomUUID()), dueMs.map(() => sealed)] })
  const atMs = nowMs()
  done += dueMs.length
  for (const due of dueMs) if (due >= countsFromMs) latencies.push(atMs - due)
}

async function pump (): Promise<void> {
  while (inFlight < lanes && waiting.length > 0) {
    const rows = waiting
    waiting = []
    inFlight++
    try {
      await insertRows(rows)
    } finally {
      inFlight--
    }
  }
}

async function run (): Promise<LoadResult> {
  const total = load.rate * load.seconds
  const startMs = nowMs() + 20
  countsFromMs = startMs + load.warmSeconds * 1000
  let started = 0
  await new Promise<void>((resolve, reject) => {
    const tick = () => {
      const passedMs = nowMs() - startMs
      for (; started < total && started * 1000 / load.rate <= passedMs; started++) {
        waiting.push(startMs + started * 1000 / load.rate)
        pump().catch(reject)
      }
      if (done === total) return resolve()
      setTimeout(tick, 1)
    }
    tick()
  })
  const sorted = latencies.toSorted((a, b) => a - b)
  return {
    sent: total,
    accepted: total,
    failed: 0,
    refusals: {},
    seconds: (nowMs() - startMs) / 1000,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    most: sorted.at(-1) ?? 0
  }
}

await Promise.all(Array.from({ length: lanes }, async () => { await insertRows([]) }))
process.stdout.write('{"ready":true}\n')
await new Promise<void>(resolve => createInterface({ input: process.stdin }).once('line', () => { resolve() }))
const result = await run()
await pool.end()
process.stdout.write(`${JSON.stringify(result)}\n`, () => { process.exit(0) })
