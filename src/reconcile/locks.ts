// A lock whose worker is gone is freed by any worker's lock watch within two leases. Here are locks that stay behind:
// told, never broken, since how old they are is only known by the database's clock.
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
  // job_locks whole: it has a row for each job that runs now, and no more.
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
