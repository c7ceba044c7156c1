import { sql } from 'drizzle-orm'
import { check, jsonb, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core'
import type { Resource } from '../clouds/inventory.ts'
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
    /** What it is about in the cloud; null: nothing there. */
    resources: jsonb('resources').$type<Resource[]>(),
    firstSeenAt: at('first_seen_at').notNull().defaultNow(),
    lastSeenAt: at('last_seen_at').notNull().defaultNow(),
    resolvedAt: at('resolved_at'),
    /** Who said that it is dealt with, and why; null: it was seen no more. */
    resolvedBy: text('resolved_by'),
    resolvedReason: text('resolved_reason'),
    /** Since when somebody lives with it as it is. It is neither repaired nor told of until its detail changes. */
    acceptedAt: at('accepted_at'),
    acceptedBy: text('accepted_by'),
    acceptedReason: text('accepted_reason'),
  },
  (t) => [
    check('findings_type', oneOf('type', findingTypes)),
    uniqueIndex('findings_open')
      .on(t.type, t.subject)
      .where(sql`resolved_at is null`),
  ],
)
