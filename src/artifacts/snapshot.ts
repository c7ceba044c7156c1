/**
 * A directory as one sealed artifact: tar, zstd, encryption. A snapshot may be taken while the directory is in use. A
 * restore checks the whole object before it unpacks any of it, and leaves either the full directory or none.
 */
import { randomUUID } from 'node:crypto'
import { constants as modes, createWriteStream } from 'node:fs'
import type { Dirent } from 'node:fs'
import { chmod, lstat, mkdir, mkdtemp, open, readdir, rename, rm, writeFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib'
import * as tar from 'tar-stream'
import { SecretUnreadable, type SecretBox } from '../secrets.ts'
import { measure } from './artifact.ts'
import type { ArtifactStore, StoredArtifact } from './artifact.ts'

/** The stored object is not the snapshot that was taken, or cannot be opened. Asking again will not help. */
export class SnapshotCorrupt extends Error {
  override readonly name = 'SnapshotCorrupt'
  constructor(key: string, reason: string, options?: ErrorOptions) {
    super(`snapshot ${key} cannot be restored: ${reason}`, options)
  }
}

export class DirectoryInUse extends Error {
  override readonly name = 'DirectoryInUse'
  constructor(dir: string) {
    super(`${dir} is not empty; a snapshot is only restored into a fresh directory`)
  }
}

export interface Snapshot {
  key: string
  sizeBytes: number
  /** The hash of the sealed bytes, in hexadecimal. */
  sha256: string
}

/**
 * With chunks of 16 KiB, which are usual, the turns of the loop cost more than the compression. The least level takes
 * less than half the time of the usual one, and half of an asset directory does not compress at all.
 */
const ZSTD = { chunkSize: 1024 * 1024, params: { [constants.ZSTD_c_compressionLevel]: 1 } }

/** Stores regular files, directories and their modes. Anything else is left out, and no link is followed. */
export async function writeSnapshot(
  store: ArtifactStore,
  box: SecretBox,
  { key, dir, context }: { key: string; dir: string; context: string },
): Promise<Snapshot> {
  const pack = tar.pack()
  const storing = writeSealed(store, box, pack, { key, context })
  void packDirectory(pack, dir).then(
    () => pack.finalize(),
    (error: unknown) => pack.destroy(asError(error)),
  )
  return await storing
}

/** Stores what is read as zstd, sealed; openSnapshot reads it. */
export async function writeSealed(
  store: ArtifactStore,
  box: SecretBox,
  source: Readable | tar.Pack,
  { key, context }: { key: string; context: string },
): Promise<Snapshot> {
  const sealed = box.sealStream(context)
  const piping = pipeline(source, createZstdCompress(ZSTD), sealed)
  return await storeSealed(store, key, { source, sealed, piping })
}

/**
 * The same archive under a new key, sealed with the present secrets key. What is read is verified first. Throws as
 * openSnapshot.
 */
export async function copySnapshot(
  store: ArtifactStore,
  box: SecretBox,
  from: { key: string; sha256: string; workDir: string; context: string },
  to: { key: string; context: string },
): Promise<Snapshot> {
  const source = await openSnapshot(store, box, from)
  const sealed = box.sealStream(to.context)
  return await storeSealed(store, to.key, { source, sealed, piping: pipeline(source, sealed) })
}

async function storeSealed(
  store: ArtifactStore,
  key: string,
  { source, sealed, piping }: { source: Readable | tar.Pack; sealed: Readable; piping: Promise<void> },
): Promise<Snapshot> {
  const storing = store.put(key, sealed)
  // A store that refuses at once does not read on. The code that fills the stream must not wait for ever.
  storing.catch((error: unknown) => source.destroy(asError(error)))
  const [stored, piped] = await Promise.allSettled([storing, piping])
  // The store's error comes first: it is the cause, or carries the cause that ended the body.
  if (stored.status === 'rejected') throw stored.reason
  if (piped.status === 'rejected') throw piped.reason
  return { key, ...stored.value }
}

/**
 * The archive of a snapshot, decrypted: tar in zstd. All of it has been verified. Meanwhile the disk has only a sealed
 * file without a name, under `workDir`. Throws ArtifactMissing, SnapshotCorrupt, or the error of the store or the file
 * system.
 */
export async function openSnapshot(
  store: ArtifactStore,
  box: SecretBox,
  from: { key: string; sha256: string; workDir: string; context: string },
): Promise<Readable> {
  return (await openMeasured(store, box, from)).archive
}

async function openMeasured(
  store: ArtifactStore,
  box: SecretBox,
  { key, sha256, workDir, context }: { key: string; sha256: string | undefined; workDir: string; context: string },
): Promise<{ archive: Readable; stored: StoredArtifact }> {
  const file = await openNameless(workDir)
  let stored: StoredArtifact
  try {
    const body = await store.get(key)
    const measured = measure(body)
    await writeFile(file, measured.chunks).finally(() => body.destroy())
    stored = measured.result()
    if (sha256 !== undefined && stored.sha256 !== sha256)
      throw new SnapshotCorrupt(key, 'its SHA-256 is not the recorded one')
  } catch (error) {
    await file.close()
    throw error
  }
  try {
    return { archive: await box.openFile(file, context), stored }
  } catch (error) {
    throw error instanceof SecretUnreadable ? new SnapshotCorrupt(key, error.message, { cause: error }) : error
  }
}

/** A file that is gone when it is closed, or when the process ends in any way. */
async function openNameless(workDir: string): Promise<FileHandle> {
  await mkdir(workDir, { recursive: true, mode: 0o700 })
  const path = join(workDir, `sealed-${randomUUID()}`)
  const file = await open(path, 'wx+', 0o600)
  await rm(path)
  return file
}

/**
 * Without a recorded SHA-256 (the database has lost it), only the seal is verified. Throws ArtifactMissing,
 * SnapshotCorrupt, DirectoryInUse, or the error of the store or the file system.
 */
export async function restoreSnapshot(
  store: ArtifactStore,
  box: SecretBox,
  { key, sha256, dir, context }: { key: string; sha256?: string; dir: string; context: string },
): Promise<StoredArtifact> {
  if (await isUsed(dir)) throw new DirectoryInUse(dir)
  await mkdir(dirname(dir), { recursive: true, mode: 0o700 })
  const staging = await mkdtemp(`${dir}.restoring-`)
  try {
    const files = join(staging, 'files')
    const { archive, stored } = await openMeasured(store, box, { key, sha256, workDir: staging, context })
    try {
      await mkdir(files, { mode: 0o700 })
      await unpack(archive, files)
    } catch (error) {
      archive.destroy()
      // A failed system call does not mean that the snapshot is bad: the disk may be full.
      if (error instanceof Error && 'syscall' in error) throw error
      throw new SnapshotCorrupt(key, asError(error).message, { cause: error })
    }
    // This replaces an empty directory, and no other.
    await rename(files, dir)
    return stored
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

async function packDirectory(pack: tar.Pack, root: string): Promise<void> {
  const look = (directory: string) => readdir(join(root, directory), { withFileTypes: true })

  async function visit(directory: string, entries: Dirent[]): Promise<void> {
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const name = `${directory}${entry.name}`
      if (entry.isDirectory()) {
        const found = await unlessVanished(lstat(join(root, name)))
        if (!found?.isDirectory()) continue
        await addEntry(pack, { name: `${name}/`, type: 'directory', mode: found.mode & 0o777, mtime: found.mtime })
        await visit(`${name}/`, (await unlessVanished(look(name))) ?? [])
      } else if (entry.isFile()) {
        const file = await readFileAsItIs(join(root, name))
        if (file) await addEntry(pack, { name, mode: file.mode & 0o777, mtime: file.mtime }, file.content)
      }
    }
  }

  await visit('', await look(''))
}

function addEntry(pack: tar.Pack, header: Partial<tar.Header> & { name: string }, content?: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error | null) => (error ? reject(error) : resolve())
    const entry = content ? pack.entry(header, content, done) : pack.entry(header, done)
    // Its error event carries nothing that the callback does not, but it must have a listener.
    entry.on('error', () => undefined)
  })
}

