// The keeper: what it sets again and for how long, what it leaves alone, and what ends it.
import { test } from 'tap'
import { days, daysAgo, factsOf, keep, ledgerOf, may, nowMs, safari, secondsAgo, type Given, type Line } from
  '../test/keeper_facts.ts'
import { refusedBy } from './keeper.ts'

const chrome = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 ' +
  'Safari/537.36'
const ga = (bornDaysAgo: number) => `_ga=GA1.1.464578767.${secondsAgo(bornDaysAgo)}`
const ttp = '_ttp=01KTWH5QXGXEMB5JTKC82JZMR9_.tt.1'

test('each id is set again with its value, for what is left of its own life', t => {
  const half = 0.5
  const cases: [cookie: string, days: number | undefined][] = [
    [`_fbp=fb.1.${daysAgo(10)}.1234567890`, 80],
    [`_fbp=fb.1.${daysAgo(10)}.1234567890.AQQCAQMC`, 80],
    [`_fbp=fb.1.${daysAgo(84)}.1`, undefined],
    [`_fbp=fb.1.${daysAgo(82.5)}.1`, 7.5],
    [`_fbp=fb.1.${daysAgo(91)}.1`, undefined],
    [`_fbc=fb.1.${daysAgo(1)}.IwAR0a_B-c`, 89],
    [`_gcl_au=1.1.918273645.${secondsAgo(30)}`, 60],
    [`_gcl_aw=GCL.${secondsAgo(20)}.Cj0K-x_Y`, 70],
    [`_gcl_dc=GCL.${secondsAgo(20)}.Cj0K-x_Y`, 70],
    [`_gcl_gb=GCL.${secondsAgo(20)}.Cj0K-x_Y`, 70],
    [`_gcl_ag=2.1.kCj0K-x_Y$i${secondsAgo(20)}`, 70],
    [`_gcl_gs=2.1.k1$i${secondsAgo(20)}$u12345`, 70],
    [ga(0), 400],
    [ga(329), 400],
    [ga(331), 399],
    [ga(700), 30],
    [ga(723.5), undefined],
    [ga(1000), undefined],
    [`_ga_ABCDEF1234=GS1.1.${secondsAgo(40)}.3.1.${secondsAgo(1 / 1440)}.0.0.0`, 400],
    [`_ga_ABCDEF1234=GS2.1.s${secondsAgo(40)}$o3$g1$t${secondsAgo(1 / 1440)}$j60$l0$h0`, 400],
    [`_ga_ABCDEF1234=GS2.1.s${secondsAgo(0)}$o3$g1$t${secondsAgo(31 / 1440)}$j60$l0$h0`, undefined],
    [`_ga_ABCDEF1234=GS2.1.s${secondsAgo(0)}$o3`, undefined],
    [`_rdt_uuid=${daysAgo(30)}.6f1e2f7c-9f0e-4c1c-8a67-8f6f2f8a1b2c`, 60],
    // These do not say when they were made: from the first day on which they were seen, which began twelve hours ago.
    [ttp, 390 - half],
    ['ttclid=E.C.P.abcdefgh', 30 - half],
    ['_scid=7d9f6f8e-2f0a-4b8e-9d59-0a3a6f7b1c2d', 365 - half],
    ['_scclid=abcdefgh', 365 - half],
    ['_epik=dj0yJnU9abc', 365 - half],
    ['_derived_epik=dj0yJnU9abc', 365 - half],
    ['li_fat_id=6f1e2f7c-9f0e-4c1c-8a67-8f6f2f8a1b2c', 30 - half],
    ['_rdt_cid=1234567890', 30 - half],
    ['twclid=2abcdefgh', 90 - half],
    ['_twclid=2abcdefgh', 90 - half],
    ['_uetmsclkid=_uet0123456789abcdef0123456789abcdef', 90 - half],
    ['_uetvid=0123456789abcdef0123456789abcdef', 390 - half],
    // A time still to come is none.
    [`_fbp=fb.1.${daysAgo(-30)}.1`, 90 - half],
    [`_ga=GA1.1.1.${secondsAgo(-400)}`, 400],
    // Others' and malformed ones, and what servers set.
    ['_uetsid=0123456789abcdef0123456789abcdef', undefined],
    [`FPID=FPID2.2.abc.${secondsAgo(1)}`, undefined],
    [`FPAU=1.2.1.${secondsAgo(1)}`, undefined],
    [`FPGCLAW=2.1.kabc$i${secondsAgo(1)}`, undefined],
    ['session=abcdefgh', undefined],
    ['_ga=GA1.1.x', undefined],
    [`_ga="GA1.1.464578767.${secondsAgo(1)}"`, undefined],
    [`_fbp=fb.1.${daysAgo(1)}.1 2`, undefined],
    ['_ga=', undefined],
    [`_GA=GA1.1.1.${secondsAgo(1)}`, undefined]
  ]
  for (const [cookie, expected] of cases) {
    const [name = ''] = cookie.split('=', 1)
    const line = keep({ cookie }).get(name)
    t.equal(days(line), expected, cookie)
    if (line !== undefined) {
      t.equal(`${name}=${line.value}`, cookie, 'byte for byte')
      t.equal(line.attributes, '; Domain=example.com; Secure; SameSite=Lax')
    }
  }
  t.end()
})

const everything = [
  `_fbp=fb.1.${daysAgo(1)}.1`, `_fbc=fb.1.${daysAgo(1)}.Click-1`, `_gcl_aw=GCL.${secondsAgo(1)}.Click-2`,
  ttp, ga(1)
].join('; ')
const session = `_ga_ABCDEF1234=GS1.1.1.3.1.${secondsAgo(1 / 1440)}.0.0.0`
const names = (lines: Map<string, unknown>) => [...lines.keys()].sort()
const all = ['_fbc', '_fbp', '_ga', '_gcl_aw', '_pstn_k', '_ttp']

