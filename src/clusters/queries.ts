// Reading clusters. For a caller who may not see a cluster, it is NOT_FOUND. For a caller who may see it but not do the
// action, it is FORBIDDEN.
import { and, desc, eq, getTableColumns, ilike, inArray, isNotNull, lte, sql, type SQL } from 'drizzle-orm'
import { clusterScope, denial, type Action } from '../auth/permissions.ts'
import type { Actor } from '../auth/principal.ts'
import type { Reader, Transaction } from '../db/client.ts'
import { keyset, type PageRequest } from '../db/page.ts'
import { selection } from '../db/statements.ts'
import { AppError } from '../errors.ts'
import { type AttemptRow, jobAttempts, type JobRow, jobs } from '../jobs/tables.ts'
import type { Profile } from '../profiles/profile.ts'
import type { ClusterStatus, Platform } from '../vocabulary.ts'
import { usageSamples } from '../usage/tables.ts'
import { clusterOutputs, type ClusterRow, clusters } from './tables.ts'

/** The cluster, for the named action. Throws NOT_FOUND when the actor may not see it, FORBIDDEN when it may not act. */
export async function clusterFor(
  tx: Transaction,
  by: Actor,
  action: Action,
  id: string,
  options: { lock: true },
): Promise<ClusterRow>
export async function clusterFor(db: Reader, by: Actor, action: Action, id: string): Promise<ClusterRow>
export async function clusterFor(
  db: Reader,
  by: Actor,
  action: Action,
  id: string,
  options: { lock?: boolean } = {},
): Promise<ClusterRow> {
  const query = db
    .select({ cluster: clusters, allowed: clusterScope(by, action).mapWith(Boolean) })
    .from(clusters)
    .where(and(eq(clusters.id, id), clusterScope(by, 'cluster.read')))
  const [found] = options.lock ? await query.for('update') : await query
  if (!found) throw new AppError('NOT_FOUND', `there is no cluster ${id} that you may see`)
  if (!found.allowed) throw denial(by, action, found.cluster)
  return found.cluster
}

export type ClusterFilter = {
  status?: ClusterStatus[] | undefined
  team?: string | undefined
  owner?: string | undefined
  platform?: Platform | undefined
  profile?: string | undefined
  region?: string | undefined
  q?: string | undefined
}

/** A cluster in one state of its row: any change of the row makes another version. */
export type Versioned = { id: string; rowVersion: string }

// The id of the transaction that wrote this version of the row.
const rowVersion = sql<string>`${clusters}.xmin::text`

/** One row more than the page asks for, newest first. */
export async function listClusters(
  db: Reader,
  by: Actor,
  filter: ClusterFilter,
  page: PageRequest,
): Promise<Versioned[]> {
  const { where, orderBy, limit } = keyset(clusters.id, page, conditionOf(by, filter))
  return db.select({ id: clusters.id, rowVersion }).from(clusters).where(where).orderBy(orderBy).limit(limit)
}

/**
 * As listClusters, of an instant in the past: the clusters that there were, in the states that they had. What else may
 * change is as it is now.
 */
export async function listClustersAsOf(
  db: Reader,
  by: Actor,
  filter: ClusterFilter,
  page: PageRequest,
  at: Date,
): Promise<ClusterRow[]> {
  // The samples of clusters that are long gone are dropped.
  const state = sql<ClusterStatus>`coalesce(
    (select s.status from ${usageSamples} s where s.cluster_id = ${clusters.id} and s.at <= ${at} order by s.at desc limit 1),
    case when ${clusters.destroyedAt} <= ${at} then 'DESTROYED' end)`
  const { status, ...fields } = filter
  const wanted = status?.length ? inArray(state, status) : isNotNull(state)
  const { where, orderBy, limit } = keyset(clusters.id, page, and(conditionOf(by, fields), lte(clusters.createdAt, at), wanted)) // prettier-ignore
  const rows = await db.select({ cluster: clusters, state }).from(clusters).where(where).orderBy(orderBy).limit(limit)
  const past = (time: Date | null) => (time !== null && time <= at ? time : null)
  return rows.map((row) => ({
    ...row.cluster,
    status: row.state,
    // What is known of the state is known of the present one.
    statusReason: row.state === row.cluster.status ? row.cluster.statusReason : null,
    readyAt: past(row.cluster.readyAt),
    destroyedAt: past(row.cluster.destroyedAt),
  }))
}

function conditionOf(by: Actor, filter: ClusterFilter): SQL | undefined {
  const conditions: (SQL | undefined)[] = [
    clusterScope(by, 'cluster.read'),
    filter.status?.length ? inArray(clusters.status, filter.status) : undefined,
    filter.team === undefined ? undefined : eq(clusters.team, filter.team),
    filter.owner === undefined ? undefined : eq(clusters.owner, filter.owner),
    filter.platform === undefined ? undefined : eq(clusters.platform, filter.platform),
    filter.profile === undefined ? undefined : eq(clusters.profile, filter.profile),
    filter.region === undefined ? undefined : eq(clusters.region, filter.region),
    filter.q === undefined ? undefined : ilike(clusters.name, `%${filter.q.replace(/[\\%_]/g, '\\$&')}%`),
  ]
  return and(...conditions)
}

