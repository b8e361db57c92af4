// The demo site in a real browser: banner, form, pixel and journey play together, with scripts and without.
import { test } from 'tap'
import { existsSync } from 'node:fs'
import { chromium, type BrowserContext, type BrowserContextOptions } from 'playwright-core'
import { startFakeNetworks } from '../networks/fake_networks.ts'
import { startDemoSite } from './demo_site.ts'
import { startStandInGateway } from './stand_in_gateway.ts'

interface T { teardown (clean: () => unknown): void }
const executablePath = process.env.POSTERN_TEST_CHROMIUM ?? '/usr/bin/chromium'
const skip = existsSync(executablePath) ? false : 'needs Chromium'

async function start (t: T) {
  const [fakes, gateway] = [await startFakeNetworks(), await startStandInGateway()]
  const networks = () => [{ name: 'meta', type: 'meta', title: 'Meta', mode: 'live' }]
  const site = await startDemoSite({ port: 0, gatewayUrl: gateway.url, fakesUrl: fakes.url, networks })
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--no-first-run'] })
  t.teardown(async () => {
    await browser.close()
    await Promise.all([site.close(), gateway.close(), fakes.close()])
  })
  const failures: string[] = []
  return {
    site,
    gateway,
    fakes,
    failures,
    async open (path: string, options: BrowserContextOptions = {}) {
      const context = await browser.newContext(options)
      const page = await context.newPage()
      page.on('pageerror', error => failures.push(error.message))
      page.on('console', line => { if (line.type() === 'error') failures.push(line.text()) })
      await page.goto(site.url + path)
      return { context, page }
    },
    sent: (name: string) => fakes.received().filter(receipt => receipt.event_name === name)
  }
}

const cookieNames = async (context: BrowserContext): Promise<string[]> =>
  (await context.cookies()).map(({ name }) => name).sort()

async function until (isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(resolve => setImmediate(resolve))
}

type Page = Awaited<ReturnType<BrowserContext['newPage']>>
async function submit (page: Page): Promise<void> {
  const answers = { first_name: 'Erika', last_name: 'Muster', email: 'erika@example.com' }
  for (const [name, value] of Object.entries(answers)) {
    await page.fill(`main form [name=${name}]`, value)
  }
  await page.click('main form button')
  await page.waitForURL('**/thanks?event_id=*')
}

test('accepted: the pixel sends its copy under the id of the form, and the journey shows it', { skip }, async t => {
  const { open, sent, gateway, failures } = await start(t)
  const { context, page } = await open('/?fbclid=IwZXh0bg_aem_-Ab')
  t.ok(await page.isVisible('#consent'))
  t.strictSame(await cookieNames(context), [], 'nothing before the choice')
  await page.click('[data-consent-choice=granted]')
  await until(() => sent('PageView').length === 1)
  t.strictSame(await cookieNames(context), ['_fbc', '_fbp'])
  await submit(page)
  await until(() => sent('Lead').length === 1)
  const [lead] = gateway.leads
  const id = lead?.get('postern_event_id')
  t.match(sent('Lead'), [{ source: 'browser', event_id: id, verdict: 'counted' }])
  t.match(sent('Lead')[0]?.body, {
    id: '1234567890', fbp: /^fb\.0\.\d{13}\.\d+$/, fbc: /^fb\.0\.\d{13}\.IwZXh0bg_aem_-Ab$/, dl: /fbclid=/
  })
  t.match(lead?.get('postern_next'), /\/thanks\?event_id=ev-/)
  t.notOk(await page.isVisible('#consent'), 'the banner asks once')
  await page.click('[data-journey-link]')
  await page.waitForSelector('text=Counted once at Meta.')
  t.match(await page.textContent('[data-network=meta]'), /A copy from the page's own tag: counted/)
  t.strictSame(failures, [])
})

test('declined: the form works, the pixel is silent, no cookie is set', { skip }, async t => {
  const { open, gateway, fakes, failures } = await start(t)
  const { context, page } = await open('/?fbclid=IwZXh0bg')
  await page.click('[data-consent-choice=denied]')
  t.equal(await page.evaluate('window.said.ad_user_data'), 'denied')
  await submit(page)
  await page.waitForLoadState('networkidle')
  t.equal(gateway.leads.length, 1)
  t.strictSame([fakes.received(), await cookieNames(context)], [[], []])
  t.equal(await page.evaluate('window.said.ad_storage'), 'denied', 'the next page knows it')
  await page.click('[data-open-consent]')
  await page.click('[data-consent-choice=granted]')
  await until(() => fakes.received().length > 0)
  t.match(fakes.received(), [{ event_name: 'PageView' }], 'a later yes counts from here on')
  t.strictSame(failures, [])
})

test('a purchase is reported with its value whenever its page is shown, and counted once', { skip }, async t => {
  const { open, sent } = await start(t)
  const { page } = await open('/shop')
  await page.click('[data-consent-choice=granted]')
  await page.click('[name=buy]')
  await until(() => sent('Purchase').length === 1)
  await page.reload()
  await until(() => sent('Purchase').length === 2)
  const order = new URL(page.url()).searchParams.get('order')
  t.match(sent('Purchase'), [{ event_id: `purchase.${order}`, verdict: 'counted' }, { verdict: 'deduplicated' }])
  t.match(sent('Purchase')[0]?.body, { cd: { value: '149.9', currency: 'EUR' } })
})

test('without scripts the offer leads to a form that works', { skip }, async t => {
  const { open, gateway, fakes } = await start(t)
  const { page } = await open('/?gclid=Cj0-abc', { javaScriptEnabled: false })
  await page.click('noscript a')
  await page.check('[name=postern_consent_ad_user_data]')
  await submit(page)
  const [lead] = gateway.leads
  t.match(lead?.get('postern_page'), /\/nojs\?gclid=Cj0-abc$/)
  t.match(lead?.get('postern_event_id'), /^lead-/)
  t.strictSame(lead?.getAll('postern_consent_ad_user_data'), ['granted'])
  t.notOk(lead?.has('postern_consent_ad_storage'))
  t.strictSame(fakes.received(), [])
})

test('fits a small phone without scrolling sideways', { skip }, async t => {
  const { open } = await start(t)
  for (const path of ['/', '/nojs', '/shop', '/thanks?event_id=a', `/journey?event_id=${'x'.repeat(200)}`]) {
    const { page } = await open(path, { viewport: { width: 320, height: 640 } })
    t.equal(await page.evaluate('document.documentElement.scrollWidth'), 320, path)
  }
})
