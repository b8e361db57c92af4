// The keys made of POSTERN_SECRET: sealing personal data, looking it up without opening it, and signing.
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'

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

interface Secret {
  id: Buffer
  sealing: Buffer
  indexing: Buffer
  /** One derived key per purpose; purposes are constants of the code, so this stays small. */
  signing: Map<string, Buffer>
  signingRoot: Buffer
}

function derive (from: string | Buffer, purpose: string, bytes = 32): Buffer {
  return Buffer.from(hkdfSync('sha256', from, '', `postern/v1/${purpose}`, bytes))
}

function deriveSecret (secret: string): Secret {
  return {
    id: derive(secret, 'key_id', keyIdBytes),
    sealing: derive(secret, 'seal'),
    indexing: derive(secret, 'blind_index'),
    signing: new Map(),
    signingRoot: derive(secret, 'mac')
  }
}

/** Every part is preceded by its length, so that ('ab', 'c') and ('a', 'bc') differ. */
function digest (key: Buffer, parts: string[]): Buffer {
  const hmac = createHmac('sha256', key)
  const length = Buffer.allocUnsafe(4)
  for (const part of parts) {
    length.writeUInt32BE(Buffer.byteLength(part))
    hmac.update(length).update(part)
  }
  return hmac.digest()
}

function signingKey (secret: Secret, purpose: string): Buffer {
  const known = secret.signing.get(purpose)
  if (known !== undefined) return known
  const key = derive(secret.signingRoot, `mac/${purpose}`)
  secret.signing.set(purpose, key)
  return key
}

/**
 * Random 96-bit nonces under one AES-GCM key are safe for 2^32 messages only (NIST SP 800-38D §8.3), which a busy
 * gateway reaches in weeks. So each message has its own key, derived from 96 further random bits.
 */
function messageKey (secret: Secret, salt: Buffer): Buffer {
  return createHmac('sha256', secret.sealing).update(salt).digest()
}

function boundTo (head: Buffer, aad: string): Buffer {
  return Buffer.concat([head, Buffer.from(aad)])
}

function sealWith (secret: Secret, aad: string, plain: Buffer): Buffer {
  const random = randomBytes(saltBytes + nonceBytes)
  const head = Buffer.concat([Buffer.of(envelopeVersion), secret.id, random])
  const cipher = createCipheriv('aes-256-gcm', messageKey(secret, random.subarray(0, saltBytes)),
    random.subarray(saltBytes))
  cipher.setAAD(boundTo(head, aad))
  return Buffer.concat([head, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
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
  const decipher = createDecipheriv('aes-256-gcm', messageKey(secret, salt), head.subarray(headBytes - nonceBytes))
  decipher.setAAD(boundTo(head, aad))
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes))
  const plain = decipher.update(sealed.subarray(headBytes, sealed.length - tagBytes))
  try {
    return Buffer.concat([plain, decipher.final()])
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
