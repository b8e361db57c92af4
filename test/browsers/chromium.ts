// Chromium, by Playwright.
import { chromium, type Page } from 'playwright-core'
import { browserAgent } from '../gateway_world.ts'
import { chromiumArgs, chromiumPath, noBrowser } from '../script_site.ts'
import type { BrowserCookie, Driver, Tab } from './driver.ts'

export const noChromium = noBrowser

function tabOf (page: Page): Tab {
  return {
    async visit (url) { await page.goto(url) },
    run: async expression => await page.evaluate(expression),
    async click (selector) { await page.click(selector) },
    async close () { await page.close({ runBeforeUnload: true }) }
  }
}

/** `javaScriptEnabled`: as a visitor switches it off in the settings. */
export async function openChromium (proxy: string, javaScriptEnabled = true): Promise<Driver> {
  const browser = await chromium.launch({ executablePath: chromiumPath, args: chromiumArgs, proxy: { server: proxy } })
  // Without a window it calls itself a headless browser, which the gateway takes for a bot.
  const context = await browser.newContext({ ignoreHTTPSErrors: true, userAgent: browserAgent, javaScriptEnabled })
  return {
    open: async () => tabOf(await context.newPage()),
    cookies: async () => (await context.cookies()).map(({ expires, ...cookie }): BrowserCookie => ({
      ...cookie,
      days: expires < 0 ? undefined : (expires - Date.now() / 1000) / 86_400
    })),
    async close () { await browser.close() }
  }
}
