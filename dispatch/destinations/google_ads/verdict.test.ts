// What Google says half an hour later, as outcomes: every processing reason, on the right events.
import fc from 'fast-check'
import { test } from 'tap'
import type { Outcome } from '../../../schema/outcome.ts'
import type { NetworkResponse } from '../../destination.ts'
import { outcomesOf } from '../../judge.ts'
import { bareReason, knownReasons } from './errors.ts'
import { judge } from './judge.ts'
import { judgeVerdict } from './verdict.ts'

interface Count { recordCount?: unknown, reason?: unknown, recordIndices?: unknown }

const counted = (reason: string, recordCount: unknown, recordIndices?: unknown): Count =>
  ({ reason: `PROCESSING_ERROR_REASON_${reason}`, recordCount, recordIndices })

function statusOf (requestStatus: unknown, errorCounts: Count[] = [], more: object = {}) {
  const eventsIngestionStatus = { recordCount: '3' }
  const destination = { requestStatus, errorInfo: { errorCounts }, eventsIngestionStatus, ...more }
  return { status: 200, headers: {}, body: { requestStatusPerDestination: [destination] } }
}

function outcomes (answer: NetworkResponse, count: number): Outcome[] {
  const judged = outcomesOf(judgeVerdict(answer, count), count)
  if (judged === 'isolate') throw new Error('a verdict isolates nothing')
  return judged
}

const rejected = (detail: string | RegExp) => ({ kind: 'rejected', reason: 'network_refused', detail })
const delivered = { kind: 'delivered' }
const lastWord = (detail: RegExp) => ({ kind: 'accepted', isLastWord: true, detail })

test('every processing reason has its outcome', t => {
  const wanted: Record<string, object> = {
    EVENT_TOO_OLD: rejected(/^EVENT_TOO_OLD: /),
    DENIED_CONSENT: rejected(/^DENIED_CONSENT: /),
    NO_CONSENT: rejected(/^NO_CONSENT: /),
    UNKNOWN_CONSENT: rejected(/^UNKNOWN_CONSENT: /),
    DUPLICATE_GCLID: delivered,
    DUPLICATE_TRANSACTION_ID: delivered,
    INVALID_GCLID: rejected(/gclid/),
    INVALID_GBRAID: rejected(/gbraid/),
    INVALID_WBRAID: rejected(/wbraid/),
    INVALID_CLICK: rejected(/click/),
    CLICK_NOT_FOUND: rejected(/no click/),
    TOO_RECENT_CLICK: { kind: 'retry', reason: 'network_error', afterSeconds: 21_600, detail: /^TOO_RECENT_CLICK: / },
    CONVERSION_PRECEDES_CLICK: rejected(/older than its click/),
    INVALID_OPERATING_ACCOUNT_FOR_CLICK: rejected(/another account/),
    OPERATING_ACCOUNT_MISMATCH_FOR_AD_IDENTIFIER: rejected(/another account/),
    INVALID_FORMAT: rejected(/malformed/),
    INVALID_EVENT: rejected(/not valid/),
    INSUFFICIENT_MATCHED_TRANSACTIONS: rejected('INSUFFICIENT_MATCHED_TRANSACTIONS'),
    INSUFFICIENT_TRANSACTIONS: rejected('INSUFFICIENT_TRANSACTIONS'),
    INTERNAL_ERROR: { kind: 'retry', reason: 'network_error', afterSeconds: undefined },
    ...Object.fromEntries(['EXTERNAL_ATTRIBUTION_DATA_MISSING', 'INVALID_CUSTOM_VARIABLE',
      'CUSTOM_VARIABLE_NOT_ENABLED', 'INVALID_MERCHANT_ID',
      'DESTINATION_ACCOUNT_ENHANCED_CONVERSIONS_TERMS_NOT_SIGNED', 'DECRYPTION_ERROR',
      'DEK_DECRYPTION_ERROR', 'INVALID_WIP', 'INVALID_KEK', 'WIP_AUTH_FAILED', 'KEK_PERMISSION_DENIED',
      'AWS_AUTH_FAILED', 'USER_IDENTIFIER_DECRYPTION_ERROR'].map(reason =>
      [reason, { kind: 'pause', detail: new RegExp(`^${reason}`) }])),
    A_REASON_OF_NEXT_YEAR: rejected('A_REASON_OF_NEXT_YEAR')
  }
  t.same(Object.keys(wanted).sort(), [...Object.keys(knownReasons.verdictReasons), 'A_REASON_OF_NEXT_YEAR'].sort())
  for (const [reason, outcome] of Object.entries(wanted)) {
    const [first, other] = outcomes(statusOf('PARTIAL_SUCCESS', [counted(reason, '1', [1])]), 2)
    t.match(other, outcome, reason)
    t.match(first, delivered)
  }
  t.equal(bareReason('PROCESSING_ERROR_OPERATING_ACCOUNT_MISMATCH_FOR_AD_IDENTIFIER'),
    'OPERATING_ACCOUNT_MISMATCH_FOR_AD_IDENTIFIER', 'whose prefix lacks a word')
  t.end()
})

