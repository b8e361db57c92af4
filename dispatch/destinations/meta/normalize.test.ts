// Every normalisation case of the reference (meta.md §2), and the seven hashes that Meta publishes.
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { test } from 'tap'
import { personFields, type PersonField, type WhyNot } from '../../destination.ts'
import { normalize } from './normalize.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

test('hashes what Meta publishes to what Meta publishes', t => {
  const published: [PersonField, string, string][] = [
    ['email', 'john_smith@gmail.com', '62a14e44'],
    ['phone', '16505551212', 'e323ec62'],
    ['first_name', 'mary', '6915771b'],
    ['first_name', '정', '8fa8cd9c'],
    ['first_name', 'Valéry', '08e1996b'],
    ['birth_date', '19970216', '01acdbf6'],
    ['country', 'us', '79adb2a2']
  ]
  for (const [field, value, start] of published) {
    const { sha256: hash } = normalize(field, value)
    t.equal(hash?.slice(0, 8), start, `${field} ${value}`)
    t.equal(normalize(field, value.normalize('NFD')).sha256, hash, `${field} ${value}, decomposed`)
  }
  t.end()
})

interface Case { field: PersonField, value: string, country?: string, is: string, also?: string[] }

const usable: Case[] = [
  { field: 'email', value: '  John.Smith+news@GMAIL.com ', is: 'john.smith+news@gmail.com' },
  { field: 'email', value: 'Jürgen@Müller.example', is: 'jürgen@müller.example' },
  { field: 'email', value: '\u200bada@example.org\ufeff', is: 'ada@example.org' },
  { field: 'phone', value: '+44 (0)20 7946 0958', is: '442079460958' },
  { field: 'phone', value: '0171 1234567', country: 'DE', is: '491711234567' },
  { field: 'phone', value: '0171/123 45-67', country: 'Deutschland', is: '491711234567' },
  { field: 'phone', value: '00491711234567', is: '491711234567' },
  { field: 'phone', value: '0049 171 1234567', country: 'us', is: '491711234567' },
  { field: 'phone', value: '011 49 171 1234567', country: 'us', is: '491711234567' },
  { field: 'phone', value: '(650) 555-1212', country: 'us', is: '16505551212' },
  { field: 'phone', value: '1 650.555–1212', country: 'us', is: '16505551212' },
  { field: 'phone', value: '650 555 1212 ext. 7', country: 'us', is: '16505551212' },
  { field: 'phone', value: '4917112345678', country: 'de', is: '4917112345678' },
  { field: 'phone', value: '16505551212', country: 'de', is: '16505551212' },
  { field: 'phone', value: '06 12345678', country: 'it', is: '390612345678' },
  { field: 'phone', value: 'tel:+49-171-1234567', is: '491711234567' },
  { field: 'phone', value: 'p:+16505551212', is: '16505551212' },
  { field: 'phone', value: '٠١٧١١٢٣٤٥٦٧', country: 'de', is: '491711234567' },
  { field: 'first_name', value: ' Jean-Luc ', is: 'jeanluc' },
  { field: 'first_name', value: 'Mary Ann', is: 'maryann' },
  { field: 'last_name', value: 'O\'Brien', is: 'obrien' },
  { field: 'last_name', value: 'O’Brien', is: 'o’brien', also: ['obrien'] },
  { field: 'last_name', value: 'MÜLLER', is: 'müller' },
  { field: 'city', value: 'St. John\'s', is: 'stjohns' },
  { field: 'city', value: 'New York', is: 'newyork' },
  { field: 'city', value: 'München', is: 'münchen', also: ['mnchen'] },
  { field: 'city', value: 'São Paulo', is: 'sãopaulo', also: ['sopaulo'] },
  { field: 'city', value: 'L\'Aquila', is: 'laquila' },
  { field: 'city', value: '東京', is: '東京' },
  { field: 'region', value: 'California', is: 'ca' },
  { field: 'region', value: 'ca', country: 'us', is: 'ca' },
  { field: 'region', value: 'US-CA', is: 'ca' },
  { field: 'region', value: 'District of Columbia', is: 'dc' },
  { field: 'region', value: 'Washington, D.C.', country: 'US', is: 'dc' },
  { field: 'region', value: 'Washington', country: 'US', is: 'wa' },
  { field: 'region', value: 'Puerto Rico', country: 'us', is: 'pr' },
  { field: 'region', value: 'Québec', country: 'ca', is: 'qc' },
  { field: 'region', value: 'New South Wales', country: 'au', is: 'newsouthwales' },
  { field: 'region', value: 'NSW', is: 'nsw' },
  { field: 'region', value: 'Georgia', country: 'ge', is: 'georgia' },
  { field: 'region', value: 'Bayern', country: 'de', is: 'bayern' },
  { field: 'postal_code', value: 'M1 1AE', country: 'gb', is: 'm11ae' },
  { field: 'postal_code', value: '94025-1234', is: '94025' },
  { field: 'postal_code', value: '940251234', country: 'us', is: '94025' },
  { field: 'postal_code', value: '00-950', country: 'pl', is: '00950' },
  { field: 'postal_code', value: '100-0001', country: 'jp', is: '1000001' },
  { field: 'postal_code', value: '12345-6789', country: 'sa', is: '123456789' },
  { field: 'postal_code', value: '80331', country: 'de', is: '80331' },
  { field: 'country', value: 'UK', is: 'gb' },
  { field: 'country', value: 'Great Britain', is: 'gb' },
  { field: 'country', value: 'England', is: 'gb' },
  { field: 'country', value: 'Côte d’Ivoire', is: 'ci' },
  { field: 'country', value: 'Kosovo', is: 'xk' },
  { field: 'country', value: 'U.S.A.', is: 'us' },
  { field: 'country', value: 'DEU', is: 'de' },
  { field: 'country', value: 'Österreich', is: 'at' },
  { field: 'country', value: 'Nederland', is: 'nl' },
  { field: 'country', value: 'République tchèque', is: 'cz' },
  { field: 'birth_date', value: '1997-02-16', is: '19970216' },
  { field: 'birth_date', value: '1997-02-16T00:00:00Z', is: '19970216' },
  { field: 'birth_date', value: '2000-02-29', is: '20000229' },
  { field: 'gender', value: 'Female', is: 'f' },
  { field: 'gender', value: ' M ', is: 'm' },
  { field: 'external_id', value: ' User-42 ', is: 'user-42' }
]

