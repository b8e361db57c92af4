// Leads over real HTTP into a real database: every form of post, every answer, and that none is ever answered away.
import { test } from 'tap'
import { browserAgent, gatewayWorld, granted, setCookiesOf, site, type Answer } from '../test/gateway_world.ts'
import { nextAddress } from './leads.ts'
import { openSites } from './site.ts'

const form = 'application/x-www-form-urlencoded'
const json = 'application/json'
const navigation = { type: form, headers: { 'sec-fetch-mode': 'navigate', accept: 'text/html' } }

test('a lead is a lead and an event, under ids that a repeat gets again', async t => {
  const world = await gatewayWorld(t)
  const body = {
    event_id: 'form-1',
    email: ' A@B.de',
    Telefon: '0151 23456789',
    message: 'Hi',
    form_id: 'f',
    consent: granted
  }
  const first = await world.lead(body, { type: json })
  t.equal(first.status, 202)
  t.match(first.json, { status: 'stored', event_id: 'form-1', lead_id: /^ld_[a-z2-7]{26}$/ })
  t.strictSame(Object.keys(first.json), ['status', 'lead_id', 'event_id'])
  const again = await world.lead({ ...body, email: 'a@b.de', Telefon: '+49 151 23456789' }, { type: json })
  t.strictSame(again.json, { status: 'duplicate', event_id: 'form-1', lead_id: first.json.lead_id },
    'the same person, spelt otherwise')
  const [lead, ...more] = await world.leads()
  t.equal(more.length, 0)
  t.match(lead, {
    flags: [],
    data: {
      event_name: 'generate_lead',
      event_id: 'form-1',
      form_id: 'f',
      fields: { message: 'Hi' },
      user_data: { email: ['A@B.de'], phone_number: ['0151 23456789'] }
    }
  })
  t.match(await world.parts(), [{ is_lead: true, has_contact: true }, { is_lead: true }])
  const { rows } = await world.pool.query<{ n: number }>('SELECT count(*)::int AS n FROM subjects')
  t.equal(rows[0]?.n, 2, 'the person is found by e-mail and by phone')
})

test('the same event_id with a corrected e-mail is two leads and two events', async t => {
  const world = await gatewayWorld(t)
  const first = await world.lead('postern_event_id=cached&email=wrong%40b.de', { type: form })
  const second = await world.lead('postern_event_id=cached&email=right%40b.de', { type: form })
  const repeat = await world.lead('postern_event_id=cached&email=right%40b.de', { type: form })
  t.match(second.json, { status: 'stored', event_id: /^l[a-z2-7]{26}$/ })
  t.not(second.json.lead_id, first.json.lead_id)
  t.strictSame(repeat.json, { ...second.json, status: 'duplicate' })
  t.strictSame((await world.leads()).map(lead => lead.flags).toSorted(), [[], ['other_identity']])
  t.equal(new Set((await world.parts()).map(part => part.event_seq)).size, 2)
})

test('two people without a usable address on one cached page are two leads', async t => {
  const world = await gatewayWorld(t)
  const answers: Answer[] = []
  for (const body of ['email=nope&message=one', 'email=nope&message=two', 'email=nope&message=one']) {
    answers.push(await world.lead(`postern_event_id=p&${body}`, { type: form }))
  }
  t.strictSame(answers.map(answer => answer.json.status), ['stored', 'stored', 'duplicate'])
  t.equal((await world.leads()).length, 2)
})

test('a browser\'s event and the form post that follows are one event', async t => {
  const world = await gatewayWorld(t)
  await world.post({ event_name: 'Lead', event_id: 'shared', consent: granted })
  const answer = await world.lead({ event_id: 'shared', email: 'a@b.de' }, { type: json })
  t.match(answer.json, { status: 'stored', event_id: 'shared' }, 'the lead is new, so it is stored')
  t.equal(new Set((await world.parts()).map(part => part.event_seq)).size, 1)
  t.equal((await world.leads()).length, 1)
})

