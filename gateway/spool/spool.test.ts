// The spool on a real disk: what it takes, how it shares a folder, and what it does with damage and failures.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, rename, truncate, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { t, test } from 'tap'
import { deriveKeys } from '../../config/keys.ts'
import {
  drainAll, processOf, spooled, spooledLead, spoolFolder, spoolIn, spoolKeys
} from '../../test/spool_world.ts'
import { realDisk, type Disk } from './disk.ts'
import { frame } from './record.ts'

t.setTimeout(400_000)

async function filesIn (folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
}

const segmentsIn = async (folder: string) => (await filesIn(folder)).filter(path => path.endsWith('.segment'))

test('what is appended comes out once, oldest first, and cannot be read on the disk', async t => {
  const folder = await spoolFolder(t)
  const { spool, append } = await spoolIn(folder, { rollBytes: 2000 })
  t.ok(spool.isEmpty())
  const sent = Array.from({ length: 12 }, (_, at) => spooled(`e${at}`, 100))
  for (const arrival of sent) await append(arrival)
  t.match(spool.state(), { records: 12, quarantined: 0 })
  t.ok((await segmentsIn(folder)).length > 2, 'in several segments')
  for (const path of await filesIn(folder)) t.notMatch(await readFile(path, 'latin1'), 'canary@example.com')

  const got: unknown[] = []
  t.equal(await spool.drain(5, async arrivals => { got.push(...arrivals) }), 5)
  await t.rejects(spool.drain(5, async () => { throw new Error('away') }), { message: 'away' })
  while (!spool.isEmpty()) await spool.drain(5, async arrivals => { got.push(...arrivals) })
  t.same(got, sent, 'as it went in')
  t.same(await segmentsIn(folder), [])
  t.match(spool.state(), { bytes: 0, records: 0, oldestSeconds: 0 })
  await spool.close()
  t.same(await readdir(folder), [], 'nothing is left of it')
})

test('appends that come during a write share the next one, and one sync', async t => {
  let syncs = 0
  const disk: Disk = {
    ...realDisk,
    create: async path => {
      const file = await realDisk.create(path)
      return {
        ...file,
        sync: async () => {
          syncs++
          await file.sync()
        }
      }
    }
  }
  const { spool, append } = await spoolIn(await spoolFolder(t), { disk })
  await Promise.all(Array.from({ length: 200 }, async (_, at) => { await append(spooled(`e${at}`)) }))
  t.ok(syncs <= 3, `${syncs} syncs for 200 appends`)
  t.equal((await drainAll(spool)).length, 200)
  await spool.close()
})

/** A disk whose n-th sync or write of every file fails with a code, as long as `isBroken`. */
function breakableDisk (what: 'sync' | 'append', code: string) {
  const state = { isBroken: false, files: 0, usedAfterFailure: 0 }
  const disk: Disk = {
    ...realDisk,
    create: async path => {
      const file = await realDisk.create(path)
      let hasFailed = false
      state.files++
      const guard = (name: 'sync' | 'append', work: (bytes: Buffer) => Promise<void>) => async (bytes: Buffer) => {
        if (hasFailed) state.usedAfterFailure++
        if (state.isBroken && name === what) {
          hasFailed = true
          throw Object.assign(new Error(code), { code })
        }
        await work(bytes)
      }
      const sync = guard('sync', file.sync)
      return { ...file, append: guard('append', file.append), sync: async () => { await sync(Buffer.alloc(0)) } }
    }
  }
  return { disk, state }
}

for (const [what, code] of [['sync', 'EIO'], ['append', 'ENOSPC'], ['append', 'EROFS']] as const) {
  test(`${code} on ${what}: nothing is promised, the file is not used again, and it heals`, async t => {
    const folder = await spoolFolder(t)
    const { disk, state } = breakableDisk(what, code)
    const { spool, events, append } = await spoolIn(folder, { disk })
    await append(spooled('before'))
    state.isBroken = true
    await t.rejects(append(spooled('lost')), { code })
    t.equal(state.files, 2, 'one new segment was tried')
    t.match(events, [{ what: 'write_failed', code }, { what: 'write_failed', code }])
    await t.rejects(append(spooled('lost')), { code })
    state.isBroken = false
    await append(spooled('after'))
    t.equal(state.usedAfterFailure, 0)
    t.same(await drainAll(spool), ['before', 'after'])
    await spool.close()
  })
}

test('one failure is healed by a new segment, and the sender never knows', async t => {
  let failures = 1
  const disk: Disk = {
    ...realDisk,
    create: async path => {
      const file = await realDisk.create(path)
      return {
        ...file,
        sync: async () => {
          if (failures-- > 0) throw Object.assign(new Error('EIO'), { code: 'EIO' })
          await file.sync()
        }
      }
    }
  }
  const { spool, append } = await spoolIn(await spoolFolder(t), { disk })
  await append(spooled('a'))
  t.same(await drainAll(spool), ['a'])
  await spool.close()
})

