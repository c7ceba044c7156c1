// A snapshot of 60 MB, to files and to an S3 server on loopback, beside tar and zstd.
import { execFileSync } from 'node:child_process'
import { createCipheriv, createHash, randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openStore } from '../../src/artifacts/store.ts'
import { writeSnapshot } from '../../src/artifacts/snapshot.ts'
import { createSecretBox } from '../../src/secrets.ts'
import { startS3Server } from '../s3-server.ts'
import { medianOf, type Ground } from './ground.ts'
import type { Report } from './report.ts'

const ROUNDS = 5
const MB = 1024 * 1024

export async function measureSnapshots(ground: Ground, report: Report): Promise<void> {
  const dir = join(ground.dir, 'assets')
  fill(dir)
  const box = createSecretBox(ground.secretsKey, [])
  const s3 = await startS3Server()
  const stores = {
    files: openStore(`file://${join(ground.dir, 'snapshots')}`),
    S3: openStore('s3://bench', { s3Endpoint: s3.endpoint, s3Credentials: s3.credentials }),
  }
  const took: Record<'tar' | 'files' | 'S3', number[]> = { tar: [], files: [], S3: [] }
  let most = 0
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 10)
  for (let round = 0; round <= ROUNDS; round++) {
    const at = performance.now()
    execFileSync('sh', [
      '-c',
      `tar -C "$1" -cf - . | zstd -q -3 -f -o "$2" && sync "$2"`,
      'sh',
      dir,
      join(ground.dir, 'floor.zst'),
    ])
    const floor = performance.now() - at
    if (round > 0) took.tar.push(floor)
    for (const [name, store] of Object.entries(stores) as ['files' | 'S3', (typeof stores)['files']][]) {
      globalThis.gc?.()
      const before = process.memoryUsage.rss()
      most = 0
      const from = performance.now()
      await writeSnapshot(store, box, { key: `clusters/x/${name}-${round}`, dir, context: 'bench' })
      if (round > 0) took[name].push(performance.now() - from)
      // The S3 server keeps what it gets in the memory of this process.
      if (round === 0 && name === 'files')
        report.figure('a snapshot to files, memory (goal ≤ 64)', Math.max(0, most - before) / MB, 'MiB')
    }
  }
  clearInterval(watch)
  await s3.close()
  report.figure('tar | zstd of 60 MB to a file, synced', medianOf(took.tar), 'ms')
  report.ratio('a snapshot to files / tar and zstd', medianOf(took.files) / medianOf(took.tar), '≤ 1.5')
  report.ratio('a snapshot to S3 / tar and zstd', medianOf(took.S3) / medianOf(took.tar), '≤ 1.5')
}

/** As an asset directory is: a log and manifests that compress well, and ignition configs and archives that do not. */
function fill(dir: string): void {
  mkdirSync(join(dir, 'manifests'), { recursive: true })
  const line = (n: number) =>
    `time="2026-01-01T00:00:00Z" level=debug msg="${createHash('md5').update(String(n)).digest('hex')} still waiting"\n`
  const log: string[] = []
  for (let n = 0; n < 300_000; n++) log.push(line(n))
  writeFileSync(join(dir, '.openshift_install.log'), log.join(''))
  const noise = createCipheriv('aes-256-ctr', Buffer.alloc(32), Buffer.alloc(16)).update(Buffer.alloc(30 * MB))
  for (let n = 0; n < 30; n++) writeFileSync(join(dir, 'manifests', `${n}.bin`), noise.subarray(n * MB, (n + 1) * MB))
  writeFileSync(join(dir, 'metadata.json'), randomBytes(200).toString('hex'))
}
