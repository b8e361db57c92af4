// A process whose secret is not the database's does not start; a new secret in front of the old one is let in.
import { test } from 'tap'
import { testDatabase } from '../test/database.ts'
import { checkKeys } from './key_check.ts'
import { deriveKeys } from './keys.ts'

const [a, b, c] = ['the first secret of this test file', 'the second secret of this test file', 'the third one']
  .map(secret => ({ secret, keys: deriveKeys([secret]) }))

test('the first secret founds the database, and only rings that hold a known one are let in', async t => {
  if (a === undefined || b === undefined || c === undefined) throw new Error('three are needed')
  const { pool } = await testDatabase(t)
  t.same(await checkKeys(pool, a.keys), { ok: true, lost: [] })
  t.same(await checkKeys(pool, a.keys), { ok: true, lost: [] })
  const refused = await checkKeys(pool, b.keys)
  t.match(refused, { ok: false, problem: /is not the secret of this database.*POSTERN_SECRET=new,old/s })
  t.notMatch(JSON.stringify(refused), b.secret)
  t.same(await checkKeys(pool, deriveKeys([b.secret, a.secret])), { ok: true, lost: [] }, 'rotated')
  t.same(await checkKeys(pool, a.keys), { ok: true, lost: b.keys.keyIds }, 'a process not yet rotated goes on')
  t.same(await checkKeys(pool, b.keys), { ok: true, lost: a.keys.keyIds }, 'the old one was dropped: said, not refused')
  t.match(await checkKeys(pool, c.keys), { ok: false })
  const { rows } = await pool.query('SELECT count(*) FROM key_check')
  t.same(rows, [{ count: 2 }])
})

test('of two first processes with different secrets one founds the database and the other is refused', async t => {
  const { pool } = await testDatabase(t)
  const rings = Array.from({ length: 8 }, (_, at) => deriveKeys([`secret number ${at} of this very test, long`]))
  const answers = await Promise.all(rings.map(async ring => await checkKeys(pool, ring)))
  t.equal(answers.filter(answer => answer.ok).length, 1)
})