/**
 * Reads the file up to its size when looked at, so that a log that grows all the time ends somewhere. A file that
 * changes meanwhile is read again, because it may be half rewritten. The third reading is taken as it is.
 */
async function readFileAsItIs(path: string) {
  // Something else may be there by now. So no link is followed, and the other end of a pipe is not waited for.
  const file = await unlessVanished(open(path, modes.O_RDONLY | modes.O_NOFOLLOW | modes.O_NONBLOCK))
  if (!file) return undefined
  try {
    for (let reading = 1; ; reading++) {
      const before = await file.stat()
      if (!before.isFile()) return undefined
      const content = await readUpTo(file, before.size)
      const after = await file.stat()
      const isSettled = after.mtimeMs === before.mtimeMs && after.size === before.size
      if (isSettled || reading === 3) return { content, mode: before.mode, mtime: before.mtime }
    }
  } finally {
    await file.close()
  }
}

async function readUpTo(file: FileHandle, sizeBytes: number): Promise<Buffer> {
  const content = Buffer.allocUnsafe(sizeBytes) // only what is filled is passed on
  let filled = 0
  while (filled < sizeBytes) {
    const { bytesRead } = await file.read(content, filled, sizeBytes - filled, filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return content.subarray(0, filled)
}

async function unpack(plain: Readable, root: string): Promise<void> {
  const entries = tar.extract()
  const directories: { path: string; mode: number }[] = []

  async function writeEntries(): Promise<void> {
    for await (const entry of entries) {
      const { name, type, mode } = entry.header
      const path = join(root, safeName(name))
      if (type === 'directory') {
        await mkdir(path, { mode: 0o700 })
        directories.push({ path, mode })
        entry.resume()
      } else if (type === 'file') {
        await pipeline(entry, createWriteStream(path, { flags: 'wx', mode: 0o600 }))
        await chmod(path, mode & 0o777)
      } else {
        throw new Error(`entry ${name} is neither a file nor a directory`)
      }
    }
    // Done last, and innermost first: a directory may be read-only.
    for (const { path, mode } of directories.toReversed()) await chmod(path, mode & 0o777)
  }

  const [written, piped] = await Promise.allSettled([writeEntries(), pipeline(plain, createZstdDecompress(), entries)])
  if (written.status === 'rejected') throw written.reason
  if (piped.status === 'rejected') throw piped.reason
}

function safeName(name: string): string {
  const segments = name.replace(/\/$/, '').split('/')
  const isSafe = segments.every((each) => each !== '' && each !== '.' && each !== '..') && !name.includes('\0')
  if (!isSafe) throw new Error(`entry ${JSON.stringify(name)} leads out of the directory`)
  return segments.join('/')
}

async function isUsed(dir: string): Promise<boolean> {
  const names = await unlessVanished(readdir(dir))
  return names !== undefined && names.length > 0
}

/** ELOOP: a link has taken the file's place. */
async function unlessVanished<T>(looking: Promise<T>): Promise<T | undefined> {
  try {
    return await looking
  } catch (error) {
    if (error instanceof Error && 'code' in error && ['ENOENT', 'ENOTDIR', 'ELOOP'].includes(String(error.code))) {
      return undefined
    }
    throw error
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
