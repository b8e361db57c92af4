// The keys made of POSTERN_SECRET: sealing personal data, looking it up without opening it, and signing.
import {
  createCipheriv, createDecipheriv, createHmac, createSecretKey, hash, hkdfSync, randomFillSync, timingSafeEqual,
  type KeyObject
} from 'node:crypto'

/** Sealed data that cannot be opened: another secret, another site, or damaged bytes. */
export class KeyError extends Error {
  override name = 'KeyError'
}

/**
 * Everything that a process may do with its secrets. The first secret of the ring is active: it seals, signs and
 * indexes. The others still open, verify and find what was made under them.
 */
export interface Keys {
  /** Short public names (8 hex digits) of the ring's secrets, the active one first. */
  keyIds: string[]
  /** Encrypts `plain`; `aad` (the site's name) must be given again to open it. Adds 45 bytes. */
  seal: (aad: string, plain: Buffer) => Buffer
  /** Throws KeyError when the ring does not hold the key, or `aad` or the bytes are not what was sealed. */
  open: (aad: string, sealed: Buffer) => Buffer
  /** A 16-byte keyed digest of a normalised identifier: equal values of one site and kind have equal digests. */
  blindIndex: (site: string, kind: string, normalisedValue: string) => Buffer
  /** The digests under every secret of the ring, to look a value up across a change of secrets. */
  blindIndexes: (site: string, kind: string, normalisedValue: string) => Buffer[]
  /** A 32-byte HMAC of the parts (no two lists of parts collide). Each purpose has a key of its own. */
  mac: (purpose: string, ...parts: string[]) => Buffer
  /** Whether `given` is the mac of the parts under any secret of the ring; in constant time. */
  macMatches: (given: Buffer, purpose: string, ...parts: string[]) => boolean
}

const envelopeVersion = 1
const keyIdBytes = 4
const saltBytes = 12
const nonceBytes = 12
const tagBytes = 16
const headBytes = 1 + keyIdBytes + saltBytes + nonceBytes

/** Ciphers get KeyObjects: of bytes Node makes one for each call, which costs more than the call itself. */
interface Secret {
  id: Buffer
  sealing: KeyObject
  indexing: MacKey
  /** One derived key per purpose; purposes are constants of the code, so this stays small. */
  signing: Map<string, MacKey>
  signingRoot: Buffer
  /** What messages are sealed with now. */
  writing: { salt: Buffer, key: KeyObject, left: number } | undefined
  /** Keys of messages that were opened lately, by their salt. */
  reading: Map<string, KeyObject>
}

function derive (from: string | Buffer, purpose: string, bytes = 32): Buffer {
  return Buffer.from(hkdfSync('sha256', from, '', `postern/v1/${purpose}`, bytes))
}

function deriveSecret (secret: string): Secret {
  return {
    id: derive(secret, 'key_id', keyIdBytes),
    sealing: createSecretKey(derive(secret, 'seal')),
    indexing: macKey(derive(secret, 'blind_index')),
    signing: new Map(),
    signingRoot: derive(secret, 'mac'),
    writing: undefined,
    reading: new Map()
  }
}

/** Bytes of a block of SHA-256 and of its digest. */
const blockBytes = 64
const digestBytes = 32

/** A key of HMAC-SHA-256 as the blocks that precede the message and the inner digest (RFC 2104). */
interface MacKey { inner: Buffer, outer: Buffer }

/** `key` must not be longer than a block. */
function macKey (key: Buffer): MacKey {
  const padded = (pad: number, room: number) => {
    const bytes = Buffer.alloc(blockBytes + room)
    for (let at = 0; at < blockBytes; at++) bytes[at] = (key[at] ?? 0) ^ pad
    return bytes
  }
  return { inner: padded(0x36, 0), outer: padded(0x5c, digestBytes) }
}

/** Where short messages are put together; nothing is left in it between two calls but what the next one overwrites. */
const shortMessage = Buffer.alloc(2048)

/**
 * HMAC-SHA-256 of the parts. Every part is preceded by its length, so that ('ab', 'c') and ('a', 'bc') differ. Made of
 * two plain hashes, for an Hmac object of Node's costs four times what both do, and an accepted event needs several.
 */
function digest (key: MacKey, parts: string[]): Buffer {
  const bytes = parts.reduce((sum, part) => sum + 4 + 3 * part.length, blockBytes)
  const message = bytes > shortMessage.length ? Buffer.alloc(bytes) : shortMessage
  key.inner.copy(message)
  let at = blockBytes
  for (const part of parts) {
    const length = message.write(part, at + 4)
    message.writeUInt32BE(length, at)
    at += 4 + length
  }
  key.outer.write(hash('sha256', message.subarray(0, at), 'binary'), blockBytes, 'latin1')
  return fromLatin1(hash('sha256', key.outer, 'binary'))
}

/** Not Buffer.from(): what is remembered for long must not keep eight kilobytes of Node's pool with it. */
function fromLatin1 (text: string): Buffer {
  const bytes = Buffer.alloc(text.length)
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at)
  return bytes
}

