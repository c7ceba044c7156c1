// The durable data of a cluster. Wrong states are made impossible here, by a check on the state and by the name lease.
import { sql } from 'drizzle-orm'
import {
  boolean,
  check,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
} from 'drizzle-orm/pg-core'
import type { Instance } from '../clouds/instances.ts'
import type { Resource } from '../clouds/inventory.ts'
import { at, bytea, oneOf } from '../db/columns.ts'
import type { OffHours } from '../hours/off-hours.ts'
import type { Override } from '../hours/wanted.ts'
import type { Profile } from '../profiles/profile.ts'
import { clusterStatuses, platforms, type ClusterStatus } from '../vocabulary.ts'
import type { ClusterRequest } from './request.ts'

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
    /** One more with each move of the end, by which the warnings and links of an older end are void. */
    endRevision: integer('end_revision').notNull().default(1),
    /** When the end was set. What was to be told earlier is not told. */
    endSetAt: at('end_set_at').notNull().defaultNow(),
    /** When the next warning of the end is due. */
    warnAt: at('warn_at'),
    infraId: text('infra_id'),
    protected: boolean('protected').notNull().default(false),
    /** Until then nobody and nothing destroys it, whatever destroyAt says. */
    protectedUntil: at('protected_until'),
    protectedReason: text('protected_reason'),
    preserveOnFailure: boolean('preserve_on_failure').notNull().default(false),
    usdPerHour: doublePrecision('usd_per_hour').notNull(),
    /** null: only the profile's snapshot has it, which takes long to read for many. */
    controlPlaneNodes: integer('control_plane_nodes'),
    workerReplicas: integer('worker_replicas').notNull().default(0),
    /** The vCPUs of all nodes, which the quotas count. */
    vcpu: integer('vcpu').notNull().default(0),
    /** Always 0: destroyAt has the grace in it. Processes of an older release write and add it. */
    graceHours: integer('grace_hours').notNull().default(0),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
    readyAt: at('ready_at'),
    destroyedAt: at('destroyed_at'),
    /** When a failed destroy is tried again. Each further failure in a row makes the wait longer. */
    destroyRetryAt: at('destroy_retry_at'),
    destroyFailures: integer('destroy_failures').notNull().default(0),
    abandonedAt: at('abandoned_at'),
    /**
     * For a DESTROYED cluster whose worker was once lost: when the inventory is looked at again, and (looks) how often
     * it was so far.
     */
    lookAt: at('look_at'),
    looks: integer('looks').notNull().default(0),
    /** Since when it sleeps. */
    hibernatedAt: at('hibernated_at'),
    /** By then it must have been awake again: its certificates tell. */
    wakeBy: at('wake_by'),
    /** null: none. */
    offHours: jsonb('off_hours').$type<OffHours>(),
    /** What people asked for besides, in the order in which it was given. */
    overrides: jsonb('overrides').$type<StoredOverride[]>().notNull().default([]),
    /** When the sleep or the wake comes of which its owner was told last. */
    announcedFor: at('announced_for'),
    /** It was woken for its certificates, and is kept awake until then. */
    maintenanceUntil: at('maintenance_until'),
    /** After how many hours without use it is put to sleep; null: never. */
    idleHours: integer('idle_hours'),
    /** The last use of it that is known; the idle hours count from then. */
    inUseAt: at('in_use_at'),
  },
  (t) => [
    check('clusters_status', oneOf('status', clusterStatuses)),
    check('clusters_platform', oneOf('platform', platforms)),
    check('clusters_name', sql.raw(`name ~ '^[a-z0-9]([a-z0-9-]{0,19}[a-z0-9])?$'`)),
    check('clusters_ttl', sql.raw('ttl_hours > 0')),
    check('clusters_protected', sql.raw('protected = (protected_until is not null)')),
    check('clusters_destroyed_at', sql.raw(`(status = 'DESTROYED') = (destroyed_at is not null)`)),
    // The name lease: held from the request until DESTROYED is proved. Failed clusters hold it too.
    uniqueIndex('clusters_name_lease')
      .on(t.name, t.baseDomain)
      .where(sql`status <> 'DESTROYED'`),
    index('clusters_team').on(t.team, t.id),
    // The clusters that quotas count: those that live, and those destroyed in this month.
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
    index('clusters_protected_until')
      .on(t.protectedUntil)
      .where(sql`protected_until is not null`),
    index('clusters_warn')
      .on(t.warnAt)
      .where(sql`warn_at is not null`),
    index('clusters_destroy_retry')
      .on(t.destroyRetryAt)
      .where(sql`status in ('FAILED', 'DESTROY_FAILED') and destroy_retry_at is not null`),
    // Those whose sleep is kept by the clock.
    index('clusters_hours')
      .on(t.id)
      .where(
        sql`status <> 'DESTROYED' and (off_hours is not null or wake_by is not null or maintenance_until is not null)`,
      ),
    index('clusters_idle')
      .on(t.inUseAt)
      .where(sql`status = 'READY' and idle_hours is not null`),
    index('clusters_look')
      .on(t.lookAt)
      .where(sql`look_at is not null`),
    index('clusters_destroyed')
      .on(t.destroyedAt)
      .where(sql`status = 'DESTROYED'`),
  ],
)

/** An override whose instants are text. */
export type StoredOverride = Omit<Override, 'from' | 'until'> & { from: string; until: string | null }

/** What was awake when a cluster was put to sleep, kept until it is awake again. */
export const clusterSleeps = pgTable('cluster_sleeps', {
  clusterId: text('cluster_id')
    .primaryKey()
    .references(() => clusters.id),
  reason: text('reason'),
  machines: jsonb('machines').$type<SleepingMachine[]>().notNull(),
  /** The sizes of the machine sets. */
  sizes: jsonb('sizes').$type<Record<string, number>>().notNull(),
  /** The machine health checks that were paused for it. */
  healthChecks: text('health_checks').array().notNull(),
  createdAt: at('created_at').notNull().defaultNow(),
})
export type SleepingMachine = Pick<Instance, 'id' | 'name' | 'zone' | 'machineType' | 'isSpot' | 'role'>

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

/** A warning of an end that has been given, so that it is given once. */
export const clusterWarnings = pgTable(
  'cluster_warnings',
  {
    clusterId: text('cluster_id')
      .notNull()
      .references(() => clusters.id),
    endRevision: integer('end_revision').notNull(),
    mark: text('mark').notNull(),
    at: at('at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.clusterId, t.endRevision, t.mark] })],
)

export type ClusterRow = typeof clusters.$inferSelect
