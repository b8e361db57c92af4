// Log lines are JSON with plain levels; what may hold personal data or a secret is masked, also in errors.
import { test } from 'tap'
import { openLog } from './log.ts'

function openCaptured (level: 'debug' | 'info' | 'silent' = 'info') {
  const lines: Record<string, unknown>[] = []
  const write = (line: string) => { lines.push(JSON.parse(line) as Record<string, unknown>) }
  return { lines, log: openLog(level, 'worker', { write }) }
}

test('a line says when, how grave, who and what', async t => {
  const { lines, log } = openCaptured()
  log.debug({}, 'too small')
  log.warn({ destination: 'main/meta', attempts: 2 }, 'paused')
  t.match(lines, [{ level: 'warn', role: 'worker', destination: 'main/meta', attempts: 2, msg: 'paused' }])
  t.match(lines[0]?.time, /^\d{4}-\d\d-\d\dT.*Z$/)
  t.equal(lines.length, 1)
})

test('personal data and secrets do not get through, at the top or inside', async t => {
  const { lines, log } = openCaptured()
  const hidden = { email: 'anna@example.com', ip: '203.0.113.7', authorization: 'anna@example.com' }
  log.info({
    ...hidden, event: { user_data: hidden, phone_number: '203.0.113.7' }, request: { headers: hidden, inner: hidden }
  }, 'x')
  t.notMatch(JSON.stringify(lines), /anna|203\.0/)
  t.match(lines[0], { email: '***', event: { user_data: '***' }, request: { headers: '***', inner: { ip: '***' } } })
})

test('an error keeps its name, code and place, and loses the words that may quote a row', async t => {
  const { lines, log } = openCaptured()
  const message = 'invalid input "anna@example.com"\nDETAIL: anna'
  const error = Object.assign(new TypeError(message), { code: '22P02', detail: 'anna' })
  log.error({ err: error, error }, 'a query failed')
  t.notMatch(JSON.stringify(lines), /anna/)
  t.match(lines[0], { err: { name: 'TypeError', code: '22P02', stack: /log\.test\.ts/ }, error: { code: '22P02' } })
})
