// The verbs on clusters. Each one reads in this order: who, input, change, audit, return. It runs in the caller's
// transaction.
import { and, eq, gt } from 'drizzle-orm'
import type { App } from '../app.ts'
import type { Actor } from '../auth/principal.ts'
import type { Reader, Transaction } from '../db/client.ts'
import { selection } from '../db/statements.ts'
import { AppError } from '../errors.ts'
import { pauseFor, readPauses, toldOf } from '../intake/pauses.ts'
import { openJob, openJobs, supersedeJobs } from '../jobs/commands.ts'
import { jobForChange, listOpenJobsOf } from '../jobs/queries.ts'
import { jobs, type JobRow } from '../jobs/tables.ts'
import type { JobType } from '../vocabulary.ts'
import { requireUnprotected, timeFor, unprotected } from './end.ts'
import { requireTransition, transitionCluster, transitionClusters } from './lifecycle.ts'
import { clusterFor, DUE } from './queries.ts'
import { requireInstallTurn } from './quota.ts'
import { clusters, type ClusterRow } from './tables.ts'

/**
 * Ends the cluster's other jobs and opens its destroy. A destroy that is already under way is returned as it is. Throws
 * NOT_FOUND, FORBIDDEN, CONFLICT (protected) or NOT_IN_STATE (gone already).
 */
export async function destroyCluster(
  app: Pick<App, 'db' | 'queue'>,
  tx: Transaction,
  by: Actor,
  id: string,
): Promise<{ cluster: ClusterRow; job: JobRow; isNew: boolean }> {
  const cluster = await clusterFor(tx, by, 'cluster.destroy', id, { lock: true })
  const [underWay] = cluster.status === 'DESTROYING' ? await listDestroysUnderWay(tx, [id]) : []
  judgeDestroy(cluster, await timeFor(tx, cluster), underWay !== undefined)
  if (underWay) return { cluster, job: underWay, isNew: false }
  await supersedeJobs(app, tx, by, cluster)
  const pause = pauseFor(await readPauses(tx), 'destroys', cluster)
  const changes = { ...unprotected, abandonedAt: null, statusReason: pause ? toldOf(pause) : null }
  const moved = transitionCluster(tx, by, cluster, 'startDestroy', changes)
  const type = by.kind === 'system' ? 'JANITOR_DESTROY' : 'DESTROY'
  const job = openJob(app, tx, by, moved, type, moved.updatedAt, { pausedBy: pause?.id ?? null })
  return { cluster: moved, job, isNew: true }
}

/** What destroyCluster does to a cluster that the actor may destroy. Throws as it does. */
export function judgeDestroy(
  cluster: Pick<ClusterRow, 'status' | 'protectedUntil' | 'protectedReason'>,
  at: Date,
  isUnderWay: boolean,
): 'destroy-begins' | 'destroy-under-way' {
  requireUnprotected(cluster, at)
  if (cluster.status === 'DESTROYING' && isUnderWay) return 'destroy-under-way'
  requireTransition(cluster, 'startDestroy')
  return 'destroy-begins'
}

/** The destroys of these clusters that have not ended. */
export const listDestroysUnderWay = async (db: Reader, clusterIds: string[]): Promise<JobRow[]> =>
  (await listOpenJobsOf(db, clusterIds)).filter(({ type }) => isDestroy(type))

const isDestroy = (type: JobType) => type === 'DESTROY' || type === 'JANITOR_DESTROY'

/**
 * Destroys those of the clusters whose end has come, and what failures left behind, in one transaction. Those that have
 * jobs which must end first are returned instead: each takes destroyCluster.
 */
export async function destroyClusters(
  app: Pick<App, 'queue'>,
  tx: Transaction,
  by: Actor,
  ids: string[],
): Promise<{ destroyed: string[]; busy: string[] }> {
  const due = await lockDue(tx, ids)
  const open = await listOpenJobsOf(
    tx,
    due.map(({ id }) => id),
  )
  const busy = new Set(open.map(({ clusterId }) => clusterId))
  const free = due.filter(({ id }) => !busy.has(id))
  const moved = transitionClusters(tx, by, free, 'startDestroy', { ...unprotected, abandonedAt: null })
  openJobs(app, tx, by, moved, 'JANITOR_DESTROY', new Date())
  return { destroyed: free.map(({ id }) => id), busy: [...busy] }
}

// Those that another process works on just now are left for the next run.
const lockDue = selection(clusters, `where id = any($1) and ${DUE} for update skip locked`)

/**
 * Opens a new job that does again what a failed job was for. Throws NOT_FOUND, FORBIDDEN, QUOTA_EXCEEDED, or
 * NOT_IN_STATE when the job did not fail or is not the cluster's latest.
 */
export async function retryJob(
  app: Pick<App, 'db' | 'queue' | 'catalog'>,
  tx: Transaction,
  by: Actor,
  id: string,
): Promise<{ cluster: ClusterRow; job: JobRow }> {
  const { job, cluster } = await jobForChange(tx, by, 'job.retry', id)
  const [later] = await tx
    .select({ id: jobs.id })
    .from(jobs)
    .where(and(eq(jobs.clusterId, cluster.id), gt(jobs.id, id)))
    .limit(1)
  if (judgeRetry(cluster, job, later?.id) === 'destroy-again') return destroyCluster(app, tx, by, cluster.id)
  await requireInstallTurn(tx, cluster.team, app.catalog.quotaOf(cluster.team))
  const moved = transitionCluster(tx, by, cluster, 'retryCreate')
  return { cluster: moved, job: openJob(app, tx, by, moved, 'CREATE', moved.updatedAt) }
}

/** What retryJob does again, as far as quotas let it. Throws NOT_IN_STATE as it does. */
export function judgeRetry(
  cluster: Pick<ClusterRow, 'status'>,
  job: Pick<JobRow, 'type' | 'status'>,
  laterId?: string,
): 'create-again' | 'destroy-again' {
  if (job.status !== 'FAILED')
    throw new AppError('NOT_IN_STATE', `the job is ${job.status}; only a FAILED one can be retried`)
  if (laterId !== undefined)
    throw new AppError('NOT_IN_STATE', `${laterId} came after this job; only the latest can be retried`)
  if (isDestroy(job.type)) return 'destroy-again'
  if (job.type !== 'CREATE')
    throw new AppError('NOT_IN_STATE', `a job of type ${job.type} is not retried; ask for the same once more`)
  requireTransition(cluster, 'retryCreate')
  return 'create-again'
}
