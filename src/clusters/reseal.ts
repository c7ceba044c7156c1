// The rotation of the key that seals. What an older key has sealed is sealed anew, so that the older key can be
// dropped. Every step may be the last of the process, and several processes may take it at once. A snapshot goes to a
// new object, never over the old one. Before an object can become useless it is announced to the queue, which removes
// it unless a row names it.
import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { and, asc, eq, getTableColumns, gt, inArray, isNull, or, sql, type SQL } from 'drizzle-orm'
import type { PgColumn } from 'drizzle-orm/pg-core'
import type { App } from '../app.ts'
import { copySnapshot, SnapshotCorrupt } from '../artifacts/snapshot.ts'
import { StoreUnavailable } from '../artifacts/store.ts'
import { writeAudit } from '../audit/audit.ts'
import type { Actor } from '../auth/principal.ts'
import { messageOf } from '../errors.ts'
import { webhooks } from '../notices/tables.ts'
import { targetContextOf } from '../notices/webhooks.ts'
import { KEY_ID_AT, KEY_ID_BYTES, readKeyId } from '../secrets.ts'
import { announceArtifact, DISCARD_AFTER_SECONDS } from './discard.ts'
import { clusterArtifacts } from './infra-tables.ts'
import type { ArtifactRow } from './ledger.ts'
import { contextOf, type Credential } from './outputs.ts'
import { clusterOutputs, clusters } from './tables.ts'

/** What sealing anew touches. */
type Resealing = Pick<App, 'db' | 'queue' | 'store' | 'box' | 'config'>

export type Rotation = {
  sealedAnew: number
  /** How many values each other key still seals. A snapshot counts as 'unknown' until its key has been looked up. */
  left: Record<string, number>
  /** Why the values that were tried are still among them. */
  failures: { subject: string; reason: string }[]
}

const ROTATION: Actor = { kind: 'system', name: 'key-rotation' }
const UNKNOWN = 'unknown'
const BATCH = 50
/** A run ends well before the queue thinks that it is lost. */
const RUN_MS = 4 * 60_000
/** Nobody needs the state of a cluster that has been gone for longer than this. It stays sealed as it is. */
const KEPT_DAYS = 30

// Each half has a partial index of its own: clusters_status_live, clusters_destroyed.
const isInUse = sql`(${clusters.status} <> 'DESTROYED'
  or (${clusters.status} = 'DESTROYED' and ${clusters.destroyedAt} > now() - make_interval(days => ${KEPT_DAYS})))`
const keyIdOf = (sealed: PgColumn) =>
  sql<string>`encode(substring(${sealed} from ${sql.raw(String(KEY_ID_AT + 1))} for ${sql.raw(String(KEY_ID_BYTES))}), 'hex')`

/**
 * Does as much as fits into one run. A value that cannot be opened is reported and left, and does not stop the rest.
 */
export async function resealSecrets(app: Resealing): Promise<Rotation> {
  const found = await countSealedElsewhere(app)
  const isOurs = (keyId: string) => keyId === UNKNOWN || app.box.olderKeyIds.includes(keyId)
  // This is the usual case: one query, and no look at each cluster's artifacts.
  if (!Object.keys(found).some(isOurs)) return { sealedAnew: 0, left: found, failures: [] }
  const until = Date.now() + RUN_MS
  const outputs = await resealEach(app, until, listOutputs, resealOutputs)
  const artifacts = await resealEach(app, until, listArtifacts, resealArtifact)
  const targets = await resealEach(app, until, listTargets, resealTarget)
  return {
    sealedAnew: outputs.sealedAnew + artifacts.sealedAnew + targets.sealedAnew,
    left: await countSealedElsewhere(app),
    failures: [...outputs.failures, ...artifacts.failures, ...targets.failures],
  }
}