test('where a navigation leads', async t => {
  const world = await gatewayWorld(t)
  const cases: [name: string, next: string | undefined, location: string][] = [
    ['allowed', 'https://www.example.com/ok?a=1#b', 'https://www.example.com/ok?a=1#b'],
    ['none', undefined, 'https://www.example.com/thanks'],
    ['a foreign host', 'https://evil.example/', 'https://www.example.com/thanks']
  ]
  for (const [name, next, location] of cases) {
    const body = new URLSearchParams({
      email: 'a@b.de',
      ...next === undefined ? {} : { postern_next: next }
    }).toString()
    const answer = await world.lead(body, navigation)
    t.equal(answer.status, 303, name)
    t.equal(answer.headers.location, location, name)
  }
  const byAccept = await world.lead('email=a%40b.de', { type: form, headers: { accept: 'text/html,*/*;q=0.8' } })
  t.equal(byAccept.status, 303, 'a form post that wants HTML is a navigation')
  t.equal((await world.lead('email=a%40b.de', { type: form, headers: { accept: 'application/json' } })).status, 202)
  t.equal((await world.lead('email=a%40b.de', { type: form })).status, 202)
})

test('postern_next is no open redirect', t => {
  const [open] = [openSites([site])('t.example.com')]
  if (open === undefined) throw new Error('the site is missing')
  const evil = ['//evil.example', '/\\evil.example', '\\\\evil.example', 'https:evil.example', 'https:/evil.example',
    'https://evil.example',
    'https://www.example.com@evil.example', 'https://www.example.com:x@evil.example', 'https://a:b@www.example.com/', 'https://a@www.example.com/',
    'https://evil.example\\@www.example.com',
    'https://www.example.com.evil.example', 'https://www.example.com%2eevil.example',
    'https://evil.example#www.example.com',
    'https://evil.example?www.example.com', 'javascript:alert(1)', 'data:text/html,x', 'ht\ttps://evil.example',
    'https://www.example.com\u3002evil.example',
    'https://ｅvil.example', 'ftp://www.example.com', '/relative', 'thanks', '', 'https://', 'https://example.com',
    'https://sub.www.example.com']
  for (const next of evil) t.equal(nextAddress(next, open), site.thankYou, JSON.stringify(next))
  for (const [next, address] of [['https://www.example.com', 'https://www.example.com/'],
    ['https://WWW.example.com/\\a', 'https://www.example.com//a'],
    ['https://www.example.com/a\tb\r\nSet-Cookie: x=1', 'https://www.example.com/abSet-Cookie:%20x=1']] as const) {
    t.equal(nextAddress(next, open), address, JSON.stringify(next))
  }
  t.end()
})

test('without a thank_you the visitor sees a small page in their language; errors are such a page too', async t => {
  const world = await gatewayWorld(t, { sites: [{ ...site, thankYou: undefined }] })
  const thanks = await world.lead('email=a%40b.de&message=%3Cscript%3E', {
    ...navigation,
    headers: { ...navigation.headers, 'accept-language': 'de-AT,en;q=0.5' }
  })
  t.equal(thanks.status, 200)
  t.match(thanks.headers, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': /default-src 'none'/
  })
  t.match(thanks.text, /<html lang="de">.*Vielen Dank/s)
  t.notOk(thanks.text.includes('script>'))
  const large = await world.lead(`message=${'x'.repeat(300_000)}`, navigation)
  t.equal(large.status, 413)
  t.match(large.text, /<html lang="en">.*too large/s)
  t.equal((await world.lead('', navigation)).status, 400)
  t.match((await world.lead('x', { ...navigation, type: 'application/xml' })).text, /^<!doctype html>/)
})

