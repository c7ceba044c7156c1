import { sql } from 'drizzle-orm'
import { check, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core'
import { at, oneOf } from '../db/columns.ts'
import { findingTypes } from '../vocabulary.ts'

// Where database, queue, artifact store and cloud disagreed. There is one open row per type and subject.
export const findings = pgTable(
  'findings',
  {
    id: text('id').primaryKey(),
    type: text('type', { enum: findingTypes }).notNull(),
    /** The id of what the finding is about. */
    subject: text('subject').notNull(),
    clusterId: text('cluster_id'),
    detail: text('detail').notNull(),
    /** What was done about it; null: an operator must look. */
    repair: text('repair'),
    firstSeenAt: at('first_seen_at').notNull().defaultNow(),
    lastSeenAt: at('last_seen_at').notNull().defaultNow(),
    resolvedAt: at('resolved_at'),
  },
  (t) => [
    check('findings_type', oneOf('type', findingTypes)),
    uniqueIndex('findings_open')
      .on(t.type, t.subject)
      .where(sql`resolved_at is null`),
  ],
)
