// Every normalisation case of the reference for GA4: what is hashed, what goes in clear, and what is no use.
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { test } from 'tap'
import { personFields, type PersonField, type WhyNot } from '../../destination.ts'
import { normalize } from './normalize.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

interface Case { field: PersonField, value: string, country?: string, is: string, also?: string[] }

const hashed: Case[] = [
  { field: 'email', value: ' Ada@Example.ORG ', is: 'ada@example.org' },
  { field: 'email', value: 'Grace.Hopper@example.org', is: 'grace.hopper@example.org' },
  { field: 'email', value: 'grace.hopper+lists@example.org', is: 'grace.hopper+lists@example.org' },
  { field: 'email', value: 'John.Q.Smith@Gmail.com', is: 'johnqsmith@gmail.com' },
  { field: 'email', value: 'john.smith@googlemail.com', is: 'johnsmith@googlemail.com' },
  {
    field: 'email', value: 'john.smith+news@gmail.com', is: 'johnsmith+news@gmail.com', also: ['johnsmith@gmail.com']
  },
  { field: 'email', value: 'john.smith@gmail.com.br', is: 'john.smith@gmail.com.br' },
  { field: 'email', value: 'john.smith@mygmail.com', is: 'john.smith@mygmail.com' },
  { field: 'phone', value: '+44 (0)20 7946 0958', is: '+442079460958' },
  { field: 'phone', value: '0171 8391046', country: 'DE', is: '+491718391046' },
  { field: 'phone', value: '0049 171 8391046', is: '+491718391046' },
  { field: 'phone', value: '(650) 555-1212', country: 'us', is: '+16505551212' },
  { field: 'phone', value: '(800) 555-0100', country: 'US', is: '+18005550100' },
  { field: 'first_name', value: ' Mary ', is: 'mary' },
  { field: 'first_name', value: 'Jean-Luc', is: 'jeanluc' },
  { field: 'first_name', value: 'Mary  Ann', is: 'mary ann' },
  { field: 'first_name', value: 'J0hn 3rd', is: 'jhn rd' },
  { field: 'first_name', value: 'Zoë', is: 'zoë' },
  { field: 'last_name', value: 'O\'Brien', is: 'obrien' },
  { field: 'last_name', value: 'O’Brien', is: 'obrien' },
  { field: 'last_name', value: 'MÜLLER', is: 'müller' },
  { field: 'last_name', value: '정', is: '정' },
  { field: 'street', value: 'Hauptstraße 1', is: 'hauptstraße 1' },
  { field: 'street', value: '123 Main St., Apt. #4', is: '123 main st apt 4' }
]

test('hashes what GA4 wants hashed', t => {
  for (const { field, value, country, is, also } of hashed) {
    t.same(normalize(field, value, country), {
      normalized: is,
      sha256: sha256(is),
      also: also?.map(spelling => ({ normalized: spelling, sha256: sha256(spelling) }))
    }, `${field} ${value}`)
    t.equal(normalize(field, value.normalize('NFD'), country).normalized, is, `${field} ${value}, decomposed`)
  }
  t.end()
})

const inClear: Case[] = [
  { field: 'city', value: 'München', is: 'münchen' },
  { field: 'city', value: 'St. John\'s', is: 'st johns' },
  { field: 'city', value: 'São Paulo ', is: 'são paulo' },
  { field: 'city', value: 'Berlin 10115', is: 'berlin' },
  { field: 'city', value: '東京', is: '東京' },
  { field: 'region', value: 'CA', is: 'ca' },
  { field: 'region', value: 'Baden-Württemberg', is: 'badenwürttemberg' },
  { field: 'region', value: 'District of Columbia', is: 'district of columbia' },
  { field: 'postal_code', value: ' 80331 ', is: '80331' },
  { field: 'postal_code', value: 'M1 1AE', is: 'M1 1AE' },
  { field: 'postal_code', value: '20500-0003', is: '20500-0003' },
  { field: 'postal_code', value: '13.083-970', is: '13083-970' },
  { field: 'country', value: 'uk', is: 'GB' },
  { field: 'country', value: 'Deutschland', is: 'DE' },
  { field: 'country', value: 'usa', is: 'US' },
  { field: 'external_id', value: ' Customer-8841 ', is: 'Customer-8841' },
  { field: 'external_id', value: '000001', is: '000001' },
  { field: 'external_id', value: '0000012345', is: '0000012345' },
  { field: 'external_id', value: '0192f0c1-7b1e-7c3d-9e8f-0a1b2c3d4e5f', is: '0192f0c1-7b1e-7c3d-9e8f-0a1b2c3d4e5f' },
  { field: 'external_id', value: sha256('ada').toUpperCase(), is: sha256('ada').toUpperCase() }
]

