// Opening jobs and cancelling them. A job row, its queue entry and its audit event commit together.
import { and, eq, inArray, sql } from 'drizzle-orm'
import type { App } from '../app.ts'
import { writeAudit } from '../audit/audit.ts'
import { type Actor, nameOf } from '../auth/principal.ts'
import { requireUnprotected, timeFor } from '../clusters/end.ts'
import type { ClusterRow } from '../clusters/tables.ts'
import { send, type Transaction } from '../db/client.ts'
import { insertion } from '../db/statements.ts'
import { AppError } from '../errors.ts'
import { announce } from '../events.ts'
import { newId } from '../ids.ts'
import { tellOfChange } from '../notices/notices.ts'
import type { JobType } from '../vocabulary.ts'
import { endAsCancelled, endJob } from './ends.ts'
import { isOpen, openJobStatuses } from './job.ts'
import { jobForChange } from './queries.ts'
import { type JobRow, jobs } from './tables.ts'

const insertJob = insertion(jobs)

type Of = Pick<ClusterRow, 'id' | 'profileSnapshot'>
type More = Partial<Pick<JobRow, 'params' | 'pausedBy'>>

/** `at` is the database's time of the transaction. */
export function openJob(
  app: Pick<App, 'queue'>,
  tx: Transaction,
  by: Actor,
  cluster: Of,
  type: JobType,
  at: Date,
  more: More = {},
): JobRow {
  const [job] = openJobs(app, tx, by, [cluster], type, at, more)
  if (!job) throw new Error('a job is opened for each cluster')
  return job
}

/** As openJob, one for each cluster. */
export function openJobs(
  { queue }: Pick<App, 'queue'>,
  tx: Transaction,
  by: Actor,
  of: readonly Of[],
  type: JobType,
  at: Date,
  more: More | ((cluster: Of) => More) = {},
): JobRow[] {
  const opened = of.map((cluster): JobRow => ({
    id: newId('job'),
    clusterId: cluster.id,
    type,
    status: 'PENDING',
    params: {},
    maxAttempts: cluster.profileSnapshot.retry.maxAttempts,
    requestedBy: nameOf(by),
    traceparent: (by.kind === 'caller' ? by.origin.traceparent : undefined) ?? null,
    cancelRequestedAt: null,
    reason: null,
    message: null,
    retryAt: null,
    pausedBy: null,
    logMovedAt: null,
    logArtifactId: null,
    createdAt: at,
    startedAt: null,
    endedAt: null,
    ...(typeof more === 'function' ? more(cluster) : more),
  }))
  if (opened.length === 0) return []
  for (const job of opened) {
    send(tx, insertJob(job))
    writeAudit(tx, by, { action: 'job.open', clusterId: job.clusterId, jobId: job.id, detail: { type } })
    announce(tx, 'job', job.id)
  }
  queue.enqueue(tx, opened)
  announce(tx, 'work', 'all')
  return opened
}

/** Ends the cluster's waiting jobs and asks the running one to stop. The caller has locked the cluster row. */
export async function supersedeJobs(
  app: Pick<App, 'queue'>,
  tx: Transaction,
  by: Actor,
  cluster: ClusterRow,
): Promise<void> {
  const message = `superseded by a destroy of ${nameOf(by)}`
  for (const job of await listOpenJobs(tx, cluster.id)) {
    if (await app.queue.cancelWaiting(tx, job.id))
      await endJob(tx, by, cluster, job, { job: 'CANCELLED', cluster: 'stays' }, { reason: 'CANCELLED', message })
    else await requestCancel(tx, by, cluster, job, message)
  }
}

/**
 * A waiting job ends at once. A running job is told to stop, and its worker ends it. Throws NOT_IN_STATE when the job
 * is over.
 */
export async function cancelJob(app: Pick<App, 'queue'>, tx: Transaction, by: Actor, id: string): Promise<JobRow> {
  const { job, cluster } = await jobForChange(tx, by, 'job.cancel', id)
  judgeCancel(cluster, job, await timeFor(tx, cluster))
  const message = `by ${nameOf(by)}`
  if (await app.queue.cancelWaiting(tx, job.id)) return endAsCancelled(tx, by, cluster, job, message)
  return requestCancel(tx, by, cluster, job, message)
}

/** Throws NOT_IN_STATE, CONFLICT as cancelJob does. */
export function judgeCancel(
  cluster: Pick<ClusterRow, 'protectedUntil' | 'protectedReason'>,
  job: Pick<JobRow, 'type' | 'status'>,
  at: Date,
): void {
  if (!isOpen(job))
    throw new AppError('NOT_IN_STATE', `the job is ${job.status}; only one that is not over can be cancelled`)
  // What its installation made would be destroyed.
  if (job.type === 'CREATE') requireUnprotected(cluster, at)
}

async function requestCancel(
  tx: Transaction,
  by: Actor,
  { team }: ClusterRow,
  job: JobRow,
  message: string,
): Promise<JobRow> {
  const [row] = await tx
    .update(jobs)
    .set({ cancelRequestedAt: sql`coalesce(${jobs.cancelRequestedAt}, now())`, message })
    .where(and(eq(jobs.id, job.id), inArray(jobs.status, openJobStatuses)))
    .returning()
  if (!row) throw new Error(`job ${job.id} ended while its cluster was locked`)
  writeAudit(tx, by, { action: 'job.cancel', clusterId: job.clusterId, jobId: job.id, detail: { message } })
  tellOfChange(tx, { type: 'job.changed', team, clusterId: job.clusterId, jobId: job.id })
  announce(tx, 'job', job.id)
  announce(tx, 'cancel', job.id)
  return row
}

async function listOpenJobs(tx: Transaction, clusterId: string): Promise<JobRow[]> {
  return tx
    .select()
    .from(jobs)
    .where(and(eq(jobs.clusterId, clusterId), inArray(jobs.status, openJobStatuses)))
    .orderBy(jobs.id)
}