function signingKey (secret: Secret, purpose: string): MacKey {
  const known = secret.signing.get(purpose)
  if (known !== undefined) return known
  const key = macKey(derive(secret.signingRoot, `mac/${purpose}`))
  secret.signing.set(purpose, key)
  return key
}

/** Random bytes are drawn in stock: the call costs more than the bytes. Each byte is given out once. */
const stock = Buffer.alloc(2048)
let stockAt = stock.length

/** A copy of fresh random bytes, at most as many as the stock holds. */
function draw (bytes: number): Buffer {
  if (stockAt + bytes > stock.length) {
    randomFillSync(stock)
    stockAt = 0
  }
  const drawn = Buffer.from(stock.subarray(stockAt, stockAt + bytes))
  stock.fill(0, stockAt, stockAt + bytes)
  stockAt += bytes
  return drawn
}

/**
 * Random 96-bit nonces under one AES-GCM key are safe for 2^32 messages only (NIST SP 800-38D §8.3), which a busy
 * gateway reaches in weeks. So every process has a key of its own, derived from 96 further random bits, and takes
 * another long before.
 */
const messagesPerKey = 1 << 20
const rememberedKeys = 1000

function messageKey (secret: Secret, salt: Buffer): KeyObject {
  return createSecretKey(createHmac('sha256', secret.sealing).update(salt).digest())
}

/** The salt and key of the next message. */
function writingKey (secret: Secret): { salt: Buffer, key: KeyObject } {
  let writing = secret.writing
  if (writing === undefined || writing.left === 0) {
    const salt = draw(saltBytes)
    writing = { salt, key: messageKey(secret, salt), left: messagesPerKey }
    secret.writing = writing
  }
  writing.left--
  return writing
}

/** The key of a message that was sealed; those of one process have the same for a long time. */
function readingKey (secret: Secret, salt: Buffer): KeyObject {
  const name = salt.toString('latin1')
  const known = secret.reading.get(name)
  if (known !== undefined) return known
  const key = messageKey(secret, salt)
  if (secret.reading.size >= rememberedKeys) secret.reading.clear()
  secret.reading.set(name, key)
  return key
}

function boundTo (head: Buffer, aad: string): Buffer {
  const bytes = Buffer.allocUnsafe(headBytes + Buffer.byteLength(aad))
  head.copy(bytes)
  bytes.write(aad, headBytes)
  return bytes
}

function sealWith (secret: Secret, aad: string, plain: Buffer): Buffer {
  const { salt, key } = writingKey(secret)
  const nonce = draw(nonceBytes)
  const head = Buffer.concat([Buffer.of(envelopeVersion), secret.id, salt, nonce], headBytes)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(boundTo(head, aad))
  // GCM is a stream: final() has no bytes left to give.
  const sealed = [head, cipher.update(plain), cipher.final(), cipher.getAuthTag()]
  return Buffer.concat(sealed, headBytes + plain.length + tagBytes)
}

function openWith (ring: Secret[], aad: string, sealed: Buffer): Buffer {
  if (sealed.length < headBytes + tagBytes) throw new KeyError('sealed data is too short')
  if (sealed[0] !== envelopeVersion) throw new KeyError(`sealed data has the unknown version ${sealed[0]}`)
  const id = sealed.subarray(1, 1 + keyIdBytes)
  const secret = ring.find((candidate) => candidate.id.equals(id))
  if (secret === undefined) {
    throw new KeyError(`sealed with key ${id.toString('hex')}, which is not among POSTERN_SECRET`)
  }
  const head = sealed.subarray(0, headBytes)
  const salt = head.subarray(1 + keyIdBytes, 1 + keyIdBytes + saltBytes)
  const decipher = createDecipheriv('aes-256-gcm', readingKey(secret, salt), head.subarray(headBytes - nonceBytes))
  decipher.setAAD(boundTo(head, aad))
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes))
  const plain = decipher.update(sealed.subarray(headBytes, sealed.length - tagBytes))
  try {
    // GCM is a stream: final() has no bytes left to give, but says whether those were the sealed ones.
    decipher.final()
    return plain
  } catch (error) {
    throw new KeyError('sealed data is damaged or belongs to another site', { cause: error })
  }
}

/** Makes the keys of a ring of secrets. The list must not be empty; the first secret is active. */
export function deriveKeys (secrets: string[]): Keys {
  const ring = secrets.map(deriveSecret)
  const active = ring[0]
  if (active === undefined) throw new KeyError('at least one secret is needed')
  const index = (secret: Secret, parts: string[]) => digest(secret.indexing, parts).subarray(0, 16)
  return {
    keyIds: ring.map((secret) => secret.id.toString('hex')),
    seal: (aad, plain) => sealWith(active, aad, plain),
    open: (aad, sealed) => openWith(ring, aad, sealed),
    blindIndex: (...parts) => index(active, parts),
    blindIndexes: (...parts) => ring.map((secret) => index(secret, parts)),
    mac: (purpose, ...parts) => digest(signingKey(active, purpose), parts),
    macMatches: (given, purpose, ...parts) => ring
      .map((secret) => digest(signingKey(secret, purpose), parts))
      .filter((mac) => mac.length === given.length && timingSafeEqual(mac, given)).length > 0
  }
}
