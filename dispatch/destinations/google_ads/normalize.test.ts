// Every normalisation case of the reference (google.md §4), as far as Google Ads takes it.
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { test } from 'tap'
import { personFields, type PersonField, type WhyNot } from '../../destination.ts'
import { normalize } from './normalize.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

interface Case { field: PersonField, value: string, country?: string, is: string }

const hashedCases: Case[] = [
  { field: 'email', value: '  Max.Mustermann@Example.com ', is: 'max.mustermann@example.com' },
  { field: 'email', value: 'Max.Muster.Mann+news@GMAIL.com', is: 'maxmustermann@gmail.com' },
  { field: 'email', value: 'max.muster@googlemail.com', is: 'maxmuster@googlemail.com' },
  { field: 'email', value: 'max.muster+news@mail.gmail.com', is: 'max.muster+news@mail.gmail.com' },
  { field: 'email', value: 'max.muster+news@gmail.com.example', is: 'max.muster+news@gmail.com.example' },
  { field: 'email', value: 'max+news@example.com', is: 'max+news@example.com' },
  { field: 'email', value: '\u200bada@example.org\ufeff', is: 'ada@example.org' },
  { field: 'phone', value: '(800) 555-0100', country: 'US', is: '+18005550100' },
  { field: 'phone', value: '0044 20 7946 0958', is: '+442079460958' },
  { field: 'phone', value: '+44 (0)20 7946 0958', is: '+442079460958' },
  { field: 'phone', value: '0171 8391046', country: 'de', is: '+491718391046' },
  { field: 'phone', value: '030 901820', country: 'Deutschland', is: '+4930901820' },
  { field: 'phone', value: '491718391046', is: '+491718391046' },
  { field: 'first_name', value: ' Jean-Luc ', is: 'jean-luc' },
  { field: 'first_name', value: 'Dr. Alex', is: 'alex' },
  { field: 'first_name', value: 'MRS. Erika', is: 'erika' },
  { field: 'first_name', value: 'Dr.Alex', is: 'dr.alex' },
  { field: 'first_name', value: 'Mr Alex', is: 'mr alex' },
  { field: 'first_name', value: 'Mary Ann', is: 'mary ann' },
  { field: 'first_name', value: 'René', is: 'rené' },
  { field: 'last_name', value: 'Roe, Jr.', is: 'roe' },
  { field: 'last_name', value: 'Roe JD PhD', is: 'roe' },
  { field: 'last_name', value: 'Roe, III', is: 'roe' },
  { field: 'last_name', value: 'Roe Jr', is: 'roe jr' },
  { field: 'last_name', value: 'Li', is: 'li' },
  { field: 'last_name', value: 'Vi', is: 'vi' },
  { field: 'last_name', value: 'Levi', is: 'levi' },
  { field: 'last_name', value: 'O\'Brien', is: 'o\'brien' },
  { field: 'last_name', value: 'Müller-Lüdenscheidt', is: 'müller-lüdenscheidt' }
]

test('hashes what Google hashes', t => {
  for (const { field, value, country, is } of hashedCases) {
    const given = { normalized: is, sha256: sha256(is), also: undefined }
    t.same(normalize(field, value, country), given, `${field} ${value}`)
    const decomposed = normalize(field, value.normalize('NFD'), country)
    t.equal(decomposed.sha256, sha256(is), `${value}, decomposed`)
  }
  t.end()
})

const clearCases: Case[] = [
  { field: 'country', value: 'de', is: 'DE' },
  { field: 'country', value: 'Deutschland', is: 'DE' },
  { field: 'country', value: 'UK', is: 'GB' },
  { field: 'country', value: 'USA', is: 'US' },
  { field: 'postal_code', value: ' 10115 ', country: 'DE', is: '10115' },
  { field: 'postal_code', value: '94025', country: 'US', is: '94025' },
  { field: 'postal_code', value: '94025-1234', country: 'us', is: '94025-1234' },
  { field: 'postal_code', value: '94025 1234', country: 'United States', is: '94025-1234' },
  { field: 'postal_code', value: '940251234', country: 'us', is: '94025-1234' },
  { field: 'postal_code', value: 'M1  1AE', country: 'GB', is: 'M1 1AE' },
  { field: 'postal_code', value: '00–950', country: 'PL', is: '00-950' },
  { field: 'postal_code', value: '01310-100', is: '01310-100' },
  { field: 'postal_code', value: '940251234', is: '940251234' }
]

test('gives in clear what Google wants in clear', t => {
  for (const { field, value, country, is } of clearCases) {
    t.same(normalize(field, value, country), { normalized: is, sha256: null }, `${field} ${value}`)
  }
  t.end()
})

const unusable: [PersonField, string, string | undefined, WhyNot][] = [
  ['email', '', undefined, 'empty'],
  ['email', 'max muster@gmail.com', undefined, 'not_an_email'],
  ['email', 'max@gmail', undefined, 'not_an_email'],
  ['email', '+news@gmail.com', undefined, 'not_an_email'],
  ['email', '...@gmail.com', undefined, 'not_an_email'],
  ['email', 'a@b@gmail.com', undefined, 'not_an_email'],
  ['phone', '(800) 555-0100', undefined, 'not_a_phone'],
  ['phone', 'call me', 'DE', 'not_a_phone'],
  ['phone', ' ', 'DE', 'empty'],
  ['first_name', '...', undefined, 'unusable_characters'],
  ['first_name', 'Dr. ', undefined, 'unusable_characters'],
  ['last_name', ', Jr.', undefined, 'unusable_characters'],
  ['country', 'Narnia', undefined, 'unknown_country'],
  ['country', '', undefined, 'empty'],
  ['postal_code', '9402', 'US', 'not_a_postal_code'],
  ['postal_code', '94025-12', 'US', 'not_a_postal_code'],
  ['postal_code', sha256('10115'), 'DE', 'not_a_postal_code'],
  ['postal_code', '-', undefined, 'not_a_postal_code'],
  ['postal_code', '1', undefined, 'not_a_postal_code'],
  ...(['street', 'city', 'region', 'birth_date', 'gender', 'external_id'] as const)
    .map((field): [PersonField, string, undefined, WhyNot] => [field, 'Berlin', undefined, 'not_accepted_by_network'])
]

test('says why a value is not usable', t => {
  for (const [field, value, country, why] of unusable) {
    const { normalized, sha256: hash, why: given } = normalize(field, value, country)
    t.same([normalized, hash, given], [null, null, why], `${field} "${value}"`)
  }
  t.end()
})

test('passes a hash on, in lower case, and never hashes it again', t => {
  const hash = sha256('max@example.com')
  for (const field of ['email', 'phone', 'first_name', 'last_name'] as const) {
    t.same(normalize(field, ` ${hash.toUpperCase()} `), { normalized: null, sha256: hash, why: 'already_hashed' })
    t.not(normalize(field, `${hash}0`).sha256, hash, 'longer is no hash')
  }
  t.end()
})

test('never throws, and gives a hash of nothing to nobody', t => {
  const nothing = sha256('')
  fc.assert(fc.property(fc.constantFrom(...personFields), fc.string({ unit: 'grapheme' }), fc.string(),
    (field, value, country) => {
      const { normalized, sha256: hash, why } = normalize(field, value, country)
      return hash !== nothing && (hash === null || /^[0-9a-f]{64}$/.test(hash)) && normalized !== '' &&
        (normalized !== null || hash !== null || why !== undefined)
    }))
  t.pass('for any text')
  t.end()
})