async function resealEach<Row extends { id: string }>(
  app: Resealing,
  until: number,
  list: (app: Resealing, after: string) => Promise<Row[]>,
  reseal: (app: Resealing, row: Row) => Promise<number>,
): Promise<Omit<Rotation, 'left'>> {
  const done: Omit<Rotation, 'left'> = { sealedAnew: 0, failures: [] }
  for (let after = ''; ;) {
    const rows = await list(app, after)
    for (const row of rows) {
      if (Date.now() > until) return done
      try {
        done.sealedAnew += await reseal(app, row)
      } catch (error) {
        done.failures.push({ subject: row.id, reason: messageOf(error) })
        if (error instanceof StoreUnavailable) return done
      }
      after = row.id
    }
    if (rows.length < BATCH) return done
  }
}

/** Counts the values in use that are sealed under each key other than the present one. */
export async function countSealedElsewhere(app: Pick<App, 'db' | 'box'>): Promise<Record<string, number>> {
  const { rows } = await app.db.execute<{ keyId: string; values: number }>(sql`
    select key_id as "keyId", count(*)::int as values from (
      select unnest(array[${keyIdOf(clusterOutputs.kubeconfigSealed)}, ${keyIdOf(clusterOutputs.kubeadminPasswordSealed)}])
        as key_id
      from ${clusterOutputs} join ${clusters} on ${clusters.id} = ${clusterOutputs.clusterId} where ${isInUse}
      union all
      select coalesce(${clusterArtifacts.keyId}, ${UNKNOWN}) from ${clusterArtifacts}
      union all
      select ${keyIdOf(webhooks.sealed)} from ${webhooks}
    ) sealed where key_id <> ${app.box.keyId} group by key_id`)
  return Object.fromEntries(rows.map(({ keyId, values }) => [keyId, values]))
}

/** The keys among these that are not configured: the values that they sealed cannot be opened. */
export const missingKeys = (app: Resealing, left: Record<string, number>): string[] =>
  Object.keys(left).filter((keyId) => keyId !== UNKNOWN && !app.box.olderKeyIds.includes(keyId))

type OutputsRow = { id: string; kubeconfigSealed: Buffer; kubeadminPasswordSealed: Buffer }

function listOutputs({ db, box }: Resealing, after: string) {
  const isOlder = (sealed: PgColumn) => inArray(keyIdOf(sealed), [...box.olderKeyIds])
  return db
    .select({
      id: clusterOutputs.clusterId,
      kubeconfigSealed: clusterOutputs.kubeconfigSealed,
      kubeadminPasswordSealed: clusterOutputs.kubeadminPasswordSealed,
    })
    .from(clusterOutputs)
    .innerJoin(clusters, eq(clusters.id, clusterOutputs.clusterId))
    .where(
      and(
        isInUse,
        or(isOlder(clusterOutputs.kubeconfigSealed), isOlder(clusterOutputs.kubeadminPasswordSealed)),
        gt(clusterOutputs.clusterId, after),
      ),
    )
    .orderBy(asc(clusterOutputs.clusterId))
    .limit(BATCH)
}

async function resealOutputs({ db, box }: Resealing, row: OutputsRow): Promise<number> {
  const { id: clusterId, kubeconfigSealed, kubeadminPasswordSealed } = row
  const older = [kubeconfigSealed, kubeadminPasswordSealed].map(readKeyId).filter((keyId) => keyId !== box.keyId)
  const reseal = (sealed: Buffer, credential: Credential) => {
    const context = contextOf(clusterId, credential)
    return readKeyId(sealed) === box.keyId ? sealed : box.seal(box.open(sealed, context), context)
  }
  const anew = {
    kubeconfigSealed: reseal(kubeconfigSealed, 'kubeconfig'),
    kubeadminPasswordSealed: reseal(kubeadminPasswordSealed, 'kubeadmin-password'),
  }
  return db.transaction(async (tx) => {
    const changed = await tx
      .update(clusterOutputs)
      .set(anew)
      .where(
        and(
          eq(clusterOutputs.clusterId, clusterId),
          eq(clusterOutputs.kubeconfigSealed, kubeconfigSealed),
          eq(clusterOutputs.kubeadminPasswordSealed, kubeadminPasswordSealed),
        ),
      )
      .returning({ id: clusterOutputs.clusterId })
    if (changed.length === 0) return 0
    const detail = { from: older, to: box.keyId }
    writeAudit(tx, ROTATION, { action: 'cluster.reseal-credentials', clusterId, detail })
    return older.length
  })
}

