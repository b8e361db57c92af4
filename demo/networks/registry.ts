// Which networks are faked. A further one is its own file and one line here.
import { makeFakeGa4, type FakeGa4Options } from './ga4.ts'
import { makeFakeGoogleAds, type FakeGoogleAdsOptions } from './google_ads.ts'
import { makeFakeMeta, type FakeMetaOptions } from './meta.ts'
import type { FakeNetwork } from './network.ts'
import { makeFakeTiktok, type FakeTiktokOptions } from './tiktok.ts'

export interface NetworkOptions {
  google_ads?: FakeGoogleAdsOptions
  meta?: FakeMetaOptions
  ga4?: FakeGa4Options
  tiktok?: FakeTiktokOptions
}

/** One value per destination type, each with its own options. */
export function makeNetworks (options: NetworkOptions): FakeNetwork[] {
  return [
    makeFakeGoogleAds(options.google_ads),
    makeFakeMeta(options.meta),
    makeFakeGa4(options.ga4),
    makeFakeTiktok(options.tiktok)
  ]
}
