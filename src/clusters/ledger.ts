// The ledger of infraIDs. An entry is durable, here and in the artifact store, before the cloud is touched. It stays
// open until an inventory has proved that nothing of it is left, or, in a cloud that cannot be asked, until the
// installer's log has told that nothing was begun.
import { and, asc, desc, eq, isNotNull, isNull, ne, sql } from 'drizzle-orm'
import type { Reader, Transaction } from '../db/client.ts'
import type { InstallerMetadata } from '../installer/metadata.ts'
import { jobAttempts } from '../jobs/tables.ts'
import type { Platform } from '../vocabulary.ts'
import { clusterArtifacts, infraLedger } from './infra-tables.ts'
import { clusters } from './tables.ts'

export type LedgerEntry = typeof infraLedger.$inferSelect
export type ArtifactRow = typeof clusterArtifacts.$inferSelect

/** What the ledger holds of an infraID; attemptId null: the database has lost the attempt. */
export type LedgerFacts = {
  clusterId: string
  attemptId: string | null
  metadata: InstallerMetadata
  snapshotId: string
  /** undefined or null: nobody knows what stood under its domain before. */
  stoodBefore?: string[] | null | undefined
  bootstrappedAt?: Date | null
  /** An entry that is put back only to be looked for has this from the start. */
  emptyAt?: Date | null
}

/** Oldest first. There is more than one only where the database had lost commits. */
export async function listOpenEntries(db: Reader, clusterId: string): Promise<LedgerEntry[]> {
  return db
    .select()
    .from(infraLedger)
    .where(and(eq(infraLedger.clusterId, clusterId), isNull(infraLedger.emptyAt)))
    .orderBy(asc(infraLedger.createdAt))
}

export async function listEntries(
  db: Reader,
  clusterId: string,
): Promise<{ infraId: string; attemptId: string | null; stoodBefore: string[] | null }[]> {
  return db
    .select({ infraId: infraLedger.infraId, attemptId: infraLedger.attemptId, stoodBefore: infraLedger.stoodBefore })
    .from(infraLedger)
    .where(eq(infraLedger.clusterId, clusterId))
}

export async function listInfraIds(db: Reader, clusterId: string): Promise<string[]> {
  return (await listEntries(db, clusterId)).map((entry) => entry.infraId)
}

/**
 * The open entries of this platform whose infraID is a part of this one, or has it as a part. The destroyer of IBM Cloud
 * takes all whose names contain its infraID, and that of Google Cloud such firewall rules.
 */
export async function listOverlapping(
  db: Reader,
  infraId: string,
  platform: Platform,
): Promise<{ infraId: string; clusterName: string; abandonedAt: Date | null }[]> {
  const contains = sql`(strpos(${infraLedger.infraId}, ${infraId}) > 0 or strpos(${infraId}, ${infraLedger.infraId}) > 0)`
  return db
    .select({ infraId: infraLedger.infraId, clusterName: clusters.name, abandonedAt: clusters.abandonedAt })
    .from(infraLedger)
    .innerJoin(clusters, eq(clusters.id, infraLedger.clusterId))
    .where(
      and(isNull(infraLedger.emptyAt), ne(infraLedger.infraId, infraId), eq(clusters.platform, platform), contains),
    )
}

/** Whether anything of the cluster may still exist. */
export async function hasOpenEntries(tx: Transaction, clusterId: string): Promise<boolean> {
  const { rows } = await tx.$client.query({
    name: 'open entry',
    text: 'select 1 from infra_ledger where cluster_id = $1 and empty_at is null limit 1',
    values: [clusterId],
  })
  return rows.length > 0
}

/** Puts back an entry that the database has lost. Returns false when the entry is there. One statement. */
export async function keepEntry(tx: Transaction, facts: LedgerFacts): Promise<boolean> {
  // The attempt's row may be lost too.
  const attemptId = facts.attemptId && sql<string>`(select id from job_attempts where id = ${facts.attemptId})`
  const values = { infraId: facts.metadata.infraID, createdAt: sql`clock_timestamp()`, ...facts, attemptId }
  const put = await tx
    .insert(infraLedger)
    .values(values)
    .onConflictDoNothing()
    .returning({ infraId: infraLedger.infraId })
  return put.length > 0
}

/** Writes the infraID into the cluster's row, where it is shown. The caller has locked this row. */
export async function nameInfra(tx: Transaction, clusterId: string, infraId: string): Promise<void> {
  await tx
    .update(clusters)
    .set({ infraId, updatedAt: sql`now()` })
    .where(eq(clusters.id, clusterId))
}

export async function openEntry(tx: Transaction, entry: LedgerFacts & { attemptId: string }): Promise<void> {
  const { infraID } = entry.metadata
  await tx.insert(infraLedger).values({ infraId: infraID, ...entry })
  await nameInfra(tx, entry.clusterId, infraID)
  await tx.update(jobAttempts).set({ infraId: infraID }).where(eq(jobAttempts.id, entry.attemptId))
}

/** Only an empty inventory justifies this. */
export async function closeEntry(tx: Transaction, infraId: string): Promise<void> {
  await tx
    .update(infraLedger)
    .set({ emptyAt: sql`now()` })
    .where(eq(infraLedger.infraId, infraId))
}

/** Opens again what an earlier release has closed by the installer's log alone. Returns these entries. */
export async function reopenUnbegun(tx: Transaction, clusterId: string): Promise<LedgerEntry[]> {
  return tx
    .update(infraLedger)
    .set({ emptyAt: null, notBegunAt: null })
    .where(and(eq(infraLedger.clusterId, clusterId), isNotNull(infraLedger.notBegunAt)))
    .returning()
}

/** As closeEntry, for all entries of the cluster. */
export async function closeEntries(tx: Transaction, clusterId: string): Promise<void> {
  await tx
    .update(infraLedger)
    .set({ emptyAt: sql`now()` })
    .where(and(eq(infraLedger.clusterId, clusterId), isNull(infraLedger.emptyAt)))
}

/**
 * Opens again the newest entry that the leftovers belong to, or else the newest entry. Returns undefined when there
 * never was one.
 */
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
  const [row] = await tx
    .update(infraLedger)
    .set({ emptyAt: null, notBegunAt: null })
    .where(eq(infraLedger.infraId, infraId))
    .returning()
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

/** An install on which a destroy has begun is never finished: half of it may be gone. */
export async function forgetBootstrap(tx: Transaction, infraId: string): Promise<void> {
  await tx.update(infraLedger).set({ bootstrappedAt: null }).where(eq(infraLedger.infraId, infraId))
}