test('gives in clear what GA4 wants in clear', t => {
  for (const { field, value, is } of inClear) {
    t.same(normalize(field, value), { normalized: is, sha256: null }, `${field} ${value}`)
  }
  t.end()
})

const unusable: [PersonField, string, WhyNot, string?][] = [
  ['email', ' ', 'empty'],
  ['email', 'john smith@gmail.com', 'not_an_email'],
  ['email', '+news@gmail.com', 'not_an_email'],
  ['email', '...@gmail.com', 'not_an_email'],
  ['email', 'john@@example.org', 'not_an_email'],
  ['phone', '0171 8391046', 'not_a_phone'],
  ['phone', '12345', 'not_a_phone', 'DE'],
  ['first_name', '...', 'unusable_characters'],
  ['first_name', '123', 'unusable_characters'],
  ['street', '#', 'unusable_characters'],
  ['city', '12', 'unusable_characters'],
  ['city', '', 'empty'],
  ['city', sha256('berlin'), 'unusable_characters'],
  ['country', 'Narnia', 'unknown_country'],
  ['country', sha256('de'), 'unusable_characters'],
  ['postal_code', 'unknown', 'not_a_postal_code'],
  ['postal_code', '1', 'not_a_postal_code'],
  ['external_id', '', 'empty'],
  ['external_id', 'ada@example.org', 'not_accepted_by_network'],
  ['external_id', 'ada%40example.org', 'not_accepted_by_network'],
  ['external_id', '+491718391046', 'not_accepted_by_network'],
  ['external_id', '0171 8391046', 'not_accepted_by_network'],
  ['external_id', '00491718391046', 'not_accepted_by_network'],
  ['external_id', 'x'.repeat(257), 'not_accepted_by_network'],
  ['birth_date', '1997-02-16', 'not_accepted_by_network'],
  ['gender', 'f', 'not_accepted_by_network']
]

test('gives nothing where GA4 could not use it, and says why', t => {
  for (const [field, value, why, country] of unusable) {
    t.same(normalize(field, value, country), { normalized: null, sha256: null, why }, `${field} ${value}`)
  }
  t.end()
})

test('passes a hash on in lower case and never hashes it again', t => {
  const hash = sha256('ada@example.org')
  for (const field of ['email', 'phone', 'first_name', 'last_name', 'street'] as const) {
    t.same(normalize(field, hash.toUpperCase()), { normalized: null, sha256: hash, why: 'already_hashed' }, field)
  }
  t.end()
})

test('takes any text at all, gives nothing empty, and finds its own result normal', t => {
  const field = fc.constantFrom(...personFields)
  const country = fc.constantFrom(undefined, 'DE', 'us', 'Narnia', '')
  const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.string({ unit: 'grapheme', maxLength: 20 }),
    fc.stringMatching(/^[+0 ()\d.-]{3,20}$/), fc.emailAddress(),
    fc.stringMatching(/^[a-z.+]{1,12}@(gmail|googlemail)\.com$/))
  fc.assert(fc.property(field, text, country, (field, text, country) => {
    const { normalized, sha256: hash, also = [], why } = normalize(field, text, country)
    if (normalized === null) return why !== undefined
    const again = normalize(field, normalized, country).normalized
    return why === undefined && normalized !== '' && (hash === null || hash === sha256(normalized)) &&
      (field === 'phone' || again === normalized) && also.every(spelling => spelling.normalized !== normalized)
  }), { numRuns: 1000 })
  t.end()
})
