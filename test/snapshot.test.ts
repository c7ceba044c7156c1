import { createHash, randomBytes } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import { appendFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, open, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { createZstdCompress } from 'node:zlib'
import * as tar from 'tar-stream'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { DirectoryInUse, restoreSnapshot, SnapshotCorrupt, writeSnapshot } from '../src/artifacts/snapshot.ts'
import { ArtifactExists, ArtifactMissing, openStore, StoreUnavailable } from '../src/artifacts/store.ts'
import type { ArtifactStore } from '../src/artifacts/store.ts'
import { createSecretBox } from '../src/secrets.ts'
import { startS3Server } from './s3-server.ts'

const MiB = 1024 * 1024
const box = createSecretBox(randomBytes(32))
const key = 'clusters/clu_1/snapshots/1'
const context = 'cluster_artifacts:clu_1'

let work: string
let dir: string
let store: ArtifactStore

beforeEach(async () => {
  work = await mkdtemp(join(tmpdir(), 'snapshot-'))
  dir = join(work, 'assets')
  await mkdir(dir)
  store = openStore(pathToFileURL(join(work, 'store')).href)
})
afterEach(() => rm(work, { recursive: true }))

const write = () => writeSnapshot(store, box, { key, dir, context })
const restore = (sha256: string, target = 'restored', by = box) =>
  restoreSnapshot(store, by, { key, sha256, dir: join(work, target), context })

describe('a snapshot', () => {
  test('gives back files, directories and modes', async () => {
    const longName = `${'long-'.repeat(40)}ü.json`
    await mkdir(join(dir, 'auth/empty'), { recursive: true })
    await writeFile(join(dir, 'auth/kubeconfig'), 'apiVersion: v1', { mode: 0o640 })
    await writeFile(join(dir, 'auth', longName), '{}')
    await writeFile(join(dir, '.openshift_install_state.json'), randomBytes(3 * MiB))
    await writeFile(join(dir, 'empty'), '')
    await writeFile(join(dir, 'run.sh'), '#!/bin/sh', { mode: 0o755 })
    await chmod(join(dir, 'auth'), 0o750)
    await mkdir(join(dir, 'read-only'))
    await writeFile(join(dir, 'read-only/file'), 'x', { mode: 0o400 })
    await chmod(join(dir, 'read-only'), 0o500)

    const snapshot = await write()
    const stored = await buffer(await store.get(key))
    expect(snapshot).toEqual({
      key,
      sizeBytes: stored.length,
      sha256: createHash('sha256').update(stored).digest('hex'),
    })
    await restore(snapshot.sha256)

    const restored = join(work, 'restored')
    expect(spawnSync('diff', ['-r', dir, restored], { encoding: 'utf8' })).toMatchObject({ status: 0, stdout: '' })
    for (const name of ['auth', 'auth/empty', 'auth/kubeconfig', 'run.sh', 'read-only', 'read-only/file']) {
      expect((await stat(join(restored, name))).mode, name).toBe((await stat(join(dir, name))).mode)
    }
    expect((await stat(restored)).mode & 0o777).toBe(0o700)
    expect((await readdir(work)).sort()).toEqual(['assets', 'restored', 'store'])
    await chmod(join(dir, 'read-only'), 0o700)
    await chmod(join(restored, 'read-only'), 0o700)
  })

  test('leaves out links, sockets and pipes, and follows none', async () => {
    await writeFile(join(work, 'outside'), 'not ours')
    await writeFile(join(dir, 'file'), 'x')
    await symlink(join(work, 'outside'), join(dir, 'link'))
    await symlink(work, join(dir, 'link-to-directory'))
    spawnSync('mkfifo', [join(dir, 'pipe')])
    const socket = createServer().listen(join(dir, 'socket'))
    const { sha256 } = await write()
    await new Promise((resolve) => socket.close(resolve))
    await restore(sha256)
    expect(await readdir(join(work, 'restored'))).toEqual(['file'])
  })

  test('shows nothing of what is in it', async () => {
    await writeFile(join(dir, 'kubeadmin-password'), 'AAAAA-BBBBB-CCCCC-DDDDD')
    await write()
    const stored = await buffer(await store.get(key))
    expect(stored.includes('kubeadmin')).toBe(false)
    expect(stored.includes('AAAAA')).toBe(false)
  })

  test('can be taken while files grow, shrink and vanish', async () => {
    // Files are read by name, and no file before the last one is on its way: while the first bytes of a-big arrive,
    // b-big waits, and everything after it has been seen but not read.
    const big = randomBytes(6 * MiB)
    for (const name of ['a-big', 'b-big']) await writeFile(join(dir, name), big)
    await mkdir(join(dir, 'c-vanishes'))
    for (const name of ['c-shrinks', 'd-vanishes', 'e-log', 'f-becomes-a-link', 'g-becomes-a-pipe'])
      await writeFile(join(dir, name), '0123456789')
    const changing: ArtifactStore = {
      ...store,
      put: (key, body) =>
        store.put(
          key,
          Readable.from(
            onFirst(body, () => {
              rmSync(join(dir, 'c-vanishes'), { recursive: true })
              truncateSync(join(dir, 'c-shrinks'), 3)
              rmSync(join(dir, 'd-vanishes'))
              appendFileSync(join(dir, 'e-log'), 'abc')
              rmSync(join(dir, 'f-becomes-a-link'))
              symlinkSync('/etc/passwd', join(dir, 'f-becomes-a-link'))
              rmSync(join(dir, 'g-becomes-a-pipe'))
              spawnSync('mkfifo', [join(dir, 'g-becomes-a-pipe')])
            }),
          ),
        ),
    }
    const { sha256 } = await writeSnapshot(changing, box, { key, dir, context })
    await restore(sha256)
    const restored = join(work, 'restored')
    expect((await readdir(restored)).sort()).toEqual(['a-big', 'b-big', 'c-shrinks', 'e-log'])
    for (const name of ['a-big', 'b-big']) expect((await readFile(join(restored, name))).equals(big)).toBe(true)
    expect(await readFile(join(restored, 'c-shrinks'), 'utf8')).toBe('012')
    expect(await readFile(join(restored, 'e-log'), 'utf8')).toBe('0123456789abc')
  })

  test('of a log that another process appends to all the time ends, and holds whole lines of its past', async () => {
    const log = join(dir, '.openshift_install.log')
    let line = 0
    let isDone = false
    const append = () => {
      for (let burst = 0; burst < 100; burst++) appendFileSync(log, `${String(line++).padStart(9, '0')}\n`)
      if (!isDone) setImmediate(append)
    }
    append()
    for (let index = 0; index < 5; index++) {
      const snapshotKey = `${key}-${index}`
      const { sha256 } = await writeSnapshot(store, box, { key: snapshotKey, dir, context })
      const target = join(work, `restored-${index}`)
      await restoreSnapshot(store, box, { key: snapshotKey, sha256, dir: target, context })
      const lines = (await readFile(join(target, '.openshift_install.log'), 'utf8')).split('\n').slice(0, -1)
      expect(lines.length).toBeGreaterThanOrEqual(100)
      expect(lines.findIndex((text, at) => Number(text) !== at)).toBe(-1)
    }
    isDone = true
  })

  test('reads a file again that is rewritten under its hands', async () => {
    const state = join(dir, 'state.json')
    await writeFile(state, '{"half": "rewritten"}')
    const file = await open(state)
    await file.close()
    // The class of file handles is not exported.
    const fileHandle = Object.getPrototypeOf(file) as FileHandle
    const read = vi.spyOn(fileHandle, 'read').mockImplementationOnce(async () => {
      writeFileSync(state, '{}')
      return { bytesRead: 5, buffer: Buffer.alloc(5) }
    })
    const { sha256 } = await write().finally(() => read.mockRestore())
    await restore(sha256)
    expect(await readFile(join(work, 'restored/state.json'), 'utf8')).toBe('{}')
  })

  test('into a store that gives up half-way fails with its reason', async () => {
    for (const name of ['a', 'b', 'c']) await writeFile(join(dir, name), randomBytes(2 * MiB))
    const failure = new StoreUnavailable('no more')
    const weak: ArtifactStore = {
      ...store,
      async put(_key, body) {
        await buffer(onFirst(body, () => body.destroy())).catch(() => undefined)
        throw failure
      },
    }
    await expect(writeSnapshot(weak, box, { key, dir, context })).rejects.toBe(failure)
  })

  test('of a missing directory is an error, and stores nothing', async () => {
    await rm(dir, { recursive: true })
    await expect(write()).rejects.toThrow(/ENOENT/)
    expect(await store.find(key)).toBeUndefined()
  })

  test('never replaces another', async () => {
    await write()
    await writeFile(join(dir, 'a-big'), randomBytes(4 * MiB))
    await expect(write()).rejects.toThrow(ArtifactExists)
  })

  test('into a store that is down fails with its reason', async () => {
    await writeFile(join(dir, 'big'), randomBytes(20 * MiB))
    const server = await startS3Server()
    const options = { s3Endpoint: server.endpoint, s3Region: server.region, s3Credentials: server.credentials }
    const remote = openStore('s3://bucket/prefix', options)
    await writeSnapshot(remote, box, { key, dir, context })
    server.faults.push({ how: 'drop', times: Infinity, when: ({ query }) => query.has('partNumber') })
    await expect(writeSnapshot(remote, box, { key: `${key}-2`, dir, context })).rejects.toThrow(StoreUnavailable)
    await server.close()
    await expect(writeSnapshot(remote, box, { key: `${key}-3`, dir, context })).rejects.toThrow(StoreUnavailable)
  })
})

describe('a restore', () => {
  test('refuses a directory in use, and takes an empty one', async () => {
    await writeFile(join(dir, 'file'), 'x')
    const { sha256 } = await write()
    await mkdir(join(work, 'used'))
    await writeFile(join(work, 'used/file'), 'old')
    await expect(restore(sha256, 'used')).rejects.toThrow(DirectoryInUse)
    expect(await readFile(join(work, 'used/file'), 'utf8')).toBe('old')
    await mkdir(join(work, 'empty'))
    await restore(sha256, 'empty')
    expect(await readdir(join(work, 'empty'))).toEqual(['file'])
  })

  test('of a missing snapshot says so', async () => {
    await expect(restore('0'.repeat(64))).rejects.toThrow(ArtifactMissing)
    expect((await readdir(work)).sort()).toEqual(['assets'])
  })

  test('of one that was touched leaves no directory, whether or not its checksum was touched with it', async () => {
    await writeFile(join(dir, 'file'), randomBytes(600_000))
    const { sha256, sizeBytes } = await write()
    const intact = await buffer(await store.get(key))
    const replaceBy = async (bytes: Buffer) => {
      await store.delete(key)
      await store.put(key, Readable.from([bytes]))
      return createHash('sha256').update(bytes).digest('hex')
    }
    const refusals = [
      ...[0, 5, 20, 30, 262_170, 300_000, sizeBytes - 1].map((at) => {
        const changed = Buffer.from(intact)
        changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
        return changed
      }),
      ...[0, 10, 24, 262_184, sizeBytes - 1].map((end) => intact.subarray(0, end)),
      Buffer.concat([intact, intact]),
      randomBytes(1000),
    ]
    for (const bytes of refusals) {
      const itsOwnSha256 = await replaceBy(bytes)
      await expect(restore(sha256)).rejects.toThrow(/cannot be restored: its SHA-256 is not the recorded one/)
      await expect(restore(itsOwnSha256)).rejects.toThrow(SnapshotCorrupt)
      expect((await readdir(work)).sort()).toEqual(['assets', 'store'])
    }
    await replaceBy(intact)
    await restore(sha256)
  })

  test('needs the key and the context it was sealed with', async () => {
    const { sha256 } = await write()
    const stranger = createSecretBox(randomBytes(32))
    await expect(restore(sha256, 'restored', stranger)).rejects.toThrow(`sealed with key ${box.keyId}, which is not`)
    const elsewhere = restoreSnapshot(store, box, {
      key,
      sha256,
      dir: join(work, 'x'),
      context: 'cluster_artifacts:clu_2',
    })
    await expect(elsewhere).rejects.toThrow(SnapshotCorrupt)
  })

  test.each([
    ['out of the directory', { name: '../evil' }],
    ['out of the directory, further in', { name: 'a/../../evil' }],
    ['to an absolute path', { name: '/tmp/evil' }],
    ['to the directory itself', { name: './' }],
    ['to a symbolic link', { name: 'link', type: 'symlink' as const, linkname: '/etc/passwd' }],
    ['to a hard link', { name: 'link', type: 'link' as const, linkname: '/etc/passwd' }],
    ['to a device', { name: 'device', type: 'character-device' as const }],
  ])('refuses an entry that leads %s', async (_where, header) => {
    const sha256 = await putArchive((pack) => {
      pack.entry({ name: 'fine' }, 'x')
      pack.entry(header, '')
      pack.finalize()
    })
    await expect(restore(sha256)).rejects.toThrow(SnapshotCorrupt)
    expect((await readdir(work)).sort()).toEqual(['assets', 'store'])
  })

  test('refuses a sealed object that is no archive', async () => {
    for (const content of [
      '',
      'no zstd',
      await buffer(Readable.from([randomBytes(2000)]).pipe(createZstdCompress())),
    ]) {
      const stored = await store.put(key, Readable.from([box.seal(content, context)]))
      await expect(restore(stored.sha256)).rejects.toThrow(SnapshotCorrupt)
      await store.delete(key)
    }
    expect((await readdir(work)).sort()).toEqual(['assets', 'store'])
  })

  async function putArchive(fill: (pack: tar.Pack) => void): Promise<string> {
    const pack = tar.pack()
    fill(pack)
    const archive = await buffer(Readable.from(pack).pipe(createZstdCompress()))
    return (await store.put(key, Readable.from([box.seal(archive, context)]))).sha256
  }
})

/** Acts once contents come, which is after the header. */
async function* onFirst(body: Readable, act: () => void): AsyncGenerator<Buffer> {
  let chunks = 0
  for await (const chunk of body) {
    if (++chunks === 2) act()
    yield chunk
  }
}
