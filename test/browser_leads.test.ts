// Lead forms in a real Chromium: what they carry, that each lead goes once, and that no gateway can hold a form up.
import t, { test } from 'tap'
import type { Page } from 'playwright-core'
import { allGranted, collectorUrl, noBrowser, openScriptSite, siteUrl, stub, tag, until, type ScriptSite }
  from './script_site.ts'

t.setTimeout(400_000)

const click = '?fbclid=IwAR0a_B-c'
const html = (body: string) => `<html><head><title>Form</title>${stub}${tag}</head><body>${body}</body></html>`
const form = (attributes: string, fields = '') => `<form id="f" name="quote" method="post" ${attributes}>
  <input name="email" type="email" required value="a@example.com">${fields}<button id="send">s</button></form>`

interface Desk {
  site: ScriptSite
  page: Page
  show: (body: string) => Promise<void>
  /** The answers of each post to this path, as the server reads them. */
  received: (path: string) => Array<Record<string, string>>
}

async function openDesk (t: { teardown: (end: () => Promise<void>) => void }): Promise<Desk> {
  const site = await openScriptSite()
  t.teardown(() => site.close())
  const page = await (await site.open()).newPage()
  return {
    site,
    page,
    async show (body) {
      site.pages.set('/form', html(body))
      await page.goto(siteUrl + '/form' + click)
      await page.waitForFunction('typeof postern.track === "function"')
    },
    received: path => site.posts.filter(post => post.path === path)
      .map(post => Object.fromEntries(new URLSearchParams(post.body)))
  }
}

const grant = (page: Page) => page.evaluate(given => { window.postern?.('consent', given) }, allGranted)
const idPattern = /^e\d{13}\.\d+$/

test('a form for the owner\'s own server carries id and page, and after the grant the ids; the lead is an event', {
  skip: noBrowser
}, async t => {
  const { site, page, show, received } = await openDesk(t)
  await show(form('action="/thanks" data-postern-lead'))
  await page.click('#send')
  await page.waitForURL('**/thanks')
  const [before = {}] = received('/thanks')
  t.match(before, { email: 'a@example.com', postern_event_id: idPattern, postern_page: siteUrl + '/form' + click })
  t.same(Object.keys(before).filter(name => /click|fb|consent/.test(name)), [], 'nothing more before a grant')

  await show(form('action="/thanks" data-postern-lead data-postern-event="sign_up"'))
  await grant(page)
  await page.click('#send')
  await page.waitForURL('**/thanks')
  await until('the view and the lead', () => site.events().length === 2)
  const [, after = {}] = received('/thanks')
  t.match(after, {
    postern_consent_ad_storage: 'granted',
    postern_consent_ad_user_data: 'granted',
    postern_consent_ad_personalization: 'granted',
    postern_consent_analytics_storage: 'granted',
    postern_click_fbclid: 'IwAR0a_B-c',
    postern_fbp: /^fb\.1\.\d+\.\d+$/,
    postern_fbc: /^fb\.1\.\d+\.IwAR0a_B-c$/
  })
  const lead = site.events()[1]
  t.match(lead, { event_name: 'sign_up', event_id: after.postern_event_id, form_id: 'f', form_name: 'quote' })
  t.notMatch(JSON.stringify(site.events()), /a@example\.com/, 'no answer leaves by the event')
})

test('a form that posts to the gateway itself is a lead, and nothing is sent twice', { skip: noBrowser }, async t => {
  const { site, page, show, received } = await openDesk(t)
  await show(form(`action="${collectorUrl}/v1/leads?x=1" data-postern-lead`) + `<script>
    document.addEventListener('postern:event', ({ detail }) => { sessionStorage[detail.event_name] = detail.event_id })
    </script>`)
  await grant(page)
  await page.click('#send')
  await page.waitForURL('**/v1/leads?x=1')
  const [lead = {}] = received('/v1/leads')
  t.match(lead, { email: 'a@example.com', postern_event_id: idPattern, postern_click_fbclid: 'IwAR0a_B-c' })
  await page.goto(siteUrl + '/form')
  t.equal(await page.evaluate('sessionStorage.generate_lead'), lead.postern_event_id)
  await until('the second view', () => site.events().length === 2)
  t.same(site.events().map(event => event.event_name), ['page_view', 'page_view'])
  t.equal(received('/v1/leads').length, 1)
})

