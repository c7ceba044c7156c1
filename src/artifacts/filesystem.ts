/**
 * Artifacts as files under one directory. A body is written elsewhere first, made durable, then linked to its place. So
 * a key never shows half a body and never replaces another.
 */
import { randomUUID } from 'node:crypto'
import { link, mkdir, open, readdir, rm, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { checkKey, checkPrefix, measure, ArtifactExists, ArtifactMissing, StoreUnavailable } from './artifact.ts'
import type { ArtifactStore } from './artifact.ts'

// No key contains a tilde, so this name cannot be a key.
const INCOMING = '~incoming'
const ABANDONED_AFTER_MS = 24 * 60 * 60 * 1000

export function openFilesystemStore(root: string): ArtifactStore {
  const incoming = join(root, INCOMING)

  async function write(path: string, chunks: AsyncIterable<Buffer>): Promise<void> {
    const file = await open(path, 'wx', 0o600)
    try {
      await file.writeFile(chunks)
      await file.sync()
    } finally {
      await file.close()
    }
  }

  async function place(path: string, key: string): Promise<void> {
    const target = join(root, key)
    await mkdir(dirname(target), { recursive: true, mode: 0o700 })
    try {
      await link(path, target)
    } catch (error) {
      throw codeOf(error) === 'EEXIST' ? new ArtifactExists(key) : error
    }
    // A new entry is durable once every directory down to it is.
    for (let directory = dirname(key); ; directory = dirname(directory)) {
      await syncDirectory(join(root, directory))
      if (directory === '.') break
    }
  }

  /** Never hides why a put failed. A file that it cannot remove counts as abandoned. */
  async function discard(path: string): Promise<void> {
    await rm(path, { force: true }).catch(() => undefined)
  }

  /** Removes what a killed process left behind. */
  async function removeAbandoned(): Promise<void> {
    for (const name of await readdir(incoming)) {
      const path = join(incoming, name)
      const found = await statIfThere(path)
      if (found && found.mtimeMs < Date.now() - ABANDONED_AFTER_MS) await discard(path)
    }
  }

  async function* walk(directory: string, prefix: string): AsyncGenerator<string> {
    const entries = await readdir(join(root, directory), { withFileTypes: true }).catch(noneIfMissing)
    const names = entries.map((entry) => `${directory}${entry.name}${entry.isDirectory() ? '/' : ''}`)
    for (const name of names.sort()) {
      if (name === `${INCOMING}/`) continue
      if (name.endsWith('/') && (name.startsWith(prefix) || prefix.startsWith(name))) yield* walk(name, prefix)
      else if (!name.endsWith('/') && name.startsWith(prefix)) yield name
    }
  }

  return {
    async put(key, body) {
      const measured = measure(body)
      const path = join(incoming, randomUUID())
      try {
        checkKey(key)
        await mkdir(incoming, { recursive: true, mode: 0o700 })
        await removeAbandoned()
        await write(path, measured.chunks)
        await place(path, key)
        return measured.result()
      } catch (error) {
        throw body.errored ?? plainError(error, root)
      } finally {
        body.destroy()
        await discard(path)
      }
    },

    async get(key) {
      checkKey(key)
      const file = await open(join(root, key)).catch((error: unknown) => {
        throw isMissing(error) ? new ArtifactMissing(key) : plainError(error, root)
      })
      if ((await file.stat()).isFile()) return file.createReadStream()
      await file.close()
      throw new ArtifactMissing(key)
    },

    async find(key) {
      checkKey(key)
      const found = await statIfThere(join(root, key))
      return found?.isFile() ? { sizeBytes: found.size } : undefined
    },

    async *list(prefix) {
      checkPrefix(prefix)
      // Begins at the prefix's directory, because there may be much beside it.
      yield* walk(prefix.slice(0, prefix.lastIndexOf('/') + 1), prefix)
    },

    async delete(key) {
      checkKey(key)
      const target = join(root, key)
      try {
        await unlink(target)
        await syncDirectory(dirname(target))
      } catch (error) {
        if (!isMissing(error)) throw plainError(error, root)
      }
    },

    async presign() {
      return undefined
    },

    async check() {
      const path = join(incoming, randomUUID())
      try {
        await mkdir(incoming, { recursive: true, mode: 0o700 })
        await write(path, oneByte())
      } catch (error) {
        throw plainError(error, root)
      } finally {
        await discard(path)
      }
    },
  }
}

async function* oneByte() {
  yield Buffer.of(0)
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

async function statIfThere(path: string) {
  try {
    return await stat(path)
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

function noneIfMissing(error: unknown): [] {
  if (isMissing(error)) return []
  throw error
}

/** No file is there; a directory that only leads to longer keys counts as none. */
function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EISDIR'].includes(String(codeOf(error)))
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

function plainError(error: unknown, root: string): unknown {
  const code = codeOf(error)
  if (code === undefined || !(error instanceof Error)) return error
  const reason = code === 'ENOSPC' ? 'no space left' : error.message
  return new StoreUnavailable(`artifact directory ${root}: ${reason}`, { cause: error })
}
