// The circuit: when Postgres counts as away, and how often it is asked.
import { test } from 'tap'
import { openCircuit } from './circuit.ts'

function circuitAt () {
  const told: string[] = []
  const time = { ms: 100_000 }
  const circuit = openCircuit({
    clock: () => time.ms,
    onOpened: reason => { told.push(`opened ${reason}`) },
    onClosed: openForMs => { told.push(`closed after ${openForMs}`) }
  })
  /** The wait without its jitter of a fifth. */
  const isAbout = (ms: number) => circuit.waitMs() <= ms && circuit.waitMs() >= 0.8 * ms
  return { circuit, told, time, isAbout }
}

test('it opens once and closes once, whoever says so', async t => {
  const { circuit, told, time } = circuitAt()
  t.notOk(circuit.isOpen())
  circuit.heal()
  circuit.trip('57P01', time.ms)
  circuit.trip('ECONNREFUSED', time.ms)
  t.ok(circuit.isOpen())
  time.ms += 700
  circuit.heal()
  circuit.heal()
  t.notOk(circuit.isOpen())
  t.same(told, ['opened 57P01', 'closed after 700'])
})

test('what failed before Postgres came back says nothing of the Postgres that is back', async t => {
  const { circuit, time } = circuitAt()
  const startedMs = time.ms
  circuit.trip('57P01', startedMs)
  time.ms += 1000
  circuit.heal()
  circuit.trip('Error', startedMs)
  t.notOk(circuit.isOpen())
  circuit.trip('Error', time.ms)
  t.ok(circuit.isOpen())
})

test('Postgres is asked after half a second, then less and less often, at most every four', async t => {
  const { circuit, time, isAbout } = circuitAt()
  circuit.trip('a', time.ms)
  for (const ms of [500, 1000, 2000, 4000, 4000, 4000]) {
    t.ok(isAbout(ms), `${ms} ms`)
    circuit.stayOpen()
  }
})

test('one that fails again soon is asked less often; after half a minute of calm it has a clean slate', async t => {
  const { circuit, time, isAbout } = circuitAt()
  for (const ms of [500, 1000, 2000]) {
    circuit.trip('a', time.ms)
    t.ok(isAbout(ms), `${ms} ms`)
    circuit.heal()
    time.ms += 5000
  }
  time.ms += 30_000
  circuit.trip('a', time.ms)
  t.ok(isAbout(500))
})
