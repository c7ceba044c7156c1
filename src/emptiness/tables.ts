// Certificates of emptiness, and the public keys that they were ever signed with. Both are kept for ever.
import { index, jsonb, pgTable, text } from 'drizzle-orm/pg-core'
import { clusters } from '../clusters/tables.ts'
import { at } from '../db/columns.ts'

export const certificateKeys = pgTable('certificate_keys', {
  /** RFC 7638. */
  kid: text('kid').primaryKey(),
  jwk: jsonb('jwk').$type<Record<string, unknown>>().notNull(),
  createdAt: at('created_at').notNull().defaultNow(),
})

export const emptinessCertificates = pgTable(
  'emptiness_certificates',
  {
    id: text('id').primaryKey(),
    clusterId: text('cluster_id')
      .notNull()
      .references(() => clusters.id),
    jobId: text('job_id').notNull(),
    /** The JSON as it was signed and is handed out. */
    document: text('document').notNull(),
    /** Of the document; the audit trail has it too. */
    sha256: text('sha256').notNull(),
    issuedAt: at('issued_at').notNull(),
  },
  (t) => [index('emptiness_certificates_cluster').on(t.clusterId, t.id)],
)