type TargetRow = { id: string; sealed: Buffer }

function listTargets({ db, box }: Resealing, after: string): Promise<TargetRow[]> {
  return db
    .select({ id: webhooks.id, sealed: webhooks.sealed })
    .from(webhooks)
    .where(and(inArray(keyIdOf(webhooks.sealed), [...box.olderKeyIds]), gt(webhooks.id, after)))
    .orderBy(asc(webhooks.id))
    .limit(BATCH)
}

async function resealTarget({ db, box }: Resealing, { id, sealed }: TargetRow): Promise<number> {
  const context = targetContextOf(id)
  const anew = box.seal(box.open(sealed, context), context)
  return db.transaction(async (tx) => {
    const changed = await tx
      .update(webhooks)
      .set({ sealed: anew })
      .where(and(eq(webhooks.id, id), eq(webhooks.sealed, sealed)))
      .returning({ id: webhooks.id })
    if (changed.length === 0) return 0
    const detail = { webhookId: id, from: readKeyId(sealed), to: box.keyId }
    writeAudit(tx, ROTATION, { action: 'webhook.reseal', detail })
    return 1
  })
}

function listArtifacts({ db, box }: Resealing, after: string) {
  // cluster_artifacts_sealed_with, for each of the keys.
  const isOlder: SQL | undefined = or(
    isNull(clusterArtifacts.keyId),
    inArray(clusterArtifacts.keyId, [...box.olderKeyIds]),
  )
  return db
    .select(getTableColumns(clusterArtifacts))
    .from(clusterArtifacts)
    .where(and(isOlder, gt(clusterArtifacts.id, after)))
    .orderBy(asc(clusterArtifacts.id))
    .limit(BATCH)
}

async function resealArtifact(app: Resealing, artifact: ArtifactRow): Promise<number> {
  const { db, box, store, queue } = app
  const { id, clusterId, key, sha256 } = artifact
  const keyId = artifact.keyId ?? (await noteKeyId(app, artifact))
  if (!box.olderKeyIds.includes(keyId)) return 0
  const newKey = nextKey(key, box.keyId)
  const isInTime = await announceArtifact(app, newKey)
  const workDir = join(app.config.dataDir, 'work')
  const anew = await copySnapshot(store, box, { key, sha256, workDir, context: key }, { key: newKey, context: newKey })
  return db.transaction(async (tx) => {
    const changed = await tx
      .update(clusterArtifacts)
      .set({ ...anew, keyId: box.keyId, verifiedAt: null })
      .where(and(eq(clusterArtifacts.id, id), eq(clusterArtifacts.key, key), isInTime))
      .returning({ id: clusterArtifacts.id })
    if (changed.length === 0) return 0
    const detail = { artifact: id, from: keyId, to: box.keyId }
    writeAudit(tx, ROTATION, { action: 'artifact.reseal', clusterId, detail })
    await queue.discardArtifact(tx, key, DISCARD_AFTER_SECONDS)
    return 1
  })
}

/**
 * For a snapshot that was stored before this was noted. The object itself says which key sealed it, if its bytes are
 * the recorded ones.
 */
async function noteKeyId({ db, store }: Resealing, { id, key, sha256 }: ArtifactRow): Promise<string> {
  const hash = createHash('sha256')
  let head = Buffer.alloc(0)
  for await (const chunk of await store.get(key)) {
    hash.update(chunk)
    if (head.length < KEY_ID_AT + KEY_ID_BYTES) head = Buffer.concat([head, chunk])
  }
  if (hash.digest('hex') !== sha256) throw new SnapshotCorrupt(key, 'its SHA-256 is not the recorded one')
  const keyId = readKeyId(head)
  await db
    .update(clusterArtifacts)
    .set({ keyId })
    .where(and(eq(clusterArtifacts.id, id), eq(clusterArtifacts.key, key), isNull(clusterArtifacts.keyId)))
  return keyId
}

/** A name that was never used before, so that a discard of an object by its key can hit no other object. */
const nextKey = (key: string, keyId: string) =>
  `${key.replace(/\.[0-9a-f]{8}-[0-9a-f]{16}$/, '')}.${keyId}-${randomBytes(8).toString('hex')}`
