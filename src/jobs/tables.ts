// Jobs, their attempts, logs and locks: one lock per cluster, one open attempt per job.
import { sql } from 'drizzle-orm'
import {
  bigint,
  check,
  index,
  integer,
  jsonb,
  pgSequence,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
} from 'drizzle-orm/pg-core'
import type { InventoryAnswer, Resource } from '../clouds/inventory.ts'
import { clusters } from '../clusters/tables.ts'
import { at, oneOf } from '../db/columns.ts'
import type { Stage } from '../installer/stages.ts'
import {
  jobTypes,
  jobStatuses,
  attemptOutcomes,
  type JobType,
  type JobStatus,
  type AttemptOutcome,
  type residueOutcomes,
} from '../vocabulary.ts'
import type { LogLevel } from '../vocabulary.ts'

/** What an operation needs beyond its cluster, and what is kept of how it went. */
export type JobParams = {
  replicas?: number
  /** Why a cluster is put to sleep, or woken. */
  why?: string
  /** Of a waking: whether others take the place of workers for which the cloud has no room. */
  replaceWorkers?: boolean
  /** Of a waking: when it could be used. */
  usableAt?: string
  /** Of a change of the workers, or a waking that replaces some: the size that each machine set is to have. */
  sizes?: Record<string, number>
  run?: Run
  residue?: Left[]
  plan?: RemovalPlan
  proof?: Proof
  disks?: string[]
}
/** How many resources of each type a destroy was to take away, and how many are left. */
export type RemovalPlan = { takenAt: string; types: Record<string, number>; left: Record<string, number> }
/** What the installer left, and what became of it. `unsure`: it was found by its name alone. */
export type Left = { resource: Resource; why: string; outcome: (typeof residueOutcomes)[number] }
/** How an attempt goes: when each of its stages began, in seconds since the attempt did. */
export type Run = { attempt: number; startedAt: string; stages: Partial<Record<Stage, number>> }
/** What the inventory told at the last look for the proof that nothing is left. Of many only the first are kept. */
export type Proof = InventoryAnswer & { at: string; foundCount: number }
export type LogLine = { seq: number; at: string; level: LogLevel; message: string }

export const jobs = pgTable(
  'jobs',
  {
    id: text('id').primaryKey(),
    clusterId: text('cluster_id')
      .notNull()
      .references(() => clusters.id),
    type: text('type').$type<JobType>().notNull(),
    status: text('status').$type<JobStatus>().notNull().default('PENDING'),
    params: jsonb('params').$type<JobParams>().notNull().default({}),
    maxAttempts: integer('max_attempts').notNull(),
    requestedBy: text('requested_by').notNull(),
    /** Of the request that asked for it (W3C Trace Context). null: its trace begins with it. */
    traceparent: text('traceparent'),
    cancelRequestedAt: at('cancel_requested_at'),
    reason: text('reason'),
    message: text('message'),
    retryAt: at('retry_at'),
    /** The pause that keeps it from beginning; it may be over by now. */
    pausedBy: text('paused_by'),
    createdAt: at('created_at').notNull().defaultNow(),
    startedAt: at('started_at'),
    endedAt: at('ended_at'),
    /** When its log has left the table of chunks. */
    logMovedAt: at('log_moved_at'),
    /** The artifact that has the log; null: it is in the table of chunks, or there is none. */
    logArtifactId: text('log_artifact_id'),
  },
  (t) => [
    check('jobs_type', oneOf('type', jobTypes)),
    check('jobs_status', oneOf('status', jobStatuses)),
    check('jobs_ended', sql.raw(`(status in ('SUCCEEDED', 'FAILED', 'CANCELLED')) = (ended_at is not null)`)),
    index('jobs_cluster').on(t.clusterId, t.id),
    index('jobs_open')
      .on(t.clusterId)
      .where(sql`status in ('PENDING', 'RUNNING', 'RETRYING')`),
    index('jobs_status').on(t.status, t.id),
    index('jobs_paused')
      .on(t.id)
      .where(sql`paused_by is not null`),
    index('jobs_log_here')
      .on(t.endedAt)
      .where(sql`ended_at is not null and log_moved_at is null`),
  ],
)

export const jobAttempts = pgTable(
  'job_attempts',
  {
    id: text('id').primaryKey(),
    jobId: text('job_id')
      .notNull()
      .references(() => jobs.id),
    number: integer('number').notNull(),
    fence: bigint('fence', { mode: 'number' }).notNull(),
    worker: text('worker').notNull(),
    stage: text('stage').notNull().default('claimed'),
    progressPercent: integer('progress_percent').notNull().default(0),
    infraId: text('infra_id'),
    exitCode: integer('exit_code'),
    outcome: text('outcome').$type<AttemptOutcome>(),
    reason: text('reason'),
    /** The fingerprint of what the installer said, so that the same unknown failure is counted once. */
    fingerprint: text('fingerprint'),
    message: text('message'),
    startedAt: at('started_at').notNull().defaultNow(),
    endedAt: at('ended_at'),
  },
  (t) => [
    check('job_attempts_outcome', oneOf('outcome', attemptOutcomes)),
    check('job_attempts_ended', sql.raw('(outcome is null) = (ended_at is null)')),
    uniqueIndex('job_attempts_number').on(t.jobId, t.number),
    uniqueIndex('job_attempts_open')
      .on(t.jobId)
      .where(sql`outcome is null`),
  ],
)

export const lockFence = pgSequence('lock_fence')

export const jobLocks = pgTable('job_locks', {
  clusterId: text('cluster_id')
    .primaryKey()
    .references(() => clusters.id),
  jobId: text('job_id')
    .notNull()
    .references(() => jobs.id),
  attemptId: text('attempt_id')
    .notNull()
    .references(() => jobAttempts.id),
  fence: bigint('fence', { mode: 'number' }).notNull(),
  worker: text('worker').notNull(),
  acquiredAt: at('acquired_at').notNull().defaultNow(),
  expiresAt: at('expires_at').notNull(),
})

export const jobLogChunks = pgTable(
  'job_log_chunks',
  {
    jobId: text('job_id')
      .notNull()
      .references(() => jobs.id),
    firstSeq: integer('first_seq').notNull(),
    lastSeq: integer('last_seq').notNull(),
    lines: jsonb('lines').$type<LogLine[]>().notNull(),
  },
  (t) => [primaryKey({ columns: [t.jobId, t.lastSeq] })],
)

export type JobRow = typeof jobs.$inferSelect
export type AttemptRow = typeof jobAttempts.$inferSelect
