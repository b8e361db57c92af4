// What is sealed opens with the same secret and site alone; digests are keyed, separate and stable.
import { createHmac, hkdfSync } from 'node:crypto'
import fc from 'fast-check'
import { test } from 'tap'
import { deriveKeys, KeyError } from './keys.ts'

const old = 'kX3v9Qm2Lr8Tz5Wn1Yc7Hd4Jf6Gs0Pb'
const fresh = 'uA8e2Zq6Mt4Rv1Nx9Kw3Lj7Bh5Fd0Cs'
const keys = deriveKeys([old])

test('what was sealed opens again, byte for byte', async t => {
  fc.assert(fc.property(fc.string(), fc.uint8Array({ maxLength: 300 }), (site, bytes) => {
    const plain = Buffer.from(bytes)
    const sealed = keys.seal(site, plain)
    return sealed.length === plain.length + 45 && keys.open(site, sealed).equals(plain)
  }))
  t.notOk(keys.seal('a', Buffer.from('x')).equals(keys.seal('a', Buffer.from('x'))), 'equal texts look different')
})

test('no two messages have the same nonce, and those of other processes open', async t => {
  const others = [deriveKeys([old]), deriveKeys([old])]
  const sealed = Array.from({ length: 6000 }, (_, index) => (others[index % 2] ?? keys).seal('main', Buffer.of(1, 2)))
  t.equal(new Set(sealed.map(bytes => bytes.toString('hex', 5, 29))).size, sealed.length)
  t.equal(new Set(sealed.map(bytes => bytes.toString('hex', 17, 29))).size, sealed.length)
  t.notOk(sealed.some(bytes => bytes.subarray(17, 29).equals(Buffer.alloc(12))))
  t.ok(sealed.every(bytes => keys.open('main', bytes).equals(Buffer.of(1, 2))))
})

test('sealed data opens neither for another site, nor under another secret, nor with one bit changed', async t => {
  const sealed = keys.seal('main', Buffer.from('anna@example.com'))
  t.throws(() => keys.open('shop', sealed), KeyError)
  t.throws(() => deriveKeys([fresh]).open('main', sealed), { name: 'KeyError', message: /not among POSTERN_SECRET/ })
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const damaged = Buffer.from(sealed)
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    t.throws(() => keys.open('main', damaged), KeyError)
  }
  for (let length = 0; length < sealed.length; length++) {
    t.throws(() => keys.open('main', sealed.subarray(0, length)), KeyError)
  }
})

test('a ring seals with its first secret and opens with all', async t => {
  const ring = deriveKeys([fresh, old])
  t.equal(ring.open('main', keys.seal('main', Buffer.from('before'))).toString(), 'before')
  t.throws(() => keys.open('main', ring.seal('main', Buffer.from('after'))), KeyError)
  t.same(ring.keyIds, [...deriveKeys([fresh]).keyIds, ...keys.keyIds])
  t.same(ring.blindIndexes('main', 'email', 'a@b.c')[1], keys.blindIndex('main', 'email', 'a@b.c'))
  t.ok(ring.macMatches(keys.mac('visitor', 'v1'), 'visitor', 'v1'))
  t.notOk(keys.macMatches(ring.mac('visitor', 'v1'), 'visitor', 'v1'))
  t.throws(() => deriveKeys([]), KeyError)
})

test('digests differ by site, kind, purpose and the borders between parts', async t => {
  const indexes = [
    ['main', 'email', 'a'], ['shop', 'email', 'a'], ['main', 'phone', 'a'], ['mai', 'nemail', 'a']
  ] as const
  const digests = [
    ...indexes.map(([site, kind, value]) => keys.blindIndex(site, kind, value)),
    keys.mac('visitor', 'ab', 'c'), keys.mac('visitor', 'a', 'bc'), keys.mac('visitor', 'abc'), keys.mac('lead', 'abc')
  ].map(digest => digest.toString('hex'))
  t.equal(new Set(digests).size, digests.length)
  t.equal(keys.blindIndex('main', 'email', 'a').length, 16)
  t.equal(keys.mac('visitor', 'a').length, 32)
  t.notOk(keys.macMatches(Buffer.alloc(0), 'visitor', 'a'))
  t.notOk(keys.macMatches(keys.mac('visitor', 'a').subarray(0, 31), 'visitor', 'a'))
})

test('a digest is the HMAC-SHA-256 that Node makes, for parts of any length and in any script', t => {
  const root = Buffer.from(hkdfSync('sha256', old, '', 'postern/v1/mac', 32))
  const key = Buffer.from(hkdfSync('sha256', root, '', 'postern/v1/mac/visitor', 32))
  const bytesOf = (part: string) => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(Buffer.byteLength(part))
    return Buffer.concat([length, Buffer.from(part)])
  }
  const isNodes = (parts: string[]) => {
    const expected = createHmac('sha256', key).update(Buffer.concat(parts.map(bytesOf))).digest()
    return keys.mac('visitor', ...parts).equals(expected)
  }
  fc.assert(fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 1500 }), { maxLength: 5 }), isNodes))
  for (const sign of ['a', 'ä', '字', '😀']) {
    for (let length = 400; length < 2100; length += 7) {
      if (!isNodes(['main', sign.repeat(length)])) t.fail(`${length} × ${sign}`)
    }
  }
  t.end()
})

test('digests stay what they are: rows and cookies of earlier versions must be found', async t => {
  t.equal(keys.keyIds.join(), 'fe68cdcd')
  t.equal(keys.blindIndex('main', 'email', 'anna@example.com').toString('hex'), 'f72011ceaf6f31c0c23a06aa1b2a8c7d')
  t.equal(keys.mac('visitor', 'a', 'b').toString('hex'),
    '5f59bf5dba9d45753627414c30ae76d7f0d42a67f44e7b5ef5058b1b1024e82d')
  const sealed = Buffer.from('01fe68cdcd446e59b61e22238a3f572aa19aa494111a3140f2d8db1160cd' +
    '0a3bfbf9d8a43eaa4fdaa2e53af4545de807bd55bd89ee39bc1587bcd564cd', 'hex')
  t.equal(keys.open('main', sealed).toString(), 'anna@example.com')
})
