// What the tests of the keeper share: a request of a browser that ends scripts' cookies, and its answer taken apart.
import { cookieScope, readJar } from '../gateway/cookies.ts'
import { keepCookies, type KeeperFacts } from '../gateway/keeper.ts'
import { testKeys } from './gateway_world.ts'

export const dayMs = 86_400_000
/** 2026-11-23T12:00Z */
export const nowMs = 1_795_435_200_000
export const daysAgo = (days: number) => nowMs - days * dayMs
export const secondsAgo = (days: number) => Math.floor(daysAgo(days) / 1000)
export const safari = 'Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) AppleWebKit/605.1.15 ' +
  '(KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1'

export type Given = Partial<Omit<KeeperFacts, 'jar'>> & { cookie?: string }

/** Everything granted a moment ago, on a new page, in Safari; `cookie` is the request's header. */
export function factsOf ({ cookie = '', ...given }: Given): KeeperFacts {
  const cookies = { visitor: '_pstn', consent: '_pstn_c', keeper: '_pstn_k' }
  return {
    site: { cookies, keepsCookies: ['*'], consentDays: 180 },
    jar: readJar(cookie),
    scope: cookieScope('t.example.com', true),
    browser: { userAgent: safari, hints: {} },
    may: { adIds: true, analyticsIds: true, visitor: true },
    refused: { ads: false, analytics: false },
    grantedAtMs: nowMs,
    data: {},
    moment: 'page',
    nowMs,
    ...given
  }
}

export interface Line { value: string, maxAge: number, attributes: string }

/** The Set-Cookie lines by name, taken apart. */
export function keep (given: Given, keys = testKeys): Map<string, Line> {
  return new Map([...keepCookies(factsOf(given), keys)].map(([name, line]) => {
    const [, value = '', maxAge = '', attributes = ''] = /^[^=]+=(.*?); Path=\/; Max-Age=(\d+)(.*)$/.exec(line) ?? []
    return [name, { value, maxAge: Number(maxAge), attributes }]
  }))
}

export const days = (line: Line | undefined) =>
  line === undefined ? undefined : Number((line.maxAge / 86_400).toFixed(2))

/** The cookie with which a browser answers the ledger that it was given. */
export const ledgerOf = (lines: Map<string, Line>) => `_pstn_k=${lines.get('_pstn_k')?.value}`
export const may = (adIds: boolean, analyticsIds: boolean) => ({ adIds, analyticsIds, visitor: adIds || analyticsIds })
