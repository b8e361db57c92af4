// `postern dry-run` through the real command line: its contract line by line.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'tap'
import { destinations } from '../dispatch/registry.ts'

const main = join(import.meta.dirname, '..', 'main.ts')
const emptyFolder = import.meta.dirname

interface Request {
  method: string
  url: string
  headers: Record<string, string>
  body: { data: Record<string, unknown>[] }
}

interface Answer {
  line: number
  destination?: string
  type?: string
  event_id?: string
  requests?: Request[]
  skipped?: string
  held?: string
  rejected?: string
  warnings?: { path: string, code: string }[]
  error?: { code: string, message: string }
}

interface Run { answers: Answer[], status: number | null, stderr: string, stdout: string }

/** Asks about Meta unless the arguments name destinations. */
function dryRun (lines: readonly unknown[], args: string[] = [], env: Record<string, string> = {}): Run {
  return dryRunAll(lines, args.includes('--destination') ? args : ['--destination', 'meta', ...args], env)
}

function dryRunAll (lines: readonly unknown[], args: string[] = [], env: Record<string, string> = {}): Run {
  const input = lines.map(line => typeof line === 'string' ? line : JSON.stringify(line)).join('\n')
  const { stdout, status, stderr } = spawnSync(process.execPath, [main, 'dry-run', ...args],
    { input, encoding: 'utf8', cwd: emptyFolder, env: { PATH: process.env.PATH, ...env }, maxBuffer: 1 << 28 })
  const answers = stdout.split('\n').filter(line => line.startsWith('{')).map(line => JSON.parse(line) as Answer)
  return { answers, status, stderr, stdout }
}

const lead = {
  event_name: 'generate_lead',
  event_id: 'lead-1',
  event_time: '2026-11-20T08:30:00Z',
  page_location: 'https://www.example.com/offer?fbclid=IwAR1abc&utm_source=fb',
  user_data: { email: 'Ada@Example.org' }
}
const chrome = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142 Safari/537.36'
const browser = { ip: '93.184.216.34', user_agent: chrome }

test('answers with the request as it would leave, with placeholders for what is not given', t => {
  const { answers, status, stderr } = dryRun([{ ...lead, context: browser }])
  t.equal(status, 0)
  t.equal(stderr, '')
  t.equal(answers.length, 1)
  t.match(answers[0], {
    line: 1,
    destination: 'meta',
    type: 'meta',
    event_id: 'lead-1',
    requests: [{
      method: 'POST',
      url: 'https://graph.facebook.com/v26.0/<pixel_id>/events',
      headers: { 'content-type': 'application/json', authorization: 'Bearer <access_token>' },
      body: {
        data: [{
          event_name: 'Lead',
          event_id: 'lead-1',
          event_time: 1795163400,
          event_source_url: 'https://www.example.com/offer?utm_source=fb',
          user_data: { fbc: 'fb.1.1795163400000.IwAR1abc', client_ip_address: '93.184.216.34' }
        }]
      }
    }],
    warnings: []
  })
  t.end()
})

test('without names and settings it asks about every type, in the order of the registry', t => {
  const { answers, status } = dryRunAll([
    { ...lead, cookies: { _ga: 'GA1.1.464578767.1795440511' }, context: { ...browser, signed: true } }, 'x'
  ])
  t.equal(status, 1)
  t.same(answers.slice(0, -1).map(({ line, type }) => [line, type]), destinations.map(({ type }) => [1, type]))
  t.match(answers.at(-1), { line: 2, error: { code: 'malformed_json' } })
  const bodyAt = (type: string) => JSON.stringify(answers.find(answer => answer.type === type)?.requests?.[0])
  t.match(bodyAt('google_ads'), '"accountId":"<customer_id>"')
  t.match(bodyAt('google_ads'), '"productDestinationId":"<conversion_actions.generate_lead>"')
  t.match(bodyAt('tiktok'), '"event_source_id":"<pixel_code>"')
  t.match(bodyAt('ga4'), 'measurement_id=<measurement_id>&api_secret=<api_secret>')
  t.end()
})

