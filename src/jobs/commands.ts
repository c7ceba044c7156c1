// Opening jobs and taking them back. A job row, its queue entry and its audit event commit together.
import { and, eq, inArray, sql } from 'drizzle-orm'
import type { App } from '../app.ts'
import { writeAudit } from '../audit.ts'
import { nameOf, type Actor } from '../auth/principal.ts'
import type { ClusterRow } from '../clusters/cluster.ts'
import type { Transaction } from '../db/client.ts'
import { jobs } from '../db/schema.ts'
import { announce } from '../events.ts'
import { newId } from '../ids.ts'
import { openJobStatuses, type JobParams, type JobRow, type JobType } from './job.ts'

export async function openJob(
  app: App,
  tx: Transaction,
  by: Actor,
  cluster: ClusterRow,
  type: JobType,
  params: JobParams = {},
): Promise<JobRow> {
  const [job] = await tx
    .insert(jobs)
    .values({
      id: newId('job'),
      clusterId: cluster.id,
      type,
      params,
      maxAttempts: cluster.profileSnapshot.maxAttempts,
      requestedBy: nameOf(by),
    })
    .returning()
  if (!job) throw new Error('the job was not inserted')
  await app.queue.enqueue(tx, job)
  await writeAudit(tx, by, { action: 'job.open', clusterId: cluster.id, jobId: job.id, detail: { type } })
  await announce(tx, 'job', job.id)
  return job
}

/** Ends the cluster's waiting jobs and asks the running one to stop. The caller has locked the cluster row. */
export async function supersedeJobs(app: App, tx: Transaction, by: Actor, clusterId: string): Promise<void> {
  const open = await tx
    .select()
    .from(jobs)
    .where(and(eq(jobs.clusterId, clusterId), inArray(jobs.status, openJobStatuses)))
    .orderBy(jobs.id)
  for (const job of open) await cancelOpenJob(app, tx, by, job, 'superseded by a destroy')
}

/** Ends a waiting job at once; a running one is told, and its worker ends it. */
export async function cancelOpenJob(
  app: App,
  tx: Transaction,
  by: Actor,
  job: JobRow,
  message: string,
): Promise<JobRow> {
  const waiting = await app.queue.cancelWaiting(tx, job.id)
  const [row] = await tx
    .update(jobs)
    .set(
      waiting
        ? { status: 'CANCELLED', endedAt: sql`now()`, retryAt: null, cancelRequestedAt: sql`now()`, message }
        : { cancelRequestedAt: sql`coalesce(${jobs.cancelRequestedAt}, now())`, message },
    )
    .where(and(eq(jobs.id, job.id), inArray(jobs.status, openJobStatuses)))
    .returning()
  if (!row) throw new Error(`job ${job.id} ended while its cluster was locked`)
  await writeAudit(tx, by, {
    action: waiting ? 'job.cancel' : 'job.request-cancel',
    clusterId: job.clusterId,
    jobId: job.id,
    detail: { message },
  })
  await announce(tx, 'job', job.id)
  if (!waiting) await announce(tx, 'cancel', job.id)
  return row
}
