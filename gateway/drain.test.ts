// The drain asks whether Postgres is back, whatever state the spool is in.
import { test } from 'tap'
import { openCircuit } from './circuit.ts'
import { startDrain } from './drain.ts'

test('a spool that cannot be read keeps nobody from a Postgres that is back', async t => {
  const closed = Promise.withResolvers<void>()
  const troubles: string[] = []
  const clock = () => performance.now()
  const circuit = openCircuit({ clock, onOpened: () => {}, onClosed: () => { closed.resolve() } })
  circuit.trip('away', clock())
  let isAway = true
  const drain = startDrain({
    circuit,
    spool: {
      isEmpty: () => false,
      drain: async () => { throw Object.assign(new Error('no right to read'), { code: 'EACCES' }) }
    },
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
  t.teardown(async () => {
    clearInterval(alive)
    await drain.stop()
  })
  await closed.promise
  t.notOk(circuit.isOpen())
  t.same(troubles, ['EACCES', 'EACCES'], 'and it is told')
})
