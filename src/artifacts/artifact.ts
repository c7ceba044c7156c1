/** What every store follows: the port itself, its errors, and which keys are allowed. */
import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'

export interface ArtifactStore {
  /**
   * Streams the body to the key. Never overwrites: throws ArtifactExists. Durable when it resolves; when it throws, no
   * part of the body is under the key and the body is destroyed. An error of the body itself is thrown as it is.
   */
  put(key: string, body: Readable): Promise<StoredArtifact>
  /** Throws ArtifactMissing. */
  get(key: string): Promise<Readable>
  find(key: string): Promise<{ sizeBytes: number } | undefined>
  /** Every key that starts with the prefix, in byte order. */
  list(prefix: string): AsyncIterable<string>
  /** No error when the key is absent. */
  delete(key: string): Promise<void>
  /** A URL that downloads the key without credentials. undefined: the caller must stream it itself. */
  presign(key: string, options: { expiresInSeconds: number; filename: string }): Promise<string | undefined>
  /** Throws StoreUnavailable with a reason fit for a readiness report. */
  check(): Promise<void>
}

export interface StoredArtifact {
  sizeBytes: number
  /** The hash of the stored bytes, in hexadecimal. */
  sha256: string
}

export class ArtifactExists extends Error {
  override readonly name = 'ArtifactExists'
  constructor(key: string) {
    super(`artifact ${key} exists; artifacts are never overwritten`)
  }
}

export class ArtifactMissing extends Error {
  override readonly name = 'ArtifactMissing'
  constructor(key: string) {
    super(`artifact ${key} is not in the store`)
  }
}

/** The store cannot do its work now: it is unreachable, refuses, or is full. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
}

export function checkKey(key: string): void {
  const segments = key.split('/')
  if (!/^[A-Za-z0-9._/-]+$/.test(key) || segments.some((each) => each === '' || each === '.' || each === '..')) {
    throw new Error(`bad artifact key ${JSON.stringify(key)}`)
  }
}

/** Like checkKey, but may be empty or end anywhere inside a key. */
export function checkPrefix(prefix: string): void {
  if (prefix !== '') checkKey(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix)
}

/** Passes the body's bytes on, and measures them on the way. */
export function measure(body: Readable) {
  const hash = createHash('sha256')
  let sizeBytes = 0

  async function* passOn(): AsyncGenerator<Buffer> {
    // The body is left whole when reading stops early, so that body.errored is always the body's own error.
    for await (const chunk of body.iterator({ destroyOnReturn: false })) {
      const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk)
      hash.update(bytes)
      sizeBytes += bytes.length
      yield bytes
    }
  }

  return { chunks: passOn(), result: (): StoredArtifact => ({ sizeBytes, sha256: hash.digest('hex') }) }
}
