// Every problem of the settings is told at once, however many there are.
import { test } from 'tap'
import { Type } from 'typebox'
import { findProblems } from './settings_problems.ts'

test('tells more problems than typebox does by itself', t => {
  const keys = Array.from({ length: 20 }, (_, index) => `key_${index}`)
  const schema = Type.Object(Object.fromEntries(keys.map(key => [key, Type.Integer()])))
  const problems = findProblems(schema, Object.fromEntries(keys.map(key => [key, 'no number'])))
  t.same(problems.map(problem => problem.keys), keys.map(key => [key]))
  t.end()
})
