// The settings file and the environment: what is accepted, and what is said about the rest.
import { test } from 'tap'
import { Type } from 'typebox'
import { readProcessSettings } from './process_settings.ts'
import { maskSettings, parseSettings, type DestinationType, type Settings } from './settings.ts'
import { findSettingsFile } from './settings_file.ts'
import { suggest } from './settings_problems.ts'

const meta: DestinationType = {
  type: 'meta',
  testNeeds: 'test_event_code',
  settings: Type.Object({
    pixel_id: Type.String({ pattern: '^\\d+$', description: 'Digits only.' }),
    access_token: Type.String({ minLength: 1, secret: true, description: 'The token.' }),
    app_secret: Type.Optional(Type.String({ minLength: 1, secret: true })),
    test_event_code: Type.Optional(Type.String())
  }, { additionalProperties: false })
}
const twoSecrets: DestinationType = {
  type: 'pair',
  settings: Type.Object({
    client_id: Type.String({ minLength: 1, secret: true }),
    client_secret: Type.String({ minLength: 1, secret: true })
  }, { additionalProperties: false }),
  findConflicts: configured => configured.flatMap(({ name, settings }, index) => {
    const other = configured.slice(0, index).find(one => one.settings.client_id === settings.client_id)
    return other === undefined ? [] : [{ name, keys: ['client_id'], text: `is the account of ${other.name} already` }]
  })
}
const types = [meta, twoSecrets]

const head = `sites:
  main:
    hosts: [t.example.com]
    origins: ["https://www.example.com"]
`
const withMeta = (settings: string) => `${head}    destinations:\n      meta: ${settings}\n`

function read (text: string, env: NodeJS.ProcessEnv = {}): Settings {
  const result = parseSettings('p.yaml', text, env, types)
  if ('settings' in result) return result.settings
  throw new Error('problems' in result ? result.problems.join('\n') : 'missing')
}

function problemsOf (text: string, env: NodeJS.ProcessEnv = {}): string[] {
  const result = parseSettings('p.yaml', text, env, types)
  return 'problems' in result ? result.problems : []
}

