// The sink as destinations of a site, and what it has received.
import { startNode, type Child } from './processes.ts'
import type { SinkReport } from './sink.ts'
import { otherCore } from './world.ts'

export type NetworkType = 'meta' | 'tiktok' | 'google_ads'

const account: Record<NetworkType, object> = {
  meta: { pixel_id: '618273645501928', access_token: 'benchAccessToken0000000000000000' },
  tiktok: { pixel_code: 'CP0STERN0BENCH0TIKTK', access_token: 'benchAccessToken00000000000000000000000000' },
  google_ads: {
    customer_id: '604-318-2257',
    role: 'import',
    conversion_actions: { generate_lead: '6512345001', purchase: '6512345002' },
    credentials: JSON.stringify({
      type: 'authorized_user',
      client_id: 'bench.apps.googleusercontent.com',
      client_secret: 'bench',
      refresh_token: 'bench'
    })
  }
}

export interface Networks {
  sink: Child
  /** For the settings file. */
  settings: Record<string, object>
  /** What came since the last report. */
  report: () => Promise<SinkReport>
}

/** Starts the sink. `events`: which of them the destinations want. */
export async function networks (
  types: readonly NetworkType[], mode: 'answer' | 'hang', events: 'conversions' | 'all' = 'all'
): Promise<Networks> {
  const sink = startNode('bench/sink.ts', [mode], { core: otherCore })
  const { port } = await sink.nextLine() as { port: number }
  const settings = Object.fromEntries(types.map(type => [type, {
    ...account[type],
    events,
    endpoint: `http://127.0.0.1:${port}/${type}`,
    ...(type === 'google_ads' ? { token_endpoint: `http://127.0.0.1:${port}/token` } : {})
  }]))
  return {
    sink,
    settings,
    async report () {
      sink.say('report')
      return await sink.nextLine() as SinkReport
    }
  }
}