test('normalises as the reference suggests', t => {
  for (const { field, value, country, is, also } of usable) {
    t.same(normalize(field, value, country), {
      normalized: is,
      sha256: sha256(is),
      also: also?.map(spelling => ({ normalized: spelling, sha256: sha256(spelling) }))
    }, `${field} ${value}`)
  }
  t.end()
})

const unusable: [PersonField, string, WhyNot, string?][] = [
  ['email', '', 'empty'],
  ['email', '   ', 'empty'],
  ['email', 'john smith@gmail.com', 'not_an_email'],
  ['email', 'john@localhost', 'not_an_email'],
  ['email', 'john@exam\u0001ple.org', 'not_an_email'],
  ['email', 'john@@example.com', 'not_an_email'],
  ['email', 'Ada <ada@example.org>', 'not_an_email'],
  ['email', `${'a'.repeat(250)}@example.org`, 'not_an_email'],
  ['phone', '12345', 'not_a_phone', 'de'],
  ['phone', '0171 1234567', 'not_a_phone'],
  ['phone', '555-1234', 'not_a_phone'],
  ['phone', 'call me', 'not_a_phone', 'us'],
  ['phone', '1-800-FLOWERS', 'not_a_phone', 'us'],
  ['phone', '+49 171 1234567 / 030 901820', 'not_a_phone'],
  ['phone', '+', 'not_a_phone', 'de'],
  ['phone', '-', 'not_a_phone'],
  ['first_name', '\t', 'empty'],
  ['first_name', '...', 'unusable_characters'],
  ['city', '29 Palms', 'unusable_characters'],
  ['city', '—', 'unusable_characters'],
  ['region', 'Calif', 'unusable_characters', 'us'],
  ['postal_code', '9402', 'not_a_postal_code', 'us'],
  ['postal_code', 'n/a', 'not_a_postal_code'],
  ['postal_code', '1', 'not_a_postal_code', 'de'],
  ['country', 'Narnia', 'unknown_country'],
  ['country', 'EN', 'unknown_country'],
  ['country', 'XX', 'unknown_country'],
  ['birth_date', '19970231', 'impossible_date'],
  ['birth_date', '99999999', 'impossible_date'],
  ['birth_date', '1900-02-29', 'impossible_date'],
  ['birth_date', '18991231', 'impossible_date'],
  ['birth_date', '2/16/1997', 'impossible_date'],
  ['birth_date', '16.02.1997', 'impossible_date'],
  ['birth_date', '16021997', 'impossible_date'],
  ['birth_date', '1997-0216', 'impossible_date'],
  ['birth_date', 'Feb 16 1997', 'impossible_date'],
  ['gender', 'queen', 'not_a_gender'],
  ['gender', 'divers', 'not_a_gender'],
  ['street', 'Hauptstraße 1', 'not_accepted_by_network']
]

