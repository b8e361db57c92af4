// Names at the networks, and those that can never be met.
import { test } from 'tap'
import { destinations } from './registry.ts'
import { findUnmetNames, renamed } from './naming.ts'

test('the settings name an event anew, and an event may be called like a key that every object has', t => {
  t.equal(renamed({ contact: 'Lead' }, 'contact', 'Contact'), 'Lead')
  t.equal(renamed({}, 'contact', 'Contact'), 'Contact')
  t.equal(renamed({}, 'constructor', 'constructor'), 'constructor')
  t.end()
})

test('a name that is an alias is told by check, at every network that renames events', t => {
  const configured = [{ name: 'shop', settings: { event_names: { Lead: 'X', contact: 'Y', my_event: 'Z' } } }]
  const text = 'no event is called Lead: such events come in as generate_lead'
  t.same(findUnmetNames(configured), [{ name: 'shop', keys: ['event_names', 'Lead'], text }])
  for (const { type, settings, findConflicts } of destinations) {
    if ('event_names' in settings.properties) t.equal(findConflicts?.(configured).length, 1, type)
  }
  t.end()
})
