// Reading jobs and their logs. A caller who may see a cluster may see its jobs.
import { and, asc, eq, gt, inArray, min, sql, type SQL } from 'drizzle-orm'
import { clusterScope, denial, type Action } from '../auth/permissions.ts'
import type { App } from '../app.ts'
import type { Actor } from '../auth/principal.ts'
import { type ClusterRow, clusters } from '../clusters/tables.ts'
import type { Reader, Transaction } from '../db/client.ts'
import { keyset, type PageRequest } from '../db/page.ts'
import { selection } from '../db/statements.ts'
import { AppError } from '../errors.ts'
import type { JobStatus, JobType } from '../vocabulary.ts'
import type { Kind } from './history.ts'
import { readStoredLog } from './stored-log.ts'
import type { LogLine } from './tables.ts'
import { type AttemptRow, jobAttempts, jobLogChunks, type JobRow, jobs } from './tables.ts'

/** Of the column that numbers them. */
const MOST_LINES = 2_147_483_647

const { platform, profile, region, version } = clusters
const kind = { platform, profile, region, version }

export async function jobFor(
  db: Reader,
  by: Actor,
  id: string,
): Promise<{ job: JobRow; kind: Kind; attempts: AttemptRow[] }> {
  const [found] = await db
    .select({ job: jobs, kind })
    .from(jobs)
    .innerJoin(clusters, eq(clusters.id, jobs.clusterId))
    .where(and(eq(jobs.id, id), clusterScope(by, 'job.read')))
  if (!found) throw new AppError('NOT_FOUND', `there is no job ${id} that you may see`)
  const attempts = await db.select().from(jobAttempts).where(eq(jobAttempts.jobId, id)).orderBy(asc(jobAttempts.number))
  return { ...found, attempts }
}

/** The job and its cluster, whose row is locked. Throws NOT_FOUND or FORBIDDEN. */
export async function jobForChange(
  tx: Transaction,
  by: Actor,
  action: Action,
  id: string,
): Promise<{ job: JobRow; cluster: ClusterRow }> {
  const [named] = await tx.select({ clusterId: jobs.clusterId }).from(jobs).where(eq(jobs.id, id))
  const missing = new AppError('NOT_FOUND', `there is no job ${id} that you may see`)
  if (!named) throw missing
  const [found] = await tx
    .select({ cluster: clusters, allowed: clusterScope(by, action).mapWith(Boolean) })
    .from(clusters)
    .where(and(eq(clusters.id, named.clusterId), clusterScope(by, 'job.read')))
    .for('update')
  if (!found) throw missing
  if (!found.allowed) throw denial(by, action, found.cluster)
  const [job] = await tx.select().from(jobs).where(eq(jobs.id, id)).for('update')
  if (!job) throw missing
  return { job, cluster: found.cluster }
}

const ENDS_SEEN = 6

/** How the last jobs of these clusters ended, newest first. */
export async function listEndsOf(
  db: Reader,
  clusterIds: string[],
): Promise<Pick<JobRow, 'clusterId' | 'type' | 'status' | 'endedAt'>[]> {
  const { rows } = await db.$client.query<Pick<JobRow, 'clusterId' | 'type' | 'status' | 'endedAt'>>({
    name: 'last jobs of clusters',
    text: `select j.cluster_id as "clusterId", j.type, j.status, j.ended_at as "endedAt" from unnest($1::text[]) as c (id)
      cross join lateral (select * from jobs where cluster_id = c.id order by id desc limit ${ENDS_SEEN}) as j`,
    values: [clusterIds],
  })
  return rows
}

/** The jobs of these clusters that have not ended. Index jobs_open. */
export const listOpenJobsOf: (db: Reader, clusterIds: string[]) => Promise<JobRow[]> = selection(
  jobs,
  `where cluster_id = any($1) and status in ('PENDING', 'RUNNING', 'RETRYING')`,
)

/** The newest job of each of these clusters, by cluster. Index jobs_cluster. */
export async function findNewestJobs(db: Reader, clusterIds: string[]): Promise<Map<string, JobRow>> {
  const rows = await newestJobs(db, clusterIds)
  return new Map(rows.map((job) => [job.clusterId, job]))
}
const newestJobs = selection(
  jobs,
  'where id in (select (select id from jobs j where j.cluster_id = c.id order by id desc limit 1) from unnest($1::text[]) as c (id))',
)