test('a copied form reaches the gateway without secrets, and the page\'s own submit goes on', {
  skip: noBrowser
}, async t => {
  const { site, page, show, received } = await openDesk(t)
  await show(form('action="/thanks" data-postern-lead="fetch"', `<input name="phone" value="+49 30 1">
    <input type="password" name="secret" value="hunter2"><input name="pan" autocomplete="billing cc-number"
    value="4111">
    <input name="cardNumber" value="4111"><input name="cvv" value="123"><input type="file" name="cv_file">
    <input name="credit_card" value="4111"><input name="user_pwd" value="hunter2">
    <input type="password" name="pin" data-postern-field="pin_code" value="1234">
    <input name="city" data-postern-field="city" value="Berlin"><input name="field_3" data-postern-field="region"
    value="BE">
    <input name="action" value="wp_form">`))
  await page.click('#send')
  await page.waitForURL('**/thanks')
  await until('the copy', () => received('/v1/leads').length === 1)
  const [own = {}] = received('/thanks')
  const [copy = {}] = received('/v1/leads')
  t.match(own, { secret: 'hunter2', pan: '4111', phone: '+49 30 1' })
  t.match(copy, { email: 'a@example.com', phone: '+49 30 1', action: 'wp_form', city: 'Berlin', region: 'BE' })
  t.equal(copy.postern_event_id, own.postern_event_id)
  const secrets = ['secret', 'pan', 'cardNumber', 'cvv', 'cv_file', 'credit_card', 'user_pwd', 'pin', 'pin_code']
  for (const name of [...secrets, 'field_3']) t.notOk(name in copy, name)
  t.match(site.posts.find(post => post.path === '/v1/leads')?.type, /^application\/x-www-form-urlencoded/)
  t.same(site.events(), [], 'the lead is no event of its own, and no consent was given')
})

test('a form is counted when it is sent: not while it is invalid, once per lead, with the page\'s own id', {
  skip: noBrowser
}, async t => {
  const { site, page, show } = await openDesk(t)
  await show(form('data-postern-lead', '<input type="hidden" name="postern_consent_ad_storage" value="by_page">') +
    '<script>f.onsubmit = () => false</script>')
  await grant(page)
  const leads = () => site.events().filter(event => event.event_name === 'generate_lead').map(event => event.event_id)
  await page.evaluate(`f.email.value = ""; invalid = 0; f.email.oninvalid = () => invalid++;
    f.dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }))`)
  t.equal(await page.evaluate('invalid'), 0, 'asking fires nothing into the page')
  await page.fill('[name=email]', 'b@example.com')
  await page.click('#send')
  await page.click('#send')
  await until('two submits of one lead', () => leads().length === 2)
  t.equal(new Set(leads()).size, 1)
  t.equal(await page.inputValue('[name=postern_consent_ad_storage]'), 'by_page')

  await page.evaluate('f.reset()')
  await page.click('#send')
  await until('the next lead', () => leads().length === 3)
  t.equal(new Set(leads()).size, 2)

  await show(form('data-postern-lead', '<input type="hidden" name="postern_event_id" value="server-7">'))
  await page.click('#send')
  await until('the lead of the server\'s id', () => leads().length === 4)
  t.equal(leads()[3], 'server-7')

  await show(form('action="/other"'))
  await page.click('#send')
  await page.waitForURL('**/other')
  t.notOk(site.posts.some(post => post.path === '/other' && post.body.includes('postern')), 'a form that is not ours')
})

test('a grant that is taken back empties what we filled', { skip: noBrowser }, async t => {
  const { page, show, received } = await openDesk(t)
  await show(form('action="/thanks" data-postern-lead') + '<script>f.onsubmit = () => false</script>')
  await grant(page)
  await page.click('#send')
  t.equal(await page.inputValue('[name=postern_click_fbclid]'), 'IwAR0a_B-c')
  await page.evaluate('postern.consent({ ad_storage: "denied", ad_user_data: "denied", analytics_storage: "denied" })')
  await page.evaluate('f.onsubmit = null')
  await page.click('#send')
  await page.waitForURL('**/thanks')
  t.match(received('/thanks')[0], {
    postern_click_fbclid: '', postern_fbp: '', postern_fbc: '', postern_consent_ad_storage: 'denied'
  })
})

