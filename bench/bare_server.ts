// What the gateway is compared with: Fastify with the same body schema that answers at once, or after one INSERT.
import { createHash } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import fastify from 'fastify'
import { Type, type Static } from 'typebox'
import { EventData } from '../schema/event.ts'
import { openBenchPool } from './world.ts'

const text = Type.String()
const longText = Type.String({ maxLength: 512 })
const oneOrMore = Type.Union([longText, Type.Array(longText)])
const { page_location: page, language, value, items, consent, browser_tags: tags } = EventData.properties

/** An event as POST /v1/e takes it (design.md): the same fields, types and lengths that the gateway checks. */
const Event = Type.Object({
  event_name: Type.String({ minLength: 1, maxLength: 100 }),
  event_id: Type.String({ minLength: 1, maxLength: 255 }),
  event_time: Type.Union([Type.Number(), text]),
  page_location: page,
  page_referrer: page,
  page_title: page,
  language,
  screen_resolution: Type.Optional(Type.String({ pattern: '^\\d{1,5}x\\d{1,5}$' })),
  value,
  tax: value,
  shipping: value,
  currency: Type.Optional(Type.String({ pattern: '^[A-Z]{3}$' })),
  transaction_id: Type.Optional(Type.String({ maxLength: 255 })),
  form_id: Type.Optional(Type.String({ maxLength: 200 })),
  form_name: Type.Optional(Type.String({ maxLength: 200 })),
  items,
  user_data: Type.Optional(Type.Object({
    email: Type.Optional(oneOrMore),
    phone_number: Type.Optional(oneOrMore),
    address: Type.Optional(Type.Record(text, longText))
  }, { additionalProperties: false })),
  click_ids: Type.Optional(Type.Record(text, Type.String({ pattern: '^[\\w.~%*+:=-]{4,512}$' }))),
  cookies: Type.Optional(Type.Record(text, Type.String({ maxLength: 1024 }))),
  consent,
  gpc: Type.Optional(Type.Boolean()),
  browser_tags: tags,
  page_seed: Type.Optional(Type.String({ pattern: '^\\d{12,14}\\.\\d{6,20}$' }))
}, { additionalProperties: true })
const Body = Type.Object({
  sent_at: Type.Optional(Type.Number()), events: Type.Array(Event, { minItems: 1, maxItems: 100 })
})
const Answer = Type.Object({ results: Type.Array(Type.Object({ status: text, event_id: text })) })

/** The same two tables, one statement and one transaction per request; what is not sealed is at least as large. */
const insert = {
  name: 'insert_event',
  text: `
    WITH taken AS (
      INSERT INTO event_keys (site, digest, event_seq, day)
      VALUES ('main', $1, nextval('part_seq'), (now() AT TIME ZONE 'UTC')::date) ON CONFLICT DO NOTHING
      RETURNING event_seq, day
    )
    INSERT INTO events (event_seq, seq, received_at, occurred_at, receipt_id, day, trust, has_contact, is_bot, is_lead,
      site, event_name, event_id, sealed)
    SELECT event_seq, event_seq, now(), $2, gen_random_uuid(), day, 'same_site', false, false, false, 'main', $3, $4, $5
    FROM taken`
}

const isStoring = process.argv[2] === 'insert'
const pool = isStoring ? openBenchPool(process.env.DATABASE_URL ?? '', 10) : undefined
const app = fastify({ ajv: { customOptions: { coerceTypes: false, useDefaults: false, removeAdditional: false } } })
app.addContentTypeParser('text/plain', { parseAs: 'string' }, app.getDefaultJsonParser('error', 'error'))
app.post<{ Body: Static<typeof Body> }>('/v1/e', { schema: { body: Body, response: { 202: Answer } } },
  async (request, reply) => {
    for (const event of request.body.events) {
      await pool?.query({
        ...insert,
        values: [
          createHash('sha256').update(`${event.event_name}\0${event.event_id}`).digest().subarray(0, 16),
          new Date(Number(event.event_time)), event.event_name, event.event_id, Buffer.from(JSON.stringify(event))
        ]
      })
    }
    return await reply.status(202).send({
      results: request.body.events.map(({ event_id: id }) => ({ status: 'stored', event_id: id }))
    })
  })

await app.listen({ port: 0, host: '127.0.0.1' })
process.stdout.write(`${JSON.stringify({ port: (app.server.address() as AddressInfo).port })}\n`)
