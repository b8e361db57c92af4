// Whatever comes in: what the mapping lets out is of its own schema, and the strict fake finds no fault with it.
import fc from 'fast-check'
import { test } from 'tap'
import { Value } from 'typebox/value'
import { ga4EventRules, ga4RequestRules } from '../../../demo/networks/ga4.ts'
import { anOddEvent, oddNowMs } from '../../../test/odd_event.ts'
import destination from './destination.ts'
import { map } from './map.ts'
import { payload as schema } from './payload.ts'
import { settings as settingsSchema, type Ga4Settings } from './settings.ts'

const settings = Value.Default(settingsSchema, {
  measurement_id: 'G-ABCD1234', api_secret: 's', role: 'sole', event_id_parameter: 'event_id'
}) as Ga4Settings

/** Rules that take words for a mapping's mistake which a visitor may have typed, or an owner have named. */
const aboutWords = ['hash_of_nothing', 'stringified_nothing', 'foreign_param']

test('the strict fake finds no fault with anything that the mapping lets out', t => {
  let sent = 0
  fc.assert(fc.property(anOddEvent(Object.keys(destination.events)), event => {
    const mapped = map(event, settings, event.event_name)
    if (!('payload' in mapped)) return true
    sent++
    const text = JSON.stringify(mapped.payload)
    const payload = JSON.parse(text) as { events: Record<string, unknown>[] }
    const errors = [...Value.Errors(schema, payload)].map(({ instancePath, message }) => `${instancePath} ${message}`)
    const context = { nowMs: oddNowMs, bytes: text.length, isDebug: false }
    const broken = [[ga4RequestRules, payload], [ga4EventRules, payload.events[0] ?? {}]] as const
    const faults = broken.flatMap(([rules, given]) => rules.flatMap(rule => {
      const isMeant = rule.isAdvice !== true && !aboutWords.includes(rule.name)
      const path = isMeant ? rule.broken(given as Record<string, unknown>, context) : undefined
      return path === undefined ? [] : [`${rule.name} ${path.join('.')}`]
    }))
    if (errors.length + faults.length > 0) throw new Error([...errors, ...faults].join('; '))
    return true
  }), { numRuns: 1000 })
  t.ok(sent > 200, `${sent} were sent`)
  t.end()
})
