// The pinned script as the real gateway serves it, with its integrity, in a real Chromium.
import t, { test } from 'tap'
import { gatewayWorld } from './gateway_world.ts'
import { collectorUrl, noBrowser, openScriptSite, siteUrl, stub, until } from './script_site.ts'

t.setTimeout(400_000)

test('the pinned script loads by the integrity that /s.json names, and by no other', { skip: noBrowser }, async t => {
  const world = await gatewayWorld(t)
  const get = async (path: string) => await world.post('', { method: 'GET', path, origin: null })
  const { src, integrity } = JSON.parse((await get('/s.json')).text) as { src: string, integrity: string }
  const served = await get('/' + src)

  const site = await openScriptSite()
  t.teardown(() => site.close())
  const pinned = (hash: string) => `<script async src="${collectorUrl}/${src}" integrity="${hash}"
    crossorigin="anonymous" onload="ended = 'loaded'" onerror="ended = 'refused'"></script>`
  const other = `sha384-${Buffer.alloc(48).toString('base64')}`
  const context = await site.open()
  for (const [path, hash] of [['/right', integrity], ['/wrong', other]] as const) {
    site.pages.set(path, `<title>Pinned</title>${stub}<script>var ended</script>${pinned(hash)}`)
  }
  // What the gateway sent goes to the browser as it is, headers and all.
  await context.route(`${collectorUrl}/${src}`, async route => {
    const headers = Object.fromEntries(Object.entries(served.headers).map(([name, value]) => [name, String(value)]))
    await route.fulfill({ status: served.status, headers, body: served.text })
  })
  const page = await context.newPage()
  await page.goto(siteUrl + '/wrong')
  await page.waitForFunction('ended')
  t.equal(await page.evaluate('ended'), 'refused')
  t.equal(await page.evaluate('typeof postern.track'), 'undefined', 'the page keeps its queue')
  await page.goto(siteUrl + '/right')
  await page.waitForFunction('ended')
  t.equal(await page.evaluate('ended'), 'loaded')
  await page.evaluate('postern.consent({ ad_storage: true })')
  await until('the view', () => site.events().length === 1)
  t.match(site.events()[0], { event_name: 'page_view', page_location: siteUrl + '/right' })
})
