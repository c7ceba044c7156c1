/**
 * Encryption at rest. A sealed value opens only with its key and only where it was put (its context). No byte of
 * plaintext is handed on before it has been authenticated. Plaintext is never written to disk.
 *
 * A sealed value is a header (format, key id, salt) and AES-256-GCM frames of 256 KiB under a key derived from the
 * salt. The nonce is the index of the frame and whether it is the last, so that frames cannot be reordered, dropped or
 * added.
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { Readable, Transform } from 'node:stream'

const FORMAT = Buffer.from('OCS1')
const SALT_BYTES = 16
/** The position in a sealed value of the id of the key that sealed it. */
export const KEY_ID_AT = FORMAT.length
export const KEY_ID_BYTES = 4
const HEADER_BYTES = FORMAT.length + KEY_ID_BYTES + SALT_BYTES
const FRAME_BYTES = 256 * 1024
const TAG_BYTES = 16
const SEALED_FRAME_BYTES = FRAME_BYTES + TAG_BYTES

/**
 * Thrown for a sealed value that does not open: the key is unknown, bytes were changed or cut off, or the context is
 * another one than it was sealed for.
 */
export class SecretUnreadable extends Error {
  override readonly name = 'SecretUnreadable'
}

export interface SecretBox {
  /** First 8 hexadecimal digits of the SHA-256 of the key that seals. */
  readonly keyId: string
  /** The ids of the keys that only open, in the same form. */
  readonly olderKeyIds: readonly string[]
  /** SHA-256 over the key that seals. It tells whether two processes have the same key, and nothing about the key. */
  readonly fingerprint: string
  readonly olderFingerprints: readonly string[]
  /** 32 bytes for another purpose, which follow from the key that seals and say nothing about it. */
  derive(purpose: string): Buffer
  /**
   * The context names the one place the value belongs to, such as `cluster_outputs:clu_…:kubeconfig`. It is not stored.
   */
  seal(plaintext: Buffer | string, context: string): Buffer
  /** Throws SecretUnreadable. */
  open(sealed: Buffer, context: string): Buffer
  sealStream(context: string): Transform
  /**
   * Reads the file twice, so that its end is authenticated before its beginning is used. Throws SecretUnreadable. The
   * file is closed together with the stream, and also when no stream is returned.
   */
  openFile(file: FileHandle, context: string): Promise<Readable>
}

/** `olderKeys` open what they sealed before a rotation. Only the first key seals. */
export function createSecretBox(key: Buffer | string, olderKeys: readonly (Buffer | string)[] = []): SecretBox {
  const sealingKey = readKey(key)
  const sealingKeyId = keyIdOf(sealingKey)
  const keys = new Map([...olderKeys.map(readKey), sealingKey].map((each) => [keyIdOf(each), each]))

  function startSealing(context: string) {
    const header = Buffer.concat([FORMAT, Buffer.from(sealingKeyId, 'hex'), randomBytes(SALT_BYTES)])
    return { header, frames: createFrames(sealingKey, header, context) }
  }

  function startOpening(header: Buffer, context: string) {
    const keyId = readKeyId(header)
    if (header.length < HEADER_BYTES) throw new SecretUnreadable('cut short')
    const key = keys.get(keyId)
    if (!key) throw new SecretUnreadable(`sealed with key ${keyId}, which is not among the configured keys`)
    return createFrames(key, header, context)
  }

  async function* openFrames(file: FileHandle, context: string): AsyncGenerator<Buffer> {
    const { size } = await file.stat()
    const read = async (at: number, length: number) => {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, at)
      return buffer.subarray(0, bytesRead)
    }
    const frames = startOpening(await read(0, HEADER_BYTES), context)
    for (let at = HEADER_BYTES, isLast = false; !isLast; at += SEALED_FRAME_BYTES) {
      isLast = at + SEALED_FRAME_BYTES >= size
      yield frames.open(await read(at, SEALED_FRAME_BYTES), isLast)
    }
  }

  return {
    keyId: sealingKeyId,
    olderKeyIds: [...keys.keys()].filter((keyId) => keyId !== sealingKeyId),
    fingerprint: fingerprintOf(sealingKey),
    olderFingerprints: [...keys.values()].filter((each) => each !== sealingKey).map(fingerprintOf),

    derive: (purpose) => Buffer.from(hkdfSync('sha256', sealingKey, '', purpose, 32)),

    seal(plaintext, context) {
      const { header, frames } = startSealing(context)
      const bytes = Buffer.from(plaintext)
      const parts: Buffer[] = [header]
      for (let at = 0, isLast = false; !isLast; at += FRAME_BYTES) {
        isLast = at + FRAME_BYTES >= bytes.length
        parts.push(frames.seal(bytes.subarray(at, at + FRAME_BYTES), isLast))
      }
      return Buffer.concat(parts)
    },

    open(sealed, context) {
      const frames = startOpening(sealed.subarray(0, HEADER_BYTES), context)
      const parts = []
      for (let at = HEADER_BYTES, isLast = false; !isLast; at += SEALED_FRAME_BYTES) {
        isLast = at + SEALED_FRAME_BYTES >= sealed.length
        parts.push(frames.open(sealed.subarray(at, at + SEALED_FRAME_BYTES), isLast))
      }
      return Buffer.concat(parts)
    },

    sealStream(context) {
      const { header, frames } = startSealing(context)
      const frame = Buffer.allocUnsafe(FRAME_BYTES)
      let filled = 0
      return new Transform({
        construct(done) {
          this.push(header)
          done()
        },
        transform(chunk: Buffer, _encoding, done) {
          for (let at = 0; at < chunk.length;) {
            // A full frame waits until more bytes follow: only then is it known that it is not the last.
            if (filled === FRAME_BYTES) {
              this.push(frames.seal(frame, false))
              filled = 0
            }
            const copied = chunk.copy(frame, filled, at)
            filled += copied
            at += copied
          }
          done()
        },
        flush(done) {
          done(null, frames.seal(frame.subarray(0, filled), true))
        },
      })
    },

    async openFile(file, context) {
      try {
        for await (const frame of openFrames(file, context)) frame.fill(0)
      } catch (error) {
        await file.close()
        throw error
      }
      // A stream that nobody began to read also closes the file.
      return Readable.from(openFrames(file, context)).once('close', () => void file.close())
    },
  }
}

