// The worker is killed with SIGKILL in mid-send, ten times: every lead arrives, and is counted once.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { dispatchWorld, storeEvent, until, type Receipt } from '../test/dispatch_world.ts'

const script = fileURLToPath(new URL('../test/dispatch_child.ts', import.meta.url))
const kills = 10
const leadsPerLife = 12

test('SIGKILL in mid-send, ten times', { timeout: 400_000 }, async t => {
  const { url, pool, network, acceptAll } = await dispatchWorld(t)
  let child: ChildProcess | undefined
  t.teardown(() => child?.kill('SIGKILL'))
  const unanswered: Receipt[] = []
  let isLethal = true
  let killed: (() => void) | undefined
  network.answer = (receipt, response) => {
    // The third request of each life is the last: it is counted, but its answer is never heard.
    const isLast = isLethal && network.receipts.length - seenBefore >= 3
    if (isLast) {
      isLethal = false
      unanswered.push(receipt)
      child?.kill('SIGKILL')
      killed?.()
    }
    acceptAll(receipt, response)
  }
  let seenBefore = 0
  const leads: string[] = []
  for (let life = 0; life <= kills; life++) {
    for (let count = 0; count < leadsPerLife; count++) {
      const id = `lead-${life}-${count}`
      leads.push(id)
      await storeEvent(pool, { id })
    }
    seenBefore = network.receipts.length
    isLethal = life < kills
    const death = new Promise<void>(resolve => { killed = resolve })
    const argv = [...process.execArgv, script, url, network.origin]
    child = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'inherit'] })
    const exited = once(child, 'exit')
    if (life === kills) break
    await death
    await exited
  }
  const open = async () => {
    const { rows: [row] } = await pool.query<{ open: number }>(`
      SELECT (SELECT count(*) FROM deliveries WHERE state <> 'delivered') + (SELECT count(*) FROM agenda) +
        (SELECT coalesce(sum(cardinality(event_seqs)), 0)::bigint FROM unrouted_batches) AS open`)
    return row?.open ?? -1
  }
  await until(open, count => count === 0, 60_000)

  const { rows: [inFlight] } = await pool.query<{ events: number, kills: number }>(`
    SELECT coalesce(sum(cardinality(event_seqs)), 0)::int AS events, count(*) AS kills
    FROM attempts WHERE result = 'lost'`)
  const copies = network.receipts.reduce((sum, receipt) => sum + receipt.ids.length, 0)
  t.equal(unanswered.length, kills)
  t.ok((inFlight?.kills ?? 0) >= kills, 'each kill left an attempt without an end')
  t.same([...network.counted.keys()].sort(), leads.sort(), 'every lead arrived, and nothing else')
  const flying = inFlight?.events ?? 0
  t.ok(copies <= leads.length + flying, `${copies} copies of ${leads.length} leads, ${flying} in flight at the kills`)
  const { rowCount } = await pool.query('SELECT FROM deliveries WHERE state = \'delivered\'')
  t.equal(rowCount, leads.length, 'and the ledger knows')
})
