// What is durable. Wrong states are made impossible here: checks on states, foreign keys, the name lease,
// one lock a cluster. Triggers that make the audit trail append-only are in the first migration.
import { sql } from 'drizzle-orm'
import {
  bigint,
  bigserial,
  boolean,
  check,
  customType,
  doublePrecision,
  index,
  integer,
  json,
  jsonb,
  pgSequence,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
} from 'drizzle-orm/pg-core'
import type { Profile } from '../profiles/profile.ts'
import type { ClusterRequest, ClusterStatus } from '../clusters/cluster.ts'
import type { JobParams, JobStatus, JobType, LogLine, AttemptOutcome } from '../jobs/job.ts'
import type { InstallerMetadata } from '../installer/metadata.ts'
import type { Actor } from '../auth/principal.ts'
import type { Resource } from '../clouds/inventory.ts'

const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' })
const at = (name: string) => timestamp(name, { withTimezone: true, precision: 3 })
const oneOf = (column: string, values: readonly string[]) =>
  sql.raw(`${column} in (${values.map((value) => `'${value}'`).join(', ')})`)

export const clusterStatuses = [
  'PENDING',
  'CREATING',
  'READY',
  'SCALING',
  'HIBERNATING',
  'HIBERNATED',
  'RESUMING',
  'DESTROYING',
  'DESTROYED',
  'FAILED',
  'DESTROY_FAILED',
] as const
export const platforms = ['aws', 'azure', 'gcp', 'ibmcloud'] as const
export const jobTypes = [
  'CREATE',
  'DESTROY',
  'SCALE_WORKERS',
  'HIBERNATE',
  'RESUME',
  'JANITOR_DESTROY',
  'ORPHAN_SWEEP',
] as const
export const jobStatuses = ['PENDING', 'RUNNING', 'RETRYING', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const
export const attemptOutcomes = ['SUCCEEDED', 'FAILED', 'CANCELLED', 'INTERRUPTED', 'LOST'] as const
export const roles = ['requester', 'team_admin', 'platform_admin', 'auditor'] as const
export const principalTypes = ['iam_user', 'iam_role', 'iam_group', 'oidc_subject', 'oidc_group', 'token'] as const
export const artifactKinds = ['snapshot', 'log', 'metadata'] as const

export const clusters = pgTable(
  'clusters',
  {
    id: text('id').primaryKey(),
    name: text('name').notNull(),
    baseDomain: text('base_domain').notNull(),
    platform: text('platform', { enum: platforms }).notNull(),
    version: text('version').notNull(),
    profile: text('profile').notNull(),
    profileHash: text('profile_hash').notNull(),
    profileSnapshot: jsonb('profile_snapshot').$type<Profile>().notNull(),
    region: text('region').notNull(),
    owner: text('owner').notNull(),
    team: text('team').notNull(),
    costCenter: text('cost_center'),
    status: text('status').$type<ClusterStatus>().notNull(),
    statusReason: text('status_reason'),
    requestedBy: text('requested_by').notNull(),
    request: jsonb('request').$type<ClusterRequest>().notNull(),
    requestTags: jsonb('request_tags').$type<Record<string, string>>().notNull(),
    effectiveTags: jsonb('effective_tags').$type<Record<string, string>>().notNull(),
    ttlHours: integer('ttl_hours').notNull(),
    destroyAt: at('destroy_at').notNull(),
    infraId: text('infra_id'),
    protected: boolean('protected').notNull().default(false),
    preserveOnFailure: boolean('preserve_on_failure').notNull().default(false),
    usdPerHour: doublePrecision('usd_per_hour').notNull(),
    workerReplicas: integer('worker_replicas').notNull().default(0),
    /** Of all nodes; what the quotas count. */
    vcpu: integer('vcpu').notNull().default(0),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
    readyAt: at('ready_at'),
    destroyedAt: at('destroyed_at'),
    /** A failed destroy is tried again then; each failure in a row waits longer. */
    destroyRetryAt: at('destroy_retry_at'),
    destroyFailures: integer('destroy_failures').notNull().default(0),
    abandonedAt: at('abandoned_at'),
    /** Of a DESTROYED one whose worker was once lost: the inventory is looked at again then, so many times by now. */
    lookAt: at('look_at'),
    looks: integer('looks').notNull().default(0),
  },
  (t) => [
    check('clusters_status', oneOf('status', clusterStatuses)),
    check('clusters_platform', oneOf('platform', platforms)),
    check('clusters_name', sql.raw(`name ~ '^[a-z0-9]([a-z0-9-]{0,19}[a-z0-9])?$'`)),
    check('clusters_ttl', sql.raw('ttl_hours > 0')),
    check('clusters_destroyed_at', sql.raw(`(status = 'DESTROYED') = (destroyed_at is not null)`)),
    // The name lease: held from the request until DESTROYED is proved, by failed clusters too.
    uniqueIndex('clusters_name_lease')
      .on(t.name, t.baseDomain)
      .where(sql`status <> 'DESTROYED'`),
    index('clusters_team').on(t.team, t.id),
    // What quotas count: those that live, and those destroyed in this month.
    index('clusters_team_spend').on(t.team, t.destroyedAt),
    index('clusters_profile_spend').on(t.profile, t.destroyedAt),
    // How long the last installations of a kind took.
    index('clusters_ready')
      .on(t.profile, t.region, t.readyAt)
      .where(sql`ready_at is not null`),
    index('clusters_owner').on(t.owner, t.id),
    index('clusters_status_live')
      .on(t.status, t.id)
      .where(sql`status <> 'DESTROYED'`),
    index('clusters_end')
      .on(t.destroyAt)
      .where(sql`status <> 'DESTROYED'`),
    index('clusters_destroy_retry')
      .on(t.destroyRetryAt)
      .where(sql`status in ('FAILED', 'DESTROY_FAILED') and destroy_retry_at is not null`),
    index('clusters_look')
      .on(t.lookAt)
      .where(sql`look_at is not null`),
    index('clusters_destroyed')
      .on(t.destroyedAt)
      .where(sql`status = 'DESTROYED'`),
  ],
)

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
    cancelRequestedAt: at('cancel_requested_at'),
    reason: text('reason'),
    message: text('message'),
    retryAt: at('retry_at'),
    createdAt: at('created_at').notNull().defaultNow(),
    startedAt: at('started_at'),
    endedAt: at('ended_at'),
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
    /** Of what the installer said, so that the same unknown failure is counted once. */
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

// Every infraID that may own cloud resources. A row stands before the cloud is touched and stays open until
// an inventory has proved that nothing is left.
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
    bootstrappedAt: at('bootstrapped_at'),
    installedAt: at('installed_at'),
    createdAt: at('created_at').notNull().defaultNow(),
    emptyAt: at('empty_at'),
  },
  (t) => [
    // More than one only after the database has lost commits and the lost entry was put back.
    index('infra_ledger_open')
      .on(t.clusterId)
      .where(sql`empty_at is null`),
    index('infra_ledger_cluster').on(t.clusterId),
  ],
)

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

