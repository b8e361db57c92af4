// What is remembered is what would be computed, for as many keys as it may be.
import { test } from 'tap'
import { normalize } from './destinations/meta/normalize.ts'
import { remember } from './remember.ts'

test('a result is computed once while it is asked for, and forgotten behind many others', t => {
  const asked: string[] = []
  const read = remember(4, key => {
    asked.push(key)
    return key.length
  })
  const long = 'x'.repeat(501)
  for (const key of ['a', 'a', 'bb', 'a', 'ccc', 'a', 'dddd', 'a', 'eeeee', 'bb', long, long]) {
    t.equal(read(key), key.length, key.slice(0, 5))
  }
  t.same(asked, ['a', 'bb', 'ccc', 'dddd', 'eeeee', 'bb', long, long])
  t.end()
})

test('names and places are remembered by field, country and value', t => {
  for (let round = 0; round < 2; round++) {
    t.match(normalize('postal_code', '94025-1234', 'US'), { normalized: '94025' })
    t.match(normalize('postal_code', '94025-1234', 'PL'), { normalized: '940251234' })
    t.match(normalize('city', 'München'), { normalized: 'münchen' })
    t.match(normalize('last_name', 'München'), { normalized: 'münchen', also: undefined })
    t.match(normalize('city', 'a\0b'), { normalized: 'ab' })
    t.match(normalize('phone', '0171 1234567', 'DE'), { normalized: '491711234567' })
    t.match(normalize('phone', '0171 1234567'), { why: 'not_a_phone' })
  }
  t.end()
})
