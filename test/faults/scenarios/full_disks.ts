// Disks that fill up: the spool's, and Postgres' own.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { closeBooks, linesWith, until } from '../books.ts'
import { runNetworks } from '../networks.ts'
import { expect, type Scenario } from '../scenario.ts'
import { startTraffic } from '../traffic.ts'
import { inOwnWorld } from '../world.ts'

/** A small file system of its own; null where it cannot be mounted. */
function mountSmall (mebibytes: number): { folder: string, unmount: () => void } | null {
  const folder = mkdtempSync(join(tmpdir(), 'postern-small-'))
  const unmount = () => {
    spawnSync('umount', ['-l', folder])
    rmSync(folder, { recursive: true, force: true })
  }
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=755`, 'tmpfs', folder])
  if (status === 0) return { folder, unmount }
  unmount()
  return null
}

function findObstacle (): string | null {
  const small = mountSmall(1)
  small?.unmount()
  return small === null ? 'needs root and the right to mount a tmpfs' : null
}

async function onSmall<T> (mebibytes: number, work: (folder: string) => Promise<T>): Promise<T> {
  const small = mountSmall(mebibytes)
  if (small === null) throw new Error('a tmpfs could not be mounted')
  try {
    return await work(small.folder)
  } finally {
    small.unmount()
  }
}

export const spoolDiskFull: Scenario = {
  name: 'spool_full',
  suite: 'faults',
  rows: 'F12',
  about: 'the spool fills a disk of 4 MB while Postgres is away',
  rate: 200,
  findObstacle,
  run: async (say, rate) => await onSmall(4, async data => await inOwnWorld({ networks: [], say }, async world => {
    const gateway = await world.run('gateway', { POSTERN_DATA: data, POSTERN_SPOOL_FREE_MB: '0' })
    const traffic = startTraffic({ urls: [gateway.url], rate })
    await wait(1000)
    await world.postgres.stop()
    await until('the disk is full', () => traffic.result.answers.has('503'))
    await wait(3000)
    await world.postgres.start()
    await until('the spool is empty', () => linesWith(world, 'the spool is empty').length > 0)
    const before = traffic.result.answers.get('202') ?? 0
    await until('arrivals are taken again', () => (traffic.result.answers.get('202') ?? 0) > before + 50)
    const result = await traffic.stop()
    const { figures, problems } = await closeBooks(world, result, say)
    return { figures, problems: [...problems, ...expect(result.failed === 0, 'an answer is none of the contract')] }
  }))
}

export const postgresDiskFull: Scenario = {
  name: 'postgres_full',
  suite: 'faults',
  rows: 'F11',
  about: 'Postgres on a disk of 300 MB that somebody else fills, and clears again',
  rate: 200,
  findObstacle,
  run: async (say, rate) => await onSmall(300, async place => await inOwnWorld(
    { networks: runNetworks.slice(0, 1), say, postgresParent: place }, async world => {
      const gateway = await world.run('gateway')
      await world.run('worker')
      const traffic = startTraffic({ urls: [gateway.url], rate })
      await wait(2000)
      const ballast = join(place, 'ballast')
      fill(ballast)
      await until('the gateway spools', () => linesWith(world, 'postgres is away').length > 0)
      await wait(5000)
      rmSync(ballast)
      // A server that could not write its log has ended itself, and is started by whoever watches over it.
      await world.postgres.start().catch(() => undefined)
      await until('the spool is empty', () => linesWith(world, 'the spool is empty').length > 0)
      const result = await traffic.stop()
      const { figures, problems } = await closeBooks(world, result, say)
      return {
        figures,
        problems: [
          ...problems,
          ...expect(result.answers.size === 1 && result.answers.has('202'), 'not everybody got 202')
        ]
      }
    }))
}

/** Writes until nothing more fits. */
function fill (path: string): void {
  const mebibyte = Buffer.alloc(1 << 20)
  for (const bytes of [mebibyte, mebibyte.subarray(0, 4096)]) {
    for (;;) {
      try {
        writeFileSync(path, bytes, { flag: 'a' })
      } catch {
        break
      }
    }
  }
}
