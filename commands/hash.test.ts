// `postern hash` through the real command line: Meta's published hashes and the reference's cases.
import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'tap'

const main = join(import.meta.dirname, '..', 'main.ts')

interface Run { answers: Record<string, unknown>[], status: number | null }

function hash (lines: readonly unknown[], args: string[] = []): Run {
  const input = lines.map(line => typeof line === 'string' ? line : JSON.stringify(line)).join('\n')
  const { stdout, status } = spawnSync(process.execPath, [main, 'hash', ...args], { input, encoding: 'utf8' })
  const answers = stdout.split('\n').filter(line => line !== '')
    .map(line => JSON.parse(line) as Record<string, unknown>)
  return { answers, status }
}

const published = [
  ['email', 'john_smith@gmail.com', '62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f'],
  ['phone', '16505551212', 'e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176'],
  ['first_name', 'mary', '6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec'],
  ['first_name', '정', '8fa8cd9c440be61d0151429310034083132b35975c4bea67fdd74158eb51db14'],
  ['first_name', 'valéry', '08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c'],
  ['birth_date', '19970216', '01acdbf6ec7b4f478a225f1a246e5d6767eeab1a7ffa17f025265b5b94f40f0c'],
  ['country', 'us', '79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621']
] as const

test('gives the seven hashes that Meta publishes', t => {
  const { answers, status } = hash(published.map(([field, value]) => ({ network: 'meta', field, value })))
  t.equal(status, 0)
  t.same(answers, published.map(([field, normalized, sha256]) => ({ network: 'meta', field, normalized, sha256 })))
  t.end()
})

test('answers the cases of the reference, with the reason where there is no hash', t => {
  const cases: [object, object][] = [
    [{ field: 'phone', value: '+44 (0)20 7946 0958' }, { normalized: '442079460958' }],
    [{ field: 'phone', value: '0171 1234567', country: 'DE' }, { normalized: '491711234567' }],
    [{ field: 'phone', value: 16505551212 }, { normalized: '16505551212' }],
    [{ field: 'phone', value: '0171 1234567' }, { normalized: null, sha256: null, why: 'not_a_phone' }],
    [{ field: 'city', value: 'München' }, { normalized: 'münchen', also: [{ normalized: 'mnchen' }] }],
    [{ field: 'city', value: '東京' }, { normalized: '東京' }],
    [{ field: 'region', value: 'District of Columbia' }, { normalized: 'dc' }],
    [{ field: 'region', value: 'New South Wales', country: 'AU' }, { normalized: 'newsouthwales' }],
    [{ field: 'postal_code', value: '00-950', country: 'PL' }, { normalized: '00950' }],
    [{ field: 'postal_code', value: 'M1 1AE', country: 'GB' }, { normalized: 'm11ae' }],
    [{ field: 'postal_code', value: '94025-1234' }, { normalized: '94025' }],
    [{ field: 'country', value: 'UK' }, { normalized: 'gb' }],
    [{ field: 'country', value: 'Great Britain' }, { normalized: 'gb' }],
    [{ field: 'country', value: 'Narnia' }, { normalized: null, why: 'unknown_country' }],
    [{ field: 'birth_date', value: '19970231' }, { normalized: null, why: 'impossible_date' }],
    [{ field: 'birth_date', value: '2999-01-01' }, { normalized: null, why: 'impossible_date' }],
    [{ field: 'gender', value: 'queen' }, { normalized: null, why: 'not_a_gender' }],
    [{ field: 'email', value: ' ' }, { normalized: null, sha256: null, why: 'empty' }],
    [{ field: 'email', value: null }, { normalized: null, sha256: null, why: 'empty' }],
    [{ field: 'street', value: 'Hauptstraße 1' }, { normalized: null, sha256: null, why: 'not_accepted_by_network' }],
    [{ field: 'email', value: published[0][2].toUpperCase() },
      { normalized: null, sha256: published[0][2], why: 'already_hashed' }]
  ]
  const { answers, status } = hash(cases.map(([given]) => ({ network: 'meta', ...given })))
  t.equal(status, 0)
  t.equal(answers.length, cases.length)
  for (const [index, [given, expected]] of cases.entries()) t.match(answers[index], expected, JSON.stringify(given))
  t.end()
})

test('answers in order, says what is wrong with a line by its number, and ends with 1', t => {
  const good = { network: 'meta', field: 'email', value: 'a\u2028@b.example' }
  const { answers, status } = hash(['{"network"', '', '[]', { network: 'nobody' }, { network: 'meta', field: 'shoe' },
    { network: 'meta', field: 'email', value: {} }, good])
  t.equal(status, 1)
  t.match(answers, [
    { line: 1, error: { code: 'malformed_json', message: String } },
    { line: 3, error: { code: 'not_an_object' } },
    { line: 4, error: { code: 'unknown_network' } },
    { line: 5, error: { code: 'unknown_field' } },
    { line: 6, error: { code: 'unusable_value' } },
    { network: 'meta', field: 'email', why: 'not_an_email' }
  ])
  t.equal(answers.length, 6)
  t.end()
})

test('takes no arguments, and says so', t => {
  t.equal(hash([], ['--file', 'x']).status, 2)
  t.match(execFileSync(process.execPath, [main, 'hash', '--help'], { encoding: 'utf8' }), /usage: postern hash/)
  t.end()
})

test('ends quietly when nobody reads on', t => {
  const lines = Array.from({ length: 20_000 }, () => JSON.stringify({ network: 'meta', field: 'gender', value: 'f' }))
  const { stderr, stdout } = spawnSync('sh', ['-c', `"${process.execPath}" "${main}" hash | head -n 1`],
    { input: lines.join('\n'), encoding: 'utf8' })
  t.equal(stderr, '')
  t.match(JSON.parse(stdout), { normalized: 'f' })
  t.end()
})
