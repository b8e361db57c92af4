// The fake of Google's token service: service accounts (RFC 7523), refresh tokens, and the tokens it has given out.
import { createPublicKey, verify } from 'node:crypto'
import type { FakeGoogleAdsOptions } from './google_ads_options.ts'
import { isObject, type Json } from './json.ts'
import type { FakeAnswer, FakeRequest } from './network.ts'

export const tokenScope = 'https://www.googleapis.com/auth/datamanager'
const tokenAudience = 'https://oauth2.googleapis.com/token'
const assertionGrant = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
/** How far a client's clock may be ahead. */
const skewSeconds = 300

export interface FakeTokens {
  /** `POST /token`. */
  give (request: FakeRequest): FakeAnswer
  /** Why a request's bearer token is not taken; undefined when it is. */
  check (request: FakeRequest): string | undefined
}

/** google.md §1.2: tokens live 3,600 seconds; the errors are those of RFC 6749 §5.2. */
export function openTokens (options: FakeGoogleAdsOptions): FakeTokens {
  const endsMs = new Map<string, number>()
  const lifeSeconds = options.tokenSeconds ?? 3600
  return {
    give (request) {
      const refused = refusalOf(request, options)
      if (refused !== undefined) return answer(refused.error === 'invalid_client' ? 401 : 400, refused)
      const token = `ya29.fake-${request.serial}`
      endsMs.set(token, request.nowMs + lifeSeconds * 1000)
      return answer(200, { access_token: token, expires_in: lifeSeconds, token_type: 'Bearer', scope: tokenScope })
    },
    check ({ headers, nowMs }) {
      const [, token] = /^Bearer (\S+)$/.exec(headers.authorization ?? '') ?? []
      if (token === undefined) return 'CREDENTIALS_MISSING'
      if (options.accessTokens?.includes(token) === true) return undefined
      return (endsMs.get(token) ?? -Infinity) > nowMs ? undefined : 'ACCESS_TOKEN_EXPIRED'
    }
  }
}

function answer (status: number, body: object): FakeAnswer {
  return { status, headers: { 'cache-control': 'no-store' }, body }
}

interface TokenError { error: string, error_description: string }
const refuse = (error: string, description: string): TokenError => ({ error, error_description: description })

function refusalOf (request: FakeRequest, options: FakeGoogleAdsOptions): TokenError | undefined {
  if (!/^application\/x-www-form-urlencoded\b/i.test(request.headers['content-type'] ?? '')) {
    return refuse('invalid_request', 'The request must be a form.')
  }
  const form = new URLSearchParams(request.body.toString('utf8'))
  switch (form.get('grant_type')) {
    case assertionGrant: return checkAssertion(form.get('assertion') ?? '', request.nowMs, options)
    case 'refresh_token': return checkRefresh(form, options)
    default: return refuse('unsupported_grant_type', 'Invalid grant_type.')
  }
}

function checkRefresh (form: URLSearchParams, { refreshTokens }: FakeGoogleAdsOptions): TokenError | undefined {
  const [id, secret, token] = ['client_id', 'client_secret', 'refresh_token'].map(key => form.get(key) ?? '')
  if (id === '' || secret === '' || token === '' || token === undefined) {
    return refuse('invalid_request', 'Missing required parameter.')
  }
  if (refreshTokens === undefined) {
    return /^[\w/.*-]+$/.test(token) && !token.includes('*') ? undefined : refuse('invalid_grant', 'Bad Request')
  }
  const known = Object.hasOwn(refreshTokens, token) ? refreshTokens[token] : undefined
  if (known === undefined) return refuse('invalid_grant', 'Token has been expired or revoked.')
  const isClient = known.clientId === id && known.clientSecret === secret
  return isClient ? undefined : refuse('invalid_client', 'Unauthorized')
}

/** google.md §1.2: RS256; iss, scope, aud = the token address, iat, exp at most an hour after it. */
function checkAssertion (
  assertion: string, nowMs: number, { serviceAccounts }: FakeGoogleAdsOptions
): TokenError | undefined {
  const [head, body, signature, ...rest] = assertion.split('.')
  const [header, claims] = [head, body].map(readPart)
  if (header === undefined || claims === undefined || signature === undefined || rest.length > 0) {
    return refuse('invalid_grant', 'Invalid JWT: Token must be a short-lived token.')
  }
  if (header.alg !== 'RS256') return refuse('invalid_grant', 'Invalid JWT: the algorithm must be RS256.')
  const { iss, scope, aud, iat, exp } = claims
  const nowSeconds = nowMs / 1000
  if (typeof iss !== 'string' || !/^[\w.-]+@[\w.-]+$/.test(iss)) return refuse('invalid_grant', 'Invalid JWT: iss.')
  if (aud !== tokenAudience) return refuse('invalid_grant', 'Invalid JWT: the audience is not the token service.')
  if (!Number.isInteger(iat) || !Number.isInteger(exp) || Number(exp) - Number(iat) > 3600 ||
    Number(exp) <= nowSeconds || Number(iat) > nowSeconds + skewSeconds) {
    return refuse('invalid_grant', 'Invalid JWT: Token must be short-lived and in a reasonable timeframe.')
  }
  if (scope !== tokenScope) return refuse('invalid_scope', 'Invalid OAuth scope or ID token audience provided.')
  if (serviceAccounts === undefined) return undefined
  const key = Object.hasOwn(serviceAccounts, iss) ? serviceAccounts[iss] : undefined
  if (key === undefined) return refuse('invalid_grant', 'Invalid grant: account not found')
  const isSigned = verify('sha256', Buffer.from(`${head}.${body}`), createPublicKey(key),
    Buffer.from(signature, 'base64url'))
  return isSigned ? undefined : refuse('invalid_grant', 'Invalid JWT Signature.')
}

function readPart (part: string | undefined): Json | undefined {
  if (part === undefined || !/^[\w-]+$/.test(part)) return undefined
  try {
    const parsed: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
    return isObject(parsed) ? parsed : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
