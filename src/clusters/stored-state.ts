// What the artifact store alone knows of a cluster. It outlives a database that has lost its newest commits: every
// snapshot holds the installer's metadata and the cluster as it was asked for. Only what our own key sealed is
// believed.
import { existsSync } from 'node:fs'
import { mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { App } from '../app.ts'
import { restoreSnapshot, SnapshotCorrupt } from '../artifacts/snapshot.ts'
import { ArtifactMissing, type StoredArtifact } from '../artifacts/store.ts'
import type { Transaction } from '../db/client.ts'
import { messageOf } from '../errors.ts'
import { newId } from '../ids.ts'
import { assertSafeMetadata, parseMetadata, type InstallerMetadata } from '../installer/metadata.ts'
import { stages, type Stage } from '../installer/stages.ts'
import { clusterArtifacts } from './infra-tables.ts'
import { keepEntry } from './ledger.ts'
import type { ClusterRow } from './tables.ts'

const RECORD = 'ocpctl-cluster.json'
const STOOD_BEFORE = 'ocpctl-stood-before.json'

/** The infrastructure of one attempt, taken from its newest readable snapshot and unpacked in `dir`. */
export type StoredInfra = {
  attemptId: string
  metadata: InstallerMetadata
  /** undefined: stored by an earlier release. */
  record: ClusterRow | undefined
  /** undefined: as record, or nobody knew. */
  stoodBefore: string[] | undefined
  stage: Stage
  snapshot: StoredArtifact & { key: string }
  dir: string
}

/**
 * Puts the cluster's row beside the installer's files, so that every snapshot holds it; and, where it is known, what
 * stood under the cluster's domain before.
 */
export async function writeRecord(dir: string, cluster: ClusterRow, stoodBefore: string[] | undefined): Promise<void> {
  await writeFile(join(dir, RECORD), JSON.stringify(cluster), { mode: 0o600 })
  if (stoodBefore) await writeFile(join(dir, STOOD_BEFORE), JSON.stringify(stoodBefore), { mode: 0o600 })
}

/** Whether the bootstrap's own resources were gone when a snapshot of this stage was begun. */
const isPastBootstrap = (stage: Stage): boolean =>
  stages.indexOf(stage) >= stages.indexOf('initialize') && stages.indexOf(stage) <= stages.indexOf('complete')

/**
 * Calls back for each attempt of which the store has state, oldest first, except those left out. The directory is gone
 * afterwards. Throws StoreUnavailable.
 */
export async function readStoredState(
  app: Pick<App, 'store' | 'box' | 'config' | 'log'>,
  clusterId: string,
  isLeftOut: (attemptId: string) => boolean,
  found: (infra: StoredInfra) => Promise<void>,
): Promise<void> {
  const keys = new Map<string, string[]>()
  for await (const key of app.store.list(`clusters/${clusterId}/`)) {
    const attemptId = key.split('/')[2]
    if (attemptId !== undefined && !isLeftOut(attemptId)) keys.set(attemptId, [...(keys.get(attemptId) ?? []), key])
  }
  if (keys.size === 0) return
  const work = join(app.config.dataDir, 'work')
  await mkdir(work, { recursive: true, mode: 0o700 })
  const home = await mkdtemp(join(work, 'stored-'))
  try {
    for (const [attemptId, ofAttempt] of keys) {
      const infra = await readNewest(app, attemptId, ofAttempt.toReversed(), join(home, attemptId))
      if (infra) await found(infra)
    }
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

async function readNewest(
  app: Pick<App, 'store' | 'box' | 'log'>,
  attemptId: string,
  keys: string[],
  dir: string,
): Promise<StoredInfra | undefined> {
  for (const key of keys) {
    const named = /\/\d+-([a-z-]+)-[0-9a-z]{6}\.tar\.zst\.sealed/.exec(key)?.[1]
    const stage = stages.find((each) => each === named)
    if (stage === undefined) continue
    try {
      const stored = await restoreSnapshot(app.store, app.box, { key, dir, context: key })
      if (existsSync(join(dir, 'metadata.json')))
        return {
          attemptId,
          metadata: parseMetadata(await readFile(join(dir, 'metadata.json'), 'utf8')),
          record: await readRecord(dir),
          stoodBefore: await readStoodBefore(dir),
          stage,
          snapshot: { ...stored, key },
          dir,
        }
    } catch (error) {
      if (!(error instanceof SnapshotCorrupt || error instanceof ArtifactMissing)) throw error
      app.log.warn(`stored state is left out: ${messageOf(error)}`)
    }
    await rm(dir, { recursive: true, force: true })
  }
  return undefined
}

async function readRecord(dir: string): Promise<ClusterRow | undefined> {
  if (!existsSync(join(dir, RECORD))) return undefined
  const isTime = (value: unknown) => typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value)
  // This service wrote it, and it has been sealed since. Times are the only values that JSON does not keep as they are.
  return JSON.parse(await readFile(join(dir, RECORD), 'utf8'), (key, value: unknown) =>
    key.endsWith('At') && isTime(value) ? new Date(String(value)) : value,
  ) as ClusterRow
}

async function readStoodBefore(dir: string): Promise<string[] | undefined> {
  if (!existsSync(join(dir, STOOD_BEFORE))) return undefined
  return JSON.parse(await readFile(join(dir, STOOD_BEFORE), 'utf8')) as string[] // as RECORD
}

/** Throws UnsafeMetadata unless the stored state belongs to this one cluster. */
export function assertStoredIsOf(infra: StoredInfra, cluster: Pick<ClusterRow, 'name' | 'platform' | 'region'>): void {
  const { name: clusterName, platform, region } = cluster
  assertSafeMetadata(infra.metadata, { clusterName, platform, region })
}

/** Puts back those rows of the stored state that are lost. Returns false when the ledger had its entry. */
export async function keepStored(
  tx: Transaction,
  clusterId: string,
  { metadata, stage, snapshot, stoodBefore }: Pick<StoredInfra, 'metadata' | 'stage' | 'snapshot' | 'stoodBefore'>,
): Promise<boolean> {
  const infraId = metadata.infraID
  const [row] = await tx
    .insert(clusterArtifacts)
    .values({ id: newId('art'), clusterId, infraId, kind: 'snapshot', stage, ...snapshot })
    .onConflictDoUpdate({ target: clusterArtifacts.key, set: { infraId } })
    .returning({ id: clusterArtifacts.id })
  if (!row) throw new Error(`the row of ${snapshot.key} was not written`)
  const bootstrappedAt = isPastBootstrap(stage) ? new Date() : null
  return keepEntry(tx, { clusterId, attemptId: null, metadata, snapshotId: row.id, stoodBefore, bootstrappedAt })
}
