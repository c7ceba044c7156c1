// Reading clusters. For a caller who may not see a cluster, it is NOT_FOUND. For a caller who may see it but not do the
// action, it is FORBIDDEN.
import { and, eq, ilike, inArray, isNull, sql, type SQL } from 'drizzle-orm'
import { clusterScope, denial, type Action } from '../auth/permissions.ts'
import type { Actor } from '../auth/principal.ts'
import type { Reader, Transaction } from '../db/client.ts'
import { keyset, type PageRequest } from '../db/page.ts'
import { selection } from '../db/statements.ts'
import { AppError } from '../errors.ts'
import { type AttemptRow, jobAttempts, type JobRow, jobs } from '../jobs/tables.ts'
import type { ClusterStatus, Platform } from '../vocabulary.ts'
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
  const { where, orderBy, limit } = keyset(clusters.id, page, and(...conditions))
  return db.select({ id: clusters.id, rowVersion }).from(clusters).where(where).orderBy(orderBy).limit(limit)
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

export type Expectation = { p50Minutes: number; p90Minutes: number; samples: number }
const SAMPLES = 200

/** How long the last installations of a kind took, from the start of the work to READY; undefined without history. */
export async function findExpectedDuration(
  db: Reader,
  kind: { platform: Platform; region: string; profile: string },
): Promise<Expectation | undefined> {
  const { rows } = await db.execute<{ p50: number | null; p90: number | null; samples: number }>(sql`
    select percentile_cont(0.5) within group (order by minutes) as p50,
      percentile_cont(0.9) within group (order by minutes) as p90, count(*)::int as samples
    from (
      select extract(epoch from c.ready_at - (select min(j.started_at) from ${jobs} j
        where j.cluster_id = c.id and j.type = 'CREATE' and j.status = 'SUCCEEDED'))::float8 / 60 as minutes
      from ${clusters} c
      where c.profile = ${kind.profile} and c.region = ${kind.region} and c.platform = ${kind.platform} and c.ready_at is not null
      order by c.ready_at desc limit ${SAMPLES}
    ) last where minutes is not null`)
  const [row] = rows
  if (!row || row.p50 === null || row.p90 === null) return undefined
  const tenths = (minutes: number) => Math.round(minutes * 10) / 10
  return { p50Minutes: tenths(row.p50), p90Minutes: tenths(row.p90), samples: row.samples }
}

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

/**
 * Unprotected clusters that the janitor must destroy, at most `limit`. Either their time is over, or it is time to take
 * away what a failure left. An abandoned cluster is left alone.
 */
export async function listDueDestroys(db: Reader, limit = 100): Promise<string[]> {
  const due = (condition: SQL) =>
    db
      .select({ id: clusters.id })
      .from(clusters)
      .where(and(condition, eq(clusters.protected, false), isNull(clusters.abandonedAt)))
      .limit(limit)
  // Each half has a partial index of its own: clusters_end, clusters_destroy_retry. Few clusters are past their end at
  // a time, and the grace is read from the profiles of those alone.
  const grace = sql`make_interval(hours => coalesce((${clusters.profileSnapshot} #>> '{lifecycle,graceHours}')::int, 0))`
  const expired = sql`${clusters.destroyAt} <= now() and ${clusters.destroyAt} + ${grace} <= now() and ${clusters.status} <> 'DESTROYED' and ${clusters.status} not in ('DESTROYING', 'DESTROY_FAILED')`
  const leftover = sql`${clusters.destroyRetryAt} <= now() and ${clusters.status} in ('FAILED', 'DESTROY_FAILED') and ${clusters.destroyRetryAt} is not null`
  const rows = await Promise.all([due(expired), due(leftover)])
  return [...new Set(rows.flat().map((row) => row.id))]
}
