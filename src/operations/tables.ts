// Operations over many clusters, and an item for each of them. The set is written down when the operation is accepted.
import { sql } from 'drizzle-orm'
import { check, doublePrecision, index, integer, jsonb, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import type { Principal, Scope } from '../auth/principal.ts'
import type { ClusterFilter } from '../clusters/queries.ts'
import { at, oneOf } from '../db/columns.ts'
import {
  itemOutcomes,
  operationVerbs,
  type ItemOutcome,
  type OperationEffect,
  type OperationVerb,
} from '../vocabulary.ts'

/** Who asked, as it was proved then. Its roles, and whether its credentials still count, are read at each item. */
export type Asker = {
  principal: Principal
  groups: readonly Principal[]
  session: string | null
  scopes: readonly Scope[]
  /** The ids of the API token and of the console's session that it came with. */
  credentials: string[]
  requestId: string
  address: string | null
  agent: string | null
}

export const operations = pgTable(
  'operations',
  {
    id: text('id').primaryKey(),
    verb: text('verb').$type<OperationVerb>().notNull(),
    /** For extend. */
    hours: doublePrecision('hours'),
    /** null: the clusters were named. */
    filter: jsonb('filter').$type<ClusterFilter>(),
    requestedBy: text('requested_by').notNull(),
    asker: jsonb('asker').$type<Asker>().notNull(),
    total: integer('total').notNull(),
    // Of the items, so that nobody need count them.
    done: integer('done').notNull().default(0),
    refused: integer('refused').notNull().default(0),
    failed: integer('failed').notNull().default(0),
    createdAt: at('created_at').notNull().defaultNow(),
    startedAt: at('started_at'),
    endedAt: at('ended_at'),
  },
  (t) => [
    check('operations_verb', oneOf('verb', operationVerbs)),
    check('operations_counts', sql.raw('done + refused + failed <= total')),
    index('operations_requester').on(t.requestedBy, t.id),
    index('operations_ended')
      .on(t.endedAt)
      .where(sql`ended_at is not null`),
  ],
)

export const operationItems = pgTable(
  'operation_items',
  {
    operationId: text('operation_id')
      .notNull()
      .references(() => operations.id, { onDelete: 'cascade' }),
    // No reference: it would wait for each cluster that somebody works on. No cluster's row is ever removed.
    clusterId: text('cluster_id').notNull(),
    outcome: text('outcome').$type<ItemOutcome>().notNull().default('PENDING'),
    effect: text('effect').$type<OperationEffect>(),
    /** Why it was not done. */
    code: text('code'),
    detail: text('detail'),
    jobId: text('job_id'),
    endedAt: at('ended_at'),
  },
  (t) => [
    primaryKey({ columns: [t.operationId, t.clusterId] }),
    check('operation_items_outcome', oneOf('outcome', itemOutcomes)),
    check('operation_items_ended', sql.raw(`(outcome = 'PENDING') = (ended_at is null)`)),
    index('operation_items_pending')
      .on(t.operationId, t.clusterId)
      .where(sql`outcome = 'PENDING'`),
  ],
)

export type OperationRow = typeof operations.$inferSelect
export type ItemRow = typeof operationItems.$inferSelect
