// The pump looks for jobs no more often than there is a reason to, and no group takes the room of the others.
import { test, type Test } from 'tap'
import { startPump } from './pump.ts'

interface Note { groupId: string, n: number }

const until = async (isSo: () => boolean) => {
  while (!isSo()) await new Promise(resolve => setImmediate(resolve))
}

interface Limits { concurrency: number, perGroup: number, jobsAtOnce: number, divide?: (jobs: Note[]) => Note[][] }

/** A pump on a list, which counts its looks; a handler ends when the test says so. Nothing is polled. */
function pumpOn (t: Test, list: Note[], { divide = jobs => [jobs], ...limits }: Limits) {
  const world = { looks: 0, handled: [] as number[][], ends: [] as (() => void)[] }
  const pump = startPump<Note>({
    ...limits,
    divide,
    pollMs: 2 ** 30,
    async take (busyGroups) {
      world.looks++
      await new Promise(resolve => setImmediate(resolve))
      const free = list.filter(({ groupId }) => !busyGroups.includes(groupId)).slice(0, limits.jobsAtOnce)
      for (const one of free) list.splice(list.indexOf(one), 1)
      return free
    },
    async handle (jobs) {
      world.handled.push(jobs.map(({ n }) => n))
      await new Promise<void>(resolve => { world.ends.push(resolve) })
    },
    onError: error => t.fail(String(error))
  })
  const idle = async () => { for (let i = 0; i < 20; i++) await new Promise(resolve => setImmediate(resolve)) }
  t.teardown(async () => {
    for (const end of world.ends) end()
    await pump.stop()
  })
  return { ...pump, world, idle }
}

test('one look for each announcement, however many handlers are free', async t => {
  const list: Note[] = []
  const { wake, world, idle } = pumpOn(t, list, { concurrency: 4, perGroup: 4, jobsAtOnce: 10 })
  await idle()
  t.equal(world.looks, 1, 'when it starts')
  for (const n of [1, 2, 3]) {
    list.push({ groupId: 'a', n })
    wake()
    await until(() => world.handled.length === n)
    await idle()
    t.equal(world.looks, n + 1)
  }
  for (const end of world.ends) end()
  await idle()
  t.equal(world.looks, 4, 'a handler that ends knows of no reason to look')
})

test('what is announced during a look is looked for', async t => {
  const list: Note[] = []
  const { wake, world } = pumpOn(t, list, { concurrency: 4, perGroup: 4, jobsAtOnce: 10 })
  wake()
  list.push({ groupId: 'a', n: 1 })
  await until(() => world.handled.length === 1)
  t.same(world.handled, [[1]])
})

test('a backlog is taken as handlers become free', async t => {
  const list = Array.from({ length: 7 }, (_, n) => ({ groupId: 'a', n }))
  const { world, idle } = pumpOn(t, list, { concurrency: 2, perGroup: 2, jobsAtOnce: 2 })
  await until(() => world.handled.length === 2)
  await idle()
  t.same(world.handled, [[0, 1], [2, 3]])
  world.ends.shift()?.()
  await until(() => world.handled.length === 3)
  world.ends.shift()?.()
  world.ends.shift()?.()
  await until(() => world.handled.length === 4)
  t.same(world.handled.slice(2), [[4, 5], [6]])
})

test('a group that has its share leaves the rest to the others', async t => {
  const list = ['slow', 'slow', 'slow', 'fast'].map((groupId, n) => ({ groupId, n }))
  const { world, idle } = pumpOn(t, list, { concurrency: 4, perGroup: 2, jobsAtOnce: 1 })
  await until(() => world.handled.length === 3)
  await idle()
  t.same(world.handled, [[0], [1], [3]])
  world.ends.shift()?.()
  await until(() => world.handled.length === 4)
  t.same(world.handled[3], [2], 'its next one, when one of its own has ended')
})

test('jobs of different groups that were taken together are handled apart', async t => {
  const list = ['a', 'b', 'a'].map((groupId, n) => ({ groupId, n }))
  const { world } = pumpOn(t, list, { concurrency: 4, perGroup: 2, jobsAtOnce: 10 })
  await until(() => world.handled.length === 2)
  t.same(world.handled, [[0, 2], [1]])
})

test('jobs that are divided run side by side, within the share of their group', async t => {
  const list = ['slow', 'slow', 'slow', 'slow', 'slow'].map((groupId, n) => ({ groupId, n }))
  const divide = (jobs: Note[]) => jobs.map(job => [job])
  const { wake, world, idle } = pumpOn(t, list, { concurrency: 3, perGroup: 2, jobsAtOnce: 4, divide })
  await until(() => world.handled.length === 2)
  await idle()
  t.same(world.handled, [[0], [1]])
  list.push({ groupId: 'fast', n: 5 })
  wake()
  await until(() => world.handled.length === 3)
  t.same(world.handled[2], [5], 'those that wait keep nobody else waiting')
  const { looks } = world
  world.ends[0]?.()
  await until(() => world.handled.length === 4)
  await idle()
  t.same([world.handled[3], world.looks], [[2], looks], 'the next of them needs no look')
  world.ends[1]?.()
  world.ends[3]?.()
  await until(() => world.handled.length === 6)
  t.same(world.handled.slice(4), [[3], [4]], 'what the full group kept out is taken when it has room')
})

test('stopping waits for what was taken', async t => {
  const list = [{ groupId: 'a', n: 1 }]
  const { stop, wake, world, idle } = pumpOn(t, list, { concurrency: 1, perGroup: 1, jobsAtOnce: 1 })
  let isStopped = false
  const stopped = stop().then(() => { isStopped = true })
  await until(() => world.handled.length === 1)
  list.push({ groupId: 'a', n: 2 })
  wake()
  await idle()
  t.equal(isStopped, false)
  world.ends[0]?.()
  await stopped
  t.same(world.handled, [[1]], 'and takes no more')
})

test('what is taken and has not begun when the patience is over never begins', async t => {
  const list: Note[] = [{ groupId: 'a', n: 1 }, { groupId: 'b', n: 2 }]
  const { world, giveUp, stop, idle } = pumpOn(t, list, { concurrency: 1, perGroup: 1, jobsAtOnce: 10 })
  await until(() => world.handled.length === 1)
  const stopped = stop()
  giveUp()
  for (const end of world.ends) end()
  await stopped
  await idle()
  t.same(world.handled, [[1]])
})
