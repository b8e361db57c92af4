// Firefox ESR with the real uBlock Origin of Debian, by WebDriver BiDi.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ublockFolder } from '../adblock_lists.ts'
import { openBidi, type Command } from './bidi.ts'
import type { BrowserCookie, Driver, OpenDriver, Tab } from './driver.ts'
import { startProgram } from './processes.ts'

const binary = '/usr/bin/firefox-esr'

export const noFirefox = !existsSync(binary)
  ? `no ${binary}: install Debian's firefox-esr to run this`
  : !existsSync(join(ublockFolder, 'manifest.json'))
      ? "no uBlock Origin: install Debian's webext-ublock-origin-firefox to run this"
      : false

/** The proxy, and nothing that Firefox does of its own accord. */
function preferences (proxy: string): string {
  const [host = '', port] = proxy.split(':')
  const values: Record<string, string | number | boolean> = {
    'network.proxy.type': 1,
    'network.proxy.ssl': host,
    'network.proxy.ssl_port': Number(port),
    'network.proxy.http': host,
    'network.proxy.http_port': Number(port),
    'network.proxy.allow_hijacking_localhost': true,
    // Debian's Firefox loads the extension from the system's folder unasked: here it comes as the test installs it.
    'extensions.enabledScopes': 1,
    'browser.shell.checkDefaultBrowser': false,
    'app.normandy.enabled': false,
    'datareporting.policy.dataSubmissionEnabled': false,
    'network.captive-portal-service.enabled': false,
    'network.connectivity-service.enabled': false
  }
  return Object.entries(values).map(([name, value]) =>
    `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`).join('')
}

interface Evaluated {
  type: string
  result?: { value?: string }
  exceptionDetails?: { text: string }
}

async function evaluate (command: Command, context: string, expression: string): Promise<unknown> {
  const answer = await command('script.evaluate', {
    expression: `Promise.resolve(${expression}).then(value => JSON.stringify(value ?? null))`,
    target: { context },
    awaitPromise: true
  }) as unknown as Evaluated
  if (answer.type !== 'success') throw new Error(answer.exceptionDetails?.text ?? 'an exception without words')
  return JSON.parse(answer.result?.value ?? 'null')
}

async function click (command: Command, context: string, selector: string): Promise<void> {
  const { nodes } = await command('browsingContext.locateNodes', {
    context, locator: { type: 'css', value: selector }
  }) as { nodes: { sharedId: string }[] }
  const [node] = nodes
  if (node === undefined) throw new Error(`there is no ${selector}`)
  await command('input.performActions', {
    context,
    actions: [{
      type: 'pointer',
      id: 'mouse',
      actions: [
        { type: 'pointerMove', x: 0, y: 0, origin: { type: 'element', element: { sharedId: node.sharedId } } },
        { type: 'pointerDown', button: 0 },
        { type: 'pointerUp', button: 0 }
      ]
    }]
  })
}

interface BidiCookie {
  name: string
  value: { value: string }
  domain: string
  httpOnly: boolean
  secure: boolean
  sameSite: string
  expiry?: number
}

function toCookie ({ value, expiry, sameSite, ...cookie }: BidiCookie): BrowserCookie {
  return {
    name: cookie.name,
    value: value.value,
    domain: cookie.domain,
    httpOnly: cookie.httpOnly,
    secure: cookie.secure,
    sameSite: sameSite.charAt(0).toUpperCase() + sameSite.slice(1),
    days: expiry === undefined ? undefined : (expiry - Date.now() / 1000) / 86_400
  }
}

/** Starts Firefox with an empty profile, and uBlock Origin in it. */
async function start (profile: string, proxy: string): Promise<{ command: Command, close: () => Promise<void> }> {
  writeFileSync(join(profile, 'user.js'), preferences(proxy))
  const program = await startProgram({
    command: binary,
    args: ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0'],
    env: { HOME: profile, MOZ_CRASHREPORTER_DISABLE: '1' },
    listenTo: 2,
    says: /WebDriver BiDi listening on (ws:\/\/\S+)/
  })
  try {
    const { command } = await openBidi(`${program.said}/session`)
    await command('session.new', { capabilities: { alwaysMatch: { acceptInsecureCerts: true } } })
    await command('webExtension.install', { extensionData: { type: 'path', path: ublockFolder } })
    return { command, close: program.close }
  } catch (error) {
    await program.close()
    throw error
  }
}

export const openFirefox: OpenDriver = async (proxy): Promise<Driver> => {
  const profile = mkdtempSync(join(tmpdir(), 'postern-firefox-'))
  const { command, close } = await start(profile, proxy)
  const tabOf = (context: string): Tab => ({
    async visit (url) { await command('browsingContext.navigate', { context, url, wait: 'complete' }) },
    run: async expression => await evaluate(command, context, expression),
    click: async selector => { await click(command, context, selector) },
    async close () { await command('browsingContext.close', { context, promptUnload: true }) }
  })
  return {
    async open () {
      const { context } = await command('browsingContext.create', { type: 'tab' }) as { context: string }
      return tabOf(context)
    },
    async cookies () {
      const { cookies } = await command('storage.getCookies') as unknown as { cookies: BidiCookie[] }
      return cookies.map(toCookie)
    },
    async close () {
      await close()
      rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
    }
  }
}
