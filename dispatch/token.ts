// Credentials of a request: plain ones from the settings, Google's OAuth tokens fetched, cached and renewed here.
import { createHash, createPrivateKey, sign } from 'node:crypto'
import type { OutgoingRequest } from './destination.ts'
import type { Answer } from './judge.ts'
import { readRetryAfter } from './retry.ts'
import type { Credential, Sender } from './send.ts'
import type { Target } from './target.ts'

/** A credential, or why there is none. `isCached`: a 401 may only mean that the cached token died early. */
export type Authorization =
  | { credential: Credential, isCached: boolean }
  | { retry: string, afterSeconds?: number }
  | { pause: string }

export interface Tokens {
  /** The credential of a target's next request. One fetch at a time per credential, whoever asks. */
  authorize: (target: Target) => Promise<Authorization>
  /** Throws the cached token away: the network did not take it. */
  forget: (target: Target) => void
}

interface Token { value: string, expiresMs: number }
type Fetched = { token: Token } | { retry: string, afterSeconds?: number } | { pause: string }

const googleTokenAddress = 'https://oauth2.googleapis.com/token'
/** A token is renewed this long before it ends, so that it outlives the request that carries it. */
const renewBeforeMs = 60_000

/** Makes the token cache of a process. */
export function createTokens (deps: { sender: Pick<Sender, 'send'>, now: () => number }): Tokens {
  const cache = new Map<string, Token>()
  const underWay = new Map<string, Promise<Fetched>>()

  async function fetchOnce (key: string, request: OutgoingRequest): Promise<Fetched> {
    const running = underWay.get(key)
    if (running !== undefined) return await running
    const fetching = fetchToken(deps, request)
    underWay.set(key, fetching)
    try {
      const fetched = await fetching
      if ('token' in fetched) cache.set(key, fetched.token)
      return fetched
    } finally {
      underWay.delete(key)
    }
  }

  return {
    async authorize (target) {
      const { auth } = target.destination
      if (auth.kind === 'none') return { credential: { kind: 'none' }, isCached: false }
      if (auth.kind !== 'google_oauth') {
        return { credential: { kind: auth.kind, name: auth.name, value: auth.value(target.settings) }, isCached: false }
      }
      const key = cacheKey(target, auth.credentials(target.settings), auth.scope)
      const known = cache.get(key)
      if (known !== undefined && known.expiresMs - renewBeforeMs > deps.now()) return bearer(known, true)
      const request = tokenRequest(auth.credentials(target.settings), auth.scope, target.tokenEndpoint, deps.now())
      if ('pause' in request) return request
      const fetched = await fetchOnce(key, request)
      return 'token' in fetched ? bearer(fetched.token, false) : fetched
    },

    forget (target) {
      const { auth } = target.destination
      if (auth.kind === 'google_oauth') {
        cache.delete(cacheKey(target, auth.credentials(target.settings), auth.scope))
      }
    }
  }
}

function bearer (token: Token, isCached: boolean): Authorization {
  return { credential: { kind: 'header', name: 'authorization', value: `Bearer ${token.value}` }, isCached }
}

function cacheKey (target: Target, credentials: string, scope: string): string {
  return createHash('sha256').update(`${credentials}\0${scope}\0${target.tokenEndpoint ?? ''}`).digest('base64')
}

const text = (value: unknown) => typeof value === 'string' && value !== '' ? value : undefined

/**
 * The request for a token: a service account's signed assertion (RFC 7523), or an authorised user's refresh token
 * (RFC 6749 §6). `credentials` is the JSON file that Google gives out for either.
 */
function tokenRequest (
  credentials: string, scope: string, tokenEndpoint: string | undefined, nowMs: number
): OutgoingRequest | { pause: string } {
  let key: Record<string, unknown>
  try {
    key = JSON.parse(credentials) as Record<string, unknown>
  } catch {
    // The parser's message would quote the secret.
    return { pause: 'the credentials are not the JSON that Google gives out' }
  }
  const address = text(key.token_uri) ?? googleTokenAddress
  const url = tokenEndpoint ?? address
  const email = text(key.client_email)
  const privateKey = text(key.private_key)
  if (email !== undefined && privateKey !== undefined) {
    const id = text(key.private_key_id)
    const assertion = signAssertion({ email, privateKey, id, scope, audience: address, nowMs })
    if (assertion === null) return { pause: 'the private key in the credentials cannot be read' }
    return formPost(url, { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion })
  }
  const [id, secret, refresh] = [text(key.client_id), text(key.client_secret), text(key.refresh_token)]
  if (id !== undefined && secret !== undefined && refresh !== undefined) {
    return formPost(url, { grant_type: 'refresh_token', client_id: id, client_secret: secret, refresh_token: refresh })
  }
  return { pause: 'the credentials hold neither a service account nor a refresh token' }
}

function formPost (url: string, form: Record<string, string>): OutgoingRequest {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  return { method: 'POST', url, headers, body: new URLSearchParams(form).toString() }
}

interface Assertion {
  email: string
  privateKey: string
  id: string | undefined
  scope: string
  audience: string
  nowMs: number
}

function signAssertion (claim: Assertion): string | null {
  const issuedAt = Math.floor(claim.nowMs / 1000)
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const head = part({ alg: 'RS256', typ: 'JWT', kid: claim.id })
  const body = part({
    iss: claim.email, scope: claim.scope, aud: claim.audience, iat: issuedAt, exp: issuedAt + 3600
  })
  try {
    const signature = sign('sha256', Buffer.from(`${head}.${body}`), createPrivateKey(claim.privateKey))
    return `${head}.${body}.${signature.toString('base64url')}`
  } catch {
    // OpenSSL's message can say what it read; the caller names the cause.
    return null
  }
}

async function fetchToken (
  deps: { sender: Pick<Sender, 'send'>, now: () => number }, request: OutgoingRequest
): Promise<Fetched> {
  const answer = await deps.sender.send(request, { kind: 'none' })
  return readToken(answer, deps.now())
}

function readToken (answer: Answer, nowMs: number): Fetched {
  if (answer.kind === 'failure') return { retry: `token: ${answer.failure.code}` }
  const { status, headers } = answer.response
  const body = (answer.response.body ?? {}) as Record<string, unknown>
  const value = text(body.access_token)
  const lifeSeconds = Number(body.expires_in ?? 3600)
  if (status === 200 && value !== undefined && Number.isFinite(lifeSeconds)) {
    return { token: { value, expiresMs: nowMs + lifeSeconds * 1000 } }
  }
  const isRefused = status === 400 || status === 401 || status === 403
  const error = text(body.error)
  const said = error !== undefined && /^[a-z_]{1,60}$/.test(error) ? ` ${error}` : ''
  if (isRefused) return { pause: `token: HTTP ${status}${said}` }
  return { retry: `token: HTTP ${status}${said}`, afterSeconds: readRetryAfter(headers['retry-after'], nowMs) }
}
