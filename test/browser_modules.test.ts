// The modules that a site can have on top of the script, in a real Chromium, against stand-ins for what they listen to.
import t, { test } from 'tap'
import { readdirSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { scriptModuleNames } from '../schema/script_modules.ts'
import { allGranted, collectorUrl, noBrowser, openScriptSite, siteUrl, stub, tag, until, type ScriptSite }
  from './script_site.ts'

t.setTimeout(400_000)

const html = (head: string, body = '', script = tag) =>
  `<html><head><title>Page</title>${stub}${head}${script}</head><body>${body}</body></html>`

interface Desk { site: ScriptSite, page: Page, show: (head: string, body?: string, script?: string) => Promise<void> }

async function openDesk (
  t: { teardown: (end: () => Promise<void>) => void }, modules: string[], consent: 'opt_in' | 'opt_out' = 'opt_out'
): Promise<Desk> {
  const site = await openScriptSite({ consent }, modules)
  t.teardown(() => site.close())
  const page = await (await site.open()).newPage()
  return {
    site,
    page,
    async show (head, body, script) {
      site.pages.set('/page', html(head, body, script))
      await page.goto(siteUrl + '/page')
      await page.waitForFunction('typeof postern.track === "function"')
    }
  }
}

const named = (site: ScriptSite, name: string) => site.events().filter(event => event.event_name === name)

test('the modules are those that the settings name', async t => {
  const files = readdirSync(new URL('../gateway/browser/dist/modules/', import.meta.url))
  t.same(files.map(file => file.replace(/\.js$/, '')).sort(), [...scriptModuleNames].sort())
})

test('links: contacts, downloads and other sites are reported, and the click goes on', { skip: noBrowser }, async t => {
  const { site, page, show } = await openDesk(t, ['links'])
  await show('', `<a href="tel:+49301">t</a><a href="mailto:a@example.com?subject=x">m</a>
    <a href="https://wa.me/49301?text=hi"><b id="wa">w</b></a><a href="/price.PDF?token=secret" id="pdf">p</a>
    <a href="https://shop.other.example/x?token=secret#y" id="out">o</a><a href="/next" id="in">i</a><a>none</a>
    <svg><a href="https://svg.example/"><text y="20" id="svg">s</text></a></svg>
    <script>addEventListener('click', event => { if (event.target.id !== 'in') event.preventDefault() })</script>`)
  for (const link of ['text=t', 'text=m', '#wa', '#pdf', '#out', 'text=none', '#svg', '#in']) {
    await page.click(link)
  }
  await page.waitForURL('**/next')
  await until('all of them', () => site.events().length === 6)
  t.same(site.events().slice(1).map(({ event_name: name, method, link_url: url, link_domain: domain }) =>
    [name, method ?? url, domain]), [
    ['contact', 'phone', undefined], ['contact', 'email', undefined], ['contact', 'whatsapp', undefined],
    ['file_download', siteUrl + '/price.PDF', undefined], ['click', 'https://shop.other.example/x', 'shop.other.example']
  ])
})

test('engagement: one event per stay, when the page is left', { skip: noBrowser }, async t => {
  const { site, page, show } = await openDesk(t, ['engagement'])
  await show('', '<div style="height: 9000px">long</div>')
  await page.evaluate('scrollTo(0, 4500)')
  await page.waitForFunction('performance.now() > 2500')
  await page.goto(siteUrl + '/elsewhere')
  await until('the engagement', () => named(site, 'user_engagement').length === 1)
  const [stay] = named(site, 'user_engagement')
  t.ok(Number(stay?.engagement_time_msec) > 1000)
  t.ok(Number(stay?.percent_scrolled) > 40 && Number(stay?.percent_scrolled) < 70, `${stay?.percent_scrolled}`)
})

/** Meta's own stub, and what its library does when it has loaded. */
const fbqStub = `<script>calls = []
  fbq = function () { fbq.callMethod ? fbq.callMethod.apply(fbq, arguments) : fbq.queue.push(arguments) }
  fbq.queue = []; fbq.loaded = true
  loadFbq = () => { fbq.callMethod = function () { calls.push(Array.from(arguments)) }
    while (fbq.queue.length) fbq.callMethod(...fbq.queue.shift()) }</script>`

test('tags: what the page\'s own pixel was seen doing with an event', { skip: noBrowser }, async t => {
  const cases: Array<[what: string, act: string, state: string]> = [
    ['its own call without an id', 'fbq("track", "Lead", {})', 'sent_without_id'],
    ['its own call under the same id', 'fbq("track", "Lead", {}, { eventID: "id-1" })', 'sent_with_id'],
    ['its own call under another id', 'fbq("track", "Lead", {}, { eventID: "other" })', 'sent_other_id'],
    ['a call for one of several pixels', 'fbq("trackSingle", "1", "Lead", {}, { eventID: "id-1" })', 'sent_with_id'],
    ['another event', 'fbq("track", "Purchase", {})', 'unknown'],
    ['nothing', '', 'unknown']
  ]
  for (const isLoaded of [true, false]) {
    const { site, page, show } = await openDesk(t, ['tags'])
    for (const [what, act, state] of cases) {
      await show(fbqStub)
      const before = named(site, 'generate_lead').length
      if (isLoaded) await page.evaluate('loadFbq()')
      await page.evaluate(`postern.track('generate_lead', { event_id: 'id-1' }); ${act}`)
      await until(what, () => named(site, 'generate_lead').length > before)
      t.equal(named(site, 'generate_lead').at(-1)?.browser_tags.meta, state, `${what}, loaded: ${isLoaded}`)
    }
    t.ok(await page.evaluate('loadFbq(); fbq("track", "Contact"); calls.at(-1)[1] === "Contact"'), 'the pixel works')
  }
})

test('tags: a pixel that never came is blocked, none at all is absent, and both only when the page has settled', {
  skip: noBrowser
}, async t => {
  const { site, page, show } = await openDesk(t, ['tags'])
  const stateOf = async (name: string) => {
    await page.evaluate(given => { window.postern?.track?.(given) }, name)
    await until(name, () => named(site, name).length === 1)
    return named(site, name)[0]?.browser_tags
  }
  const later = async () => {
    await page.evaluate('const real = Date.now; Date.now = () => real() + 4000')
  }
  await show(fbqStub + '<script>function gtag(){dataLayer.push(arguments)}; dataLayer = []</script>')
  t.match(await stateOf('early'), { meta: 'unknown', google_ads: 'unknown', tiktok: 'unknown' })
  await later()
  t.match(await stateOf('late'),
    { meta: 'blocked', google_ads: 'blocked', ga4: 'blocked', tiktok: 'absent', x: 'absent' })
  await page.evaluate('google_tag_data = {}; loadFbq()')
  await page.evaluate('gtag("event", "conversion", { transaction_id: "9" })')
  t.match(await stateOf('loaded'), { meta: 'unknown', google_ads: 'sent_other_id', ga4: 'unknown' })
})

test('tags: calls those that data-tags names, under the same id, once, with nothing personal, after the grant', {
  skip: noBrowser
}, async t => {
  const { site, page, show } = await openDesk(t, ['tags'], 'opt_in')
  const others = `<script>tiktok = []; ttq = { track: (...given) => tiktok.push(given) }; google = []
    function gtag () { google.push(Array.from(arguments)) }; loadFbq()</script>`
  const script = `<script async src="${collectorUrl}/s.js" data-tags="meta tiktok google"></script>`
  await show(fbqStub + others, '', script)
  await page.evaluate(`postern.track('generate_lead', { event_id: 'lead-1', value: 5, currency: 'EUR',
    user_data: { email: 'a@example.com' } })`)
  t.same(await page.evaluate('[calls, tiktok, google]'), [[], [], []], 'not before the grant')
  await page.evaluate(given => { window.postern?.('consent', given) }, allGranted)
  await until('the lead', () => named(site, 'generate_lead').length === 1)
  await page.evaluate(`postern.track('generate_lead', { event_id: 'lead-1' }); postern.track('my_own')
    postern.track('purchase', { transaction_id: 7, value: 9, currency: 'EUR', items: [{ item_id: 'a' }] })`)
  await until('the purchase', () => named(site, 'purchase').length === 1)
  t.same(await page.evaluate('calls'), [
    ['track', 'Lead', { value: 5, currency: 'EUR' }, { eventID: 'lead-1' }],
    ['track', 'Purchase', { value: 9, currency: 'EUR' }, { eventID: 'purchase.7' }]
  ])
  t.same(await page.evaluate('tiktok'), [
    ['Lead', { value: 5, currency: 'EUR' }, { event_id: 'lead-1' }],
    ['Purchase', { value: 9, currency: 'EUR' }, { event_id: 'purchase.7' }]
  ])
  t.match(await page.evaluate('google'), [
    ['event', 'generate_lead', { transaction_id: 'lead-1' }],
    ['event', 'purchase', { transaction_id: 7, items: [{ item_id: 'a' }] }]
  ])
  t.match(named(site, 'purchase')[0]?.browser_tags, { meta: 'sent_with_id', tiktok: 'sent_with_id' })
  await page.evaluate('fbq("track", "Contact", {}); postern.track("contact", { event_id: "c-1" })')
  await until('the contact', () => named(site, 'contact').length === 1)
  t.equal(await page.evaluate('calls.filter(call => call[1] === "Contact").length'), 1, 'the page had called it itself')
  t.equal(named(site, 'contact')[0]?.browser_tags.meta, 'sent_without_id')
})

test('consent platforms: no opinion before an answer, then the visitor\'s own', { skip: noBrowser }, async t => {
  const granted = allGranted
  const onlyStatistics =
    { ad_storage: 'denied', ad_user_data: 'denied', ad_personalization: 'denied', analytics_storage: 'granted' }
  const cases: Array<[module: string, page: string, answer: string, consent: Record<string, string>]> = [
    ['tcf', '__tcfapi = (command, version, hear) => { tell = hear; hear({ eventStatus: "cmpuishown" }, true) }',
      'tell({ eventStatus: "useractioncomplete", purpose: { consents: { 1: true, 7: true, 8: true } } }, true)',
      { ...granted, ad_personalization: 'denied' }],
    ['cookiebot', 'Cookiebot = { hasResponse: false, consent: { marketing: false, statistics: false } }',
      'Cookiebot = { hasResponse: true, consent: { marketing: true, statistics: true } }; ' +
      'dispatchEvent(new Event("CookiebotOnAccept"))', granted],
    ['onetrust', 'OnetrustActiveGroups = ",C0001,"; OneTrust = { IsAlertBoxClosed: () => false, ' +
      'OnConsentChanged: on => { changed = on } }',
    'OneTrust.IsAlertBoxClosed = () => true; OnetrustActiveGroups = ",C0001,C0002,"; changed()', onlyStatistics],
    ['usercentrics', '__ucCmp = { getConsentDetails: async () => ({ categories: ' +
      '{ marketing: { state: "ALL_DENIED" }, functional: { state: "ALL_ACCEPTED" } } }) }',
    'dispatchEvent(new CustomEvent("UC_UI_CMP_EVENT", { detail: { type: "SAVE" } }))', onlyStatistics],
    ['complianz', '', 'document.cookie = "cmplz_marketing=allow"; document.cookie = "cmplz_statistics=allow"; ' +
      'document.dispatchEvent(new Event("cmplz_status_change"))', granted]
  ]
  for (const [module, head, answer, consent] of cases) {
    const { site, page, show } = await openDesk(t, [module], 'opt_in')
    await show(`<script>${head}</script>`)
    await page.evaluate('postern.track("search")')
    t.same(site.posts, [], `${module} has no opinion yet`)
    await page.evaluate(answer)
    await until(`${module}'s answer`, () => site.events().length === 2)
    t.same(site.events()[0]?.consent, consent, module)
  }
})

test('forms of WordPress plugins and in frames are leads when they say so, once', { skip: noBrowser }, async t => {
  const { site, page, show } = await openDesk(t, ['wordpress_forms', 'embedded_forms'])
  // As jQuery hands events on: the handlers of the document, with the event and what was triggered with it.
  const jQuery = '<script>handlers = {}; jQuery = () => ({ on: (kind, hear) => { handlers[kind] = hear } })</script>'
  await show(jQuery, `<div id="cf7"><form></form></div><form id="el" name="offer" data-postern-event="sign_up"></form>
    <form id="gform_3"></form><form id="wp" data-formid="9"></form><form id="own" data-postern-lead></form>`)
  await page.evaluate(`
    for (let twice = 0; twice < 2; twice++) cf7.dispatchEvent(
      new CustomEvent('wpcf7mailsent', { bubbles: true, detail: { contactFormId: 12 } }))
    handlers.submit_success({ target: el })
    handlers.gform_confirmation_loaded({}, 3)
    handlers.wpformsAjaxSubmitSuccess({ target: wp })
    handlers.wpformsAjaxSubmitSuccess({ target: own })
    handlers.nfFormSubmitResponse({}, { id: 4 })
    dispatchEvent(new CustomEvent('hs-form-event:on-submission:success', { detail: { formId: 'hs-1' } }))
    const say = (origin, data) => dispatchEvent(new MessageEvent('message', { origin, data }))
    say(location.origin, { type: 'hsFormCallback', eventName: 'onFormSubmitted', id: 'hs-2' })
    say('https://form.typeform.com', { type: 'form-submit', formId: 'tf-1' })
    say('https://calendly.com', { event: 'calendly.event_scheduled' })
    say('https://calendly.com.evil.example', { event: 'calendly.event_scheduled' })
    say('https://evil.example', { type: 'form-submit', formId: 'x' }); say('https://evil.example', null)`)
  await until('all of them', () => site.events().length === 10)
  t.same(site.events().slice(1).map(event => [event.event_name, event.form_id, event.form_name].join(' ')), [
    'generate_lead 12 contact-form-7', 'sign_up offer elementor', 'generate_lead 3 gravity-forms',
    'generate_lead 9 wpforms', 'generate_lead 4 ninja-forms', 'generate_lead hs-1 hubspot',
    'generate_lead hs-2 hubspot', 'generate_lead tf-1 typeform', 'schedule calendly calendly'
  ])
})

test('cookies: the networks\' own out of the page, by what each choice allows', { skip: noBrowser }, async t => {
  const { site, page, show } = await openDesk(t, ['cookies'], 'opt_in')
  await page.context().addCookies(['_fbp', '_gcl_aw', '_ga', 'session'].map(name =>
    ({ name, value: 'x.1.2.3', domain: 'www.example.com', path: '/' })))
  await show('')
  await page.evaluate('postern.consent({ analytics_storage: "granted", ad_storage: "denied" })')
  await until('the view', () => site.events().length === 1)
  t.same(site.events()[0]?.cookies, { _ga: 'x.1.2.3' })
  await page.evaluate('postern.consent({ ad_storage: "granted" }); postern.track("search")')
  await until('the search', () => site.events().length === 2)
  t.match(site.events()[1]?.cookies, { _ga: 'x.1.2.3', _gcl_aw: 'x.1.2.3', _fbp: 'x.1.2.3' })
  t.notOk('session' in (site.events()[1]?.cookies ?? {}))
})
