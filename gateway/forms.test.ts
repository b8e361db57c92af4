// Lead posts in every form: what becomes the person, what stays an answer, what controls the lead.
import { test } from 'tap'
import { readJsonBody, readJsonOrForm, splitEvents } from './body.ts'
import { readLead, type LeadDraft } from './forms.ts'
import { personKeyOfField } from './person.ts'

const nowMs = Date.UTC(2026, 10, 23, 12)
const context = { receivedAtMs: nowMs, isSigned: false, newId: () => 'e-of-ours' }
const urlencoded = 'application/x-www-form-urlencoded'

async function readForm (body: string | Buffer, type: string, formEvents: Record<string,
  string> = {}): Promise<LeadDraft> {
  const parsed = await readJsonOrForm(Buffer.from(body), type)
  if ('error' in parsed) throw new Error(parsed.error.message)
  const lead = readLead(parsed.body, context, formEvents)
  if ('error' in lead) throw new Error(lead.error.message)
  return lead
}

test('field names are known in several languages, whatever form builders put around them', t => {
  const known: Record<string, string[]> = {
    email: ['email', 'E-Mail', 'your-email', 'email_address', 'form_fields[email]', 'wpforms[fields][mail]',
      'E-Mail-Adresse', 'courriel',
      'correo electrónico', 'indirizzo email', 'user_email', 'contact[email]', 'billing_email', 'customer.email',
      'emailAddress'],
    phone_number: ['phone', 'Telefon', 'Telefonnummer', 'tel', 'your-phone', 'téléphone', 'teléfono', 'cellulare',
      'telefoon', 'telemóvel',
      'numer telefonu', 'mobile_phone'],
    first_name: ['first_name', 'firstName', 'Vorname', 'prénom', 'nombre', 'nome', 'voornaam', 'imię', 'fname'],
    last_name: ['last-name', 'Nachname', 'nom', 'apellidos', 'cognome', 'achternaam', 'sobrenome', 'nazwisko',
      'surname'],
    full_name: ['name', 'your-name', 'full_name', 'naam', 'nom complet'],
    postal_code: ['zip', 'PLZ', 'Postleitzahl', 'code postal', 'código postal', 'CAP', 'postcode', 'kod pocztowy'],
    city: ['Ort', 'Stadt', 'ville', 'ciudad', 'città', 'plaats', 'cidade', 'miasto'],
    street: ['Straße', 'street', 'rue', 'calle', 'via', 'straat', 'rua', 'ulica'],
    country: ['Land', 'pays', 'país', 'country'],
    birth_date: ['Geburtsdatum', 'dob', 'date_of_birth']
  }
  for (const [key, names] of Object.entries(known)) {
    for (const name of names) t.equal(personKeyOfField(name), key, name)
  }
  for (const name of ['message', 'budget', 'username', 'company', 'email_optin', 'phone_model', 'opt[]', '__proto__',
    'x'.repeat(200), '']) {
    t.equal(personKeyOfField(name), undefined, name)
  }
  t.end()
})

