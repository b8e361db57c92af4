// Revokes of the last minute, by visitor: an answer still owed to an event of before must not set a cookie once more.
import { knownCookie } from '../schema/identity.ts'
import type { Site } from './site.ts'

/** What a revoke ended. `visitor`: nothing is left that the visitor could be known for. */
export interface Withdrawal { ads: boolean, analytics: boolean, visitor: boolean }

export interface Withdrawals {
  /** Notes a revoke at the moment when its own answer, which ends the cookies, goes out. */
  note: (visitorIds: readonly string[], withdrawal: Withdrawal) => void
  /** What one of these visitors took back while a request was under way for `elapsedMs`; undefined for nothing. */
  during: (elapsedMs: number, visitorIds: () => readonly string[]) => Withdrawal | undefined
}

/** Longer than any request may take. */
const keptMs = 60_000
const mostKept = 10_000

/** `clock`: monotonic milliseconds. Of this process alone: another gateway's requests are not known here. */
export function openWithdrawals (clock: () => number = () => performance.now()): Withdrawals {
  const noted = new Map<string, Withdrawal & { atMs: number }>()

  /** The oldest are in front. */
  function forget (): void {
    for (const [id, { atMs }] of noted) {
      if (noted.size <= mostKept && clock() - atMs < keptMs) return
      noted.delete(id)
    }
  }

  return {
    note (visitorIds, withdrawal) {
      for (const id of visitorIds) {
        noted.delete(id)
        noted.set(id, { ...withdrawal, atMs: clock() })
      }
      forget()
    },
    during (elapsedMs, visitorIds) {
      if (noted.size === 0) return undefined
      forget()
      const sinceMs = clock() - elapsedMs
      return visitorIds().map(id => noted.get(id)).find(found => found !== undefined && found.atMs >= sinceMs)
    }
  }
}

const nameOf = (line: string) => line.slice(0, line.indexOf('='))

/** The value that a Set-Cookie line sets. */
export const valueOf = (line: string) => line.slice(line.indexOf('=') + 1).split(';', 1)[0] ?? ''

/** The lines of an answer without those that would set what was withdrawn. What ends a cookie stays. */
export function withoutWithdrawn (
  lines: readonly string[], { ads, analytics, visitor }: Withdrawal, { cookies }: Pick<Site, 'cookies'>
): string[] {
  return lines.filter(line => {
    if (/; Max-Age=0(;|$)/.test(line)) return true
    const name = nameOf(line)
    if (name === cookies.visitor || name === cookies.keeper) return !visitor
    const purpose = knownCookie(name, valueOf(line))?.purpose
    return !(purpose === 'ads' && ads) && !(purpose === 'analytics' && analytics)
  })
}

/** The visitor cookies among the lines of an answer: who a first event made known. */
export function visitorLines (lines: readonly string[], { cookies }: Pick<Site, 'cookies'>): string[] {
  return lines.filter(line => nameOf(line) === cookies.visitor)
}
