// `postern demo`: a complete trial on this machine, with its own settings and data; loopback only; nothing leaves it.
import { existsSync } from 'node:fs'
import { readProcessSettings, type ProcessSettings } from '../config/process_settings.ts'
import { deriveKeys } from '../config/keys.ts'
import { openLog } from '../config/log.ts'
import { readOrMakeSecrets } from '../config/secrets.ts'
import type { DemoSite } from '../demo/site/demo_site.ts'
import type { DemoNetwork, Journey as ShownJourney } from '../demo/site/journey.ts'
import type { FakeNetworks } from '../demo/networks/fake_networks.ts'
import { readJourneys, type Journey, type JourneyDeps } from '../dispatch/journey.ts'
import type { Target } from '../dispatch/target.ts'
import { demoSettings, fakeGoogleAds, makeDemoGoogle, metaPixelId, tags } from './demo_accounts.ts'
import { reasons } from './explain_text.ts'
import { refuse } from './prepare.ts'
import { explainFailure, startRole, type Running } from './roles.ts'
import { untilAskedToStop } from './serving.ts'
import { siteRules } from './wiring.ts'

/** Exit codes: 0 stopped when asked, 1 it could not start or stop cleanly, 2 wrong environment. */
export async function run (argv: string[], env: NodeJS.ProcessEnv): Promise<number> {
  if (argv.length > 0) return refuse('demo', [`takes no options; there was ${argv.join(' ')}`]).exitCode
  // demo/ is in no image and in no package: strangers' fakes have no place beside real leads.
  if (!existsSync(new URL('../demo/', import.meta.url))) {
    return refuse('demo', ['the demo is in a checkout only: clone the repository and run npm start there']).exitCode
  }
  // Loopback only, and not the database of a production on this machine.
  const own = { POSTERN_HOST: 'localhost', POSTERN_ADMIN_HOST: '127.0.0.1', DATABASE_URL: '', POSTERN_LOG: undefined }
  const read = readProcessSettings({ ...env, ...own })
  if ('problems' in read) return refuse('demo', read.problems).exitCode
  const processSettings = { ...read.settings, dataFolder: `${read.settings.dataFolder}/demo` }
  const secrets = readOrMakeSecrets({}, processSettings.dataFolder)
  if ('problems' in secrets) return refuse('demo', secrets.problems).exitCode

  const asked = untilAskedToStop(process)
  process.stdout.write('DEMO  starting: its own database, gateway, worker, demo site and fake ad networks …\n')
  const started: { fakes?: FakeNetworks, running?: Running, site?: DemoSite } = {}
  const stop = async () => {
    await started.site?.close()
    const isClean = await started.running?.stop() ?? true
    await started.fakes?.close()
    return isClean
  }
  try {
    // Loaded here alone: demo/ is in no image.
    const { startFakeNetworks } = await import('../demo/networks/fake_networks.ts')
    const { startDemoSite } = await import('../demo/site/demo_site.ts')
    const google = makeDemoGoogle()
    started.fakes = await startFakeNetworks({ port: processSettings.fakesPort, google_ads: fakeGoogleAds(google) })
    const settings = demoSettings(processSettings, started.fakes.url, google)
    const keys = deriveKeys(secrets.secrets)
    // Warnings and errors only: the demo's output is for a person.
    const log = openLog('warn', 'demo')
    const running = await startRole({ role: 'start', process: processSettings, settings, keys, log })
    started.running = running
    const { dispatch } = running
    if (dispatch === undefined) throw new Error('the demo runs without its worker')
    const deps = { pool: running.pool, keys, targets: dispatch.targets, sites: settings.sites.map(siteRules) }
    started.site = await startDemoSite({
      port: processSettings.demoPort,
      gatewayUrl: `http://localhost:${processSettings.port}`,
      fakesUrl: started.fakes.url,
      pixelId: metaPixelId,
      tags,
      journey: async eventId => await shownJourney(deps, eventId),
      networks: () => dispatch.targets.all.map(toNetwork),
      setMode: (name, mode) => setMode(dispatch.targets.all, name, mode)
    })
    process.stdout.write(greeting(processSettings, started.site.url, started.fakes.url))
    await asked
    process.stdout.write('\nDEMO  stopping …\n')
    const isClean = await stop()
    process.stdout.write('DEMO  stopped. Its data is kept for the next start.\n')
    return isClean ? 0 : 1
  } catch (error) {
    process.stderr.write(`postern demo: ${explainFailure(error)}\n`)
    await stop()
    return 1
  }
}

function greeting (process: ProcessSettings, siteUrl: string, fakesUrl: string): string {
  const { port, adminPort, dataFolder } = process
  return `
DEMO  Postern runs. Nothing leaves this machine; the ad networks are fakes.

  1. Open     ${siteUrl}/?fbclid=IwAR_demo_click_1&gclid=demo_click_2   as if you had clicked an ad
  2. Accept the banner and send the form: the page shows the lead's journey to Meta, Google, TikTok and GA4
  3. Or decline it: the lead is stored all the same, and nothing is sent

  demo site       ${siteUrl}      without scripts: ${siteUrl}/nojs   a shop: ${siteUrl}/shop
  gateway         http://localhost:${port}      script: /s.js, events: POST /v1/e, leads: POST /v1/leads
  fake networks   ${fakesUrl}      what they received: ${fakesUrl}/_received
  health, metrics http://localhost:${adminPort}      /livez /readyz /metrics
  data            ${dataFolder}

  Stop it with Ctrl-C. For your own site: README, "Settings".
`
}

/** Titles name the API, too; whoever looks at the demo thinks of the network. */
function toNetwork ({ name, destination: { type, title }, mode }: Target): DemoNetwork {
  return { name, type, title: title.replace(/ \(.*\)| Conversions API| Events API/g, ''), mode }
}

/**
 * Switches a network of the running demo, which is one process and has one worker. In production the mode is a setting.
 */
function setMode (targets: readonly Target[], name: string, mode: string): boolean {
  const target = targets.find(one => one.name === name)
  if (target === undefined || (mode !== 'shadow' && mode !== 'live')) return false
  target.mode = mode
  return true
}

/** The journey of an event as the demo site shows it; null while nothing is stored. */
async function shownJourney (deps: JourneyDeps, eventId: string): Promise<ShownJourney | null> {
  const [journey] = await readJourneys(deps, eventId)
  return journey === undefined ? null : toShown(journey)
}

const acceptedBecause: Record<string, string | undefined> = {
  accepted: 'taken by the network, whose verdict comes later or never'
}

function toShown (journey: Journey): ShownJourney {
  const { ad_user_data: adUserData, because } = journey.consent
  return {
    arrivals: journey.arrivals.map(({ received_at: at, trust }) => ({ at, event_name: journey.event_name, trust })),
    consent: `sending to ad networks is ${adUserData} (${because.replaceAll('_', ' ')})`,
    deliveries: journey.destinations.map(({ name, state, reason, not_meant: notMeant, at }) => ({
      destination: name,
      state: state ?? 'skipped',
      reason: reason ?? notMeant ?? undefined,
      because: reason === null ? acceptedBecause[String(state)] : reasons[reason],
      at: at ?? undefined
    })),
    attempts: journey.destinations.flatMap(({ name, attempts }) => attempts.map(attempt => ({
      destination: name,
      at: attempt.started_at,
      answer: attempt.http_status === null ? attempt.result ?? 'no answer yet' : `HTTP ${attempt.http_status}`
    })))
  }
}
