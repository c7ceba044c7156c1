// Jobs and their queue entries are made and ended in one transaction. This module repairs the case that one is without
// the other.
import { and, asc, eq, inArray, sql } from 'drizzle-orm'
import type { App } from '../app.ts'
import type { ClusterRow } from '../clusters/tables.ts'
import type { Transaction } from '../db/client.ts'
import { endAsCancelled, endJob, endOf } from '../jobs/ends.ts'
import { isOpen } from '../jobs/job.ts'
import { findLock } from '../jobs/lock.ts'
import { type JobRow, jobs } from '../jobs/tables.ts'
import type { QueueEntry } from '../queue/queue.ts'
import type { Verdict } from './findings.ts'
import { GRACE_SECONDS, pages, RECONCILER, type Pass } from './pass.ts'

const PAGE = 500
/** How long the dead-letter worker may take to settle a job whose workers died. It waits for the lock to expire. */
const DEAD_LETTER_SECONDS = 300

type OpenJob = Pick<JobRow, 'id' | 'clusterId'>

export async function checkOpenJobs(pass: Pass): Promise<void> {
  const { app } = pass
  const read = (last: OpenJob | undefined, limit: number) =>
    // jobs_open: the partial index of jobs that are not over.
    app.db
      .select({ id: jobs.id, clusterId: jobs.clusterId })
      .from(jobs)
      .where(
        and(
          sql`${jobs.status} in ('PENDING', 'RUNNING', 'RETRYING')`,
          sql`${jobs.createdAt} < now() - make_interval(secs => ${GRACE_SECONDS})`,
          last && sql`(${jobs.clusterId}, ${jobs.id}) > (${last.clusterId}, ${last.id})`,
        ),
      )
      .orderBy(asc(jobs.clusterId), asc(jobs.id))
      .limit(limit)
  for await (const page of pages(PAGE, read)) {
    const ids = page.map((job) => job.id)
    const entries = await app.queue.findEntries(app.db, ids)
    for (const { id, clusterId } of page) {
      if (!isStranded(entries.get(id))) continue
      await pass.inspect({ type: 'job-without-queue-entry', subject: id, clusterId }, (tx, cluster) =>
        cluster ? repairOpenJob(app, tx, cluster, id) : Promise.resolve(undefined),
      )
    }
  }
}

function isStranded(entry: QueueEntry | undefined): boolean {
  if (entry?.state === 'failed') return entry.ageSeconds > DEAD_LETTER_SECONDS
  return entry === undefined || entry.state === 'completed' || entry.state === 'cancelled'
}

async function repairOpenJob(
  app: Pick<App, 'queue'>,
  tx: Transaction,
  cluster: ClusterRow,
  jobId: string,
): Promise<Verdict | undefined> {
  const live = await findLock(tx, cluster.id)
  const [job] = await tx.select().from(jobs).where(eq(jobs.id, jobId)).for('update')
  if (!job || !isOpen(job)) return undefined
  const entry = (await app.queue.findEntries(tx, [jobId])).get(jobId)
  if (!isStranded(entry)) return undefined
  const detail = `${job.type} is ${job.status}, and the queue ${entry ? `has it as ${entry.state}` : 'does not have it'}`
  // The job's own worker notices this within a renewal. Another job's worker must not see the cluster change under it.
  if (live && (entry || live.jobId === jobId)) return { detail: `${detail}; ${live.worker} still holds the lock` }
  if (!entry) {
    app.queue.enqueue(tx, [job])
    return { detail, repair: 'put into the queue again' }
  }
  await endStranded(tx, cluster, job, entry)
  // A failed entry blocks its cluster until it is gone.
  await app.queue.discard(tx, entry.queueId)
  return { detail, repair: 'ended the job, so that the cluster can be destroyed' }
}

/**
 * The queue takes an id once. A second entry would count its deliveries anew, so a delivery of the first entry could
 * pass for one of the second. So the job ends like a job whose workers died.
 */
async function endStranded(tx: Transaction, cluster: ClusterRow, job: JobRow, entry: QueueEntry): Promise<void> {
  const message =
    `the queue has this job as ${entry.state}, so no worker would ever have ended it; ` +
    'what it made may still exist until the cluster is destroyed'
  if (job.cancelRequestedAt !== null) {
    await endAsCancelled(tx, RECONCILER, cluster, job, job.message ?? message)
    return
  }
  const told = { reason: 'WORKER_LOST', message, statusReason: message }
  await endJob(tx, RECONCILER, cluster, job, endOf(cluster, job, 'dead'), told)
}

export async function checkQueueEntries(pass: Pass): Promise<void> {
  const { app } = pass
  const read = (last: QueueEntry | undefined, limit: number) =>
    app.queue.listStanding(app.db, GRACE_SECONDS, last?.queueId, limit)
  for await (const page of pages(PAGE, read)) {
    const ids = page.flatMap(({ jobId }) => jobId ?? [])
    // jobs_pkey, for one page of ids.
    const known = await app.db.select({ id: jobs.id, status: jobs.status }).from(jobs).where(inArray(jobs.id, ids))
    const open = new Set(known.filter(isOpen).map((job) => job.id))
    for (const entry of page) {
      if (entry.jobId !== null && open.has(entry.jobId)) continue
      const { clusterId, queueId, jobId } = entry
      await pass.inspect({ type: 'queue-entry-without-job', subject: jobId ?? queueId, clusterId }, (tx) =>
        repairEntry(app, tx, entry),
      )
    }
  }
}

async function repairEntry(
  app: Pick<App, 'queue'>,
  tx: Transaction,
  { queueId, jobId, state }: QueueEntry,
): Promise<Verdict | undefined> {
  const [job] =
    jobId === null ? [] : await tx.select({ status: jobs.status }).from(jobs).where(eq(jobs.id, jobId)).for('update')
  if (job && isOpen(job)) return undefined
  const done = await app.queue.discard(tx, queueId)
  if (!done) return undefined
  const detail = `the queue has an entry as ${state}, and its job ${job ? `is ${job.status}` : 'does not exist'}`
  return { detail, repair: `${done} the entry` }
}
