// The drain asks whether Postgres is back, whatever state the spool is in.
import { test, type Test } from 'tap'
import { openCircuit } from './circuit.ts'
import { startDrain } from './drain.ts'

/** Drains a spool of which `drain` is asked, with a Postgres that is back when it is asked for the second time. */
async function untilPostgresIsBack (t: Test, drain: () => Promise<number>, letGo = () => {}): Promise<string[]> {
  const closed = Promise.withResolvers<void>()
  const troubles: string[] = []
  const clock = () => performance.now()
  const circuit = openCircuit({ clock, onOpened: () => {}, onClosed: () => { closed.resolve() } })
  circuit.trip('away', clock())
  let isAway = true
  const started = startDrain({
    circuit,
    spool: { isEmpty: () => false, drain },
    store: async () => [],
    ping: async () => {
      if (isAway) {
        isAway = false
        throw new Error('away')
      }
    },
    onStored: () => {},
    onEmpty: () => {},
    onTrouble: code => { troubles.push(code) }
  })
  // Its own timers keep no process alive.
  const alive = setInterval(() => {}, 60_000)
  await closed.promise
  t.notOk(circuit.isOpen())
  const told = [...troubles]
  letGo()
  await started.stop()
  clearInterval(alive)
  return told
}

test('a spool that cannot be read keeps nobody from a Postgres that is back', async t => {
  const troubles = await untilPostgresIsBack(t, async () => {
    throw Object.assign(new Error('no right to read'), { code: 'EACCES' })
  })
  t.same(troubles, ['EACCES', 'EACCES'], 'and it is told')
})

test('a spool whose disk hangs keeps nobody from a Postgres that is back, and is asked no second time', async t => {
  const hanging = Promise.withResolvers<number>()
  let questions = 0
  const troubles = await untilPostgresIsBack(t, async () => {
    questions++
    return await hanging.promise
  }, () => { hanging.resolve(0) })
  t.same(troubles, ['hangs', 'hangs'], 'and it is told')
  t.equal(questions, 1)
})
