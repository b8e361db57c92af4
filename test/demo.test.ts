// `postern demo` as its first visitor sees it, in a real browser; also takes the README's picture.
// A new picture: POSTERN_PICTURE=docs/demo.png node scripts/run.mjs file test/demo.test.ts
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t, { test, type Test } from 'tap'
import { chromium, type Page } from 'playwright-core'
import { browserAgent } from './gateway_world.ts'
import { freePort } from './faults/processes.ts'
import { chromiumArgs, chromiumPath, noBrowser } from './script_site.ts'

t.setTimeout(400_000)
const main = fileURLToPath(new URL('../main.ts', import.meta.url))
const landing = '/?fbclid=IwAR_demo_click_1&gclid=demo_click_2&ttclid=E.C.P.demo_click_3'

/** Starts the demo with an empty folder on free ports; the result is the site's address once it says that it runs. */
async function startDemo (t: Test): Promise<string> {
  const [port, adminPort, demoPort, fakesPort] = await Promise.all([freePort(), freePort(), freePort(), freePort()])
  const child = spawn(process.execPath, [main, 'demo'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      POSTERN_DATA: t.testdir(),
      PORT: String(port),
      POSTERN_ADMIN_PORT: String(adminPort),
      POSTERN_DEMO_PORT: String(demoPort),
      POSTERN_FAKES_PORT: String(fakesPort)
    }
  })
  const ended = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGTERM')
    await ended
  })
  let said = ''
  const runs = new Promise<string>(resolve => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (said.includes('Stop it with Ctrl-C')) resolve(said)
    })
  })
  t.match(await Promise.race([runs, ended.then(() => said)]), /Postern runs/)
  return `http://localhost:${demoPort}`
}

/** Sends the lead form and goes to its journey. */
async function sendLead (page: Page, siteUrl: string): Promise<void> {
  await page.goto(siteUrl + landing)
  await page.waitForFunction('typeof postern.track === "function" && typeof fbq.callMethod === "function"')
  const accept = page.locator('[data-consent-choice=granted]')
  if (await accept.isVisible()) await accept.click()
  const answers = { first_name: 'Anna', last_name: 'Schmidt', email: 'anna@example.com', phone: '0170 1234567' }
  for (const [name, value] of Object.entries(answers)) await page.fill(`form.card [name=${name}]`, value)
  await page.click('form.card button')
  await page.waitForURL('**/thanks?event_id=*')
  await page.click('[data-journey-link]')
}

const outcomeAt = (name: string, words: string) => `[data-network=${name}] .outcome:text-is("${words}")`

test('a lead at four networks, each counting once, and the switch to shadow', { skip: noBrowser }, async t => {
  const siteUrl = await startDemo(t)
  const browser = await chromium.launch({ executablePath: chromiumPath, args: [...chromiumArgs] })
  t.teardown(async () => await browser.close())
  const context = await browser.newContext({ userAgent: browserAgent, viewport: { width: 1280, height: 860 } })
  const page = await context.newPage()
  const failures: string[] = []
  page.on('pageerror', error => failures.push(error.message))

  await sendLead(page, siteUrl)
  await page.waitForSelector('text=Counted once at Meta, Google Ads, TikTok, and Google Analytics 4.')
  const outcomes = {
    meta: 'delivered', google_ads: 'accepted', tiktok: 'delivered', ga4: 'skipped: role not meant'
  }
  for (const [name, words] of Object.entries(outcomes)) await page.waitForSelector(outcomeAt(name, words))
  for (const name of ['meta', 'google_ads', 'tiktok']) {
    const steps = page.locator(`[data-network=${name}] .timeline`)
    await steps.getByText('A copy from Postern: known already, not counted again').waitFor()
  }
  const { POSTERN_PICTURE: picture } = process.env
  if (picture !== undefined) await page.screenshot({ path: picture, fullPage: true })

  await page.click('[data-network=tiktok] .mode button')
  await page.waitForSelector('[data-network=tiktok] .badge.shadow')
  await sendLead(page, siteUrl)
  await page.waitForSelector(outcomeAt('tiktok', 'skipped: shadow'))
  await page.waitForSelector(outcomeAt('meta', 'delivered'))
  t.same(failures, [])
})