export const clusterOutputs = pgTable('cluster_outputs', {
  clusterId: text('cluster_id')
    .primaryKey()
    .references(() => clusters.id),
  apiUrl: text('api_url').notNull(),
  consoleUrl: text('console_url'),
  kubeconfigSealed: bytea('kubeconfig_sealed').notNull(),
  kubeadminPasswordSealed: bytea('kubeadmin_password_sealed').notNull(),
  createdAt: at('created_at').notNull().defaultNow(),
})

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
    /** The key of the secret box that sealed it; null: from before this was noted. */
    keyId: text('key_id'),
    createdAt: at('created_at').notNull().defaultNow(),
    /** When the stored bytes were last seen to be the recorded ones. */
    verifiedAt: at('verified_at'),
  },
  (t) => [
    check('cluster_artifacts_kind', oneOf('kind', artifactKinds)),
    index('cluster_artifacts_cluster').on(t.clusterId, t.id),
    uniqueIndex('cluster_artifacts_key').on(t.key),
    // What a rotation of the secrets key has still to seal anew.
    index('cluster_artifacts_sealed_with').on(t.keyId, t.id),
    index('cluster_artifacts_infra').on(t.infraId, t.id),
  ],
)

export const usageSamples = pgTable(
  'usage_samples',
  {
    clusterId: text('cluster_id')
      .notNull()
      .references(() => clusters.id),
    at: at('at').notNull(),
    status: text('status').$type<ClusterStatus>().notNull(),
    usdPerHour: doublePrecision('usd_per_hour').notNull(),
    seconds: integer('seconds').notNull(),
  },
  (t) => [primaryKey({ columns: [t.clusterId, t.at] })],
)

