// The ledger of infraIDs. An entry is durable, here and in the artifact store, before the cloud is touched, and stays
// open until an inventory has proved that nothing of it is left.
import { and, desc, eq, isNull, sql } from 'drizzle-orm'
import type { Reader, Transaction } from '../db/client.ts'
import { clusterArtifacts, clusters, infraLedger, jobAttempts } from '../db/schema.ts'
import type { InstallerMetadata } from '../installer/metadata.ts'

export type LedgerEntry = typeof infraLedger.$inferSelect
export type ArtifactRow = typeof clusterArtifacts.$inferSelect

export async function findOpenEntry(db: Reader, clusterId: string): Promise<LedgerEntry | undefined> {
  const [entry] = await db
    .select()
    .from(infraLedger)
    .where(and(eq(infraLedger.clusterId, clusterId), isNull(infraLedger.emptyAt)))
  return entry
}

export async function listInfraIds(db: Reader, clusterId: string): Promise<string[]> {
  const rows = await db
    .select({ infraId: infraLedger.infraId })
    .from(infraLedger)
    .where(eq(infraLedger.clusterId, clusterId))
  return rows.map((row) => row.infraId)
}

export async function openEntry(
  tx: Transaction,
  entry: { clusterId: string; attemptId: string; metadata: InstallerMetadata; snapshotId: string },
): Promise<void> {
  const { infraID } = entry.metadata
  await tx.insert(infraLedger).values({ infraId: infraID, ...entry })
  await tx
    .update(clusters)
    .set({ infraId: infraID, updatedAt: sql`now()` })
    .where(eq(clusters.id, entry.clusterId))
  await tx.update(jobAttempts).set({ infraId: infraID }).where(eq(jobAttempts.id, entry.attemptId))
}

/** Only an empty inventory justifies this. */
export async function closeEntry(tx: Transaction, infraId: string): Promise<void> {
  await tx
    .update(infraLedger)
    .set({ emptyAt: sql`now()` })
    .where(eq(infraLedger.infraId, infraId))
}

/** Opens the newest entry that answers to the leftovers again, or else the newest; undefined when there never was one. */
export async function reopenEntry(
  tx: Transaction,
  clusterId: string,
  answers: (infraId: string) => boolean,
): Promise<LedgerEntry | undefined> {
  const entries = await tx
    .select()
    .from(infraLedger)
    .where(eq(infraLedger.clusterId, clusterId))
    .orderBy(desc(infraLedger.createdAt))
  const infraId = (entries.find((entry) => answers(entry.infraId)) ?? entries[0])?.infraId
  if (infraId === undefined) return undefined
  const [row] = await tx.update(infraLedger).set({ emptyAt: null }).where(eq(infraLedger.infraId, infraId)).returning()
  return row
}

export async function recordArtifact(tx: Transaction, artifact: typeof clusterArtifacts.$inferInsert): Promise<void> {
  await tx.insert(clusterArtifacts).values(artifact)
}

/** The snapshots of one infraID, newest first. */
export async function listSnapshots(db: Reader, entry: LedgerEntry): Promise<ArtifactRow[]> {
  return db
    .select()
    .from(clusterArtifacts)
    .where(and(eq(clusterArtifacts.infraId, entry.infraId), eq(clusterArtifacts.kind, 'snapshot')))
    .orderBy(desc(clusterArtifacts.id))
}

export async function markBootstrapped(tx: Transaction, infraId: string): Promise<void> {
  await tx
    .update(infraLedger)
    .set({ bootstrappedAt: sql`now()` })
    .where(eq(infraLedger.infraId, infraId))
}
