// The trail and its seals. Triggers of the migrations make it append-only.
import { sql } from 'drizzle-orm'
import { bigint, bigserial, check, index, jsonb, pgTable, text } from 'drizzle-orm/pg-core'
import type { Actor } from '../auth/principal.ts'
import { at, oneOf } from '../db/columns.ts'

export const auditEvents = pgTable(
  'audit_events',
  {
    id: text('id').primaryKey(),
    position: bigserial('position', { mode: 'number' }).notNull(),
    at: at('at').notNull().defaultNow(),
    actor: text('actor').notNull(),
    actorKind: text('actor_kind').$type<Actor['kind']>().notNull(),
    action: text('action').notNull(),
    clusterId: text('cluster_id'),
    jobId: text('job_id'),
    /** For an assumed role: the session, which tells apart those that share the role. */
    session: text('session'),
    outcome: text('outcome', { enum: ['success', 'failure', 'denied'] }).notNull(),
    detail: jsonb('detail').$type<Record<string, unknown>>().notNull().default({}),
    requestId: text('request_id'),
    address: text('address'),
    agent: text('agent'),
  },
  (t) => [
    check('audit_events_outcome', oneOf('outcome', ['success', 'failure', 'denied'])),
    check('audit_events_at', sql.raw('isfinite(at)')),
    index('audit_events_cluster').on(t.clusterId, t.id),
    index('audit_events_actor').on(t.actor, t.id),
    index('audit_events_action').on(t.action, t.id),
  ],
)

// The hash chain over the trail; a trigger of a migration notes each new event as unsealed in its own transaction.
export const auditSeals = pgTable('audit_seals', {
  number: bigint('number', { mode: 'number' }).primaryKey(),
  eventId: text('event_id').notNull().unique(),
  hash: text('hash').notNull(),
  sealedAt: at('sealed_at').notNull().defaultNow(),
})

export const auditUnsealed = pgTable('audit_unsealed', { eventId: text('event_id').primaryKey() })

export type AuditRow = typeof auditEvents.$inferSelect
