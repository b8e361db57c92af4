// Which secrets are taken, which are refused and how, and the one that is made beside the embedded database.
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { readOrMakeSecrets, readSecrets } from './secrets.ts'

const good = 'kX3v9Qm2Lr8Tz5Wn1Yc7Hd4Jf6Gs0Pb='
const other = 'uA8e2Zq6Mt4Rv1Nx9Kw3Lj7Bh5Fd0Cs='

test('a secret is long and random, or refused with what to do', async t => {
  const cases: [string, RegExp | string[]][] = [
    [good, [good]],
    [`${good},${other}`, [good, other]],
    [`\n ${good}\n${other} \n`, [good, other]],
    ['', /is empty; make one with/],
    [' , ', /is empty/],
    ['short', /has 5 characters, at least 32/],
    ['changeme-changeme-changeme-changeme', /is a placeholder/],
    ['replace this with 32 random characters', /is a placeholder/],
    ['abababababababababababababababababab', /repeats too few/],
    [`${good},short`, /entry 2 of POSTERN_SECRET has 5 characters/],
    [`${good},${good}`, /holds one secret twice/]
  ]
  for (const [given, expected] of cases) {
    const read = readSecrets({ POSTERN_SECRET: given })
    if (expected instanceof RegExp) {
      t.match('problems' in read ? read.problems.join() : 'taken', expected, given)
      if (given.length > 4) t.notMatch(JSON.stringify(read), given.trim(), 'a secret is never quoted')
    } else t.same(read, { secrets: expected })
  }
  t.match(readSecrets({}), { problems: [/is not set; make one with: openssl rand -base64 32/] })
})

test('a secret may stand in a file, but not in both places', async t => {
  const file = join(t.testdir({ secret: `${good}\n` }), 'secret')
  t.same(readSecrets({ POSTERN_SECRET_FILE: file }), { secrets: [good] })
  t.match(readSecrets({ POSTERN_SECRET_FILE: `${file}.gone` }), { problems: [/cannot be read \(ENOENT\)/] })
  t.match(readSecrets({ POSTERN_SECRET_FILE: file, POSTERN_SECRET: good }), { problems: [/both set/] })
})

test('beside the embedded database a secret is made once, for the owner alone', async t => {
  const folder = join(t.testdir({}), 'data')
  const first = readOrMakeSecrets({}, folder)
  t.ok('secrets' in first)
  t.same(readOrMakeSecrets({}, folder), first)
  t.equal(statSync(join(folder, 'secret')).mode & 0o777, 0o600)
  t.same(readOrMakeSecrets({ POSTERN_SECRET: good }, folder), { secrets: [good] })
  t.equal(readFileSync(join(folder, 'secret'), 'utf8').trim().length, 43)
  mkdirSync(join(folder, 'inner'))
  writeFileSync(join(folder, 'inner', 'file'), '')
  t.match(readOrMakeSecrets({}, join(folder, 'inner', 'file')), { problems: [/cannot be read or made/] })
})
