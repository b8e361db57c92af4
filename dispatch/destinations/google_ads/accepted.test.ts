// Whatever comes in: what the mapping lets out is of its own schema, and the strict fake finds no fault with it.
import fc from 'fast-check'
import { test } from 'tap'
import { Value } from 'typebox/value'
import { googleAdsRules } from '../../../demo/networks/google_ads.ts'
import { findMisfit, requestShape } from '../../../demo/networks/google_ads_rule.ts'
import { anOddEvent, oddNowMs } from '../../../test/odd_event.ts'
import destination from './destination.ts'
import { map } from './map.ts'
import { payload as schema } from './payload.ts'
import { settings as settingsSchema, type GoogleAdsSettings } from './settings.ts'

const names = Object.keys(destination.events)
const settings = Value.Default(settingsSchema, {
  customer_id: '604-318-2257',
  conversion_actions: Object.fromEntries([...names, 'my_event'].map((name, index) => [name, String(index + 1)])),
  credentials: '{}',
  merchant_id: '5512345',
  custom_variables: { description: 'words', status: 'status' }
}) as GoogleAdsSettings

/** Rules that take words for a mapping's mistake which a visitor may have typed. */
const aboutWords = ['hash_of_nothing', 'stringified_nothing']
const rules = googleAdsRules.filter(({ name }) => !aboutWords.includes(name))

test('the strict fake finds no fault with anything that the mapping lets out', t => {
  let sent = 0
  fc.assert(fc.property(anOddEvent(names), event => {
    const mapped = map(event, settings)
    if (!('payload' in mapped)) return true
    sent++
    const request = destination.request([mapped.payload], settings, 'https://google.example', false)
    const body = JSON.parse(JSON.stringify(request.body)) as { events: Record<string, unknown>[] }
    const [payload = {}] = body.events
    const errors = [...Value.Errors(schema, payload)].map(({ instancePath, message }) => `${instancePath} ${message}`)
    const misfit = findMisfit(body, { message: requestShape })
    const context = { nowMs: oddNowMs, kinds: ['UPLOAD_CLICKS'] as const, encoding: 'HEX' }
    const broken = rules.flatMap(rule => {
      const path = rule.broken(payload, context)
      return path === undefined ? [] : [`${rule.name} ${path.join('.')}`]
    })
    const all = [...errors, ...broken, ...misfit === undefined ? [] : [misfit.description]]
    if (all.length > 0) throw new Error(`${all.join('; ')}: ${JSON.stringify(payload)}`)
    return true
  }), { numRuns: 1000 })
  t.ok(sent > 200, `${sent} were sent`)
  t.end()
})
