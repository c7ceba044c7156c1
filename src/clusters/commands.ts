// The verbs on clusters. Each one reads in this order: who, input, change, audit, return. It runs in the caller's
// transaction.
import { and, eq, gt, inArray } from 'drizzle-orm'
import type { App } from '../app.ts'
import type { Actor } from '../auth/principal.ts'
import type { Transaction } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { openJob, supersedeJobs } from '../jobs/commands.ts'
import { openJobStatuses } from '../jobs/job.ts'
import { jobForChange } from '../jobs/queries.ts'
import { jobs, type JobRow } from '../jobs/tables.ts'
import { transitionCluster } from './lifecycle.ts'
import { clusterFor } from './queries.ts'
import { requireInstallTurn } from './quota.ts'
import type { ClusterRow } from './tables.ts'

/**
 * Ends the cluster's other jobs and opens its destroy. A destroy that is already under way is returned as it is. Throws
 * NOT_FOUND, FORBIDDEN, CONFLICT (protected) or NOT_IN_STATE (gone already).
 */
export async function destroyCluster(
  app: Pick<App, 'db' | 'queue'>,
  tx: Transaction,
  by: Actor,
  id: string,
): Promise<{ cluster: ClusterRow; job: JobRow }> {
  const cluster = await clusterFor(tx, by, 'cluster.destroy', id, { lock: true })
  if (cluster.protected)
    throw new AppError('CONFLICT', 'the cluster is protected: a team administrator must lift the protection first')
  if (cluster.status === 'DESTROYING') {
    const [underWay] = await tx
      .select()
      .from(jobs)
      .where(
        and(
          eq(jobs.clusterId, id),
          inArray(jobs.type, ['DESTROY', 'JANITOR_DESTROY']),
          inArray(jobs.status, openJobStatuses),
        ),
      )
    if (underWay) return { cluster, job: underWay }
  }
  await supersedeJobs(app, tx, by, cluster)
  const moved = transitionCluster(tx, by, cluster, 'startDestroy', { abandonedAt: null })
  const job = openJob(app, tx, by, moved, by.kind === 'system' ? 'JANITOR_DESTROY' : 'DESTROY', moved.updatedAt)
  return { cluster: moved, job }
}

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
  if (job.status !== 'FAILED')
    throw new AppError('NOT_IN_STATE', `the job is ${job.status}; only a FAILED one can be retried`)
  const [later] = await tx
    .select({ id: jobs.id })
    .from(jobs)
    .where(and(eq(jobs.clusterId, cluster.id), gt(jobs.id, id)))
    .limit(1)
  if (later) throw new AppError('NOT_IN_STATE', `${later.id} came after this job; only the latest can be retried`)
  if (job.type === 'DESTROY' || job.type === 'JANITOR_DESTROY') return destroyCluster(app, tx, by, cluster.id)
  if (job.type !== 'CREATE') throw new AppError('NOT_IN_STATE', `a job of type ${job.type} cannot be retried`)
  await requireInstallTurn(tx, cluster.team, app.catalog.quotaOf(cluster.team))
  const moved = transitionCluster(tx, by, cluster, 'retryCreate')
  return { cluster: moved, job: openJob(app, tx, by, moved, 'CREATE', moved.updatedAt) }
}
