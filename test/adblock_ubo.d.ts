// What the tests use of uBlock Origin's own engine, which comes without types.
declare module '@gorhill/ubo-core' {
  interface RequestDetails { originURL: string, url: string, type: string }
  interface Engine {
    useLists: (lists: { name: string, raw: string }[]) => Promise<void>
    /** 0: no rule; 1: blocked; 2: a rule allows it. */
    matchRequest: (details: RequestDetails) => number
    /** The rule of the last match. */
    toLogData: () => { raw: string }
  }
  export const StaticNetFilteringEngine: { create: (options: { noPSL: boolean }) => Promise<Engine> }
  /** Takes the text of the public suffix list; without it every request counts as third-party. */
  export function pslInit (raw: string): unknown
}
