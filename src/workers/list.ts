// The workers of the last day, and what each does just now.
import { and, desc, eq, sql } from 'drizzle-orm'
import type { App } from '../app.ts'
import { requireAnywhere } from '../auth/permissions.ts'
import type { Actor } from '../auth/principal.ts'
import { clusters } from '../clusters/tables.ts'
import type { History } from '../jobs/history.ts'
import { outlookOf } from '../jobs/outlook.ts'
import { jobAttempts, jobLocks, jobs, type AttemptRow, type JobRow } from '../jobs/tables.ts'
import { workers } from './table.ts'
import { ALIVE_SECONDS } from './workers.ts'

const MOST_WORKERS = 500
const MOST_RUNNING = 2000

export type RunningJob = {
  job: JobRow
  attempt: AttemptRow
  clusterName: string
  expectedEndAt: Date | null
}
export type ListedWorker = typeof workers.$inferSelect & { isAlive: boolean; running: RunningJob[] }

/** The last seen first. Throws FORBIDDEN. */
export async function listWorkers({ db }: Pick<App, 'db'>, history: History, by: Actor): Promise<ListedWorker[]> {
  requireAnywhere(by, 'queue.read')
  const isAlive = sql<boolean>`${workers.seenAt} > now() - make_interval(secs => ${ALIVE_SECONDS})`
  const { platform, profile, region, version, name } = clusters
  const [found, held] = await Promise.all([
    db.select({ worker: workers, isAlive }).from(workers).orderBy(desc(workers.seenAt)).limit(MOST_WORKERS),
    // job_locks has a row for each job that runs now, and no more.
    db
      .select({ job: jobs, attempt: jobAttempts, clusterName: name, kind: { platform, profile, region, version } })
      .from(jobLocks)
      .innerJoin(jobs, eq(jobs.id, jobLocks.jobId))
      .innerJoin(clusters, eq(clusters.id, jobLocks.clusterId))
      .innerJoin(jobAttempts, and(eq(jobAttempts.id, jobLocks.attemptId), eq(jobAttempts.jobId, jobs.id)))
      .orderBy(jobLocks.acquiredAt)
      .limit(MOST_RUNNING),
  ])
  const running = await Promise.all(
    held.map(async ({ kind, ...each }) => {
      const { expectedEndAt } = await outlookOf(history, kind, each.job)
      return { ...each, expectedEndAt }
    }),
  )
  const byWorker = Map.groupBy(running, ({ attempt }) => attempt.worker)
  // A name comes again where a machine gives a new process the number of a dead one. It is the one that was seen last.
  const shown = new Set<string>()
  return found.map(({ worker, isAlive: lives }) => {
    const isNewest = !shown.has(worker.name)
    shown.add(worker.name)
    return { ...worker, isAlive: lives, running: isNewest ? (byWorker.get(worker.name) ?? []) : [] }
  })
}
