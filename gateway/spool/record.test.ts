// Records of the spool under every damage that a disk can do to a file: never a wrong record, never a crash.
import { t, test } from 'tap'
import { spoolKeys, spooled } from '../../test/spool_world.ts'
import { fromPayload, frame, headBytes, scan, toRecord } from './record.ts'

t.setTimeout(400_000)

const arrivals = [0, 1, 2, 3, 4].map(at => spooled(`e${at}`, at * 70))
const records = arrivals.map(arrival => toRecord(arrival, spoolKeys))
const file = Buffer.concat(records)
const ends = records.map((_, at) => Buffer.concat(records.slice(0, at + 1)).length)

/** What scan() finds, as ids of events; throws when a payload is none of ours. */
function idsIn (bytes: Buffer, isComplete: boolean): string[] {
  return scan(bytes, isComplete).payloads.map(({ from, to }) => {
    const arrival = fromPayload(bytes.subarray(from, to), spoolKeys)
    const original = arrivals.find(({ part }) => part.receipt_id === arrival.part.receipt_id)
    if (JSON.stringify(original) !== JSON.stringify(arrival)) throw new Error('a wrong record')
    return arrival.part.event_id
  })
}

test('records come back as they were written', async t => {
  t.same(idsIn(file, true), ['e0', 'e1', 'e2', 'e3', 'e4'])
  t.match(scan(file, true), { goodBytes: file.length, damaged: [], tornBytes: 0 })
  t.match(scan(Buffer.alloc(0), true), { payloads: [], goodBytes: 0, damaged: [], tornBytes: 0 })
  t.notMatch(file.toString('latin1'), /purchase|canary/, 'sealed')
})

test('cut off at every offset: the whole records in front are kept, the rest is a torn tail', async t => {
  for (let length = 0; length < file.length; length++) {
    const whole = ends.filter(end => end <= length).length
    for (const zeros of [0, 16, 600]) {
      const bytes = Buffer.concat([file.subarray(0, length), Buffer.alloc(zeros)])
      const found = scan(bytes, false)
      if (found.payloads.length !== whole || found.damaged.length > 0) t.fail(`cut at ${length}, then ${zeros} zeros`)
      if (found.goodBytes + found.tornBytes !== bytes.length) t.fail(`cut at ${length}: the bytes do not add up`)
    }
    const missing = length !== (ends[whole - 1] ?? 0)
    const complete = scan(file.subarray(0, length), true)
    if ((complete.damaged.length === 1) !== missing || complete.tornBytes > 0) t.fail(`acknowledged, cut at ${length}`)
  }
  t.pass(`${file.length} offsets`)
})

test('one bit flipped, at every bit: one record is lost and reported, the others are kept', async t => {
  for (let at = 0; at < file.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const bytes = Buffer.from(file)
      bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << bit), at)
      const hit = `e${ends.findIndex(end => at < end)}`
      const ids = idsIn(bytes, bit % 2 === 0)
      const { damaged, tornBytes } = scan(bytes, bit % 2 === 0)
      if (ids.length !== 4 || ids.includes(hit) || damaged.length !== 1 || tornBytes > 0) {
        t.fail(`byte ${at}, bit ${bit}: ${ids.join()}`)
      }
    }
  }
  t.pass(`${file.length * 8} bits`)
})

test('stretches overwritten at random cost the records they touch, and no other', async t => {
  for (let round = 0; round < 3000; round++) {
    const from = (round * 7919) % file.length
    const to = Math.min(file.length, from + 1 + (round * 31) % 900)
    const bytes = Buffer.from(file)
    if (round % 3 === 0) bytes.fill(0, from, to)
    else for (let at = from; at < to; at++) bytes[at] = (at * 131 + round * 17) & 255
    const untouched = arrivals.filter((_, at) => (ends[at] ?? 0) <= from || (ends[at - 1] ?? 0) >= to)
    const ids = idsIn(bytes, true)
    const lost = untouched.filter(({ part }) => !ids.includes(part.event_id))
    if (lost.length > 0) t.fail(`bytes ${from} to ${to}: ${ids.join()}`)
  }
  t.pass('3,000 stretches')
})

test('what passes every checksum but was not sealed by us is no record', async t => {
  const forged = frame(Buffer.from('{"part":{}}'))
  t.equal(scan(forged, true).payloads.length, 1)
  t.throws(() => fromPayload(forged.subarray(headBytes), spoolKeys), { name: 'KeyError' })
  const rowSealed = frame(spoolKeys.seal('main', Buffer.from('{"part":{}}')))
  t.throws(() => fromPayload(rowSealed.subarray(headBytes), spoolKeys), { name: 'KeyError' }, 'not even a row')
})
