// The stored artifacts of a cluster. They contain credentials, so only a caller who may have these gets them. Each
// reading is an audit event, which is committed before the first byte goes out.
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { and, eq } from 'drizzle-orm'
import type { App } from '../app.ts'
import { openSnapshot, SnapshotCorrupt } from '../artifacts/snapshot.ts'
import { ArtifactMissing, StoreUnavailable } from '../artifacts/store.ts'
import { writeAudit } from '../audit/audit.ts'
import type { Actor } from '../auth/principal.ts'
import type { Reader, Transaction } from '../db/client.ts'
import { keyset, type PageRequest } from '../db/page.ts'
import { AppError, messageOf } from '../errors.ts'
import { artifactKinds } from '../vocabulary.ts'
import { clusterArtifacts } from './infra-tables.ts'
import type { ArtifactRow } from './ledger.ts'
import { clusterFor } from './queries.ts'

export { artifactKinds }
export type { ArtifactRow }

/** One row more than the page asks for, newest first. Throws NOT_FOUND, FORBIDDEN. */
export async function listArtifacts(
  db: Reader,
  by: Actor,
  clusterId: string,
  page: PageRequest,
): Promise<ArtifactRow[]> {
  const cluster = await clusterFor(db, by, 'cluster.credentials', clusterId)
  const ofCluster = eq(clusterArtifacts.clusterId, cluster.id)
  const { where, orderBy, limit } = keyset(clusterArtifacts.id, page, ofCluster)
  return db.select().from(clusterArtifacts).where(where).orderBy(orderBy).limit(limit)
}

/**
 * Returns the content as tar in zstd, a log as lines of JSON in zstd, verified. The caller reads the stream or destroys it. Every artifact is sealed,
 * so that no store could hand it out by itself. Throws NOT_FOUND, FORBIDDEN, CONFLICT when the content is not what was
 * stored, and UNAVAILABLE.
 */
export async function readArtifact(
  app: Pick<App, 'db' | 'store' | 'box' | 'config' | 'log'>,
  by: Actor,
  clusterId: string,
  id: string,
): Promise<{ content: Readable; filename: string }> {
  const { artifact, clusterName } = await app.db.transaction((tx) => claimReading(app, tx, by, clusterId, id))
  const { key, sha256, stage, kind } = artifact
  const filename = `${clusterName}-${stage}-${id}.${kind === 'log' ? 'ndjson' : 'tar'}.zst`.replaceAll(
    /[^A-Za-z0-9._-]/g,
    '_',
  )
  const workDir = join(app.config.dataDir, 'work')
  try {
    return { filename, content: await openSnapshot(app.store, app.box, { key, sha256, workDir, context: key }) }
  } catch (error) {
    if (error instanceof ArtifactMissing)
      throw new AppError('NOT_FOUND', `the artifact store no longer has ${id}: read another one of ${clusterId}`)
    app.log.error({ err: error, clusterId, artifactId: id }, 'an artifact could not be read')
    throw unreadable(error, `${id} of ${clusterId}`) ?? error
  }
}

/** What a reader is told of an object that is damaged, or that cannot be fetched now. Undefined: this is none of both. */
export function unreadable(error: unknown, what: string): AppError | undefined {
  if (error instanceof SnapshotCorrupt) return new AppError('CONFLICT', `${what} is not what was stored`)
  const isOurs = error instanceof StoreUnavailable || (error instanceof Error && 'syscall' in error)
  return isOurs ? new AppError('UNAVAILABLE', `${what} cannot be read now, ask again: ${messageOf(error)}`) : undefined
}

async function claimReading({ box }: Pick<App, 'box'>, tx: Transaction, by: Actor, clusterId: string, id: string) {
  const cluster = await clusterFor(tx, by, 'cluster.credentials', clusterId)
  const [artifact] = await tx
    .select()
    .from(clusterArtifacts)
    .where(and(eq(clusterArtifacts.id, id), eq(clusterArtifacts.clusterId, cluster.id)))
  if (!artifact) throw new AppError('NOT_FOUND', `${clusterId} has no artifact ${id}`)
  const { keyId, kind, stage } = artifact
  if (keyId !== null && keyId !== box.keyId && !box.olderKeyIds.includes(keyId))
    throw new AppError('UNAVAILABLE', `${id} is sealed with key ${keyId}, which is not among the configured keys`)
  writeAudit(tx, by, { action: 'artifact.read', clusterId, detail: { artifact: id, kind, stage } })
  return { artifact, clusterName: cluster.name }
}