test('a problem is told with its line, its key and how to mend it', async t => {
  const cases: [name: string, text: string, problems: RegExp[]][] = [
    ['unknown key', `${head}    orgins: []\n`,
      [/^p\.yaml:5: sites\.main\.orgins: unknown key\. Did you mean origins\?$/]],
    ['unknown key at the top', `${head}rate_limit: {}\n`, [/^p\.yaml:5: rate_limit: .*Did you mean rate_limits\?$/]],
    ['several at once', 'sites:\n  main:\n    hosts: []\n    consent: maybe\n', [
      /^p\.yaml:2: sites\.main\.origins: is missing\./,
      /^p\.yaml:3: sites\.main\.hosts: is an empty list/,
      /^p\.yaml:4: sites\.main\.consent: "maybe" is not one of opt_in, opt_out, by_country/
    ]],
    ['a number where a text is meant', `${head}    thank_you: 5\n`,
      [/^p\.yaml:5: sites\.main\.thank_you: 5 is a number; a text \(in quotes\) is needed\./]],
    ['a key inside the consent map', `${head}    consent: { rule: opt_in, gcp: drop }\n`,
      [/^p\.yaml:5: sites\.main\.consent\.gcp: unknown key/]],
    ['one host, two sites', `${head}  shop:\n    hosts: ["T.example.com:443"]\n    origins: ["https://shop.example"]\n`,
      [/^p\.yaml:6: sites\.shop\.hosts\.0: T\.example\.com:443 belongs to the site main already$/]],
    ['an upstream that leads back', `${head}    upstream: "http://t.example.com"\n`,
      [/^p\.yaml:5: sites\.main\.upstream: t\.example\.com is a host of this gateway/]],
    ['an upstream with a path', `${head}    upstream: "http://10.0.0.5/shop"\n`, [/^p\.yaml:5: sites\.main\.upstream: /]],
    ['a tag and no pages', `${head}    insert_script: true\n`,
      [/^p\.yaml:5: sites\.main\.insert_script: needs upstream/]],
    ['a prefix that hides our own paths', `${head}    prefix: /v1\n`, [/^p\.yaml:5: sites\.main\.prefix: /]],
    ['a consent platform that nobody knows', `${head}    consent_cookies: [cookiebotx]\n`,
      [/^p\.yaml:5: sites\.main\.consent_cookies\.0: .*cookiebot/]],
    ['an unknown type', `${head}    destinations:\n      mata: { access_token: x }\n`,
      [/^p\.yaml:6: sites\.main\.destinations\.mata: there is no destination type "mata"\./]],
    ['secrets partly set', `${head}    destinations:\n      pair: { client_id: a, client_secret: "\${UNSET}" }\n`,
      [/^p\.yaml:6: .*\.pair\.client_secret: is missing\. \(not set in the environment: UNSET\)$/]],
    ['test mode without its code', withMeta('{ pixel_id: "1", access_token: x, mode: test }'),
      [/^p\.yaml:6: .*\.meta\.test_event_code: is missing: with `mode: test`/]],
    ['a number too long to be exact', withMeta('{ pixel_id: 12345678901234567890, access_token: x }'),
      [/^p\.yaml:6: .*\.meta\.pixel_id: .* is a number; a text/]],
    ['a form that does not fit', `${head}    thank_you: www.example.com\n`,
      [/^p\.yaml:5: .*\.thank_you: "www\.example\.com" does not have the form that is needed\. Where a browser/]],
    ['accounts that contradict each other, beside another mistake',
      `${head}    destinations:\n      a: { type: pair, client_id: x, client_secret: y }\n` +
      '      b: { type: pair, client_id: x, client_secret: z }\n' +
      '      c: { type: pair, client_id: 1.5, client_secret: z }\n',
      [/^p\.yaml:7: .*\.destinations\.b\.client_id: is the account of a already$/, /^p\.yaml:8: .*client_id/]],
    ['no site', 'sites: {}\n', [/^p\.yaml:1: sites: names no site$/]],
    ['no YAML', 'sites: [\n', [/^p\.yaml:\d+: /]],
    ['a list of sites', 'sites: []\n', [/^p\.yaml:1: sites: .* is a list; a map of keys is needed/]],
    ['a site\'s name', head.replace('main', 'Main'), [/^p\.yaml:2: sites\.Main: a site's name has lower-case/]]
  ]
  for (const [name, text, expected] of cases) {
    const problems = problemsOf(text)
    for (const pattern of expected) t.ok(problems.some(problem => pattern.test(problem)), `${name}: ${String(pattern)}`)
    t.equal(problems.length, expected.length, `${name}: ${problems.join(' | ')}`)
  }
})

test('a value that may be a secret is not repeated', async t => {
  const secret = 'EAAB-a-long-secret-token'
  t.notMatch(problemsOf(`${head}    consent: ${secret}\n`).join(), secret)
})

test('variables come from the environment', async t => {
  const cases: [value: string, env: NodeJS.ProcessEnv, expected: string | undefined][] = [
    // eslint-disable-next-line no-template-curly-in-string
    ['https://${HOST}/ok', { HOST: 'a.example' }, 'https://a.example/ok'],
    // eslint-disable-next-line no-template-curly-in-string
    ['https://${HOST:-b.example}/ok', {}, 'https://b.example/ok'],
    // eslint-disable-next-line no-template-curly-in-string
    ['https://${HOST:-b.example}/ok', { HOST: '' }, 'https://b.example/ok'],
    // eslint-disable-next-line no-template-curly-in-string
    ['https://${HOST}/ok', {}, undefined],
    // eslint-disable-next-line no-template-curly-in-string
    ['${HOST}', { HOST: '' }, undefined]
  ]
  for (const [value, env, expected] of cases) {
    t.equal(read(`${head}    thank_you: "${value}"\n`, env).sites[0]?.thank_you, expected, `${value} ${env.HOST}`)
  }
})

test('a destination is off when none of its secrets is set', async t => {
  const text = withMeta('{ pixel_id: "1", access_token: $TOKEN }').replace('$TOKEN', '"$' + '{TOKEN}"')
  const off = read(text)
  t.same(off.off, ['main/meta'])
  t.same(off.sites[0]?.destinations, [])
  const on = read(text, { TOKEN: 'x' })
  t.same(on.off, [])
  t.equal(on.sites[0]?.destinations[0]?.own.access_token, 'x')
})

test('defaults are in place, a short consent and a map mean the same, whole numbers are texts where texts are meant',
  async t => {
    const short = read(`${head}    consent: opt_out\n`).sites[0]
    t.same(short?.rule, { consent: 'opt_out', gpc: 'drop', optOutCountries: [] })
    t.equal(short?.consentDays, 180)
    t.same(short?.cookies, { visitor: '_pstn', consent: '_pstn_c', keeper: '_pstn_k' })
    const map = read(`${head}    consent: { rule: by_country, gpc: limit, ` +
      'opt_out_countries: [US], valid_for_days: 30 }\n')
    t.same(map.sites[0]?.rule, { consent: 'by_country', gpc: 'limit', optOutCountries: ['US'] })
    t.equal(map.sites[0]?.consentDays, 30)
    const [destination] = read(withMeta('{ pixel_id: 1234567890, access_token: x }')).sites[0]?.destinations ?? []
    t.match(destination, { name: 'meta', type: 'meta', mode: 'live', events: 'conversions' })
    t.equal(destination?.own.pixel_id, '1234567890')
  })

test('no secret is shown', async t => {
  const shown = JSON.stringify(maskSettings(read(
    `${head}    api_keys: [{ name: crm, key: hidden-1-hidden-1-hidden-1 }]\n    destinations:\n` +
    '      meta: { pixel_id: "77", access_token: hidden-2, app_secret: hidden-3 }\n'), types))
  t.notMatch(shown, 'hidden')
  t.match(shown, '"pixel_id":"77"')
  t.match(shown, '"name":"crm"')
})

test('the settings file is the one given, else the one of the environment, where empty is none', async t => {
  t.equal(findSettingsFile('a.yaml', { POSTERN_CONFIG: 'b.yaml' }), 'a.yaml')
  t.equal(findSettingsFile(undefined, { POSTERN_CONFIG: 'b.yaml' }), 'b.yaml')
  t.equal(findSettingsFile(undefined, { POSTERN_CONFIG: '' }), findSettingsFile(undefined, {}))
})

test('a suggestion is the word that was probably meant, else all of them', async t => {
  t.equal(suggest('Thank-You', ['hosts', 'thank_you']), 'Did you mean thank_you?')
  t.equal(suggest('zzz', ['hosts', 'forms']), 'Known: hosts, forms')
})

test('the environment has defaults, and every problem is told at once', async t => {
  const plain = readProcessSettings({ PORT: '', DATABASE_URL: '' })
  t.match(plain, {
    settings: { host: '0.0.0.0', port: 8377, adminHost: '127.0.0.1', adminPort: 8378, demoPort: 8379, fakesPort: 8380 }
  })
  t.equal('settings' in plain && plain.settings.databaseUrl, undefined)
  t.match(plain, { settings: { spool: { mostBytes: 2 ** 30, leastFreeBytes: 2 ** 29 } } })
  const none = readProcessSettings({ POSTERN_SPOOL_MB: '0' })
  t.equal('settings' in none && none.settings.spool, undefined)
  const wrong = readProcessSettings({
    PORT: '65536',
    POSTERN_ADMIN_PORT: '-1',
    POSTERN_LOG: 'loud',
    DATABASE_URL: 'mysql://user:hidden@db',
    POSTERN_SPOOL_MB: '1 GB'
  })
  const problems = 'problems' in wrong ? wrong.problems : []
  t.equal(problems.length, 5)
  for (const name of ['PORT', 'POSTERN_ADMIN_PORT', 'POSTERN_LOG', 'DATABASE_URL', 'POSTERN_SPOOL_MB']) {
    t.ok(problems.some(problem => problem.startsWith(`${name}:`)), name)
  }
  t.notMatch(problems.join(), 'hidden')
})
