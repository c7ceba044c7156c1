// What is kept of a cluster that is gone: its row, its jobs, its audit trail, and for the profile's days its snapshots and
// logs. What may still be needed to take something away is never touched.
import { and, eq, inArray, sql } from 'drizzle-orm'
import type { App } from '../app.ts'
import { writeAudit } from '../audit/audit.ts'
import { requireAnywhere } from '../auth/permissions.ts'
import type { Actor } from '../auth/principal.ts'
import type { Reader, Transaction } from '../db/client.ts'
import { jobLogChunks, jobs } from '../jobs/tables.ts'
import { clusterArtifacts, infraLedger } from './infra-tables.ts'
import { clusters, leakRecords } from './tables.ts'

/** Of profiles from before this could be said. */
const USUAL_DAYS = 30
const AT_ONCE = 50
const MOST_SHOWN = 1000

export type Retained = { clusterId: string; name: string; destroyedAt: Date; artifacts: number; bytes: number }

const isOver = sql`${clusters.status} = 'DESTROYED'
  and ${clusters.destroyedAt} < now() - make_interval(days => coalesce((${clusters.profileSnapshot} ->> 'retention')::int, ${USUAL_DAYS}))
  and ${clusters.lookAt} is null
  and not exists (select from ${infraLedger} where ${infraLedger.clusterId} = ${clusters.id} and ${infraLedger.emptyAt} is null)
  and not exists (select from ${leakRecords} where ${leakRecords.clusterId} = ${clusters.id})`

/** The clusters of which something would go, at most a thousand, and how much in all. Throws FORBIDDEN. */
export async function previewRetention(
  { db }: Pick<App, 'db'>,
  by: Actor,
): Promise<{ items: Retained[]; clusters: number; artifacts: number; bytes: number }> {
  requireAnywhere(by, 'retention.apply')
  const rows = await listOver(db, undefined)
  const sum = (of: (row: Retained) => number) => rows.reduce((total, row) => total + of(row), 0)
  return {
    items: rows.slice(0, MOST_SHOWN),
    clusters: rows.length,
    artifacts: sum(({ artifacts }) => artifacts),
    bytes: sum(({ bytes }) => bytes),
  }
}

/** What remains in the table is of clusters that live or went lately, so that this does not grow with their number. */
async function listOver(db: Reader, limit: number | undefined): Promise<Retained[]> {
  const query = db
    .select({
      clusterId: clusters.id,
      name: clusters.name,
      destroyedAt: sql<Date>`${clusters.destroyedAt}`.mapWith(clusters.destroyedAt),
      artifacts: sql<number>`count(*)::int`,
      bytes: sql<number>`sum(${clusterArtifacts.sizeBytes})::float8`,
    })
    .from(clusterArtifacts)
    .innerJoin(clusters, eq(clusters.id, clusterArtifacts.clusterId))
    .where(isOver)
    .groupBy(clusters.id)
    .orderBy(clusters.id)
  return limit === undefined ? query : query.limit(limit)
}

/** Throws FORBIDDEN. */
export async function applyRetention(
  app: Pick<App, 'db' | 'queue'>,
  by: Actor,
): Promise<{ clusters: number; artifacts: number; bytes: number }> {
  requireAnywhere(by, 'retention.apply')
  const gone = { clusters: 0, artifacts: 0, bytes: 0 }
  for (;;) {
    const over = await listOver(app.db, AT_ONCE)
    const before = gone.clusters
    for (const { clusterId } of over) {
      const done = await app.db.transaction((tx) => forget(app, tx, by, clusterId))
      if (!done) continue
      gone.clusters++
      gone.artifacts += done.artifacts
      gone.bytes += done.bytes
    }
    // What somebody else is working with is left for the next run.
    if (over.length < AT_ONCE || gone.clusters === before) return gone
  }
}

/** The objects go after the commit, by the queue: none goes that a row still names. */
async function forget({ queue }: Pick<App, 'queue'>, tx: Transaction, by: Actor, clusterId: string) {
  const [cluster] = await tx
    .select({ id: clusters.id })
    .from(clusters)
    .where(and(eq(clusters.id, clusterId), isOver))
    .for('update', { skipLocked: true })
  if (!cluster) return undefined
  const removed = await tx
    .delete(clusterArtifacts)
    .where(eq(clusterArtifacts.clusterId, clusterId))
    .returning({ key: clusterArtifacts.key, bytes: clusterArtifacts.sizeBytes })
  for (const { key } of removed) await queue.discardArtifact(tx, key, 0)
  const ofCluster = tx.select({ id: jobs.id }).from(jobs).where(eq(jobs.clusterId, clusterId))
  const chunks = await tx.delete(jobLogChunks).where(inArray(jobLogChunks.jobId, ofCluster))
  const counts = { artifacts: removed.length, bytes: removed.reduce((sum, { bytes }) => sum + bytes, 0), logChunks: chunks.rowCount ?? 0 } // prettier-ignore
  writeAudit(tx, by, { action: 'cluster.forget', clusterId, detail: counts })
  return counts
}