test('an urlencoded form with its control fields', async t => {
  const body = new URLSearchParams([
    ['your-name', 'Anna Schmidt'], ['your-email', ' a@b.de '], ['Telefon', '0151 1234567'], ['message', 'Hällo'],
    ['interest[]', 'roof'], ['interest[]', 'solar'], ['gclid', 'hidden_gclid'], ['utm_source', 'x'],
    ['postern_event_id', 'form-1'], ['postern_page', 'https://www.example.com/offer?fbclid=abcd'], ['postern_next',
      'https://www.example.com/ok'],
    ['postern_consent_ad_storage', 'denied'], ['postern_consent_ad_storage', 'on'], ['postern_consent_ad_user_data',
      'Ich stimme zu'],
    ['postern_click_ttclid', 'tt_click'], ['postern_fbp', 'fb.1.1764000000000.1234567890'], ['postern_value',
      '150,00 €'],
    ['postern_form_id', 'callback'], ['postern_unheard_of', 'kept']
  ])
  const { draft, next, warnings } = await readForm(body.toString(), urlencoded, { callback: 'contact' })
  t.equal(draft.eventName, 'contact')
  t.equal(draft.eventId, 'form-1')
  t.equal(next, 'https://www.example.com/ok')
  t.match(draft.data, {
    page_location: 'https://www.example.com/offer?fbclid=abcd',
    value: 150,
    currency: 'EUR',
    form_id: 'callback',
    click_ids: { gclid: { value: 'hidden_gclid' }, ttclid: { value: 'tt_click' } },
    cookies: { _fbp: 'fb.1.1764000000000.1234567890' },
    consent: { ad_storage: 'granted', ad_user_data: 'denied' },
    user_data: {
      email: ['a@b.de'],
      phone_number: ['0151 1234567'],
      address: {
        first_name: 'Anna',
        last_name: 'Schmidt'
      }
    }
  })
  t.strictSame(draft.data.fields,
    {
      message: 'Hällo',
      'interest[]': ['roof', 'solar'],
      utm_source: 'x',
      postern_unheard_of: 'kept',
      'your-name': 'Anna Schmidt'
    })
  t.strictSame(warnings, [{ path: 'consent.ad_user_data', code: 'unreadable_taken_as_denied' }])
})

test('one box answers all four keys', async t => {
  const { draft } = await readForm('postern_consent=on&postern_consent_analytics_storage=no', urlencoded)
  t.strictSame(draft.data.consent,
    { ad_storage: 'granted', ad_user_data: 'granted', ad_personalization: 'granted', analytics_storage: 'denied' })
})

test('a name is split only where that is certain', async t => {
  const cases: [form: string, address: object | undefined, isKept: boolean][] = [
    ['name=Anna+Schmidt', { first_name: 'Anna', last_name: 'Schmidt' }, true],
    ['name=Schmidt,+Anna+Maria', { first_name: 'Anna Maria', last_name: 'Schmidt' }, true],
    ['name=Anna+Maria+Schmidt', undefined, true],
    ['name=Cher', undefined, true],
    ['name=Schmidt&vorname=Anna', { first_name: 'Anna', last_name: 'Schmidt' }, true],
    ['name=X+Y&first_name=Anna&last_name=Schmidt', { first_name: 'Anna', last_name: 'Schmidt' }, true]
  ]
  for (const [form, address, isKept] of cases) {
    const { draft } = await readForm(form, urlencoded)
    t.strictSame(draft.data.user_data?.address, address, form)
    t.equal(draft.data.fields?.name !== undefined, isKept, form)
  }
})

test('a multipart form keeps of its files the name, type and size', async t => {
  const form = new FormData()
  form.set('email', 'a@b.de')
  form.set('cv', new File(['secret content'], 'Lebenslauf ü.pdf', { type: 'application/pdf' }))
  form.set('none', new File([], ''))
  form.set('postern_event_id', 'm-1')
  const response = new Response(form)
  const { draft } = await readForm(Buffer.from(await response.arrayBuffer()), response.headers.get('content-type') ??
    '')
  t.equal(draft.eventId, 'm-1')
  t.strictSame(draft.data.fields, { cv: { name: 'Lebenslauf ü.pdf', type: 'application/pdf', size: 14 } })
  t.notOk(JSON.stringify(draft).includes('secret content'))
})

test('a JSON lead uses the event\'s own keys; the rest are answers', async t => {
  const body = {
    event_name: 'Lead',
    event_id: 'j-1',
    value: '9,50',
    email: 'a@b.de',
    user_data: { phone_number: '1' },
    budget: 5000,
    address: { street: 'S 1', city: 'Bonn' },
    fields: { color: 'red' },
    gclid: 'json_gclid',
    postern_next: 'https://x.example'
  }
  for (const type of ['application/json', 'text/plain', 'application/ld+json; charset=utf-8', urlencoded]) {
    const { draft, next } = await readForm(JSON.stringify(body), type)
    t.equal(draft.eventName, 'generate_lead')
    t.equal(next, 'https://x.example')
    t.match(draft.data, {
      value: 9.5,
      user_data: { email: ['a@b.de'], phone_number: ['1'], address: { street: 'S 1', city: 'Bonn' } },
      click_ids: { gclid: { value: 'json_gclid' } }
    })
    t.strictSame(draft.data.fields, { budget: 5000, color: 'red' })
  }
})

