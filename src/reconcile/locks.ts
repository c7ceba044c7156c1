// Any worker's lock watch frees the lock of a worker that is gone, within two leases. This module reports locks that
// stay behind. It never breaks them, since only the database's clock tells how old they are.
import { and, eq, sql } from 'drizzle-orm'
import type { Transaction } from '../db/client.ts'
import type { Lock } from '../jobs/lock.ts'
import { jobLocks, jobs } from '../jobs/tables.ts'
import type { Verdict } from './findings.ts'
import type { Pass } from './pass.ts'

/** The longest lease, and time for a watch to see it pass. */
const LATE_SECONDS = 900

const isLate = sql`${jobLocks.expiresAt} < now() - make_interval(secs => ${LATE_SECONDS})`

export async function checkLocks(pass: Pass): Promise<void> {
  // Reads all of job_locks: it has a row for each job that runs now, and no more.
  for (const lock of await pass.app.db.select().from(jobLocks).where(isLate))
    await pass.inspect({ type: 'lock-without-worker', subject: lock.clusterId, clusterId: lock.clusterId }, (tx) =>
      lookAtLock(tx, lock),
    )
}

async function lookAtLock(tx: Transaction, lock: Lock): Promise<Verdict | undefined> {
  const [held] = await tx
    .select({ status: jobs.status })
    .from(jobLocks)
    .innerJoin(jobs, eq(jobs.id, jobLocks.jobId))
    .where(and(eq(jobLocks.clusterId, lock.clusterId), eq(jobLocks.fence, lock.fence), isLate))
  if (!held) return undefined
  const { worker, jobId } = lock
  return {
    detail: `the lock of ${worker} for ${jobId} has long expired, the job is ${held.status}, and no worker has freed it`,
  }
}
