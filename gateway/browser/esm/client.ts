// The npm-style entry: `import { track } from 'postern-browser'` in Astro, Next, Vue. It loads the gateway's own script.
import { eventIdFor } from '../identifiers.ts'

export interface LoadOptions {
  /** Address of the script: `https://t.example.com/s.js`, or `/_p/s.js` on the site itself. */
  src: string
  /** For a Content Security Policy with nonces. */
  nonce?: string
  /** With an address that holds a hash: the value of Subresource Integrity. */
  integrity?: string
  /** `data-*` attributes of the script tag, in camel case: `{ pageView: 'off' }`. */
  data?: Record<string, string>
}

type Params = Record<string, unknown>
type Api = ((...command: unknown[]) => unknown) & { q?: unknown[][], privacy?: () => Privacy }
export interface Privacy { gpc: boolean, honored: boolean }

/** The page's API: the script's own, or a queue that it reads when it has loaded; none where there is no page. */
function openApi (): Api | undefined {
  if (typeof window === 'undefined') return undefined
  const page = window as unknown as { postern?: Api }
  const stub: Api = page.postern ?? ((...command) => (stub.q ??= []).push(command))
  page.postern ??= stub
  return page.postern
}

/** Adds the script to the page, once; on a server, nothing. */
export function load ({ src, nonce, integrity, data }: LoadOptions): void {
  if (openApi() === undefined || document.querySelector('script[data-postern]') !== null) return
  const script = document.createElement('script')
  script.async = true
  script.dataset.postern = ''
  Object.assign(script.dataset, data)
  if (nonce !== undefined) script.nonce = nonce
  if (integrity !== undefined) {
    script.integrity = integrity
    script.crossOrigin = 'anonymous'
  }
  script.src = src
  document.head.append(script)
}

/** Reports an event; its id is known at once, so that the page's own tags and back end can use the same. */
export function track (name: string, params?: Params): { event_id: string } {
  const id = eventIdFor(name, params)
  openApi()?.('track', name, { ...params, event_id: id })
  return { event_id: id }
}

/** Tells the visitor's choice, in consent mode's words; a part of it is enough. */
export function consent (choice: Params): void {
  openApi()?.('consent', choice)
}

/** Whether Global Privacy Control is on and followed; undefined until the script has loaded. */
export function privacy (): Privacy | undefined {
  return openApi()?.privacy?.()
}

export interface PosternEvent { event_name: string, event_id: string, params?: Params }

/** Hears of every event of this page with its id, for pixels that are to report it too. Answers how to stop. */
export function onEvent (hear: (event: PosternEvent) => void): () => void {
  if (typeof document === 'undefined') return () => undefined
  const listener = (event: Event) => hear((event as CustomEvent<PosternEvent>).detail)
  document.addEventListener('postern:event', listener)
  return () => document.removeEventListener('postern:event', listener)
}