test('gives no hash where the network could not match one, and says why', t => {
  for (const [field, value, why, country] of unusable) {
    t.same(normalize(field, value, country), { normalized: null, sha256: null, why }, `${field} ${value}`)
  }
  t.end()
})

test('finds a birth date impossible that is still to come', t => {
  const nowMs = Date.UTC(2026, 10, 23)
  t.equal(normalize('birth_date', '2026-11-22', undefined, nowMs).normalized, '20261122')
  t.equal(normalize('birth_date', '2026-11-24', undefined, nowMs).why, 'impossible_date')
  t.end()
})

test('passes a hash on in lower case and never hashes it again', t => {
  const hash = sha256('ada@example.org')
  const already = { normalized: null, sha256: hash, why: 'already_hashed' }
  t.same(normalize('email', ` ${hash.toUpperCase()} `), already)
  t.same(normalize('email', `${hash}.AQQAAQMC`), already, 'without the mark of Meta\'s parameter builder')
  t.same(normalize('external_id', hash), already)
  t.match(normalize('email', `${hash}${hash}`), { sha256: null, why: 'not_an_email' }, 'the pattern is anchored')
  t.match(normalize('external_id', `x${hash}`), { normalized: `x${hash}` })
  t.match(normalize('email', 'd41d8cd98f00b204e9800998ecf8427e'), { why: 'not_an_email' }, 'MD5 is no hash')
  t.end()
})

test('takes any text at all, hashes nothing empty, and finds its own result normal', t => {
  const field = fc.constantFrom(...personFields)
  const country = fc.constantFrom(undefined, 'DE', 'us', 'Narnia', '')
  const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.string({ unit: 'grapheme', maxLength: 20 }),
    fc.stringMatching(/^[+0 ()\d.-]{3,20}$/), fc.emailAddress())
  fc.assert(fc.property(field, text, country, (field, text, country) => {
    const { normalized, sha256: hash, also = [], why } = normalize(field, text, country)
    if (normalized === null) return why !== undefined
    const again = field === 'phone' ? { normalized } : normalize(field, normalized, country)
    return why === undefined && normalized !== '' && hash === sha256(normalized) && again.normalized === normalized &&
      also.every(spelling => spelling.normalized !== '' && spelling.normalized !== normalized)
  }), { numRuns: 1000 })
  t.end()
})
