// The errors of the fake Data Manager API, in the form that all of Google's APIs share (google.md §2.6).
import { protoPath } from './google_ads_rule.ts'
import type { Path } from './json.ts'
import type { FakeAnswer, FakeRequest } from './network.ts'

/** What is wrong at one place. `path` begins at the request's root; `rule` is for the receipt. */
export interface Violation { rule: string, path: Path, reason?: string, description: string }

/** Why a request is refused as a whole. */
export interface Refusal {
  status: number
  message: string
  reason?: string
  violations: Violation[]
  /** Quota errors say which. */
  quota?: string
}

const canonical: Record<number, string> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  409: 'ABORTED',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED'
}
const typed = (name: string, value: object) => ({ '@type': `type.googleapis.com/google.rpc.${name}`, ...value })

/** One violation of a request, refused with its reason. */
export function refuseFor (reason: string, rule: string, path: Path, description: string): Refusal {
  const violations = [{ rule, path, reason, description }]
  return { status: 400, message: 'There was a problem with the request.', reason, violations }
}

/** The error body. Every other request names the places of events as `events.events[0]…`, as Google does at times. */
export function errorAnswer (refusal: Refusal, request: FakeRequest): FakeAnswer {
  const { status, message, reason, violations, quota } = refusal
  const isDoubled = request.serial % 2 === 0
  const details = [
    ...reason === undefined
      ? []
      : [typed('ErrorInfo', {
          reason,
          domain: 'datamanager.googleapis.com',
          metadata: quota === undefined ? {} : { quota_limit: quota, service: 'datamanager.googleapis.com' }
        })],
    ...violations.length === 0
      ? []
      : [typed('BadRequest', {
          fieldViolations: violations.map(({ path, reason: why, description }) => ({
            field: `${isDoubled && path.length > 1 ? `${path[0]}.` : ''}${protoPath(path)}`, description, reason: why
          }))
        })],
    typed('RequestInfo', { requestId: requestIdOf(request) })
  ]
  return { status, body: { error: { code: status, message, status: canonical[status] ?? 'UNKNOWN', details } } }
}

/** Google's own id of a request. */
export function requestIdOf ({ serial }: FakeRequest): string {
  return `DMFake${String(serial).padStart(8, '0')}`
}
