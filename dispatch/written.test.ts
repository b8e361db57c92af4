// What is written once reads as if it were written anew.
import { test } from 'tap'
import { jsonOf, writeJson } from './written.ts'

test('a body with written parts is the JSON of the whole', t => {
  const payload = { name: 'Grüße "x"', none: undefined, list: [1, undefined, null] }
  const written = new Map([[payload, jsonOf(payload)]])
  const bodies: unknown[] = [
    payload,
    { data: [payload, { other: [payload] }, undefined], test: undefined, 'a "key"': null, at: new Date(0), n: NaN },
    { data: [] },
    [],
    {},
    { ...payload, more: true },
    'text',
    null,
    undefined
  ]
  for (const body of bodies) {
    t.equal(writeJson(body, written), JSON.stringify(body))
    t.equal(writeJson(body, new Map()), JSON.stringify(body))
  }
  t.end()
})

test('a written part is taken as it is', t => {
  const payload = { name: 'x' }
  t.equal(writeJson({ data: [payload, { name: 'x' }] }, new Map([[payload, '{"as":"written"}']])),
    '{"data":[{"as":"written"},{"name":"x"}]}')
  t.end()
})
