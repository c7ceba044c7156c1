// A cluster in a passing state has a job that takes it out of that state. Without a job it would stay there for ever.
import { and, asc, desc, eq, gt, sql } from 'drizzle-orm'
import type { App } from '../app.ts'
import { tryTransition } from '../clusters/lifecycle.ts'
import { type ClusterRow, clusters } from '../clusters/tables.ts'
import type { Transaction } from '../db/client.ts'
import { openJob } from '../jobs/commands.ts'
import { failCluster } from '../jobs/ends.ts'
import { findLock } from '../jobs/lock.ts'
import { jobs } from '../jobs/tables.ts'
import type { Verdict } from './findings.ts'
import { GRACE_SECONDS, pages, RECONCILER, type Pass } from './pass.ts'

const PAGE = 500

// One that did not come to sleep or to wake stays on its way until somebody says which.
const isMoving = sql`${clusters.status} in ('PENDING', 'CREATING', 'SCALING', 'DESTROYING')`
const hasNoJob = sql`not exists (select 1 from ${jobs} where ${jobs.clusterId} = ${clusters.id}
  and ${jobs.status} in ('PENDING', 'RUNNING', 'RETRYING'))`

export async function checkMovingClusters(pass: Pass): Promise<void> {
  const { app } = pass
  const read = (last: { id: string } | undefined, limit: number) =>
    // clusters_status_live or clusters_end, the partial indexes of what is not DESTROYED; jobs_open for each.
    app.db
      .select({ id: clusters.id })
      .from(clusters)
      .where(
        and(
          isMoving,
          sql`${clusters.status} <> 'DESTROYED'`,
          sql`${clusters.updatedAt} < now() - make_interval(secs => ${GRACE_SECONDS})`,
          hasNoJob,
          last && gt(clusters.id, last.id),
        ),
      )
      .orderBy(asc(clusters.id))
      .limit(limit)
  for await (const page of pages(PAGE, read))
    for (const { id } of page)
      await pass.inspect({ type: 'cluster-without-job', subject: id, clusterId: id }, (tx, cluster) =>
        cluster ? repairCluster(app, tx, cluster) : Promise.resolve(undefined),
      )
}

async function repairCluster(
  app: Pick<App, 'db' | 'queue'>,
  tx: Transaction,
  { id }: ClusterRow,
): Promise<Verdict | undefined> {
  const [cluster] = await tx
    .select()
    .from(clusters)
    .where(and(eq(clusters.id, id), isMoving, hasNoJob))
  if (!cluster) return undefined
  const detail = `the cluster is ${cluster.status}, and no job is open that would move it on`
  const live = await findLock(tx, id)
  if (live) return { detail: `${detail}; ${live.worker} still holds the lock` }
  switch (cluster.status) {
    case 'DESTROYING': {
      const job = openJob(app, tx, RECONCILER, cluster, 'JANITOR_DESTROY', new Date())
      return { detail, repair: `opened ${job.id} to destroy it` }
    }
    case 'PENDING':
    case 'CREATING':
      await failCreate(tx, cluster, `nothing was left that would build it: ${detail}`)
      return { detail, repair: 'the cluster is FAILED and can be destroyed' }
    case 'SCALING':
      tryTransition(tx, RECONCILER, cluster, 'failScale', { statusReason: `nothing was left that would change its workers: ${detail}` }) // prettier-ignore
      return { detail, repair: 'the cluster is READY, with the workers that there came to be' }
    default:
      return { detail }
  }
}

/** Fails the cluster through the job that was to build it, so that what it made is put on the janitor's list. */
async function failCreate(tx: Transaction, cluster: ClusterRow, statusReason: string): Promise<void> {
  const [job] = await tx
    .select()
    .from(jobs)
    .where(and(eq(jobs.clusterId, cluster.id), eq(jobs.type, 'CREATE')))
    .orderBy(desc(jobs.id))
    .limit(1)
  if (job) await failCluster(tx, RECONCILER, cluster, job, statusReason)
  else tryTransition(tx, RECONCILER, cluster, 'failCreate', { statusReason })
}
