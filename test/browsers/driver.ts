// What the tests ask of a browser, whichever it is, and the three that they ask.
import { openChromium, noChromium } from './chromium.ts'
import { openFirefox, noFirefox } from './firefox.ts'
import { openWebkit, noWebkit } from './webkit.ts'

/** A cookie as the browser itself reports it. */
export interface BrowserCookie {
  name: string
  value: string
  domain: string
  httpOnly: boolean
  secure: boolean
  sameSite: string
  /** Days until it ends; undefined ends with the browser. */
  days: number | undefined
}

export interface Tab {
  /** Goes to an address and waits until it is loaded. */
  visit: (url: string) => Promise<void>
  /** Runs an expression in the page and answers its value, which JSON can say; waits for a promise. */
  run: (expression: string) => Promise<unknown>
  /** Clicks as a person does: the pointer moves to the element, and the browser finds out what that means. */
  click: (selector: string) => Promise<void>
  /** Closes the tab as a person does: the page hears of it. */
  close: () => Promise<void>
}

export interface Driver {
  open: () => Promise<Tab>
  /** All cookies that an address is sent, HttpOnly ones too; `tab` shows a page of the same site. */
  cookies: (tab: Tab) => Promise<BrowserCookie[]>
  close: () => Promise<void>
}

/** `proxy`: host and port of what leads the browser to the test's hosts; its certificate is believed. */
export type OpenDriver = (proxy: string) => Promise<Driver>

export interface Browser {
  name: string
  /** Why it can't run here; false when it can. */
  missing: string | false
  open: OpenDriver
  /** Blocks trackers with real lists, and takes click ids out of addresses. */
  blocks: boolean
  /** Ends cookies that scripts set after seven days. */
  limitsScriptCookies: boolean
}

export const browsers: readonly Browser[] = [
  { name: 'Chromium', missing: noChromium, open: openChromium, blocks: false, limitsScriptCookies: false },
  {
    name: 'Firefox ESR with uBlock Origin',
    missing: noFirefox,
    open: openFirefox,
    blocks: true,
    limitsScriptCookies: false
  },
  { name: 'WebKitGTK with ITP', missing: noWebkit, open: openWebkit, blocks: false, limitsScriptCookies: true }
]
