// What attempts made for a cluster: infraIDs that may own cloud resources, and what the artifact store keeps.
import { sql } from 'drizzle-orm'
import { bigint, check, index, jsonb, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core'
import { at, oneOf } from '../db/columns.ts'
import type { InstallerMetadata } from '../installer/metadata.ts'
import { jobAttempts } from '../jobs/tables.ts'
import { artifactKinds } from '../vocabulary.ts'
import { clusters } from './tables.ts'

// Every infraID that may own cloud resources. Its row exists before the cloud is touched. The row stays open until an
// inventory has proved that nothing is left, or until the installer's log has told that nothing was begun.
export const infraLedger = pgTable(
  'infra_ledger',
  {
    infraId: text('infra_id').primaryKey(),
    clusterId: text('cluster_id')
      .notNull()
      .references(() => clusters.id),
    /** null: the database has lost the attempt. */
    attemptId: text('attempt_id').references(() => jobAttempts.id),
    metadata: jsonb('metadata').$type<InstallerMetadata>().notNull(),
    snapshotId: text('snapshot_id').notNull(),
    /** The ids of the DNS records and zones that stood under its domain before. null: that is not known. */
    stoodBefore: text('stood_before').array(),
    bootstrappedAt: at('bootstrapped_at'),
    installedAt: at('installed_at'),
    createdAt: at('created_at').notNull().defaultNow(),
    /** When it was closed: by an empty inventory, unless notBegunAt is set. */
    emptyAt: at('empty_at'),
    /** When the installer's log told that it had begun nothing, in a cloud that could not be asked. Nobody has proved it. */
    notBegunAt: at('not_begun_at'),
  },
  (t) => [
    // A cluster has more than one only after the database lost commits and the lost entry was put back.
    index('infra_ledger_open')
      .on(t.clusterId)
      .where(sql`empty_at is null`),
    index('infra_ledger_cluster').on(t.clusterId),
  ],
)

export const clusterArtifacts = pgTable(
  'cluster_artifacts',
  {
    id: text('id').primaryKey(),
    clusterId: text('cluster_id')
      .notNull()
      .references(() => clusters.id),
    attemptId: text('attempt_id').references(() => jobAttempts.id),
    infraId: text('infra_id'),
    kind: text('kind', { enum: artifactKinds }).notNull(),
    stage: text('stage').notNull(),
    key: text('key').notNull(),
    sha256: text('sha256').notNull(),
    sizeBytes: bigint('size_bytes', { mode: 'number' }).notNull(),
    /** The key of the secret box that sealed it. null: it was stored before this was noted. */
    keyId: text('key_id'),
    createdAt: at('created_at').notNull().defaultNow(),
    /** When the stored bytes were last found to be the recorded ones. */
    verifiedAt: at('verified_at'),
  },
  (t) => [
    check('cluster_artifacts_kind', oneOf('kind', artifactKinds)),
    index('cluster_artifacts_cluster').on(t.clusterId, t.id),
    uniqueIndex('cluster_artifacts_key').on(t.key),
    // The artifacts that a rotation of the secrets key has still to seal anew.
    index('cluster_artifacts_sealed_with').on(t.keyId, t.id),
    index('cluster_artifacts_infra').on(t.infraId, t.id),
  ],
)
