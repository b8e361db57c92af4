// The npm-style entry: `import { track } from 'postern-browser'` in Astro, Next or Vue. Loads the gateway's own script.
import { eventIdFor } from '../identifiers.ts'

/** Google consent mode's words. */
export type ConsentState = 'granted' | 'denied'

export interface Choice {
  ad_storage?: ConsentState | boolean
  ad_user_data?: ConsentState | boolean
  ad_personalization?: ConsentState | boolean
  analytics_storage?: ConsentState | boolean
}

export interface Item {
  item_id?: string
  item_name?: string
  item_brand?: string
  item_category?: string
  item_variant?: string
  coupon?: string
  discount?: number
  price?: number
  quantity?: number
}

/** GA4's parameters; any other key becomes a parameter of the event. */
export interface Params {
  /** Under this id the event is counted once: 1 to 255 printable characters. */
  event_id?: string
  value?: number | string
  currency?: string
  transaction_id?: string | number
  items?: Item[]
  form_id?: string
  form_name?: string
  user_id?: string
  user_data?: Record<string, unknown>
  [key: string]: unknown
}

/** GA4's recommended names; names of your own are as good. */
export type EventName = 'page_view' | 'view_item' | 'view_item_list' | 'search' | 'add_to_cart' | 'add_to_wishlist' |
  'begin_checkout' | 'add_payment_info' | 'purchase' | 'refund' | 'generate_lead' | 'sign_up' | 'contact' |
  'schedule' | 'subscribe' | 'start_trial' | 'submit_application' | (string & {})

export interface Tracked { event_id: string }

export interface Privacy {
  /** Global Privacy Control is on. */
  gpc: boolean
  /** And it is followed here. */
  honored: boolean
}

export interface PosternEvent { event_name: string, event_id: string, params?: Params }

/** What the script puts on the page as `window.postern`: a queue before it has loaded, the API afterwards. */
export interface Postern {
  (command: 'track', name: EventName, params?: Params): Tracked | undefined
  (command: 'consent', choice: Choice): void
  (command: 'privacy'): Privacy | undefined
  track?: (name: EventName, params?: Params) => Tracked
  consent?: (choice: Choice) => void
  privacy?: () => Privacy
}

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

/** The page's API: the script's own, or a queue that it reads when it has loaded; none where there is no page. */
function openApi (): Postern | undefined {
  if (typeof window === 'undefined') return undefined
  const page = window as unknown as { postern?: Postern }
  const stub = ((...command: unknown[]) => { (stub.q ??= []).push(command) }) as Postern & { q?: unknown[][] }
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
export function track (name: EventName, params?: Params): Tracked {
  const id = eventIdFor(name, params)
  openApi()?.('track', name, { ...params, event_id: id })
  return { event_id: id }
}

/** Tells the visitor's choice; a part of it is enough. */
export function consent (choice: Choice): void {
  openApi()?.('consent', choice)
}

/** Whether Global Privacy Control is on and followed; undefined until the script has loaded. */
export function privacy (): Privacy | undefined {
  return openApi()?.privacy?.()
}

/** Hears of every event of this page with its id, for pixels that are to report it too. Answers how to stop. */
export function onEvent (hear: (event: PosternEvent) => void): () => void {
  if (typeof document === 'undefined') return () => undefined
  const listener = (event: Event) => hear((event as CustomEvent<PosternEvent>).detail)
  document.addEventListener('postern:event', listener)
  return () => document.removeEventListener('postern:event', listener)
}