test('a status without counts says it for all events', t => {
  const cases: [unknown, object][] = [
    ['SUCCESS', delivered],
    ['REQUEST_STATUS_SUCCESS', delivered],
    ['PROCESSING', { kind: 'accepted', isLastWord: undefined }],
    ['REQUEST_STATUS_UNKNOWN', { kind: 'accepted', isLastWord: undefined }],
    [undefined, { kind: 'accepted', isLastWord: undefined }],
    ['FAILED', { kind: 'retry', detail: /without a reason/ }],
    ['FAILURE', { kind: 'retry', detail: /without a reason/ }],
    ['PARTIAL_SUCCESS', delivered]
  ]
  for (const [requestStatus, outcome] of cases) {
    t.match(outcomes(statusOf(requestStatus), 3), [outcome, outcome, outcome], String(requestStatus))
  }
  for (const body of [{}, null, '', [], { requestStatusPerDestination: [] }]) {
    t.match(outcomes({ status: 200, headers: {}, body }, 2), [{ kind: 'accepted' }, { kind: 'accepted' }])
  }
  t.end()
})

test('indices settle the right events', t => {
  const two = outcomes(statusOf('PARTIAL_SUCCESS',
    [counted('EVENT_TOO_OLD', '2', [0, 3]), counted('CLICK_NOT_FOUND', 1, ['4'])]), 6)
  t.match(two, [rejected(/TOO_OLD/), delivered, delivered, rejected(/TOO_OLD/), rejected(/NOT_FOUND/), delivered])

  const all = outcomes(statusOf('FAILED', [counted('EVENT_TOO_OLD', '1', [1]), counted('NO_CONSENT', '1', [0])]), 2)
  t.match(all, [rejected(/NO_CONSENT/), rejected(/TOO_OLD/)])

  const twice = outcomes(statusOf('PARTIAL_SUCCESS',
    [counted('TOO_RECENT_CLICK', '2', [0, 1]), counted('NO_CONSENT', '1', [0])]), 3)
  t.match(twice, [rejected(/NO_CONSENT/), { kind: 'retry' }, delivered], 'what refuses for good counts first')

  const [only] = outcomes(statusOf('FAILED', [counted('CLICK_NOT_FOUND', undefined, [0])]), 1)
  t.match(only, rejected(/NOT_FOUND/), 'a count can be left out')
  t.end()
})

test('without indices nobody is blamed for another', t => {
  const some = outcomes(statusOf('PARTIAL_SUCCESS', [counted('EVENT_TOO_OLD', '2'), counted('NO_CONSENT', '1')]), 500)
  t.equal(some.length, 500)
  t.match(some[0], lastWord(/^of 500 events Google refused 2 EVENT_TOO_OLD, 1 NO_CONSENT; Google does not say which$/))
  t.same(new Set(some).size, 1)

  t.match(outcomes(statusOf('FAILED', [counted('EVENT_TOO_OLD', '3')]), 3), new Array(3).fill(rejected(/TOO_OLD/)))
  t.match(outcomes(statusOf('FAILED', [counted('EVENT_TOO_OLD', '1')]), 1), [rejected(/TOO_OLD/)])
  t.match(outcomes(statusOf('FAILURE', [counted('EVENT_TOO_OLD', '2'), counted('NO_CONSENT', '1')]), 3),
    new Array(3).fill(rejected('of 3 events Google refused 2 EVENT_TOO_OLD, 1 NO_CONSENT')))
  t.match(outcomes(statusOf('FAILED', [counted('EVENT_TOO_OLD', '2'), counted('TOO_RECENT_CLICK', '1')]), 3),
    new Array(3).fill(lastWord(/does not say which/)), 'some may be sent again, and nobody knows which')
  t.match(outcomes(statusOf('PARTIAL_SUCCESS', [counted('DUPLICATE_TRANSACTION_ID', '3')]), 3),
    new Array(3).fill(delivered))

  t.match(outcomes(statusOf('PARTIAL_SUCCESS', [counted('EVENT_TOO_OLD', '1', [1]), counted('NO_CONSENT', '1')]), 3),
    [lastWord(/which/), rejected(/TOO_OLD/), lastWord(/which/)], 'named ones are known, the others are not')
  for (const places of [[3], [-1], ['x'], [0.5]]) {
    t.match(outcomes(statusOf('PARTIAL_SUCCESS', [counted('EVENT_TOO_OLD', '1', places)]), 3)[0], lastWord(/which/),
      `a place that is none: ${String(places)}`)
  }
  t.end()
})

