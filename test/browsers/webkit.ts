// WebKitGTK with Intelligent Tracking Prevention on, by its own WebDriver (https://www.w3.org/TR/webdriver2/).
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BrowserCookie, Driver, OpenDriver, Tab } from './driver.ts'
import { startProgram } from './processes.ts'

const python = '/usr/bin/python3'
const launcher = join(import.meta.dirname, 'webkit_launcher.py')

function findMissing (): string | false {
  for (const [path, name] of [['/usr/bin/WebKitWebDriver', 'webkit2gtk-driver'], ['/usr/bin/Xvfb', 'xvfb'],
    [python, 'python3']] as const) {
    if (!existsSync(path)) return `no ${path}: install Debian's ${name} to run this`
  }
  try {
    execFileSync(python, ['-c', "import gi; gi.require_version('WebKit2', '4.1')"], { stdio: 'ignore' })
    return false
  } catch (error) {
    return `no WebKit in Python (${String(error).split('\n')[0]}): ` +
      "install Debian's python3-gi and gir1.2-webkit2-4.1 to run this"
  }
}

export const noWebkit = findMissing()

async function freePort (): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => { server.close(resolve) })
  return port
}

type Ask = (method: 'GET' | 'POST' | 'DELETE', path: string, body?: object) => Promise<unknown>

/** One command of WebDriver; throws what the driver says is wrong. */
function askerOf (base: string): Ask {
  return async (method, path, body) => {
    const answer = await fetch(base + path, { method, body: body === undefined ? undefined : JSON.stringify(body) })
    const { value } = await answer.json() as { value: unknown }
    if (!answer.ok) throw new Error(`${path}: ${JSON.stringify(value)}`)
    return value
  }
}

async function untilReady (ask: Ask): Promise<void> {
  const endMs = Date.now() + 60_000
  for (;;) {
    try {
      await ask('GET', '/status')
      return
    } catch (error) {
      if (Date.now() > endMs) throw error
      await new Promise<void>(resolve => { setTimeout(resolve, 25) })
    }
  }
}

interface WebDriverCookie {
  name: string
  value: string
  domain: string
  httpOnly: boolean
  secure: boolean
  sameSite: string
  expiry?: number
}

const elementKey = 'element-6066-11e4-a52e-4f735466cecf'

/** The tabs of a session. WebDriver acts on one at a time, so each act first turns to its own. */
function tabsOf (ask: Ask): { open: () => Promise<Tab>, cookies: (tab: Tab) => Promise<BrowserCookie[]> } {
  const handles = new Map<Tab, string>()
  let keeper: string | undefined
  const turnTo = async (handle: string) => { await ask('POST', '/window', { handle }) }

  function tabOf (handle: string): Tab {
    const tab: Tab = {
      async visit (url) {
        await turnTo(handle)
        await ask('POST', '/url', { url })
      },
      async run (expression) {
        await turnTo(handle)
        const text = await ask('POST', '/execute/async', {
          script: `const done = arguments[0]
            Promise.resolve(${expression})
              .then(value => JSON.stringify(value ?? null), error => '!' + error).then(done)`,
          args: []
        })
        if (String(text).startsWith('!')) throw new Error(String(text).slice(1))
        return JSON.parse(String(text))
      },
      async click (selector) {
        await turnTo(handle)
        const element = await ask('POST', '/element', { using: 'css selector', value: selector }) as
          Record<string, string>
        await ask('POST', `/element/${element[elementKey]}/click`, {})
      },
      async close () {
        await turnTo(handle)
        await ask('DELETE', '/window')
        handles.delete(tab)
      }
    }
    handles.set(tab, handle)
    return tab
  }
  return {
    async open () {
      // A session ends with its last window, so the one that it begins with stays empty and open.
      await turnTo(keeper ??= String(await ask('GET', '/window')))
      const { handle } = await ask('POST', '/window/new', { type: 'tab' }) as { handle: string }
      return tabOf(handle)
    },
    async cookies (tab) {
      await turnTo(handles.get(tab) ?? '')
      return (await ask('GET', '/cookie') as WebDriverCookie[]).map(({ expiry, ...cookie }) => ({
        ...cookie,
        days: expiry === undefined ? undefined : (expiry - Date.now() / 1000) / 86_400
      }))
    }
  }
}

/** Starts a screen that nobody sees, the driver on it, and by that the browser. `closers` end them, last first. */
async function start (folder: string, proxy: string, closers: (() => Promise<void>)[]): Promise<Ask> {
  const screen = await startProgram({
    command: '/usr/bin/Xvfb',
    args: ['-displayfd', '3', '-screen', '0', '1280x1024x24', '-nolisten', 'tcp'],
    listenTo: 3,
    says: /(\d+)\n/
  })
  closers.push(screen.close)
  const port = await freePort()
  const driver = await startProgram({
    command: '/bin/sh',
    // The driver itself says nothing.
    args: ['-c', `echo started >&2; exec /usr/bin/WebKitWebDriver --host=127.0.0.1 --port=${port}`],
    env: {
      DISPLAY: `:${screen.said}`,
      GDK_BACKEND: 'x11',
      HOME: folder,
      WEBKIT_DISABLE_COMPOSITING_MODE: '1',
      LIBGL_ALWAYS_SOFTWARE: '1',
      // Its sandbox needs rights of the host that a container does not give.
      WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1'
    },
    listenTo: 2,
    says: /(started)/
  })
  closers.push(driver.close)
  const base = `http://127.0.0.1:${port}`
  const askDriver = askerOf(base)
  await untilReady(askDriver)
  const { sessionId } = await askDriver('POST', '/session', {
    capabilities: {
      alwaysMatch: {
        acceptInsecureCerts: true,
        'webkitgtk:browserOptions': { binary: launcher, args: [folder, proxy, 'itp'] }
      }
    }
  }) as { sessionId: string }
  return askerOf(`${base}/session/${sessionId}`)
}

export const openWebkit: OpenDriver = async (proxy): Promise<Driver> => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-webkit-'))
  const closers = [async () => { rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }) }]
  const close = async () => { for (const end of closers.toReversed()) await end() }
  try {
    const ask = await start(folder, proxy, closers)
    return { ...tabsOf(ask), close }
  } catch (error) {
    await close()
    throw error
  }
}