test('a disk that does not answer is a failure, not a wait without end', async t => {
  const disk: Disk = {
    ...realDisk,
    create: async path => ({ ...await realDisk.create(path), sync: async () => await new Promise(() => undefined) })
  }
  const { spool, append } = await spoolIn(await spoolFolder(t), { disk, writeWithinMs: 20 })
  await t.rejects(append(spooled('a')), { code: 'ETIMEDOUT' })
  await spool.close()
})

test('caps: events are turned away before leads, by its own bytes and by what is free on the disk', async t => {
  const folder = await spoolFolder(t)
  const spoolFull = { name: 'SpoolFull', reason: 'spool_full' }
  const diskFull = { name: 'SpoolFull', reason: 'disk_full' }
  let freeBytes = 1e9
  const disk = { ...realDisk, freeBytes: async () => freeBytes }
  const { spool, append } = await spoolIn(folder, { disk, mostBytes: 20_000, leastFreeBytes: 1000 })
  while (spool.state().bytes < 14_500) await append(spooled('e', 900))
  await t.rejects(append(spooled('e', 2000)), spoolFull)
  await append(spooledLead('lead'))
  t.ok(spool.hasRoom())
  while (spool.state().bytes < 19_000) await append(spooledLead('lead'))
  await t.rejects(append({ ...spooledLead('lead'), part: spooled('big', 2000).part }), spoolFull)
  await drainAll(spool)
  freeBytes = 1200
  await spool.tick()
  await t.rejects(append(spooled('e', 300)), diskFull)
  await append(spooledLead('lead'))
  freeBytes = 400
  await spool.tick()
  t.notOk(spool.hasRoom())
  await t.rejects(append(spooledLead('lead')), diskFull)
  freeBytes = 1e9
  await spool.tick()
  await append(spooled('e'))
  await drainAll(spool)
  await spool.close()
})

test('two processes share a folder: each drains its own, and what the dead left', async t => {
  const folder = await spoolFolder(t)
  const a = await spoolIn(folder)
  await a.append(spooled('a'))
  const b = await spoolIn(folder)
  await b.spool.tick()
  t.ok(b.spool.isEmpty(), 'the living are left alone; so says /proc')
  await a.spool.close()
  await b.spool.tick()
  t.match(b.events, [{ what: 'adopted', segments: 1, records: 1 }])
  t.same(await drainAll(b.spool), ['a'])
  await b.append(spooled('b'))
  const c = await spoolIn(folder, { identity: processOf('no') })
  t.same(await drainAll(c.spool), ['b'], 'at once where its death can be seen')
  await b.append(spooled('b2'))
  t.same(await drainAll(b.spool), ['b2'], 'and one that was not dead after all begins anew')
  await b.spool.close()
  await c.spool.close()
  t.same(await readdir(folder), [])
})

test('a process that was frozen while its folder was taken loses nothing and promises nothing false', async t => {
  const folder = await spoolFolder(t)
  const frozen = await spoolIn(folder, { identity: processOf('unknown') })
  await frozen.append(spooled('before'))
  let clockMs = 0
  const other = await spoolIn(folder, { identity: processOf('unknown'), clock: () => clockMs, staleMs: 30_000 })
  clockMs += 20_000
  await frozen.spool.tick()
  await other.spool.tick()
  clockMs += 20_000
  await other.spool.tick()
  t.ok(other.spool.isEmpty(), 'it showed life 20 s ago')
  clockMs += 30_000
  await other.spool.tick()
  t.notOk(other.spool.isEmpty(), 'its beat stood still for 30 s: taken')

  await frozen.append(spooled('after'))
  const others = await drainAll(other.spool)
  const own = await drainAll(frozen.spool)
  t.same(new Set([...others, ...own]), new Set(['before', 'after']), 'what it wrote into the taken file came again')
  t.ok(own.includes('after'))
  await frozen.spool.close()
  await other.spool.close()
})

test('a damaged file: what can be read is stored, the file is put aside, and can be put back', async t => {
  const folder = await spoolFolder(t)
  const { spool, append, events } = await spoolIn(folder)
  const records = ['a', 'b', 'c'].map(id => spooled(id, 50))
  for (const record of records) await append(record)
  const [path = ''] = await segmentsIn(folder)
  const bytes = await readFile(path)
  const middle = spool.seal(spooled('b', 50)).length + 40
  bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle)
  await writeFile(path, bytes)
  t.same(await drainAll(spool), ['a', 'c'])
  t.match(events, [{ what: 'quarantined', damaged: 1, saved: 2, reason: 'damaged' }])
  t.equal(spool.state().quarantined, 1)

  bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle)
  const [aside = ''] = await segmentsIn(join(folder, 'quarantine'))
  await writeFile(aside, bytes)
  await rename(aside, join(folder, basename(aside)))
  await spool.tick()
  t.same(await drainAll(spool), ['a', 'b', 'c'])
  t.equal(spool.state().quarantined, 0)
  await spool.close()
})

