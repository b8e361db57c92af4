// Without consent for ad storage no click id is stored, wherever a sender has put one.
import { test } from 'tap'
import type { EventData } from '../schema/event.ts'
import { redact } from './redact.ts'

const denied = { adIds: false, analyticsIds: false, visitor: false }
const id = 'IwAR0leak_1234'

const hiding: [where: string, data: EventData][] = [
  ['the page\'s query', { page_location: `https://e.com/?a=1&fbclid=${id}&b=2` }],
  ['a name in disguise', { page_location: `https://e.com/?a=1&%66bclid=${id}` }],
  ['the page\'s fragment', { page_location: `https://e.com/?a=1#fbclid=${id}` }],
  ['an address within the referrer', {
    page_referrer: `https://l.e.com/l.php?u=https%3A%2F%2Fe.com%2F%3Ffbclid%3D${id}`
  }],
  ['the title', { page_title: `Offer ?gclid=${id}` }],
  ['a parameter', { params: { fbc: `fb.1.1700000000000.${id}`, _fbc: `fb.1.1700000000000.${id}` } }],
  ['a parameter\'s own parameters', { params: { attribution: { gclid: id, list: [{ FBCLID: id }] } } }],
  ['a relative address', { params: { landing: `/offer?gclid=${id}`, query: `?fbclid=${id}` } }],
  ['an answer', {
    fields: { gclid: id, 'form_fields[gclid]': id, hidden_gclid: id, 'your-fbclid': id, gclid_field: id }
  }],
  ['a network\'s cookie as an answer', {
    fields: { _gcl_aw: `GCL.1.${id}`, 'f[_fbc]': `fb.1.1.${id}`, li_fat_id: id }
  }],
  ['a text', { fields: { note: `I came from https://e.com/?gclid=${id} today` } }]
]

test('a denial leaves no click id in the page, the parameters or the answers', t => {
  for (const [where, data] of hiding) {
    t.notMatch(JSON.stringify(redact(data, denied)), id, where)
    t.match(JSON.stringify(redact(data, { ...denied, adIds: true })), id, `${where}: kept with consent`)
  }
  t.end()
})

test('a denial leaves everything else as it was', t => {
  const data: EventData = {
    page_location: 'https://e.com/?a=1&b=2#top',
    page_title: 'Is 1 = 1?',
    params: { plan: 'a=b&c=d', list: ['x', { y: 1 }] },
    fields: { message: 'x?y=1&z=2; fbclid is a word', clientid: '7', topic: 'epikur' }
  }
  t.match(redact(data, denied), data)
  t.end()
})
