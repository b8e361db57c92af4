// What is remembered of names, places and numbers is what would be normalised anew.
import { test } from 'tap'
import { normalize } from '../destinations/meta/normalize.ts'

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