test('an answer without a status is asked again, or shows that nobody will ever know', t => {
  const answer = (code: number, status: string, reason?: string) => {
    const details = reason === undefined ? [] : [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason }]
    return outcomes({ status: code, headers: {}, body: { error: { code, status, message: 'x', details } } }, 2)[1]
  }
  t.match(answer(400, 'INVALID_ARGUMENT', 'INVALID_REQUEST_ID'), lastWord(/INVALID_REQUEST_ID/))
  t.match(answer(404, 'NOT_FOUND'), lastWord(/404/))
  const open = { kind: 'accepted', isLastWord: undefined }
  t.match(answer(401, 'UNAUTHENTICATED', 'ACCESS_TOKEN_EXPIRED'), { ...open, detail: /ACCESS_TOKEN_EXPIRED/ })
  t.match(answer(403, 'PERMISSION_DENIED'), { ...open, detail: 'not answered: HTTP 403 PERMISSION_DENIED' })
  t.match(answer(400, 'INVALID_ARGUMENT'), { kind: 'accepted', isLastWord: undefined })
  t.match(outcomes({ status: 404, headers: {}, body: '<html>' }, 1), [{ kind: 'accepted', isLastWord: undefined }])
  t.match(outcomes({ status: 302, headers: {}, body: '' }, 1), [{ kind: 'accepted', isLastWord: undefined }])
  t.end()
})

test('keeps the warnings that come with a success', t => {
  const warningInfo = { warningCounts: [{ recordCount: '2', reason: 'PROCESSING_WARNING_REASON_INTERNAL_ERROR' }] }
  t.match(judgeVerdict(statusOf('SUCCESS', [], { warningInfo }), 3), { said: '2 INTERNAL_ERROR' })
  t.end()
})

test('whatever comes, every event has one outcome and none counts unless Google says so', t => {
  const json = fc.jsonValue({ maxDepth: 4 })
  const reason = fc.oneof(fc.constantFrom('PROCESSING_ERROR_REASON_EVENT_TOO_OLD', 'TOO_RECENT_CLICK', ''), json)
  const places = fc.oneof(fc.array(fc.oneof(fc.integer({ min: -1, max: 6 }), json)), json)
  const counts = fc.array(fc.record({ reason, recordCount: fc.oneof(fc.nat(9), json), recordIndices: places },
    { requiredKeys: [] }))
  const told = fc.record({
    requestStatus: fc.oneof(fc.constantFrom('FAILED', 'FAILURE', 'PARTIAL_SUCCESS', 'PROCESSING'), json),
    errorInfo: fc.oneof(fc.record({ errorCounts: fc.oneof(counts, json) }), json)
  }, { requiredKeys: [] })
  const body = fc.oneof(fc.record({ requestStatusPerDestination: fc.oneof(fc.array(told), json) }), json)
  const few = fc.integer({ min: 1, max: 5 })
  fc.assert(fc.property(body, fc.constantFrom(200, 400, 403, 404), few, (given, status, count) => {
    const found = outcomes({ status, headers: {}, body: given }, count)
    const mayCount = status === 200 && /SUCCESS|FAIL/.test(JSON.stringify(given))
    const isOpen = found.every(({ kind }) => kind !== 'delivered' && kind !== 'rejected')
    return found.length === count && (mayCount || isOpen)
  }))
  fc.assert(fc.property(json, fc.integer({ min: 200, max: 599 }), few, (given, status, count) => {
    const found = outcomesOf(judge({ status, headers: {}, body: given }, new Array(count).fill({})), count)
    return found === 'isolate' || (found.length === count && found.every(({ kind }) => kind !== 'delivered'))
  }))
  t.pass('for any answer')
  t.end()
})