test('an answer that cannot be what its name says is still stored', async t => {
  const { draft } = await readForm(`email=${'x'.repeat(600)}&Telefon=`, urlencoded)
  t.equal(draft.data.user_data, undefined)
  t.equal(draft.data.fields?.email, 'x'.repeat(600))
})

test('a plain-text form, and one in another charset', async t => {
  t.strictSame((await readForm('email=a@b.de\r\nmessage=hello = there\r\n', 'text/plain')).draft.data.fields,
    { message: 'hello = there' })
  const latin = Buffer.from('{"message":"Gr\u00FC\u00DFe"}', 'latin1')
  t.strictSame((await readForm(latin, 'application/json; charset=iso-8859-1')).draft.data.fields, { message: 'Grüße' })
})

test('bodies that cannot be read say why, without quoting them', async t => {
  const cases: [body: string, type: string, read: typeof readJsonBody | typeof readJsonOrForm, code: string][] = [
    ['', 'application/json', readJsonBody, 'malformed_body'],
    ['{"email":"secret@b.de"', 'application/json', readJsonBody, 'malformed_body'],
    ['[', 'text/plain', readJsonOrForm, 'malformed_body'],
    ['['.repeat(40), 'text/plain', readJsonBody, 'malformed_body'],
    ['{"a":'.repeat(40) + '1' + '}'.repeat(40), 'application/json', readJsonOrForm, 'malformed_body'],
    ['--x\r\n\r\n', 'multipart/form-data; boundary=y', readJsonOrForm, 'malformed_body'],
    ['x', 'multipart/form-data', readJsonOrForm, 'malformed_body'],
    ['{}', 'application/json; charset=klingon', readJsonBody, 'malformed_body'],
    ['a=1', urlencoded, readJsonBody, 'unsupported_media_type'],
    ['<a/>', 'application/xml', readJsonOrForm, 'unsupported_media_type']
  ]
  for (const [body, type, read, code] of cases) {
    const result = await read(Buffer.from(body), type)
    t.match(result, { error: { code } }, `${type} ${body.slice(0, 20)}`)
    t.notOk(JSON.stringify(result).includes('secret'), 'is not quoted')
  }
  t.match(readJsonBody(Buffer.from(`{"a":"${'['.repeat(100)}\\"${'{'.repeat(100)}"}`)), { body: {} },
    'brackets in strings are no nesting')
})

test('a batch has 1 to 100 events', t => {
  t.match(splitEvents({ event_name: 'x' }), { isBatch: false, bodies: [{ event_name: 'x' }] })
  t.match(splitEvents({ sent_at: 5, events: [1, 2] }), { isBatch: true, sentAt: 5, bodies: [1, 2] })
  for (const json of [[], null, 1, { events: [] }, { events: {} }, { events: Array(101).fill({}) }]) {
    t.match(splitEvents(json), { error: { code: 'invalid_event' } }, JSON.stringify(json).slice(0, 30))
  }
  t.end()
})

test('what was typed is kept whole, also under a name that means something to us', async t => {
  const typed = { message: 'x'.repeat(5000), url: 'www.my-firm.de', value: 'around 5k' }
  const { draft } = await readForm(JSON.stringify({ email: 'a@b.de', ...typed }), 'application/json')
  t.match(draft.data.fields, typed)
})

test('the time trap and the honeypot are no answers of the visitor\'s', async t => {
  const cases: [form: string, params: object | undefined][] = [
    ['postern_elapsed=5321&postern_trap=', { form_elapsed_ms: '5321' }],
    ['postern_elapsed=12&postern_trap=http%3A%2F%2Fspam.example', { form_elapsed_ms: '12', form_trap: 'filled' }],
    ['postern_trap=', undefined]
  ]
  for (const [form, params] of cases) {
    const read = await readForm(`message=hi&${form}`, 'application/x-www-form-urlencoded')
    t.same(read.draft.data.params, params, form)
    t.same(read.draft.data.fields, { message: 'hi' }, form)
  }
})
