// Whatever comes in: what the mapping lets out is of its own schema, and the strict fake finds no fault with it.
import fc from 'fast-check'
import { test } from 'tap'
import { Value } from 'typebox/value'
import { tiktokRules } from '../../../demo/networks/tiktok.ts'
import { anOddEvent, oddNowMs } from '../../../test/odd_event.ts'
import destination from './destination.ts'
import { map } from './map.ts'
import { payload as schema } from './payload.ts'
import { settings as settingsSchema, type TikTokSettings } from './settings.ts'
import { sourceOfPayload } from './source.ts'

const settings = Value.Default(settingsSchema, {
  pixel_code: 'CP0STERN0TESTS000001',
  access_token: 't',
  offline_event_set_id: '7301964452018376450',
  crm_event_set_id: '7301964452018376833'
}) as TikTokSettings

const names = new Map(Object.entries(destination.events))

/** Rules that take words for a mapping's mistake which a visitor may have typed. */
const aboutWords = ['hash_of_nothing', 'stringified_nothing']
const rules = tiktokRules.filter(({ name }) => !aboutWords.includes(name))

test('the strict fake finds no fault with anything that the mapping lets out', t => {
  let sent = 0
  fc.assert(fc.property(anOddEvent(Object.keys(destination.events)), event => {
    const mapped = map(event, settings, names.get(event.event_name) ?? event.event_name)
    if (!('payload' in mapped)) return true
    sent++
    const payload = JSON.parse(JSON.stringify(mapped.payload)) as Record<string, unknown>
    const errors = [...Value.Errors(schema, payload)].map(({ instancePath, message }) => `${instancePath} ${message}`)
    const context = { nowMs: oddNowMs, source: sourceOfPayload(mapped.payload) }
    const broken = rules.flatMap(rule => {
      const path = rule.broken(payload, context)
      return path === undefined ? [] : [`${rule.name} ${path.join('.')}`]
    })
    if (errors.length + broken.length > 0) throw new Error([...errors, ...broken].join('; '))
    return true
  }), { numRuns: 1000 })
  t.ok(sent > 200, `${sent} were sent`)
  t.end()
})