/** Tells which key sealed the value. The first bytes of the value are enough. Throws SecretUnreadable. */
export function readKeyId(sealed: Buffer): string {
  if (sealed.length < KEY_ID_AT + KEY_ID_BYTES || !sealed.subarray(0, FORMAT.length).equals(FORMAT))
    throw new SecretUnreadable('not a sealed value, or cut short')
  return sealed.toString('hex', KEY_ID_AT, KEY_ID_AT + KEY_ID_BYTES)
}

function readKey(key: Buffer | string): Buffer {
  const isBase64 = typeof key !== 'string' || /^[A-Za-z0-9+/]{43}=$/.test(key)
  const bytes = typeof key === 'string' ? Buffer.from(key, 'base64') : key
  if (!isBase64 || bytes.length !== 32) {
    throw new Error('OCPCTL_SECRETS_KEY must be 32 bytes in base64; make one with: openssl rand -base64 32')
  }
  return bytes
}

const fingerprintOf = (key: Buffer): string => createHash('sha256').update(key).digest('hex')

const keyIdOf = (key: Buffer): string => fingerprintOf(key).slice(0, KEY_ID_BYTES * 2)

/** Seals or opens the frames of one value, in order. */
function createFrames(key: Buffer, header: Buffer, context: string) {
  const salt = header.subarray(FORMAT.length + KEY_ID_BYTES)
  const frameKey = Buffer.from(hkdfSync('sha256', key, salt, 'ocpctl sealed value', 32))
  const boundTo = Buffer.concat([header, Buffer.from(context)])
  let index = 0

  function nextNonce(isLast: boolean): Buffer {
    const nonce = Buffer.alloc(12)
    nonce.writeUInt32BE(index++, 4)
    nonce.writeUInt8(isLast ? 1 : 0, 11)
    return nonce
  }

  return {
    seal(plaintext: Buffer, isLast: boolean): Buffer {
      const cipher = createCipheriv('aes-256-gcm', frameKey, nextNonce(isLast), { authTagLength: TAG_BYTES })
      cipher.setAAD(boundTo)
      return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
    },
    open(sealed: Buffer, isLast: boolean): Buffer {
      const decipher = createDecipheriv('aes-256-gcm', frameKey, nextNonce(isLast), { authTagLength: TAG_BYTES })
      try {
        decipher.setAAD(boundTo)
        decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
        return Buffer.concat([decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final()])
      } catch {
        throw new SecretUnreadable('changed, cut short, or moved from the place it was sealed for')
      }
    },
  }
}