test('a closed file that became shorter is damaged; an open one of a dead process has a torn tail', async t => {
  for (const [name, isClosed, what] of [['closed', true, 'quarantined'], ['open', false, 'torn_tail']] as const) {
    const folder = await spoolFolder(t)
    const dying = await spoolIn(folder)
    await dying.append(spooled('a'))
    await dying.append(spooled('b'))
    if (isClosed) await dying.spool.close()
    const [path = ''] = await segmentsIn(folder)
    await truncate(path, (await readFile(path)).length - 5)
    const { spool, events } = await spoolIn(folder, { identity: processOf('no') })
    t.same(await drainAll(spool), ['a'], name)
    t.ok(events.some(event => event.what === what), what)
    t.equal(spool.state().quarantined, isClosed ? 1 : 0)
    await spool.close()
    if (!isClosed) await dying.spool.close()
  }
})

test('a file under another secret is not lost', async t => {
  const folder = await spoolFolder(t)
  const old = await spoolIn(folder)
  await old.append(spooled('a'))
  await old.spool.close()
  const changed = await spoolIn(folder, { keys: deriveKeys(['quite another secret of thirty-two characters']) })
  t.same(await drainAll(changed.spool), [])
  t.match(changed.events, [{ what: 'adopted' }, { what: 'quarantined', damaged: 1, saved: 0 }])
  await changed.spool.close()
  const [aside = ''] = await segmentsIn(join(folder, 'quarantine'))
  await rename(aside, join(folder, basename(aside)))
  const back = await spoolIn(folder)
  t.same(await drainAll(back.spool), ['a'])
  await back.spool.close()
})

test('a folder that cannot be made is an error at the start', async t => {
  const folder = await spoolFolder(t)
  await writeFile(folder, 'a file in the way')
  await t.rejects(spoolIn(folder), { code: 'ENOTDIR' })
})

test('killed again and again while it writes: everything that was acknowledged is there', async t => {
  const folder = await spoolFolder(t)
  const acknowledged = new Set<string>()
  for (let round = 0; round < 6; round++) {
    const script = new URL('../../test/spool_child.ts', import.meta.url).pathname
    const child = spawn(process.execPath, [script, folder, `r${round}`], { stdio: ['ignore', 'pipe', 'inherit'] })
    const killAfter = acknowledged.size + 50 + round * 70
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged.add(line)
      if (acknowledged.size >= killAfter) child.kill('SIGKILL')
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    t.equal(child.signalCode, 'SIGKILL')
  }
  const { spool } = await spoolIn(folder)
  const found = new Set(await drainAll(spool))
  t.same([...acknowledged].filter(id => !found.has(id)), [], `${acknowledged.size} acknowledged`)
  t.equal(spool.state().quarantined, 0)
  await spool.close()
})

test('a record of another version blocks nothing: its neighbours come out, and the file is kept', async t => {
  const folder = await spoolFolder(t)
  const { spool, events, append } = await spoolIn(folder)
  await append(spooled('before'))
  const foreign = [{}, null, { part: { site: 'main' } }, { part: { ...spooled('x').part, receipt_id: 'v2:1' } }]
  for (const record of foreign) {
    const sealed = spoolKeys.seal('postern/spool/1', Buffer.from(JSON.stringify(record)))
    await spool.append([frame(sealed)], false)
  }
  await append(spooled('after'))
  t.same(await drainAll(spool), ['before', 'after'])
  t.match(events, [{ what: 'quarantined', damaged: foreign.length, saved: 2 }])
  t.equal((await readdir(join(folder, 'quarantine'))).length, 1)
  await spool.close()
})

test('a disk that does not answer while a segment is closed holds nobody up for ever', async t => {
  const nothing = async () => {}
  const disk: Disk = {
    ...realDisk,
    // Written at once, so that however slow the machine is, only the renaming takes too long.
    create: async () => ({ append: nothing, sync: nothing, isAt: async () => true, close: nothing }),
    syncFolder: nothing,
    rename: async () => await new Promise(() => undefined)
  }
  const { spool, events, append } = await spoolIn(await spoolFolder(t), { disk, writeWithinMs: 20 })
  await append(spooled('a'))
  t.equal(await spool.drain(10, nothing), 0, 'nobody knows its name: it waits')
  t.match(events, [{ what: 'write_failed', code: 'ETIMEDOUT' }])
  await append(spooled('b'))
  t.match(spool.state(), { records: 2 })
  await spool.close()
})
