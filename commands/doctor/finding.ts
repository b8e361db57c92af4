// What `postern doctor` has to say: one finding per question, with what to change where something is wrong.

export const levels = ['ok', 'warn', 'fail'] as const
export type Level = typeof levels[number]

export interface Finding {
  site: string
  /** The host that it is about. */
  host: string
  check: 'dns' | 'tls' | 'reach' | 'safari' | 'address' | 'country' | 'protocol' | 'cookies' | 'cache' | 'clock' |
    'script' | 'vendor'
  level: Level
  /** What is so, in plain words. */
  text: string
  /** What to change. Only where the level is not ok. */
  fix?: string
}

/** Adds what a check found, for the site and host that it was about. */
export type Note = (check: Finding['check'], level: Level, text: string, fix?: string) => void

/** One line: `fail  main  t.example.com  tls: … . Fix: … .` */
export function inWords ({ site, host, check, level, text, fix }: Finding): string {
  return `${level.padEnd(4)}  ${site}  ${host}  ${check}: ${text}.${fix === undefined ? '' : ` Fix: ${fix}.`}\n`
}
