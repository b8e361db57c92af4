// One suite for every destination: its goldens, its documented answers, and the rules that none may break.
import { existsSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'tap'
import { Value } from 'typebox/value'
import { jsonOf } from '../dispatch/written.ts'
import { consentOf, decide } from '../dispatch/decide.ts'
import type { Destination, NetworkResponse, OutgoingEvent } from '../dispatch/destination.ts'
import { judge, outcomesOf } from '../dispatch/judge.ts'
import { outgoing } from '../dispatch/outgoing.ts'
import { preview } from '../dispatch/preview.ts'
import { destinations } from '../dispatch/registry.ts'
import { deepFreeze, eventsIn, leaksOf, leavesOf, openObjects, timesOf } from './conformance.ts'
import { folderOf, goldensOf, goldenTarget, readExamples, readOwn, type Example } from './goldens.ts'

const examples = readExamples()
/** Whose own tag knows orders, and the event id only where there is none (design.md, "Counted once"). */
const byTransaction = new Set(['google_ads'])

interface Case { name: string, events: number, response: NetworkResponse, expect: object[] | 'isolate' }

function eventOf (example: Example, destination: Destination): OutgoingEvent {
  const target = goldenTarget(destination, false)
  const { candidate, nowMs } = example.event
  return outgoing(candidate.event, target, consentOf(candidate, target), nowMs)
}

const nameOf = (destination: Destination, example: Example) =>
  destination.events[example.event.candidate.event.event_name] ?? example.event.candidate.event.event_name

/** The examples that reach the network, each with its payload. */
function sent (destination: Destination): { example: Example, payload: unknown }[] {
  const target = goldenTarget(destination, false)
  return examples.flatMap(example => {
    const decision = decide(example.event.candidate, target, example.event.nowMs)
    return 'go' in decision ? [{ example, payload: JSON.parse(JSON.stringify(decision.payload)) as unknown }] : []
  })
}

for (const destination of destinations) {
  const { type } = destination
  const target = goldenTarget(destination, false)
  const going = sent(destination)

  test(`${type}: makes of every example what its golden says`, t => {
    const goldens = goldensOf(destination)
    for (const { example, made, stored } of goldens) {
      t.ok(stored !== undefined, `golden/${example.name}.json exists: npm run golden writes it`)
      t.same(made, stored, example.name)
    }
    const known = new Set(goldens.map(({ path }) => basename(path)))
    const files = readdirSync(join(folderOf(destination), 'golden'))
    t.same(files.filter(file => !known.has(file)), [], 'no golden without an example, no change left over')
    t.end()
  })

  test(`${type}: gives every documented answer its outcome`, t => {
    for (const { name, events, response, expect } of readOwn<Case[]>(destination, 'responses.json')) {
      const answer = { kind: 'response' as const, response: deepFreeze(response), durationMs: 1 }
      const outcomes = outcomesOf(judge(destination, answer, new Array(events).fill({}), 0), events)
      if (expect === 'isolate' || outcomes === 'isolate') {
        t.equal(outcomes, expect, name)
        continue
      }
      const bare = outcomes.map(outcome => ({ ...outcome, detail: undefined }))
      t.same(bare, expect.map(outcome => ({ ...outcome, detail: undefined })), name)
    }
    t.end()
  })

  test(`${type}: maps without changing the event, and the same way each time`, t => {
    for (const { example } of going) {
      const event = deepFreeze(eventOf(example, destination))
      const first = destination.map(event, deepFreeze(target.settings), nameOf(destination, example))
      const second = destination.map(event, target.settings, nameOf(destination, example))
      t.same(JSON.stringify(first), JSON.stringify(second), example.name)
    }
    t.end()
  })

  test(`${type}: sends what its schema knows`, t => {
    for (const { example, payload } of going) {
      const errors = Value.Errors(destination.payload, payload).map(error => `${error.instancePath} ${error.message}`)
      t.same([...errors], [], example.name)
      t.notOk(Value.Check(destination.payload, { ...payload as object, click_id: 'x' }), 'and nothing else')
    }
    t.ok(going.length > 5)
    t.same(openObjects(destination.payload, 'payload'), [], 'every object is closed')
    t.end()
  })

  test(`${type}: gives the time to the second, whatever the unit`, t => {
    for (const { example, payload } of going) {
      const occurredAtMs = example.event.candidate.event.occurred_at_ms
      const times = leavesOf(payload).filter(({ key }) => /time/i.test(key))
      t.ok(times.some(({ leaf }) => timesOf(leaf).some(ms => Math.abs(ms - occurredAtMs) <= 1000)), example.name)
    }
    t.end()
  })

  test(`${type}: lets no e-mail, phone number or name out as typed`, t => {
    for (const { example, payload } of going) {
      const request = destination.request([payload as never], target.settings, destination.endpoint, false)
      t.same(leaksOf(request, example, destination), [], example.name)
    }
    t.end()
  })

  test(`${type}: gives our event id as the one to recognise copies by`, t => {
    for (const { example, payload } of destination.dedupes === false ? [] : going) {
      const { event_id: eventId, transaction_id: transactionId } = example.event.candidate.event
      const id = byTransaction.has(type) ? transactionId ?? eventId : eventId
      t.ok(leavesOf(payload).some(({ key, leaf }) => /id$/i.test(key) && leaf === id), example.name)
    }
    t.end()
  })

  test(`${type}: sends nothing without the consent of its purpose`, t => {
    const denied = {
      ad_storage: 'denied',
      ad_user_data: 'denied',
      ad_personalization: 'denied',
      analytics_storage: 'denied'
    } as const
    for (const { example: { name, event: { candidate, nowMs } } } of going) {
      const decision = decide({ ...candidate, said: { ...candidate.said, consent: denied } }, target, nowMs)
      if (destination.purpose === 'first_party') t.ok('go' in decision, name)
      else t.match(decision, { skipped: 'no_consent' }, name)
    }
    t.end()
  })

  test(`${type}: sends no cookie and no click id without ad_storage`, t => {
    for (const { example: { name, event: { candidate, nowMs } } } of going) {
      const said = { ...candidate.said, consent: { ...candidate.said.consent, ad_storage: 'denied' as const } }
      const decision = decide({ ...candidate, said }, target, nowMs)
      const { cookies = {}, click_ids: ids = {} } = candidate.event
      const kept = [...Object.values(cookies), ...Object.values(ids).map(({ value }) => value)]
      const text = JSON.stringify(decision)
      t.ok(kept.every(value => !text.includes(value)), name)
    }
    t.end()
  })

  test(`${type}: keeps the network's limits`, t => {
    const [one] = going
    if (one === undefined) throw new Error('no example is sent')
    const { limits } = destination
    const counts = (number: number) => {
      const previews = preview(new Array(number).fill(one.example.event), target, true)
      return previews.flatMap(found => 'requests' in found ? found.requests : []).map(request => {
        t.ok(Buffer.byteLength(jsonOf(request.body)) <= limits.bytes, 'under the limit of bytes')
        return eventsIn(request.body)
      })
    }
    t.equal(counts(limits.events).reduce((sum, count) => sum + count, 0), limits.events)
    t.equal(Math.max(...counts(limits.events + 1)) <= limits.events, true)
    t.ok(counts(limits.events + 1).length >= 2)

    const bytes = Buffer.byteLength(jsonOf(one.payload))
    const within = (most: number) => decide(one.example.event.candidate,
      { ...target, destination: { ...destination, limits: { ...limits, bytes: most } } }, one.example.event.nowMs)
    t.ok('go' in within(bytes))
    t.match(within(bytes - 1), { rejected: 'too_large' })

    const { candidate, nowMs } = one.example.event
    const lastMs = candidate.event.occurred_at_ms + limits.maxAgeDays(candidate.event) * 86_400_000
    const signed = { ...candidate, trusts: ['signed' as const] }
    t.ok('go' in decide(signed, target, lastMs), `an event of ${new Date(nowMs).toISOString()} at its last moment`)
    t.match(decide(signed, target, lastMs + 1), { skipped: 'too_old' })
    t.end()
  })

  test(`${type}: shows a secret only where it says it will`, t => {
    const { auth } = destination
    const settings = target.settings as Record<string, unknown>
    const secrets = Object.entries(destination.settings.properties)
      .filter(([, schema]) => Reflect.get(schema, 'secret') === true).map(([name]) => String(settings[name]))
    t.ok(secrets.length > 0 || auth.kind === 'none')
    for (const { example, payload } of going) {
      const request = destination.request([payload as never], settings, destination.endpoint, false)
      for (const secret of secrets) t.notOk(JSON.stringify(request).includes(secret), example.name)
    }
    if (auth.kind === 'header' || auth.kind === 'query') {
      t.ok(secrets.some(secret => auth.value(settings).includes(secret)))
    }
    const shown = preview(going.map(({ example }) => example.event), goldenTarget(destination, true), false)
    for (const secret of secrets) t.notOk(JSON.stringify(shown).includes(secret), 'a preview has none')
    t.end()
  })

  test(`${type}: goes to the network over https, or where the endpoint says`, t => {
    const [one] = going
    t.match(destination.endpoint, /^https:\/\/[a-z0-9.-]+$/)
    const urlAt = (endpoint: string) =>
      destination.request([one?.payload as never], target.settings, endpoint, false).url
    t.ok(urlAt(destination.endpoint).startsWith(`${destination.endpoint}/`))
    t.ok(urlAt('http://localhost:8380/fake').startsWith('http://localhost:8380/fake/'))
    t.end()
  })

  test(`${type}: never lets a test count as real`, t => {
    const { testNeeds: needed } = destination
    if (needed !== undefined) {
      const make = (settings: object, isTest: boolean) =>
        JSON.stringify(destination.request([going[0]?.payload as never], settings, destination.endpoint, isTest))
      const given = { ...target.settings as object, [needed]: 'TEST12345' }
      t.ok(make(given, true).includes('TEST12345'))
      t.notOk(make(given, false).includes('TEST12345'))
      t.throws(() => make({ ...target.settings as object, [needed]: undefined }, true))
    }
    t.end()
  })

  test(`${type}: explains itself`, t => {
    for (const [name, schema] of Object.entries(destination.settings.properties)) {
      t.ok(typeof Reflect.get(schema, 'description') === 'string', `setting ${name} has a description`)
    }
    t.ok(Value.Check(destination.settings, target.settings), 'the settings of its folder are valid')
    t.ok(existsSync(join(folderOf(destination), 'README.md')))
    t.end()
  })
}