test('what is kept, by consent, settings, page and browser', t => {
  const brands = (text: string): Given['browser'] => ({ userAgent: chrome, hints: { brands: text } })
  const site = (keepsCookies: string[]) => ({ ...factsOf({}).site, keepsCookies })
  const cases: [what: string, given: Given, kept: string[]][] = [
    ['everything that is granted', {}, all],
    ['ad ids alone', { may: may(true, false) }, all.filter(name => name !== '_ga')],
    ['analytics alone', { may: may(false, true) }, ['_ga', '_pstn_k']],
    ['nothing without a grant', { may: may(false, false) }, []],
    ['nothing where the setting is empty', { site: site([]) }, []],
    ['what the setting names', { site: site(['_gcl_*', '_ttp']) }, ['_gcl_aw', '_pstn_k', '_ttp']],
    ['nothing between pages', { moment: 'between' }, []],
    ['a session is left alone at the end of a page', { cookie: `${everything}; ${session}`, moment: 'left' }, all],
    ['and kept at the beginning', { cookie: `${everything}; ${session}` }, [...all, '_ga_ABCDEF1234'].sort()],
    ['nothing where there is nothing', { cookie: 'a=b; _pstn=x' }, []],
    ['Firefox leaves scripts\' cookies alone', {
      browser: { userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0', hints: {} }
    }, []],
    ['Firefox on iOS is WebKit', {
      browser: { userAgent: safari.replace('Version/26.1', 'FxiOS/145.0'), hints: {} }
    }, all],
    ['Chrome names its brands', { browser: brands('"Chromium";v="142", "Google Chrome";v="142"') }, []],
    ['Brave does, too', { browser: brands('"Chromium";v="142", "Brave";v="142"') }, all],
    ['who names none may be Brave', { browser: { userAgent: chrome, hints: {} } }, all],
    ['who says nothing at all', { browser: { hints: {} } }, all],
    ['a consent that ends today', { grantedAtMs: daysAgo(180) }, []],
    ['another click than the cookies know', {
      data: {
        click_ids: { fbclid: { value: 'Click-9', seen_at_ms: nowMs }, gclid: { value: 'Click-2', seen_at_ms: 1 } }
      }
    }, all.filter(name => name !== '_fbc')],
    ['a page that Google\'s linker leads to', { data: { page_location: 'https://www.example.com/?_gl=1*abc' } },
      ['_fbc', '_fbp', '_pstn_k', '_ttp']]
  ]
  for (const [what, given, kept] of cases) t.same(names(keep({ cookie: everything, ...given })), kept, what)
  t.end()
})

test('of a name that comes twice none is chosen', t => {
  for (const twice of [`${ga(1)}; ${ga(2)}`, `${ga(1)}; a=b; ${ga(1)}`, `_ga=x; ${ga(1)}`]) {
    t.same(names(keep({ cookie: twice })), [], twice)
    t.same(names(keep({ cookie: `${everything.replace(`; ${ga(1)}`, '')}; ${twice}` })),
      all.filter(name => name !== '_ga'), 'the others are kept')
  }
  t.end()
})

test('after a refusal what was kept ends, and the ledger with it', t => {
  const ledger = ledgerOf(keep({ cookie: everything }))
  const ended = (lines: Map<string, Line>) =>
    [...lines].filter(([, { value, maxAge }]) => value === '' && maxAge === 0).map(([name]) => name).sort()
  const cases: [what: string, given: Given, ended: string[], kept: string[]][] = [
    ['both', { may: may(false, false), refused: { ads: true, analytics: true } }, all, []],
    ['both, between pages', {
      may: may(false, false),
      refused: { ads: true, analytics: true },
      moment: 'between'
    }, all, []],
    ['both, in another browser', {
      may: may(false, false),
      refused: { ads: true, analytics: true },
      browser: { userAgent: 'Firefox/145.0', hints: {} }
    }, all, []],
    ['ads, while analytics stays', { may: may(false, true), refused: { ads: true, analytics: false } },
      all.filter(name => name !== '_ga' && name !== '_pstn_k'), ['_ga', '_pstn_k']],
    ['ads, and of analytics nobody spoke', { may: may(false, false), refused: { ads: true, analytics: false } },
      all.filter(name => name !== '_ga'), []],
    ['nobody said anything', { may: may(false, false) }, [], []]
  ]
  for (const [what, given, expected, kept] of cases) {
    const lines = keep({ cookie: `${everything}; ${ledger}`, ...given })
    t.same(ended(lines), expected, what)
    t.same(names(lines).filter(name => !expected.includes(name)), kept, `${what}: kept`)
  }
  const refused = { may: may(false, false), refused: { ads: true, analytics: true } }
  t.same(names(keep({ cookie: everything, ...refused })), [], 'what we never kept is not ours to end')
  t.same(names(keep({ cookie: `${everything}; _pstn_k=forged`, ...refused })), ['_pstn_k'])
  t.same(refusedBy({ gpc: true }, may(false, true)), { ads: true, analytics: false })
  t.same(refusedBy({ gpc: true }, may(true, true)), { ads: false, analytics: false }, 'a rule may let GPC pass')
  t.same(refusedBy({ consent: { ad_storage: 'denied', analytics_storage: 'denied' } }, may(false, false)),
    { ads: true, analytics: true })
  t.same(refusedBy({}, may(false, false)), { ads: false, analytics: false })
  t.end()
})