test('says exactly one thing of each line, in order', t => {
  const denied = { ad_user_data: 'denied', ad_storage: 'denied' }
  const { answers, status } = dryRun([
    { ...lead, context: browser },
    '{"event_name"',
    '',
    { event_id: 'no-name' },
    { ...lead, consent: denied, context: browser },
    { ...lead, browser_tags: { meta: 'sent_without_id' }, context: browser },
    { ...lead, event_name: 'purchase', context: browser },
    { ...lead, context: { received_at: 'yesterday' } },
    { ...lead, context: { ...browser, user_agent: 'Googlebot/2.1 (+http://www.google.com/bot.html)' } },
    { ...lead, context: { ...browser, received_at: '2026-12-24T00:00:00Z', signed: true } }
  ])
  t.equal(status, 1, 'some lines could not be read')
  t.same(answers.map(answer => answer.line), [1, 2, 4, 5, 6, 7, 8, 9, 10])
  const kinds = ['requests', 'skipped', 'held', 'rejected', 'error'] as const
  t.same(answers.map(answer => kinds.filter(kind => answer[kind] !== undefined)),
    [['requests'], ['error'], ['error'], ['skipped'], ['held'], ['rejected'], ['error'], ['skipped'], ['skipped']])
  t.same(answers.map(({ skipped, held, rejected, error }) => skipped ?? held ?? rejected ?? error?.code), [undefined,
    'malformed_json', 'invalid_event', 'no_consent', 'browser_tag_without_event_id', 'invalid_event', 'invalid_context',
    'bot', 'too_old'])
  t.end()
})

test('goes by the clock of the context, else by the event\'s own time', t => {
  const old = { ...lead, event_time: '2020-01-01T00:00:00Z' }
  const { answers } = dryRun([
    { ...old, context: browser },
    { ...old, context: { ...browser, received_at: '2020-01-03T12:00:00Z' } },
    { ...lead, event_time: undefined, context: { ...browser, received_at: 1795163400 } }
  ])
  t.equal(answers[0]?.requests?.[0]?.body.data[0]?.event_time, 1577836800)
  t.equal(answers[1]?.skipped, 'dedupe_window_passed')
  t.equal(answers[2]?.requests?.[0]?.body.data[0]?.event_time, 1795163400)
  t.end()
})

test('counts what nobody said as granted, or asks the site', t => {
  const said = { ad_user_data: 'granted' }
  const lines = [{ ...lead, context: browser }, { ...lead, context: { ...browser, consent: said } }]
  t.ok(dryRun(lines).answers.every(answer => answer.requests !== undefined))
  const asked = dryRun(lines, ['--site-consent']).answers
  t.equal(asked[0]?.skipped, 'no_consent')
  t.ok(asked[1]?.requests !== undefined, 'the context\'s consent is an answer')
  t.notOk(JSON.stringify(asked[1]).includes('IwAR1abc'), 'ad_storage was not granted')
  t.end()
})

test('believes a signed line about the visitor, and no other', t => {
  const safari = 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.6 Safari/605.1.15'
  const body = { ...lead, ip_override: '93.184.216.99', user_agent: safari }
  const { answers } = dryRun([{ ...body, context: { ...browser, signed: true } }, { ...body, context: browser }])
  const client = (answer: Answer | undefined) => answer?.requests?.[0]?.body.data[0]?.user_data as object
  t.match(client(answers[0]), { client_ip_address: '93.184.216.99', client_user_agent: safari })
  t.match(client(answers[1]), { client_ip_address: '93.184.216.34', client_user_agent: browser.user_agent })
  t.match(answers[1]?.warnings, [{ path: 'ip_override' }, { path: 'user_agent' }])
  t.end()
})

test('puts many events in a request when asked to, at the first of them', t => {
  const lines = [1, 2, 3].map(number => ({ ...lead, event_id: `lead-${number}`, context: browser }))
  t.same(dryRun(lines).answers.map(answer => answer.requests?.map(({ body }) => body.data.length)), [[1], [1], [1]])
  const { answers } = dryRun([...lines, { ...lead, consent: { ad_user_data: 'denied' } }], ['--batch'])
  t.same(answers.map(answer => answer.requests?.map(({ body }) => body.data.length)), [[3], [], [], undefined])
  t.end()
})

test('takes the names of types, once each, and refuses what it does not know', t => {
  t.equal(dryRun([lead], ['--destination', 'meta', '--destination', 'meta']).answers.length, 1)
  const unknown = dryRun([lead], ['--destination', 'myspace'])
  t.equal(unknown.status, 2)
  t.equal(unknown.stdout, '')
  t.match(unknown.stderr, /there is no destination "myspace"/)
  t.equal(dryRun([lead], ['--nonsense']).status, 2)
  t.match(dryRunAll([], ['--help']).stdout, /usage: postern dry-run/)
  t.end()
})

test('answers ten thousand lines for three destinations', t => {
  const lines = Array.from({ length: 10_000 }, (_, index) =>
    ({ ...lead, event_id: `lead-${index + 1}`, context: browser }))
  const names = ['meta', 'google_ads', 'tiktok']
  const { answers, status } = dryRun(lines, names.flatMap(name => ['--destination', name]))
  t.equal(status, 0)
  t.ok(answers.every((answer, index) => {
    const line = Math.floor(index / 3) + 1
    return answer.line === line && answer.event_id === `lead-${line}` && answer.destination === names[index % 3]
  }))
  t.equal(answers.length, 30_000)
  t.end()
})
