// Stored JSON comes back as it was, whatever stands in it, and what was written years ago is still read.
import { hash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'tap'
import { lengthen, shorten } from './short_text.ts'

const folder = new URL('examples/', import.meta.url)
const examples = readdirSync(folder)
  .map(name => JSON.stringify(JSON.parse(readFileSync(new URL(name, folder), 'utf8'))))

const event = {
  page_location: 'https://www.example.com/offer?utm_source=facebook&fbclid=IwZXh0bgNhZW0BMABhZGlkAasm_aem_x',
  page_referrer: 'https://l.facebook.com/',
  page_title: 'Ihr Angebot – Beispiel GmbH',
  language: 'de-DE',
  screen_resolution: '1512x982',
  gpc: false,
  click_ids: { fbclid: { value: 'IwZXh0bgNhZW0BMABhZGlkAasm_aem_x', seen_at_ms: 1795336290456 } },
  cookies: { _ga: 'GA1.1.1.2', _fbp: 'fb.1.3.4', _fbc: 'fb.1.1795336290456.IwZXh0bgNhZW0BMABhZGlkAasm_aem_x' },
  consent: {
    ad_storage: 'granted', ad_user_data: 'granted', ad_personalization: 'granted', analytics_storage: 'granted'
  },
  browser_tags: { meta: 'absent' },
  visitor_id: 'vG5e_9uola1A8HknjTHbl42',
  visitor_verified: true,
  device: { browser: 'Chrome', browser_version: '129.0', os: 'Windows', os_version: '10', type: 'desktop' }
}

test('an event takes less than half of its bytes, and comes back', async t => {
  const json = JSON.stringify(event)
  const short = shorten(json)
  t.ok(2 * Buffer.byteLength(short) < Buffer.byteLength(json))
  t.equal(short.split('IwZXh0bgNhZW0BMABhZGlkAasm_aem_x').length, 2, 'the click id once')
  t.equal(lengthen(short), json)
})

test('every example of an event comes back', async t => {
  t.ok(examples.length > 5)
  for (const json of examples) t.equal(lengthen(shorten(json)), json)
})

test('a visitor who types our words, our codes or half of them gets them back', async t => {
  const texts = [
    '","page_title":"', '{"page_location":"https://', '\u0001\u0002\u0003\u001f', '\u0002A\u0002\u007fA', '\u007f', '\\', '"', '\\"',
    'granted"', 'Chrome/', 'Mozilla/5.0 (Mozilla/5.0 (', '\ud800', '–😀', '"value":"IwZXh0bgNhZW0BMABhZGlk"',
    '"value":"$&$1$$$\'$`aaaaaaaaaaaaaaaaaaaaaaaa"'
  ]
  let state = 20_261_123
  const pick = (most: number) => {
    state = state * 48_271 % 2_147_483_647
    return state % most
  }
  for (let round = 0; round < 2000; round++) {
    const text = Array.from({ length: 1 + pick(6) }, () => texts[pick(texts.length)]).join(pick(2) === 0 ? '' : ' ')
    const fields = { [text]: text, message: [text, { value: text }] }
    const json = JSON.stringify({ page_title: text, fields, value: text })
    if (lengthen(shorten(json)) !== json) t.equal(lengthen(shorten(json)), json)
  }
  for (const text of texts) {
    const json = JSON.stringify({ ...event, page_title: text })
    t.equal(lengthen(shorten(json)), json)
  }
})

test('a click id with the signs of a replacement pattern stays what it is', async t => {
  const value = 'abcdefghijklmnopqrst.~%*+:=-_0'
  const cookies = { _gcl_aw: `GCL.1.${value}` }
  const json = JSON.stringify({ click_ids: { gclid: { value, seen_at_ms: 1 } }, cookies })
  t.equal(lengthen(shorten(json)), json)
})

test('rows that were never shortened are read', async t => {
  for (const json of examples) t.equal(lengthen(json), json)
})

test('every word keeps the place it was given: stored rows are read by it', async t => {
  const codes = [
    ...Array.from({ length: 29 }, (_, index) => String.fromCharCode(3 + index)),
    ...Array.from({ length: 93 }, (_, index) => `\u0002${String.fromCharCode(0x20 + index)}`),
    ...Array.from({ length: 20 }, (_, index) => `\u0002\u007f${String.fromCharCode(0x20 + index)}`)
  ]
  const words = codes.map(code => lengthen(code))
  t.equal(new Set(words).size, codes.length, 'each code has a word of its own')
  t.notOk(words.some(word => /[^ -~]/.test(word)), 'no word has a code in it')
  const frozen = '641eb19fcfc800640813ea604e0a78b6ba5b1e6e07c03aac338aee509ee1bbc9'
  t.equal(hash('sha256', words.join('\n')), frozen, 'add words at the end of a list, and never change or move one')
})