test('a copy that has to be repeated carries what is allowed by then, and the page of its own time', {
  skip: noBrowser
}, async t => {
  const { site, page, show, received } = await openDesk(t)
  site.collector = 'is unavailable'
  const said = '<input type="hidden" name="postern_consent_ad_storage" value="by_page">'
  await show(form('data-postern-lead="fetch"', said) + '<script>f.onsubmit = () => false</script>')
  await grant(page)
  await page.click('#send')
  await until('the refused copy', () => received('/v1/leads').length > 0)
  const [refused = {}] = received('/v1/leads')
  t.match(refused, {
    postern_click_fbclid: 'IwAR0a_B-c', postern_fbp: /^fb\.1\./, postern_consent_ad_user_data: 'granted'
  })
  await page.evaluate(`history.pushState(null, '', '/thank-you')
    postern.consent({ ad_storage: false, ad_user_data: false, ad_personalization: false, analytics_storage: false })`)
  site.collector = 'answers'
  const tried = received('/v1/leads').length
  await until('the copy again', () => received('/v1/leads').length > tried)
  const again = received('/v1/leads')[tried]
  t.match(again, {
    email: 'a@example.com',
    postern_event_id: refused.postern_event_id,
    postern_page: refused.postern_page,
    postern_elapsed: refused.postern_elapsed,
    postern_click_fbclid: '',
    postern_fbp: '',
    postern_fbc: '',
    postern_consent_ad_user_data: 'denied',
    postern_consent_analytics_storage: 'denied',
    postern_consent_ad_storage: 'by_page'
  })
})

test('a form that the browser sends by GET carries none of our ids in its address; what a script reads has them', {
  skip: noBrowser
}, async t => {
  const { site, page, show } = await openDesk(t)
  const byGet = (attributes: string) => form(attributes, '<input type="hidden" name="postern_trap" value="">')
    .replace('method="post"', '')
  for (const [attributes, isCopied] of [['method="GET"', false], ['', true]] as const) {
    const before = site.posts.length
    await show(byGet(`action="/thanks" ${attributes} data-postern-lead${isCopied ? '="fetch"' : ''}`))
    await grant(page)
    await page.click('#send')
    await page.waitForURL('**/thanks?*')
    t.equal(new URL(page.url()).search, '?email=a%40example.com&postern_trap=', 'the page\'s own fields are its own')
    await until('the lead', () => site.posts.slice(before).some(post => isCopied
      ? post.path === '/v1/leads' && post.body.includes('postern_click_fbclid=IwAR0a_B-c')
      : post.path === '/v1/e' && post.body.includes('generate_lead')))
  }
  // A form without a method that a script posts: the same fields, whenever the script reads them.
  await show(byGet('data-postern-lead') + `<script>f.addEventListener('submit', event => {
    reads = [new FormData(f).has('postern_event_id')]
    event.preventDefault()
    setTimeout(() => reads.push(new FormData(f).has('postern_event_id')))
  })</script>`)
  await page.click('#send')
  await page.waitForFunction('reads.length === 2')
  t.same(await page.evaluate('reads'), [true, true])
})

for (const collector of ['hangs', 'cuts', 'is unavailable'] as const) {
  for (const mode of ['', 'fetch']) {
    test(`no form and no link waits while the collector ${collector} (lead by ${mode || 'event'})`, {
      skip: noBrowser
    }, async t => {
      const { site, page, show, received } = await openDesk(t)
      site.collector = collector
      const problems: string[] = []
      page.on('pageerror', error => problems.push(error.message))
      await show(form(`action="/thanks" data-postern-lead="${mode}"`))
      await grant(page)
      await page.click('#send')
      await page.waitForURL('**/thanks')
      t.equal(received('/thanks').length, 1)
      await show('<a href="/elsewhere">a</a>')
      await page.click('a')
      await page.waitForURL('**/elsewhere')
      t.same(problems, [])
      const tried = mode === 'fetch' ? '/v1/leads' : '/v1/e'
      await until('what was tried', () => site.posts.some(post => post.path === tried))
    })
  }
}

test('what a gateway could not take at first arrives when it can, once per id', { skip: noBrowser }, async t => {
  const { site, page, show, received } = await openDesk(t)
  site.collector = 'is unavailable'
  await show(form('data-postern-lead="fetch"') + '<script>f.onsubmit = () => false</script>')
  await grant(page)
  await page.click('#send')
  await until('the first tries', () => site.events().length > 0 && received('/v1/leads').length > 0)
  site.collector = 'answers'
  const refused = site.posts.length
  await until('the events and the lead again', () =>
    new Set(site.posts.slice(refused).map(post => post.path)).size === 2)
  t.equal(new Set(site.events().map(event => event.event_id)).size, 1)
  t.equal(new Set(received('/v1/leads').map(lead => lead.postern_event_id)).size, 1)
})
