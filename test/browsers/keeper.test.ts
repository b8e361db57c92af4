// WebKit with ITP: what a page's tags write themselves ends after a week; what the gateway keeps for them does not.
import t, { test, type Test } from 'tap'
import { allDenied, allGranted, collectorUrl, siteUrl, stub } from '../script_site.ts'
import type { BrowserCookie, Driver, Tab } from './driver.ts'
import { noWebkit, openWebkit } from './webkit.ts'
import { until } from './until.ts'
import { browserWorld, type BrowserWorld } from './world.ts'

t.setTimeout(400_000)

const dayMs = 86_400_000

/**
 * As the networks' scripts do: each page reads the ids that are there and writes them again for their whole life, some
 * time after our script has begun. `other` is kept by nobody.
 */
const tags = `<script>
  window.fbq = function () {}
  const write = (name, value, days) => {
    const found = document.cookie.split('; ').find(pair => pair.startsWith(name + '='))
    document.cookie = (found ?? name + '=' + value) + ';Max-Age=' + days * 86400 +
      ';Path=/;Domain=example.com;SameSite=Lax'
  }
  const tenDaysAgo = Date.now() - 10 * ${dayMs}
  const runTags = () => {
    write('_ga', 'GA1.1.464578767.' + Math.floor(tenDaysAgo / 1000), 730)
    write('_fbp', 'fb.1.' + tenDaysAgo + '.1234567890', 90)
    write('_ttp', '01KTWH5QXGXEMB5JTKC82JZMR9_.tt.1', 390)
    write('other', 'x', 730)
    window.haveRun = true
  }
</script>`
const run = '<script>setTimeout(runTags, 300)</script>'
const choose = (choice: object) => `postern("consent", ${JSON.stringify(choice)})`

const button = (id: string, choice: object) => `<button id="${id}" onclick='${choose(choice)}'>${id}</button>`

function page (base: string, body: string): string {
  return `<!doctype html><title>Page</title>${stub}${tags}${body}<script async src="${base}/s.js"></script>
    ${button('yes', allGranted)}${button('no', allDenied)}`
}

const numbers = [1, 2, 3, 4, 5]
const pages = new Map([['', collectorUrl], ['/inside', `${siteUrl}/_p`]].flatMap(([folder = '', base = '']) => [
  ...numbers.map(number => [`${folder}/page${number}`, page(base, run)] as const),
  [`${folder}/quiet`, page(base, '')] as const
]))

interface Visit { driver: Driver, world: BrowserWorld, tab: Tab, folder: string }

async function jarOf ({ driver, tab }: Visit): Promise<Partial<Record<string, BrowserCookie>>> {
  return Object.fromEntries((await driver.cookies(tab)).map(cookie => [cookie.name, cookie]))
}

const viewsOf = async (world: BrowserWorld, path: string) =>
  (await world.events()).filter(({ event_name: name, data }) =>
    name === 'page_view' && data.page_location === siteUrl + path).length

/** Goes to a page, and waits until its tags have written their cookies. */
async function land ({ tab, folder }: Visit, path: string): Promise<void> {
  await tab.visit(siteUrl + folder + path)
  await until('the tags', async () => await tab.run('window.haveRun'), haveRun => haveRun === true)
}

const sent = async ({ world, folder }: Visit, path: string) =>
  await until(`the view of ${path}`, async () => await viewsOf(world, folder + path), count => count > 0)

const isAbout = (found: number | undefined, wanted: number) => found !== undefined && Math.abs(found - wanted) < 0.6

async function keepFor (t: Test, visit: Visit): Promise<void> {
  const { tab } = visit
  await land(visit, '/page1')
  const before = await jarOf(visit)
  for (const name of ['_ga', '_fbp', '_ttp', 'other']) {
    t.ok(isAbout(before[name]?.days, 7), `${name}: what a script sets for longer ends after a week`)
  }
  t.equal(before._pstn_k, undefined, 'nothing of ours before the grant')
  await until('the script', async () => await tab.run('typeof postern.track'), found => found === 'function')
  await tab.click('#yes')
  await sent(visit, '/page1')
  for (const number of numbers.slice(1)) await land(visit, `/page${number}`)
  await sent(visit, '/page5')

  const kept = { _ga: 400, _fbp: 80, _ttp: 389.5 }
  const after = await until('the answer to the fifth page', async () => await jarOf(visit), jar =>
    Object.keys(kept).every(name => (jar[name]?.days ?? 0) > 7.5))
  for (const [name, days] of Object.entries(kept)) {
    t.equal(after[name]?.value, before[name]?.value, `${name}: unchanged`)
    t.ok(isAbout(after[name]?.days, days), `${name}: ${after[name]?.days?.toFixed(1)} of ${days} days`)
    t.match(after[name], { domain: '.example.com', httpOnly: false, sameSite: 'Lax', secure: true })
    t.equal((await visit.driver.cookies(tab)).filter(cookie => cookie.name === name).length, 1, `${name}: replaced`)
  }
  t.ok(isAbout(after.other?.days, 7), 'a cookie that nobody keeps still ends after a week')
  t.match(after._pstn_k, { httpOnly: true, domain: '.example.com' })
}

async function forget (t: Test, visit: Visit): Promise<void> {
  const { tab } = visit
  await tab.run('document.cookie = "_ga=;Max-Age=0;Path=/;Domain=example.com"')
  await tab.visit(`${siteUrl}${visit.folder}/quiet`)
  await sent(visit, '/quiet')
  const jar = await jarOf(visit)
  t.equal(jar._ga, undefined, 'what the visitor deleted stays deleted')
  t.ok((jar._fbp?.days ?? 0) > 8)

  // The revoke is told after the answer to the view.
  await tab.click('#no')
  const left = await until('the cookies to go', async () => Object.keys(await jarOf(visit)).sort(), names =>
    names.join() === 'other')
  t.same(left, ['other'], 'after a revoke what was kept is gone')
  // Tags that ignore the choice write on; nobody keeps it for them.
  await land(visit, '/page1')
  t.ok(isAbout((await jarOf(visit))._ga?.days, 7))
  await tab.run('document.cookie = "_ga=;Max-Age=0;Path=/;Domain=example.com"')
}

test('ids of a page\'s tags in WebKit with ITP', { skip: noWebkit }, async t => {
  const world = await browserWorld(t, pages)
  const driver = await openWebkit(world.proxy)
  t.teardown(driver.close)
  for (const [name, folder] of [['a gateway on its own subdomain', ''], ['a gateway inside the site', '/inside']]) {
    await t.test(`${name}: five pages`, async t => {
      const visit = { driver, world, tab: await driver.open(), folder: folder ?? '' }
      await keepFor(t, visit)
      await forget(t, visit)
      await visit.tab.run(`'_fbp _ttp other'.split(' ').map(name => {
        document.cookie = name + '=;Max-Age=0;Path=/;Domain=example.com'
      })`)
      await visit.tab.close()
    })
  }
})