/** What the verbs judge a cluster by, without its profile's snapshot, which is long. */
export type Judged = Pick<ClusterRow, (typeof judgedBy)[number]>
const judgedBy = ['id', 'name', 'team', 'owner', 'status', 'protectedUntil', 'protectedReason', 'usdPerHour', 'destroyAt', 'createdAt', 'profileHash'] as const // prettier-ignore

/** The clusters that the actor may see, of a filter or of these ids, newest first. */
export async function listJudged(
  db: Reader,
  by: Actor,
  of: ClusterFilter | string[],
  limit: number,
): Promise<Judged[]> {
  const all = getTableColumns(clusters)
  const columns = Object.fromEntries(judgedBy.map((key) => [key, all[key]])) as Pick<typeof all, keyof Judged> // of these keys
  const wanted = Array.isArray(of) ? inArray(clusters.id, of) : undefined
  return db
    .select(columns)
    .from(clusters)
    .where(and(conditionOf(by, Array.isArray(of) ? {} : of), wanted))
    .orderBy(desc(clusters.id))
    .limit(limit)
}

/** The snapshots of the profiles, by their hashes. */
export async function readSnapshots(db: Reader, rows: readonly Judged[]): Promise<Map<string, Profile>> {
  const one = [...new Map(rows.map(({ profileHash, id }) => [profileHash, id])).values()]
  const found = await readClusters(db, one)
  return new Map(found.map(({ profileHash, profileSnapshot }) => [profileHash, profileSnapshot]))
}

/** Reads clusters that the actor is known to be allowed to see. */
export async function readClusters(db: Reader, ids: string[]): Promise<(ClusterRow & Versioned)[]> {
  const rows = await db.select({ cluster: clusters, rowVersion }).from(clusters).where(inArray(clusters.id, ids))
  return rows.map((row) => ({ ...row.cluster, rowVersion: row.rowVersion }))
}

/** Locks the cluster's row. Everybody who changes anything of the cluster locks this row first. */
export async function lockCluster(tx: Transaction, id: string): Promise<ClusterRow | undefined> {
  const [row] = await lockById(tx, id)
  return row
}

/** As lockCluster, for the cluster of this job. */
export async function lockClusterOf(tx: Transaction, jobId: string): Promise<ClusterRow | undefined> {
  const [row] = await lockByJob(tx, jobId)
  return row
}

const lockById = selection(clusters, 'where id = $1 for update')
const lockByJob = selection(clusters, 'where id = (select cluster_id from jobs where id = $1) for update')

/** The newest attempt of the cluster's newest job, and the newest failed one. */
export async function findAttempts(
  db: Reader,
  clusterId: string,
): Promise<{ job: JobRow; attempt: AttemptRow | undefined; failure: AttemptRow | undefined } | undefined> {
  const [[job], [attempt], [failure]] = await Promise.all([
    newestJob(db, clusterId),
    newestAttempt(db, clusterId),
    newestFailure(db, clusterId),
  ])
  return job && { job, attempt: attempt?.jobId === job.id ? attempt : undefined, failure }
}

const newestJob = selection(jobs, 'where cluster_id = $1 order by id desc limit 1')
const newestAttempt = selection(
  jobAttempts,
  'where job_id = (select id from jobs where cluster_id = $1 order by id desc limit 1) order by number desc limit 1',
)
const newestFailure = selection(
  jobAttempts,
  `join jobs on jobs.id = job_attempts.job_id
   where jobs.cluster_id = $1 and job_attempts.outcome in ('FAILED', 'LOST') order by job_attempts.id desc limit 1`,
)

export async function findOutputs(db: Reader, clusterId: string) {
  const [row] = await db.select().from(clusterOutputs).where(eq(clusterOutputs.clusterId, clusterId))
  return row
}

/** The janitor looks once a minute, and its look begins some seconds late. So it takes what ends a little later too. */
const AHEAD_SECONDS = 20
const isFree = 'abandoned_at is null and (protected_until is null or protected_until <= now())'
const isOver = `destroy_at <= now() + interval '${AHEAD_SECONDS} seconds' and status not in ('DESTROYING', 'DESTROYED', 'DESTROY_FAILED')`
const isLeftover = `destroy_retry_at <= now() and destroy_retry_at is not null and status in ('FAILED', 'DESTROY_FAILED')`
/** The condition on clusters that the janitor destroys. */
export const DUE = `${isFree} and (${isOver} or ${isLeftover})`

/**
 * Clusters that the janitor must destroy, at most `limit`. Either their time is over, or it is time to take away what a
 * failure left. A protected or an abandoned cluster is left alone.
 */
export async function listDueDestroys(db: Reader, limit: number): Promise<string[]> {
  // Each half has a partial index of its own: clusters_end, clusters_destroy_retry.
  const { rows } = await db.$client.query<{ id: string }>({
    name: 'due destroys',
    text: `(select id from clusters where ${isOver} and status <> 'DESTROYED' and ${isFree} order by destroy_at limit $1)
      union (select id from clusters where ${isLeftover} and ${isFree} limit $1) limit $1`,
    values: [limit],
  })
  return rows.map(({ id }) => id)
}
