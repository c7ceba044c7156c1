// Compares database, queue, artifact store and cloud. It repairs what is safe under the cluster's lock, and shows the
// rest. Nothing in the cloud is ever deleted because a tag or a name was found. What must go is destroyed by a job of
// its cluster, by the ledger. Any number of passes may run at once.
import { sql } from 'drizzle-orm'
import type { App } from '../app.ts'
import type { Db } from '../db/client.ts'
import { messageOf } from '../errors.ts'
import { checkMovingClusters } from './clusters.ts'
import { resolveFindings, type FindingType } from './findings.ts'
import { checkOpenJobs, checkQueueEntries } from './jobs.ts'
import { checkLocks } from './locks.ts'
import { CannotTell, openPass, RECONCILER, type Pass } from './pass.ts'
import { checkOwnedResources } from './resources.ts'
import { checkSnapshots } from './snapshots.ts'
import { checkStoredClusters } from './stored.ts'

export type Summary = {
  filed: number
  repaired: number
  resolved: number
  /** What could not be looked at, and why. */
  skipped: { types: FindingType[]; reason: string }[]
}

// A job that is over frees its cluster, so jobs are looked at before clusters.
const checks: { types: FindingType[]; run: (pass: Pass) => Promise<void> }[] = [
  { types: ['job-without-queue-entry'], run: checkOpenJobs },
  { types: ['queue-entry-without-job'], run: checkQueueEntries },
  { types: ['lock-without-worker'], run: checkLocks },
  { types: ['cluster-without-job'], run: checkMovingClusters },
  { types: ['snapshot-missing', 'snapshot-corrupt'], run: checkSnapshots },
  {
    types: ['resources-of-destroyed-cluster', 'resources-without-cluster', 'cluster-adopted'],
    async run(pass) {
      try {
        await checkOwnedResources(pass)
      } finally {
        // Also where the cloud cannot be asked, and there above all.
        await checkStoredClusters(pass)
      }
    },
  },
]

/** A check that fails is reported in the summary, and the others go on. */
export async function reconcile(app: App): Promise<Summary> {
  const summary: Summary = { filed: 0, repaired: 0, resolved: 0, skipped: [] }
  for (const { types, run } of checks) {
    const pass = openPass(app, summary)
    try {
      const since = await readClock(app.db)
      await run(pass)
      summary.resolved += await resolveFindings(app.db, RECONCILER, types, since, pass.isLeft)
    } catch (error) {
      if (!(error instanceof CannotTell)) app.log.error({ err: error, types }, 'a check failed')
      summary.skipped.push({ types, reason: messageOf(error) })
    }
  }
  return summary
}

/** As precise as the columns that it is compared with. */
async function readClock(db: Db): Promise<string> {
  const { rows } = await db.execute<{ at: string }>(sql`select clock_timestamp()::timestamptz(3)::text as at`)
  if (!rows[0]) throw new Error('the database did not tell the time')
  return rows[0].at
}
