// Which targets a dry-run asks about, and that none of their secrets can be shown.
import { test } from 'tap'
import { destinationOf, destinations } from '../dispatch/registry.ts'
import type { Target } from '../dispatch/target.ts'
import { chooseTargets, forDryRun, placeholderTarget } from './dry_run_targets.ts'

const destination = destinationOf('meta')
if (destination === undefined) throw new Error('meta is a destination')
const placeholder = placeholderTarget(destination)
const configured: Target[] = ['meta', 'meta_shop'].map(name => (
  { ...placeholder, name, settings: { pixel_id: '618273645501928', access_token: `token of ${name}` } }))

const namesOf = (chosen: ReturnType<typeof chooseTargets>) =>
  'unknown' in chosen ? chosen : chosen.map(target => target.name)

test('takes a name before a type, each target once, and all without names', t => {
  t.same(namesOf(chooseTargets(configured, [])), ['meta', 'meta_shop'])
  t.same(namesOf(chooseTargets(configured, ['meta_shop'])), ['meta_shop'])
  t.same(namesOf(chooseTargets(configured, ['meta'])), ['meta'])
  t.same(namesOf(chooseTargets(configured.slice(1), ['meta'])), ['meta_shop'], 'by its type')
  t.same(namesOf(chooseTargets([], ['meta', 'meta'])), ['meta'], 'with placeholders')
  t.same(namesOf(chooseTargets([], [])), destinations.map(({ type }) => type))
  t.same(namesOf(chooseTargets(configured, ['meta', 'myspace'])), { unknown: 'myspace' })
  t.end()
})

test('masks secrets, names what is missing, and fills in defaults', t => {
  const [first] = configured
  t.match(forDryRun(first ?? placeholder, true).settings,
    { pixel_id: '618273645501928', access_token: '***', api_version: 'v26.0', event_names: {} })
  t.match(forDryRun(placeholder, true).settings, { pixel_id: '<pixel_id>', access_token: '<access_token>' })
  t.equal(forDryRun(placeholder, true).site.consent.consent, 'opt_in')
  t.equal(forDryRun(placeholder, false).site.consent.consent, 'opt_out')
  t.end()
})
