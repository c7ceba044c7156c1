// Jobs that no delivery ended: their workers died, or lost the database, each time. A worker ends such a job, so that its
// cluster can be worked on again; what it was for is asked for anew only by a person.
import { inArray } from 'drizzle-orm'
import type { App } from '../app.ts'
import { writeAudit } from '../audit/audit.ts'
import { requireAnywhere } from '../auth/permissions.ts'
import type { Actor } from '../auth/principal.ts'
import { send, type Reader, type Transaction } from '../db/client.ts'
import { selection, update } from '../db/statements.ts'
import { undone } from '../db/undone.ts'
import { AppError } from '../errors.ts'
import { announce } from '../events.ts'
import { isOpen } from '../jobs/job.ts'
import { jobs, type JobRow } from '../jobs/tables.ts'
import type { DeadLetter } from '../queue/queue.ts'
import { retryJob } from './commands.ts'
import { clusters } from './tables.ts'

export type ShownDeadLetter = { letter: DeadLetter; job: JobRow; clusterName: string }
export type RetriedLetter = {
  jobId: string
  clusterId: string
  result: 'retried' | 'refused'
  /** The job that was opened; null: the same job goes on, or none. */
  newJobId: string | null
  detail: string
}

export const MOST_RETRIED = 50
const MOST_LISTED = 200

/** Those of the last day after which nothing was done on their cluster, newest first. Throws FORBIDDEN. */
export async function listDeadLetters(app: Pick<App, 'db' | 'queue'>, by: Actor): Promise<ShownDeadLetter[]> {
  requireAnywhere(by, 'queue.read')
  return findDeadLetters(app, app.db)
}

async function findDeadLetters({ queue }: Pick<App, 'queue'>, db: Reader): Promise<ShownDeadLetter[]> {
  const letters = await queue.listDead(db, MOST_LISTED)
  if (letters.length === 0) return []
  const found = await newestJobs(db, letters.map(({ jobId }) => jobId)) // prettier-ignore
  const named = await db
    .select({ id: clusters.id, name: clusters.name })
    .from(clusters)
    .where(inArray(clusters.id, found.map(({ clusterId }) => clusterId))) // prettier-ignore
  const nameOf = new Map(named.map(({ id, name }) => [id, name]))
  const jobOf = new Map(found.map((job) => [job.id, job]))
  return letters.flatMap((letter) => {
    const job = jobOf.get(letter.jobId)
    return job ? [{ letter, job, clusterName: nameOf.get(job.clusterId) ?? '' }] : []
  })
}

// Of these jobs those that are the newest of their cluster. Index jobs_cluster.
const newestJobs = selection(
  jobs,
  `where id = any($1) and not exists (select from jobs later where later.cluster_id = jobs.cluster_id and later.id > jobs.id)`,
)
const lockAll = selection(clusters, 'where id = any($1) order by id for update')

/**
 * Has each done again, at most MOST_RETRIED at once: one that was not ended yet goes on, and for another one a new job is
 * opened, where its cluster allows it. `jobIds`: only these. Throws FORBIDDEN, NOT_FOUND.
 */
export async function retryDeadLetters(
  app: Pick<App, 'db' | 'queue' | 'catalog'>,
  tx: Transaction,
  by: Actor,
  jobIds: string[] | undefined,
): Promise<{ items: RetriedLetter[]; left: number }> {
  requireAnywhere(by, 'queue.retry')
  // Two of these would take rows and turns in each other's way.
  await tx.$client.query(`select pg_advisory_xact_lock(hashtextextended('dead letters', 0))`)
  const all = await findDeadLetters(app, tx)
  const missing = (jobIds ?? []).flatMap((jobId, index) =>
    all.some(({ letter }) => letter.jobId === jobId)
      ? []
      : [{ pointer: `/jobIds/${index}`, detail: `${jobId} is none` }],
  )
  if (missing.length > 0)
    throw new AppError(
      'NOT_FOUND',
      'not all of these are dead letters after which nothing was done: look again',
      missing,
    )
  const wanted = jobIds === undefined ? all : all.filter(({ letter }) => jobIds.includes(letter.jobId))
  const taken = wanted.slice(0, MOST_RETRIED)
  await lockAll(tx, taken.map(({ job }) => job.clusterId)) // prettier-ignore
  const items: RetriedLetter[] = []
  for (const { letter, job } of taken) items.push(await retryOne(app, tx, by, letter, job))
  writeAudit(tx, by, { action: 'queue.retry-dead-letters', detail: { jobs: items.length, left: wanted.length - taken.length } }) // prettier-ignore
  return { items, left: wanted.length - taken.length }
}

async function retryOne(
  app: Pick<App, 'db' | 'queue' | 'catalog'>,
  tx: Transaction,
  by: Actor,
  letter: DeadLetter,
  { id: jobId, clusterId, status }: JobRow,
): Promise<RetriedLetter> {
  const about = { jobId, clusterId }
  const refused = (detail: string): RetriedLetter => ({ ...about, result: 'refused', newJobId: null, detail })
  if (isOpen({ status })) {
    if (!(await app.queue.revive(tx, letter))) return refused('a worker ends it just now: ask again')
    send(tx, update(jobs, { message: null }, { id: jobId }))
    writeAudit(tx, by, { action: 'job.revive', ...about })
    announce(tx, 'work', 'all')
    return { ...about, result: 'retried', newJobId: null, detail: 'it goes on' }
  }
  try {
    const { job } = await retryJob(app, tx, by, jobId)
    await app.queue.forgetDead(tx, letter.queueId)
    return { ...about, result: 'retried', newJobId: job.id, detail: 'asked for anew' }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return refused(error.message)
  }
}

/** What retryDeadLetters would do. */
export async function previewDeadLetters(
  app: Pick<App, 'db' | 'queue' | 'catalog'>,
  by: Actor,
  jobIds: string[] | undefined,
): Promise<{ items: RetriedLetter[]; left: number }> {
  return undone(app.db, async (tx) => {
    const { items, left } = await retryDeadLetters(app, tx, by, jobIds)
    return { items: items.map((item) => ({ ...item, newJobId: null })), left }
  })
}
