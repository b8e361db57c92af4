// What is remembered is what would be computed, for as many keys as it may be.
import { test } from 'tap'
import { remember, rememberFirst, rememberKnown } from './bounded.ts'

test('a result is computed once while it is asked for, and forgotten behind many others', t => {
  const asked: string[] = []
  const read = remember(4, key => {
    asked.push(key)
    return key.length
  })
  const long = 'x'.repeat(1001)
  for (const key of ['a', 'a', 'bb', 'a', 'ccc', 'a', 'dddd', 'a', 'eeeee', 'bb', long, long]) {
    t.equal(read(key), key.length, key.slice(0, 5))
  }
  t.same(asked, ['a', 'bb', 'ccc', 'dddd', 'eeeee', 'bb', long, long])
  t.end()
})

test('what was seen first stays so, and what is known is forgotten behind many others', t => {
  const first = rememberFirst(10)
  t.strictSame([first('x', 1), first('x', 2), first('y', 3)], [1, 1, 3])
  const known = rememberKnown(4)
  for (const key of ['a', 'b', 'c']) known.add(key)
  t.same(['a', 'b', 'c', 'd'].map(known.has), [true, true, true, false])
  for (const key of ['d', 'e']) known.add(key)
  t.same(['a', 'b', 'c', 'e'].map(known.has), [false, false, true, true])
  t.end()
})