test('a lead is never refused for who sends it', async t => {
  const world = await gatewayWorld(t, { limits: { leadsPerMinute: 2 } })
  const answers = [
    await world.lead('email=a%40b.de', { type: form, origin: 'https://evil.example' }),
    await world.lead('email=b%40b.de', { type: form, origin: null, headers: { authorization: 'Bearer wrong' } }),
    await world.lead('email=c%40b.de', { type: form }),
    await world.lead('{}', { type: json })
  ]
  t.strictSame(answers.map(answer => answer.json.status), ['stored', 'stored', 'stored', 'stored'])
  t.equal(answers[0]?.headers['access-control-allow-origin'], undefined)
  t.equal(setCookiesOf(answers[0] as Answer).size, 0)
  t.strictSame((await world.leads()).map(lead => lead.flags.join()).toSorted(), ['', '', 'rate_limited',
    'rate_limited'], 'over the limit they are flagged')
})

test('a lead with JavaScript off: the box decides about the click ids of its page', async t => {
  const world = await gatewayWorld(t)
  const page = encodeURIComponent('https://www.example.com/offer?fbclid=AbC_123&utm_source=fb')
  await world.lead(`email=a%40b.de&postern_event_id=on&postern_page=${page}&postern_consent=yes`, navigation)
  await world.lead(`email=b%40b.de&postern_event_id=off&postern_page=${page}`, navigation)
  const [ticked, unticked] = await world.parts()
  t.match(ticked, {
    event_id: 'on',
    data: {
      click_ids: { fbclid: { value: 'AbC_123' } },
      visitor_id: String,
      campaign: { source: 'fb' }
    }
  })
  t.equal(unticked?.data.click_ids, undefined)
  t.equal(unticked?.data.visitor_id, undefined)
  t.equal(unticked?.data.page_location, 'https://www.example.com/offer?utm_source=fb')
  const [one, two] = await world.leads()
  t.match(one, { first_touch: { click_ids: { fbclid: { value: 'AbC_123' } } } })
  t.equal(two?.first_touch, null)
})

test('a lead keeps the visitor\'s first landing', async t => {
  const world = await gatewayWorld(t)
  const landing = await world.post({
    event_name: 'page_view',
    page_location: 'https://www.example.com/?gclid=First_click',
    consent: granted
  })
  const cookie = [...setCookiesOf(landing)].map(([name, { value }]) => `${name}=${value}`).join('; ')
  await world.post({
    event_name: 'page_view',
    page_location: 'https://www.example.com/?utm_source=later',
    consent: granted
  }, { headers: { cookie } })
  await world.lead({ email: 'a@b.de', consent: granted }, { type: json, headers: { cookie } })
  t.match(await world.leads(), [{ first_touch: { click_ids: { gclid: { value: 'First_click' } } } }])
})

test('poison in a lead is stored as what can be kept of it', async t => {
  const world = await gatewayWorld(t)
  const bodies: [string, string][] = [
    ['email=a%00b%40c.de&__proto__=x&constructor=y&%ED%A0%80=z', form], ['%=%&&&=&a', form],
    [`a=${'x'.repeat(250_000)}`, form],
    [Array.from({ length: 5000 }, (_, at) => `k${at}=1`).join('&'), form],
    ['{"email":"\\ud800","fields":{"__proto__":{"x":1},"a\\u0000b":1e999},"event_id":"\\u0000"}', json],
    ['{"email":{"a":1},"event_name":{},"consent":"yes","click_ids":7}', json]
  ]
  for (const [body, type] of bodies) {
    const answer = await world.lead(body, { type })
    t.equal(answer.json.status, 'stored', body.slice(0, 40))
  }
  t.strictSame(world.alerts, [])
  t.equal((await world.leads()).length, bodies.length)
})

test('multipart over HTTP', async t => {
  const world = await gatewayWorld(t)
  const data = new FormData()
  data.set('email', 'a@b.de')
  data.set('file', new File(['x'.repeat(1000)], 'a.txt', { type: 'text/plain' }))
  const response = new Response(data)
  const answer = await world.lead(Buffer.from(await response.arrayBuffer()),
    { type: response.headers.get('content-type'), headers: { 'user-agent': browserAgent } })
  t.equal(answer.json.status, 'stored')
  t.match(await world.leads(), [{ data: { fields: { file: { name: 'a.txt', type: 'text/plain', size: 1000 } } } }])
})
