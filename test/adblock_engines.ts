// Two real blocking engines behind one question: uBlock Origin's own, and Ghostery's, which reads AdGuard's syntax too.
import { FiltersEngine, Request } from '@ghostery/adblocker'
// @ts-expect-error: the package comes without types; what is used of it is Ublock.
import * as ubo from '@gorhill/ubo-core'
import { adguardLists, publicSuffixes, ublockLists, type FilterList } from './adblock_lists.ts'

interface Ublock {
  StaticNetFilteringEngine: {
    create: (options: { noPSL: boolean }) => Promise<{
      useLists: (lists: FilterList[]) => Promise<void>
      /** 0: no rule; 1: blocked; 2: a rule allows it. */
      matchRequest: (details: { originURL: string, url: string, type: string }) => number
      /** The rule of the last match. */
      toLogData: () => { raw: string }
    }>
  }
  /** Takes the text of the public suffix list. */
  pslInit: (raw: string) => unknown
}

/** What a browser may want of an address. `ping` is a beacon. */
export const requestTypes =
  ['script', 'xmlhttprequest', 'ping', 'image', 'main_frame', 'sub_frame', 'other'] as const
export type RequestType = typeof requestTypes[number]

export interface Wanted { url: string, page: string, type: RequestType }

/** The rule that blocks a request, as its list words it; undefined when it goes. */
export type RuleFor = (wanted: Wanted) => string | undefined

let ublock: Promise<RuleFor> | undefined

/** uBlock Origin with the lists of a new installation. Its engine has one memory, so there is one per process. */
export const openUblock = async (): Promise<RuleFor> => await (ublock ??= startUblock())

async function startUblock (): Promise<RuleFor> {
  const { StaticNetFilteringEngine, pslInit } = ubo as Ublock
  const engine = await StaticNetFilteringEngine.create({ noPSL: true })
  // The suffixes that come with the engine don't load, and without them every request is of a third party.
  pslInit(publicSuffixes())
  await engine.useLists(ublockLists())
  return ({ url, page, type }) =>
    engine.matchRequest({ originURL: page, url, type }) === 1 ? engine.toLogData().raw : undefined
}

/** AdGuard's lists. `debug` keeps the rules' own words. */
export function openAdguard (): RuleFor {
  const engine = FiltersEngine.parse(adguardLists().map(({ raw }) => raw).join('\n'), { debug: true })
  return ({ url, page, type }) => {
    const { match, filter } = engine.match(Request.fromRawDetails({ url, sourceUrl: page, type }))
    return match ? filter?.toString() ?? 'a rule without words' : undefined
  }
}