export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    principal: text('principal').notNull(),
    key: text('key').notNull(),
    requestHash: text('request_hash').notNull(),
    status: integer('status'),
    // json, not jsonb: a replay is the same text, in the same order.
    body: json('body'),
    createdAt: at('created_at').notNull().defaultNow(),
    expiresAt: at('expires_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.principal, t.key] }), index('idempotency_keys_expiry').on(t.expiresAt)],
)

export const rbacMappings = pgTable(
  'rbac_mappings',
  {
    id: text('id').primaryKey(),
    principalType: text('principal_type', { enum: principalTypes }).notNull(),
    principal: text('principal').notNull(),
    team: text('team').notNull(),
    role: text('role', { enum: roles }).notNull(),
    enabled: boolean('enabled').notNull().default(true),
    notes: text('notes'),
    createdBy: text('created_by').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [
    check('rbac_mappings_role', oneOf('role', roles)),
    check('rbac_mappings_principal_type', oneOf('principal_type', principalTypes)),
    uniqueIndex('rbac_mappings_binding').on(t.principalType, t.principal, t.team, t.role),
  ],
)

export const apiTokens = pgTable(
  'api_tokens',
  {
    id: text('id').primaryKey(),
    name: text('name').notNull(),
    principalType: text('principal_type', { enum: principalTypes }).notNull(),
    principal: text('principal').notNull(),
    secretHash: text('secret_hash').notNull(),
    prefix: text('prefix').notNull(),
    scopes: text('scopes').array().notNull(),
    createdBy: text('created_by').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    expiresAt: at('expires_at'),
    revokedAt: at('revoked_at'),
    lastUsedAt: at('last_used_at'),
  },
  (t) => [
    uniqueIndex('api_tokens_secret').on(t.secretHash),
    index('api_tokens_maker').on(t.createdBy, t.id),
    // How a token is found: its hash is then compared in constant time.
    index('api_tokens_prefix')
      .on(t.prefix)
      .where(sql`revoked_at is null`),
  ],
)

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
    /** Of an assumed role: which of those that share the role it was. */
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

// This installation of the service: one row. Its id parts what it owns from what others own in the same cloud accounts.
export const installation = pgTable(
  'installation',
  {
    isOnly: boolean('is_only').primaryKey().default(true),
    id: text('id').notNull(),
    /** Of the secrets key: a process with another one could open nothing. */
    keyFingerprint: text('key_fingerprint').notNull(),
    /** Since when the artifact store carries the id. */
    storeMarkedAt: at('store_marked_at'),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  () => [check('installation_is_only', sql.raw('is_only'))],
)

// What an abandoned destroy left in the cloud. Kept for ever.
export const leakRecords = pgTable(
  'leak_records',
  {
    id: text('id').primaryKey(),
    clusterId: text('cluster_id')
      .notNull()
      .references(() => clusters.id),
    infraIds: text('infra_ids').array().notNull(),
    /** What the inventory last saw; null when the cloud could not be asked. */
    resources: jsonb('resources').$type<Resource[]>(),
    reason: text('reason').notNull(),
    recordedBy: text('recorded_by').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [index('leak_records_cluster').on(t.clusterId)],
)

export const findingTypes = [
  'job-without-queue-entry',
  'queue-entry-without-job',
  'lock-without-worker',
  'cluster-without-job',
  'resources-of-destroyed-cluster',
  'resources-without-cluster',
  'snapshot-missing',
  'snapshot-corrupt',
  'cluster-adopted',
] as const

// Where database, queue, artifact store and cloud disagreed. One open row a type and subject.
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
