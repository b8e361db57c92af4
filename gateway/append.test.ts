// What a row tells to who has no key.
import { randomUUID } from 'node:crypto'
import { test } from 'tap'
import { testKeys } from '../test/gateway_world.ts'
import { fromPlaintexts } from '../schema/sealing.ts'
import { toRow } from './append.ts'

const client = { ip: '203.0.113.7', user_agent: 'Mozilla/5.0 (X11; Linux x86_64)' }

function sealedClientOf (visitorId?: string, site = 'main'): Buffer {
  const { sealedClient } = toRow({
    part: {
      receipt_id: randomUUID(),
      site,
      trust: 'same_site',
      event_name: 'page_view',
      event_id: randomUUID(),
      received_at_ms: 1,
      occurred_at_ms: 1,
      data: { client, visitor_id: visitorId }
    }
  }, { keys: testKeys, keptTouches: new Set() })
  return sealedClient ?? Buffer.alloc(0)
}

test('equal addresses lie in equal bytes for one visitor only, who is known by his index anyway', t => {
  const first = sealedClientOf('v1')
  t.same(sealedClientOf('v1'), first, 'sealed once')
  const others = [sealedClientOf('v2'), sealedClientOf('v1', 'other'), sealedClientOf(), sealedClientOf()]
  const all = [first, ...others]
  t.equal(new Set(all.map(sealed => sealed.toString('hex'))).size, all.length, 'without consent there is no visitor')
  for (const [at, sealed] of all.entries()) {
    const text = testKeys.open(at === 2 ? 'other' : 'main', sealed).toString()
    t.same(fromPlaintexts({ data: '{}', client: text }), { client })
  }
  t.end()
})
