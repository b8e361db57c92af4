// Three real browsers against the whole product: what they store, what they send, and that each event arrives once.
import t, { test, type Test } from 'tap'
import { siteUrl } from '../script_site.ts'
import { browsers, type Browser, type BrowserCookie, type Driver, type Tab } from './driver.ts'
import { clicks, landing, pages } from './pages.ts'
import { until } from './until.ts'
import { browserWorld, type BrowserWorld, type StoredEvent } from './world.ts'

t.setTimeout(400_000)

interface Visit { browser: Browser, driver: Driver, world: BrowserWorld }

/** Goes to a page of the site and waits until the script has taken the stub's place. */
async function land (tab: Tab, path: string): Promise<void> {
  await tab.visit(siteUrl + path)
  await until('the script', async () => await tab.run('typeof postern.track'), found => found === 'function')
}

const isAt = async (tab: Tab, path: string) =>
  await until(path, async () => {
    try {
      return await tab.run('location.pathname + " " + document.readyState')
    } catch (error) {
      // Between two pages there is none that could answer.
      return String(error)
    }
  }, found => found === `${path} complete`)

function countNames (rows: readonly StoredEvent[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { event_name: name } of rows) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

const total = (counts: Record<string, number>) => Object.values(counts).reduce((sum, count) => sum + count, 0)
const jarOf = async (driver: Driver, tab: Tab): Promise<Record<string, BrowserCookie>> =>
  Object.fromEntries((await driver.cookies(tab)).map(cookie => [cookie.name, cookie]))

/** Waits until the worker has nothing left to decide or send, waiting conversions included. */
async function finishDeliveries (world: BrowserWorld): Promise<void> {
  await until('the worker', async () => {
    await world.endSettling()
    const { rows } = await world.pool.query<{ open: number }>(`SELECT (SELECT count(*) FROM unrouted_batches)::int +
      (SELECT count(*) FROM deliveries WHERE state = 'waiting')::int AS open`)
    return rows[0]?.open
  }, open => open === 0)
}

/** What a page asks of trackers, under their own names and as a first party: the last must be blocked by its path. */
const trackers = ['https://connect.facebook.net/en_US/fbevents.js', 'https://www.google-analytics.com/g/collect?v=2',
  `${siteUrl}/com.snowplowanalytics.snowplow/tp2`, 'https://t.example.com/matomo.php']

async function askTrackers (tab: Tab): Promise<unknown> {
  return await tab.run(`Promise.all(${JSON.stringify(trackers)}.map(url =>
    fetch(url, { mode: 'no-cors' }).then(() => 'came', () => 'blocked')))`)
}

async function checkBlocker (t: Test, { browser, driver, world }: Visit): Promise<void> {
  const tab = await driver.open()
  await tab.visit(`${siteUrl}/thanks`)
  const wanted = trackers.map(() => browser.blocks ? 'blocked' : 'came')
  // The extension reads its lists for some seconds.
  await until('the blocker', async () => await askTrackers(tab), found => String(found) === String(wanted))
  world.asked.length = 0
  t.same(await askTrackers(tab), wanted)
  const arrived = trackers.filter(url => world.asked.some(line => line.endsWith(url.replace('https://', ' '))))
  t.same(arrived, browser.blocks ? [] : trackers, 'what was blocked has not left the browser')
  await tab.close()
}

for (const browser of browsers) {
  test(browser.name, { skip: browser.missing }, async t => {
    const world = await browserWorld(t, pages)
    const driver = await browser.open(world.proxy)
    t.teardown(driver.close)
    const visit = { browser, driver, world }
    await t.test('trackers are blocked where there is a blocker', async t => await checkBlocker(t, visit))
    await t.test('without a grant a whole visit leaves the lead alone', async t => await visitWithoutGrant(t, visit))
    await t.test('the grant sends what waited, and sets the cookies', async t => await grant(t, visit))
    await t.test('each event arrives once', async t => await beBusy(t, visit))
    await t.test('a gateway inside the site', async t => await visitInside(t, visit))
    await t.test('nothing waits for a gateway that hangs or breaks', async t => await visitInBadWeather(t, visit))
    await t.test('after a revoke nothing more goes', async t => await revoke(t, visit))
  })
}

async function storedIn (tab: Tab): Promise<unknown> {
  return await tab.run(`(async () => ({ local: localStorage.length, session: sessionStorage.length,
    databases: (await indexedDB.databases()).length, caches: (await caches.keys()).length,
    cookies: document.cookie }))()`)
}
const nothing = { local: 0, session: 0, databases: 0, caches: 0, cookies: '' }

async function visitWithoutGrant (t: Test, { driver, world }: Visit): Promise<void> {
  const tab = await driver.open()
  await land(tab, landing)
  await tab.click('#count')
  await tab.click('#route')
  await tab.click('#next')
  await isAt(tab, '/next')
  await land(tab, '/own_form')
  await tab.click('.send')
  await isAt(tab, '/thanks')
  await land(tab, `/gateway_form?${new URLSearchParams(clicks).toString()}`)
  await tab.click('.send')
  await isAt(tab, '/thanks')
  t.same(await driver.cookies(tab), [])
  t.same(await storedIn(tab), nothing)
  await tab.close()

  t.same(countNames(await world.events()), { generate_lead: 1 })
  const [lead] = await world.leads()
  t.match(lead?.data, { user_data: { email: ['anna@example.com'] }, fields: { roof: 'pitched' } })
  t.equal(lead?.first_touch, null)
  const [event] = await world.events()
  t.equal(event?.visitor, null)
  const rows = JSON.stringify([event, lead])
  for (const id of Object.values(clicks)) t.notOk(rows.includes(id), `no row names ${id}`)
  t.notMatch(rows, /"_fb[pc]"|"fb\.1\./)
  const { rows: touches } = await world.pool.query('SELECT FROM touches')
  t.equal(touches.length, 0)
  await finishDeliveries(world)
  t.same(await world.deliveries(), ['generate_lead skipped no_consent'])
  t.same(world.fakes.received(), [])
}

/** Where a blocker has taken the click ids out of the address, they stay away: nothing brings them back. */
const clicksFor = (browser: Browser) => browser.blocks ? {} : clicks

const around = (days: number | undefined, expected: number) => days !== undefined && Math.abs(days - expected) < 0.1

async function grant (t: Test, { browser, driver, world }: Visit): Promise<void> {
  const tab = await driver.open()
  await land(tab, landing)
  await tab.click('#count')
  await tab.click('#route')
  const before = (await world.events()).length
  await tab.click('#yes')
  const events = await until('what waited', async () => (await world.events()).slice(before), rows => rows.length >= 3)
  t.same(events.map(event => event.event_name).sort(), ['add_to_cart', 'page_view', 'page_view'])
  const view = events.find(event => event.event_name === 'page_view')?.data
  t.same(Object.fromEntries(Object.entries(view?.click_ids ?? {}).map(([name, { value }]) => [name, value])),
    clicksFor(browser))
  t.equal(new URL(view?.page_location ?? '').pathname, '/offer')
  await finishDeliveries(world)
  t.ok((await world.deliveries()).some(line => line.startsWith('page_view delivered')))

  await tab.run('document.cookie = "control=1; Max-Age=31536000; Path=/; Domain=example.com; Secure; SameSite=Lax"')
  const jar = await until('the cookies', async () => await jarOf(driver, tab), found =>
    found._pstn !== undefined && around(found._pstn_c?.days, 180))
  const names = ['_fbp', '_pstn', '_pstn_c', 'control', ...browser.blocks ? [] : ['_fbc'],
    ...browser.limitsScriptCookies ? ['_pstn_k'] : []].sort()
  t.same(Object.keys(jar).sort(), names)
  for (const name of names) {
    const httpOnly = name === '_pstn' || name === '_pstn_k'
    t.match(jar[name], { domain: '.example.com', secure: true, sameSite: 'Lax', httpOnly }, name)
    t.comment(`${name}: ${jar[name]?.days?.toFixed(2)} days`)
  }
  t.ok(around(jar._pstn?.days, 180), 'the visitor cookie lasts as long as the consent')
  t.ok(around(jar.control?.days, browser.limitsScriptCookies ? 7 : 365), 'what a script sets for a year')
  t.ok(around(jar._fbp?.days, 90), 'Meta\'s cookies, by the script or by the gateway')
  t.same(await tab.run('document.cookie.includes("_pstn=")'), false)
  await tab.close()
}

const clicksPerRound = 10

/** The arrivals after the first of an event, and how much later than it they came. */
function repeatsOf (rows: readonly StoredEvent[]): string[] {
  const firsts = new Map<string, StoredEvent>()
  return rows.flatMap(row => {
    const first = firsts.get(row.event_id)
    if (first === undefined) firsts.set(row.event_id, row)
    return first === undefined
      ? []
      : [`${row.event_name}, ${row.received_at.getTime() - first.received_at.getTime()} ms later`]
  })
}

/** The ids that a closing page was told before it was gone; takes the witnesses away. */
async function witnessed (tab: Tab): Promise<string[]> {
  return await tab.run(`document.cookie.split('; ').filter(pair => pair.startsWith('left-')).map(pair => {
    const name = pair.split('=')[0]
    document.cookie = name + '=; Max-Age=0; Path=/; Secure'
    return name.slice('left-'.length)
  })`) as string[]
}

/**
 * Whatever `track()` has answered arrives, once. Firefox alone does not wait for a page whose tab is closed: on an
 * overloaded machine it ended the process in the middle of the page's own `pagehide`, or before it (17 of 150 closes).
 * Then there was no answer, and nothing that a script could have done.
 */
async function beBusy (t: Test, { browser, driver, world }: Visit): Promise<void> {
  const isFirefox = browser.name.startsWith('Firefox')
  const before = (await world.events()).length
  const stored = async () => (await world.events()).slice(before)
  const ways = ['#next', '#lead .send', 'closes']
  for (const [round, way] of ways.entries()) {
    const tab = await driver.open()
    await land(tab, `/busy?${encodeURIComponent(way)}`)
    for (let click = 0; click < clicksPerRound; click++) await tab.click('#count')
    if (way !== 'closes') {
      await tab.click(way)
      await isAt(tab, '/thanks')
    } else if (isFirefox) {
      await until('the clicks', async () => countNames(await stored()).click, count =>
        (count ?? 0) >= (round + 1) * clicksPerRound)
    }
    await tab.close()
  }
  // What is sent last, and what it would bring along of an earlier page, shows that nothing else is on its way.
  const last = await driver.open()
  await land(last, '/next')
  const told = await witnessed(last)
  const sent = { page_view: 4, click: 3 * clicksPerRound, navigated: 1, generate_lead: 1 }
  const distinct = (rows: readonly StoredEvent[]) => rows.filter(row => row.event_seq === row.seq)
  const isThere = (rows: readonly StoredEvent[]) => {
    const counts = countNames(distinct(rows))
    return Object.entries(sent).every(([name, count]) => (counts[name] ?? 0) >= count) &&
      told.every(id => rows.some(row => row.event_id === id)) && (isFirefox || counts.left === ways.length)
  }
  const rows = await until('all events', stored, isThere)
  const { left = 0, ...others } = countNames(distinct(rows))
  t.same(others, sent)
  t.ok(left >= told.length && left <= ways.length, `${left} of ${ways.length} pages that were left`)
  t.ok(told.length >= 2, 'also those that led to another page')
  t.same(repeatsOf(rows), [], 'no event came twice')
  const numbers = distinct(rows).filter(row => row.event_name === 'click').map(({ data }) => Number(data.params?.n))
  t.same(numbers.sort((one, other) => one - other),
    Array.from({ length: 3 * clicksPerRound }, (_, at) => Math.floor(at / 3) + 1))
  t.comment(`${total(sent) + left} sent, ${rows.length} received`)
  await last.close()
}

async function visitInside (t: Test, { driver, world }: Visit): Promise<void> {
  const tab = await driver.open()
  await land(tab, '/inside')
  const page = `${siteUrl}/inside`
  const rows = await until('the view', async () => await world.events(), found =>
    found.some(row => row.data.page_location === page))
  t.ok(world.asked.includes('GET www.example.com/_p/s.js'))
  t.ok(world.asked.includes('POST www.example.com/_p/v1/e'))
  const visitors = rows.filter(row => row.event_name === 'page_view').map(row => row.visitor?.toString('hex'))
  t.equal(new Set(visitors).size, 1, 'one visitor, at both of the gateway\'s addresses')
  await tab.close()
}

/**
 * A link and a form lead on while no request to the gateway is ever answered, and while each is cut off. How long that
 * took is told beside a gateway that works.
 */
async function visitInBadWeather (t: Test, { driver, world }: Visit): Promise<void> {
  for (const state of ['works', 'hangs', 'breaks'] as const) {
    for (const way of ['#next', '#lead .send']) {
      const tab = await driver.open()
      await land(tab, '/busy')
      world.setLine(state)
      world.asked.length = 0
      await tab.click('#count')
      const startedMs = performance.now()
      await tab.click(way)
      await isAt(tab, '/thanks')
      t.comment(`${way} while the gateway ${state}: ${Math.round(performance.now() - startedMs)} ms`)
      await until('the gateway to be asked', () => world.asked.includes('POST t.example.com/v1/e'), isAsked => isAsked)
      t.pass(`${way} while the gateway ${state}`)
      world.setLine('works')
      await tab.close()
    }
  }
  const tab = await driver.open()
  await land(tab, '/next')
  await witnessed(tab)
  await tab.close()
}

async function revoke (t: Test, { driver, world }: Visit): Promise<void> {
  const tab = await driver.open()
  await land(tab, landing)
  const id = await tab.run('postern.track("generate_lead").event_id')
  await until('the lead', async () => await world.events(), rows => rows.some(row => row.event_id === id))
  await tab.click('#no')
  await until('the cookies to go', async () => await driver.cookies(tab), jar =>
    jar.map(({ name }) => name).join() === 'control')
  await finishDeliveries(world)
  const received = world.fakes.received()
  t.notOk(received.some(receipt => receipt.event_id === id), 'a conversion that still waited does not go')
  const rows = await world.events()
  world.asked.length = 0
  await land(tab, landing)
  await tab.click('#count')
  await tab.click('#next')
  await isAt(tab, '/next')
  t.same(await storedIn(tab), { ...nothing, cookies: 'control=1' })
  await tab.close()
  await finishDeliveries(world)
  t.same(world.asked.filter(line => line.startsWith('POST')), [])
  t.equal((await world.events()).length, rows.length)
  t.equal(world.fakes.received().length, received.length)
}
