// When the vendor is asked and when it is left in peace, by a clock of our own.
import { test } from 'tap'
import { breakerPauseMs, createBreaker } from './breaker.ts'

function world (most = 10) {
  const told: string[] = []
  const clock = { ms: 0 }
  const breaker = createBreaker({
    clock: () => clock.ms,
    most,
    onOpened: failure => { told.push(`opened by ${failure}`) },
    onClosed: () => { told.push('closed') }
  })
  const go = (isFailure: boolean) => {
    const admission = breaker.enter()
    if (admission.kind === 'go') admission.leave(isFailure ? 'ECONNREFUSED' : undefined)
    return admission.kind
  }
  return { breaker, go, told, clock }
}

test('five failures in a row open it, a success in between starts the count anew', async t => {
  const { go, told } = world()
  for (const isFailure of [true, true, true, true, false, true, true, true, true]) t.equal(go(isFailure), 'go')
  t.same(told, [])
  t.equal(go(true), 'go')
  t.same(told, ['opened by ECONNREFUSED'])
  t.equal(go(false), 'paused')
})

test('after the pause one request tries, and only one', async t => {
  const { breaker, go, told, clock } = world()
  for (let at = 0; at < 5; at++) go(true)
  clock.ms = breakerPauseMs - 1
  t.equal(go(false), 'paused')
  clock.ms = breakerPauseMs
  const trial = breaker.enter()
  t.equal(trial.kind, 'go')
  t.equal(go(false), 'paused', 'while it is under way')
  if (trial.kind === 'go') trial.leave('TIMEOUT')
  t.equal(go(false), 'paused', 'its failure opens it again')
  clock.ms = 2 * breakerPauseMs
  t.equal(go(false), 'go', 'its success closes it')
  t.equal(go(true), 'go')
  t.same(told, ['opened by ECONNREFUSED', 'closed'])
})

test('answers to what was sent before it opened change nothing', async t => {
  const { breaker, go, told } = world()
  const early = breaker.enter()
  for (let at = 0; at < 5; at++) go(true)
  if (early.kind === 'go') early.leave()
  t.equal(go(false), 'paused')
  t.same(told, ['opened by ECONNREFUSED'])
})

test('no more are under way than the bound says, and each leaves once', async t => {
  const { breaker, go } = world(2)
  const [one, two] = [breaker.enter(), breaker.enter()]
  t.same([one.kind, two.kind, breaker.enter().kind], ['go', 'go', 'busy'])
  if (one.kind === 'go') {
    one.leave()
    one.leave()
  }
  t.equal(breaker.enter().kind, 'go')
  t.equal(go(false), 'busy', 'leaving twice made no second place')
})