export type JobFilter = { clusterId?: string | undefined; status?: JobStatus[] | undefined; type?: JobType | undefined }

/** One row more than the page asks for, newest first. */
export async function listJobs(db: Reader, by: Actor, filter: JobFilter, page: PageRequest): Promise<JobRow[]> {
  const conditions: (SQL | undefined)[] = [
    clusterScope(by, 'job.read'),
    filter.clusterId === undefined ? undefined : eq(jobs.clusterId, filter.clusterId),
    filter.status?.length ? inArray(jobs.status, filter.status) : undefined,
    filter.type === undefined ? undefined : eq(jobs.type, filter.type),
  ]
  const { where, orderBy, limit } = keyset(jobs.id, page, and(...conditions))
  const rows = await db
    .select({ job: jobs })
    .from(jobs)
    .innerJoin(clusters, eq(clusters.id, jobs.clusterId))
    .where(where)
    .orderBy(orderBy)
    .limit(limit)
  return rows.map((row) => row.job)
}

type LogSource = Pick<App, 'db' | 'store' | 'box' | 'config'>

/**
 * Lines with a higher number than `after`, oldest first, at most `limit`, from wherever the log is by now. The caller was
 * allowed to see the job. Throws UNAVAILABLE, CONFLICT when it was stored and is damaged.
 */
export async function readLog(app: LogSource, jobId: string, after: number, limit: number): Promise<LogLine[]> {
  for await (const lines of readLogOn(app, jobId, after, limit)) return lines
  return []
}

/** All lines that are there by now, so many at a time. As readLog, but a stored log is read once for all of them. */
export async function* readLogOn(
  app: LogSource,
  jobId: string,
  after: number,
  size: number,
): AsyncGenerator<LogLine[]> {
  let last = after
  for (;;) {
    const lines = await readChunks(app.db, jobId, last, size)
    if (lines.length === 0) break
    last = lines.at(-1)?.seq ?? last
    yield lines
  }
  let lines: LogLine[] = []
  for await (const line of readStoredLog(app, jobId, last)) {
    lines.push(line)
    if (lines.length < size) continue
    yield lines
    lines = []
  }
  if (lines.length > 0) yield lines
}

/**
 * Whole chunks, up to the first one that reaches the last line asked for: lines are numbered without gaps. Both bounds are
 * looked up in the primary key.
 */
async function readChunks(db: Reader, jobId: string, after: number, limit: number): Promise<LogLine[]> {
  const { lastSeq } = jobLogChunks
  const reaching = db
    .select({ lastSeq: min(lastSeq) })
    .from(jobLogChunks)
    .where(and(eq(jobLogChunks.jobId, jobId), sql`${lastSeq} >= ${after}::bigint + ${limit}`))
  const chunks = await db
    .select({ lines: jobLogChunks.lines })
    .from(jobLogChunks)
    .where(
      and(eq(jobLogChunks.jobId, jobId), gt(lastSeq, after), sql`${lastSeq} <= coalesce((${reaching}), ${MOST_LINES})`),
    )
    .orderBy(asc(lastSeq))
  // A chunk whose commit was in doubt may have been stored again as part of a longer one.
  const lines: LogLine[] = []
  for (const line of chunks.flatMap((chunk) => chunk.lines))
    if (line.seq > (lines.at(-1)?.seq ?? after)) lines.push(line)
  return lines.slice(0, limit)
}

/** Reads jobs that the actor is known to be allowed to see. */
export async function readJobs(db: Reader, ids: string[]): Promise<{ job: JobRow; kind: Kind }[]> {
  return db
    .select({ job: jobs, kind })
    .from(jobs)
    .innerJoin(clusters, eq(clusters.id, jobs.clusterId))
    .where(inArray(jobs.id, ids))
}

/** Throws NOT_FOUND when the caller may not see the job, or no longer may. */
export async function isJobOver(db: Reader, by: Actor, id: string): Promise<boolean> {
  const [found] = await db
    .select({ over: sql<boolean>`${jobs.endedAt} is not null` })
    .from(jobs)
    .innerJoin(clusters, eq(clusters.id, jobs.clusterId))
    .where(and(eq(jobs.id, id), clusterScope(by, 'job.read')))
  if (!found) throw new AppError('NOT_FOUND', `there is no job ${id} that you may see`)
  return found.over
}
