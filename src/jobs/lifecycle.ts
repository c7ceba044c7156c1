// What each type of job does to its cluster, and the one writer of a job's end.
import { and, eq, inArray, isNull, sql } from 'drizzle-orm'
import { writeAudit } from '../audit/audit.ts'
import type { Actor } from '../auth/principal.ts'
import { infraLedger } from '../clusters/infra-tables.ts'
import type { ClusterRow } from '../clusters/tables.ts'
import { openJobStatuses } from './job.ts'
import { type JobRow, jobs } from './tables.ts'
import type { ClusterStatus, JobType } from '../vocabulary.ts'
import { tryTransition, type Transition } from '../clusters/lifecycle.ts'
import type { Transaction } from '../db/client.ts'
import { announce } from '../events.ts'
import { closeLostAttempts } from './lock.ts'

type Move = { start?: Transition; requires: ClusterStatus[]; finish: Transition; fail: Transition }

const destroyMove: Move = { requires: ['DESTROYING'], finish: 'finishDestroy', fail: 'failDestroy' }
const moves: Partial<Record<JobType, Move>> = {
  CREATE: { start: 'startCreate', requires: ['PENDING', 'CREATING'], finish: 'finishCreate', fail: 'failCreate' },
  DESTROY: destroyMove,
  JANITOR_DESTROY: destroyMove,
}

/** Throws for a type that no worker runs. */
export function moveOf(type: JobType): Move {
  const move = moves[type]
  if (!move) throw new Error(`no worker knows jobs of type ${type}`)
  return move
}

/** The wait before a failed destroy is tried again: 5 minutes, doubled each time, at most 6 hours. */
const destroyRetry = sql`now() + least(interval '6 hours', interval '5 minutes' * power(2, least(destroy_failures, 10)))`
const leftoverRetry = sql`now() + interval '1 minute'`

/** Moves the cluster to what the job's failure makes of it; what it may have left is put on the janitor's list. */
export async function failCluster(
  tx: Transaction,
  by: Actor,
  cluster: ClusterRow,
  job: JobRow,
  statusReason: string,
): Promise<void> {
  const { fail } = moveOf(job.type)
  if (fail === 'failDestroy') {
    const changes = { statusReason, destroyRetryAt: destroyRetry, destroyFailures: sql`destroy_failures + 1` }
    await tryTransition(tx, by, cluster.id, fail, changes, job.id)
    return
  }
  const [left] = await tx
    .select({ infraId: infraLedger.infraId })
    .from(infraLedger)
    .where(and(eq(infraLedger.clusterId, cluster.id), isNull(infraLedger.emptyAt)))
  const destroyRetryAt = left && !cluster.preserveOnFailure ? leftoverRetry : null
  await tryTransition(tx, by, cluster.id, fail, { statusReason, destroyRetryAt }, job.id)
}

export type JobEnd = { status: 'SUCCEEDED' | 'FAILED' | 'CANCELLED'; reason: string | null; message: string | null }

export async function endJob(tx: Transaction, by: Actor, job: JobRow, end: JobEnd): Promise<JobRow> {
  const [row] = await tx
    .update(jobs)
    .set({ ...end, endedAt: sql`now()`, retryAt: null })
    .where(and(eq(jobs.id, job.id), inArray(jobs.status, openJobStatuses)))
    .returning()
  if (!row) throw new Error(`job ${job.id} ended while it was locked`)
  // A job whose worker died may be ended before another worker has taken note of it.
  await closeLostAttempts(tx, job.clusterId)
  writeAudit(tx, by, {
    action: 'job.end',
    clusterId: job.clusterId,
    jobId: job.id,
    outcome: end.status === 'FAILED' ? 'failure' : 'success',
    detail: end,
  })
  announce(tx, 'job', job.id)
  return row
}

/** Ends the job; a cluster that no destroy has moved on becomes what a failure would make it. */
export async function endAsCancelled(
  tx: Transaction,
  by: Actor,
  cluster: ClusterRow,
  job: JobRow,
  message: string,
  statusReason = `cancelled: ${message}`,
): Promise<JobRow> {
  if (moveOf(job.type).requires.includes(cluster.status)) await failCluster(tx, by, cluster, job, statusReason)
  return endJob(tx, by, job, { status: 'CANCELLED', reason: 'CANCELLED', message })
}
