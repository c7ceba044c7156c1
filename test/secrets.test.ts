import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { assert, property, string, uint8Array } from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSecretBox, SecretUnreadable } from '../src/secrets.ts'

const FRAME_BYTES = 256 * 1024
const SEALED_FRAME_BYTES = FRAME_BYTES + 16
const HEADER_BYTES = 24
const CONTEXT = 'cluster_outputs:clu_1:kubeconfig'

const key = randomBytes(32)
const box = createSecretBox(key)

describe('a sealed value', () => {
  test('opens to what it was, whatever it was', () => {
    assert(
      property(uint8Array({ maxLength: 2000 }), string(), (bytes, context) => {
        expect(box.open(box.seal(Buffer.from(bytes), context), context).equals(bytes)).toBe(true)
      }),
    )
    expect(box.open(box.seal('pâsswörd', CONTEXT), CONTEXT).toString()).toBe('pâsswörd')
  })

  test('shows neither its plaintext nor that two are equal', () => {
    const plaintext = 'kubeadmin-password-in-plain-view'
    const [one, two] = [box.seal(plaintext, CONTEXT), box.seal(plaintext, CONTEXT)]
    expect(one.includes('password')).toBe(false)
    expect(one.subarray(8).equals(two.subarray(8))).toBe(false)
  })

  test('opens only in its place', () => {
    const sealed = box.seal('secret', CONTEXT)
    for (const context of ['', CONTEXT.slice(0, -1), `${CONTEXT} `, CONTEXT.replace('clu_1', 'clu_2')]) {
      expect(() => box.open(sealed, context)).toThrow(SecretUnreadable)
    }
  })

  test('does not open with any bit changed, nor cut or extended anywhere', () => {
    const sealed = box.seal('secret', CONTEXT)
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed)
      changed.writeUInt8(changed.readUInt8(at) ^ (1 << (at % 8)), at)
      expect(() => box.open(changed, CONTEXT), `byte ${at}`).toThrow(SecretUnreadable)
      expect(() => box.open(sealed.subarray(0, at), CONTEXT), `cut at ${at}`).toThrow(SecretUnreadable)
    }
    expect(() => box.open(Buffer.concat([sealed, Buffer.of(0)]), CONTEXT)).toThrow(SecretUnreadable)
  })
})

describe('keys', () => {
  test('an older key opens what it sealed, and seals no more', () => {
    const older = box.seal('secret', CONTEXT)
    const rotated = createSecretBox(randomBytes(32), [key])
    expect(rotated.open(older, CONTEXT).toString()).toBe('secret')
    expect(() => box.open(rotated.seal('secret', CONTEXT), CONTEXT)).toThrow(
      `sealed with key ${rotated.keyId}, which is not among the configured keys`,
    )
  })

  test('are named by their hash', () => {
    expect(box.keyId).toBe(createHash('sha256').update(key).digest('hex').slice(0, 8))
    expect(createSecretBox(key.toString('base64')).keyId).toBe(box.keyId)
  })

  test.each(['', 'secret', randomBytes(31).toString('base64'), randomBytes(33).toString('base64'), randomBytes(16)])(
    'of another form are refused by the name of their setting (%#)',
    (bad) => {
      expect(() => createSecretBox(bad)).toThrow(/^OCPCTL_SECRETS_KEY must be 32 bytes/)
      expect(() => createSecretBox(key, [bad])).toThrow(/^OCPCTL_SECRETS_KEY/)
    },
  )
})

describe('a sealed stream', () => {
  let directory: string
  const seal = async (bytes: Buffer) => await buffer(Readable.from(pieces(bytes)).pipe(box.sealStream(CONTEXT)))
  const openAsFile = async (sealed: Buffer, context = CONTEXT) => {
    const path = join(directory, 'sealed')
    await writeFile(path, sealed)
    return await box.openFile(await open(path), context)
  }

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'secrets-'))
  })
  afterAll(() => rm(directory, { recursive: true }))

  test.each([0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 2 * FRAME_BYTES, 3_000_000])(
    'of %i bytes opens from a file and from memory',
    async (sizeBytes) => {
      const bytes = randomBytes(sizeBytes)
      const sealed = await seal(bytes)
      expect((await buffer(await openAsFile(sealed))).equals(bytes)).toBe(true)
      expect(box.open(sealed, CONTEXT).equals(bytes)).toBe(true)
      expect((await buffer(await openAsFile(box.seal(bytes, CONTEXT)))).equals(bytes)).toBe(true)
    },
  )

  test('hands on nothing when any part of it was touched', async () => {
    const sealed = await seal(randomBytes(3 * FRAME_BYTES))
    const frame = (index: number) => sealed.subarray(frameAt(index), frameAt(index + 1))
    const header = sealed.subarray(0, HEADER_BYTES)
    const other = await seal(randomBytes(3 * FRAME_BYTES))
    const touched = {
      'first byte of a frame': flip(sealed, frameAt(0)),
      'tag of the first frame': flip(sealed, frameAt(1) - 1),
      'last frame': flip(sealed, frameAt(2) + 5),
      'last byte': flip(sealed, sealed.length - 1),
      salt: flip(sealed, HEADER_BYTES - 1),
      'without its last byte': sealed.subarray(0, -1),
      'without its last frame': sealed.subarray(0, frameAt(2)),
      'without a middle frame': Buffer.concat([header, frame(0), frame(2)]),
      'only its header': header,
      'frames in another order': Buffer.concat([header, frame(1), frame(0), frame(2)]),
      'a frame twice': Buffer.concat([header, frame(0), frame(0), frame(1), frame(2)]),
      'a frame of another value': Buffer.concat([header, frame(0), other.subarray(frameAt(1), frameAt(2)), frame(2)]),
      'something after its end': Buffer.concat([sealed, randomBytes(100)]),
      nothing: Buffer.alloc(0),
    }
    for (const [what, bytes] of Object.entries(touched)) {
      await expect(openAsFile(bytes), what).rejects.toThrow(SecretUnreadable)
      expect(() => box.open(bytes, CONTEXT), what).toThrow(SecretUnreadable)
    }
    await expect(openAsFile(sealed, 'elsewhere')).rejects.toThrow(SecretUnreadable)
  })
})

function frameAt(index: number): number {
  return HEADER_BYTES + index * SEALED_FRAME_BYTES
}

function flip(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes)
  changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
  return changed
}

function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000)
}
