// What the script costs a page: how long a form and a link take to lead on, whatever the gateway does, in Chromium.
import type { Page } from 'playwright-core'
import { openScriptSite, siteUrl, stub, tag, type ScriptSite } from '../test/script_site.ts'
import type { CaseOptions } from './cases.ts'
import type { Figure } from './figures.ts'

/** What a page has to do with Postern, and what the gateway does meanwhile. */
const weathers: Array<[name: string, head: string, collector: ScriptSite['collector']]> = [
  ['no script', '', 'answers'],
  ['gateway answers', stub + tag, 'answers'],
  ['gateway never answers', stub + tag, 'hangs'],
  ['gateway cuts the line', stub + tag, 'cuts'],
  ['script never comes', stub + tag.replace('/s.js', '/hang.js'), 'answers'],
  ['script is blocked', stub + tag.replace(/src="[^"]*"/, 'src="https://gone.example.com/s.js"'), 'answers']
]

const pageOf = (head: string) => `<html><head><title>Page</title>${head}</head><body>
  <form id="f" action="/thanks" method="post" data-postern-lead="fetch">
    <input name="email" value="a@example.com"><input name="message" value="Hello"><button id="send">s</button></form>
  <a id="go" href="/elsewhere">a</a></body></html>`

const shows = (page: Page) => page.evaluate('document.readyState !== "loading"')

/** Milliseconds from a click on something until the document that it leads to begins. */
async function timeClick (page: Page, selector: string, path: string): Promise<number> {
  await page.goto(siteUrl + '/page', { waitUntil: 'commit' })
  while (!await shows(page)) await page.waitForTimeout(5)
  // The script, where it comes, and its first event are on their way: this is about what the page does from here on.
  await page.waitForTimeout(100)
  const clickedMs = await page.evaluate<number>(`(() => {
    const now = performance.timeOrigin + performance.now()
    document.querySelector('${selector}').click()
    return now
  })()`)
  await page.waitForURL('**' + path, { waitUntil: 'commit' })
  const answeredMs = await page.evaluate<number>(
    'performance.timeOrigin + performance.getEntriesByType("navigation")[0].responseStart')
  return answeredMs - clickedMs
}

/** Milliseconds that a submit takes in the page's own thread, handlers included; the page keeps it to itself. */
async function timeSubmit (page: Page): Promise<number> {
  await page.goto(siteUrl + '/page', { waitUntil: 'commit' })
  await page.waitForFunction('document.readyState !== "loading"')
  await page.waitForTimeout(100)
  return await page.evaluate<number>(`(() => {
    f.addEventListener('submit', event => event.preventDefault())
    const from = performance.now()
    f.requestSubmit()
    return performance.now() - from
  })()`)
}

const median = (values: number[]) => values.sort((one, other) => one - other)[values.length >> 1] ?? 0

/** One value per round: the median of `times` clicks; the weathers take turns. */
export async function measurePages ({ rounds }: Pick<CaseOptions, 'rounds'>): Promise<Figure[]> {
  const times = 5
  const site = await openScriptSite({ consent: 'opt_out' })
  const found = new Map<string, number[]>()
  const note = (what: string, value: number) => { found.set(what, [...found.get(what) ?? [], value]) }
  try {
    site.pages.set('/elsewhere', '<title>Elsewhere</title>')
    const page = await (await site.open()).newPage()
    // The first round is to warm up.
    for (let round = 0; round <= rounds; round++) {
      for (const [name, head, collector] of weathers) {
        site.pages.set('/page', pageOf(head))
        site.collector = collector
        const taken: Record<string, number[]> = { form: [], link: [], thread: [] }
        for (let time = 0; time < times; time++) {
          taken.form?.push(await timeClick(page, '#send', '/thanks'))
          taken.link?.push(await timeClick(page, '#go', '/elsewhere'))
          taken.thread?.push(await timeSubmit(page))
        }
        if (round === 0) continue
        note(`form to its answer, ${name}`, median(taken.form ?? []))
        note(`link to its answer, ${name}`, median(taken.link ?? []))
        note(`submit in the page's thread, ${name}`, median(taken.thread ?? []))
      }
    }
  } finally {
    await site.close()
  }
  return [...found].sort(([one], [other]) => one.localeCompare(other))
    .map(([what, values]) => ({ case: '11 page', what, unit: 'ms', values }))
}
