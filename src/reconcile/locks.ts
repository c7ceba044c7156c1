// A lock whose worker is gone expires, and the queue hands its job out again. Here are locks that stay behind.
import { and, eq, sql } from 'drizzle-orm'
import type { App } from '../app.ts'
import type { Transaction } from '../db/client.ts'
import { jobLocks, jobs } from '../db/schema.ts'
import { releaseLock, type Lock } from '../jobs/lock.ts'
import type { Verdict } from './findings.ts'
import { GRACE_SECONDS, type Pass } from './pass.ts'

/** By then the queue has handed the job out again, or made it wait for a free worker. */
const HAND_OUT_SECONDS = 300

const expiredFor = (seconds: number) => sql<boolean>`${jobLocks.expiresAt} < now() - make_interval(secs => ${seconds})`

export async function checkLocks(pass: Pass): Promise<void> {
  const { app } = pass
  // job_locks whole: it has a row for each job that runs now, and no more. jobs by its primary key.
  const expired = await app.db
    .select({ lock: jobLocks, isOver: sql<boolean>`${jobs.endedAt} is not null`, isLate: expiredFor(HAND_OUT_SECONDS) })
    .from(jobLocks)
    .innerJoin(jobs, eq(jobs.id, jobLocks.jobId))
    .where(expiredFor(GRACE_SECONDS))
  for (const { lock, isOver, isLate } of expired) {
    if (!isOver && !isLate) continue
    const { clusterId } = lock
    await pass.inspect({ type: 'lock-without-worker', subject: clusterId, clusterId }, (tx) =>
      lookAtLock(app, tx, lock),
    )
  }
}

async function lookAtLock(app: App, tx: Transaction, lock: Lock): Promise<Verdict | undefined> {
  const [held] = await tx
    .select({ isLate: expiredFor(HAND_OUT_SECONDS) })
    .from(jobLocks)
    .where(and(eq(jobLocks.clusterId, lock.clusterId), eq(jobLocks.fence, lock.fence), expiredFor(GRACE_SECONDS)))
    .for('update')
  if (!held) return undefined
  const [job] = await tx.select().from(jobs).where(eq(jobs.id, lock.jobId)).for('update')
  if (!job) return undefined
  const detail = `the lock of ${lock.worker} for ${lock.jobId} has expired, and the job is ${job.status}`
  if (job.endedAt !== null) {
    await releaseLock(tx, lock)
    return { detail, repair: 'removed the lock' }
  }
  // An entry that waits needs a free worker; one that is over is a finding of its own.
  const entry = (await app.queue.findEntries(tx, [job.id])).get(job.id)
  if (!held.isLate || entry?.state !== 'active') return undefined
  return { detail: `${detail}; the queue still counts on that worker and does not hand it out again` }
}
