// The series of what each cluster was, by which hours and money are reckoned, and its sums by day. A trigger of the
// migrations writes a sample in the transaction of each change of a cluster, whoever makes it.
import { boolean, date, index, integer, numeric, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import { at } from '../db/columns.ts'
import type { ClusterStatus, Platform } from '../vocabulary.ts'

/** What a cluster is from `at` on, until its next sample. Partitioned by month. */
export const usageSamples = pgTable(
  'usage_samples',
  {
    clusterId: text('cluster_id').notNull(),
    at: at('at').notNull(),
    status: text('status').$type<ClusterStatus>().notNull(),
    /** Running ones. */
    nodes: integer('nodes').notNull(),
    vcpu: integer('vcpu').notNull(),
    usdPerHour: numeric('usd_per_hour', { precision: 14, scale: 6 }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.clusterId, t.at] }), index('usage_samples_at').on(t.at)],
)

/** The integral of the samples over each whole day (UTC). */
export const usageDays = pgTable(
  'usage_days',
  {
    day: date('day').notNull(),
    clusterId: text('cluster_id').notNull(),
    status: text('status').$type<ClusterStatus>().notNull(),
    team: text('team').notNull(),
    owner: text('owner').notNull(),
    profile: text('profile').notNull(),
    costCenter: text('cost_center'),
    platform: text('platform').$type<Platform>().notNull(),
    region: text('region').notNull(),
    seconds: numeric('seconds', { precision: 9, scale: 3 }).notNull(),
    nodeSeconds: numeric('node_seconds', { precision: 14, scale: 3 }).notNull(),
    vcpuSeconds: numeric('vcpu_seconds', { precision: 16, scale: 3 }).notNull(),
    /** USD per hour times seconds: exact, where USD would have to be rounded. */
    usdSeconds: numeric('usd_seconds', { precision: 24, scale: 9 }).notNull(),
    /** By which clusters are counted: one row of a cluster and a day has it, and one of those in which its destroy has failed. */
    isFirst: boolean('is_first').notNull().default(true),
  },
  (t) => [primaryKey({ columns: [t.day, t.clusterId, t.status] })],
)

/** The days that usage_days has whole, with what the samples came to when the day was summed. */
export const usageDaysRolled = pgTable('usage_days_rolled', {
  day: date('day').primaryKey(),
  clusters: integer('clusters').notNull(),
  usdSeconds: numeric('usd_seconds', { precision: 26, scale: 9 }).notNull(),
  rolledAt: at('rolled_at').notNull().defaultNow(),
})
