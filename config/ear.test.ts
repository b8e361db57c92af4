// The ear is there at last, however often it was refused, and silent once it is closed.
import { test } from 'tap'
import { openEar } from './ear.ts'

/** Refuses as often as it is told to, and counts. */
function refusing (times: number) {
  const world = { tries: 0, closes: 0, told: [] as unknown[] }
  const stands = Promise.withResolvers<undefined>()
  const subscribe = async () => {
    await Promise.resolve()
    if (++world.tries <= times) throw new Error(`refused ${world.tries}`)
    stands.resolve(undefined)
    return { close: async () => { world.closes++; await Promise.resolve() } }
  }
  const onRefused = (error: unknown) => { world.told.push(String(error)) }
  return { world, stands: stands.promise, subscribe, onRefused }
}

test('what listens from the start is told of nothing', async t => {
  const { world, subscribe, onRefused } = refusing(0)
  const ear = await openEar({ subscribe, onRefused, againMs: 1 })
  await ear.close()
  t.match(world, { tries: 1, closes: 1, told: [] })
})

test('a refusal is told once, and tried again until it is none', async t => {
  const { world, stands, subscribe, onRefused } = refusing(3)
  const ear = await openEar({ subscribe, onRefused, againMs: 1 })
  t.same(world.told, ['Error: refused 1'], 'the start goes on')
  await stands
  await ear.close()
  t.match(world, { tries: 4, closes: 1, told: ['Error: refused 1'] })
})

test('closed while it is refused, it tries no more', async t => {
  const { world, subscribe, onRefused } = refusing(1e9)
  const ear = await openEar({ subscribe, onRefused, againMs: 2 ** 30 })
  await ear.close()
  t.match(world, { tries: 1, closes: 0 })
})

test('closed while it asks, it closes what it gets', async t => {
  const { world, subscribe, onRefused } = refusing(1)
  const asked = Promise.withResolvers<undefined>()
  const gate = Promise.withResolvers<undefined>()
  const slow = async () => {
    if (world.tries === 1) {
      asked.resolve(undefined)
      await gate.promise
    }
    return await subscribe()
  }
  const ear = await openEar({ subscribe: slow, onRefused, againMs: 1 })
  await asked.promise
  const closed = ear.close()
  gate.resolve(undefined)
  await closed
  t.match(world, { tries: 2, closes: 1 })
})
