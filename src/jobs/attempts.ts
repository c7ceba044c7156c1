// The two ends of an attempt: claim opens it and takes the lock, settle closes it and gives the lock back. Each is one
// transaction that locks the cluster row first, then lock, job and queue entry: always in this order.
import { and, count, eq, inArray, isNull, max, sql, type SQL } from 'drizzle-orm'
import type { App } from '../app.ts'
import { writeAudit } from '../audit/audit.ts'
import type { Actor } from '../auth/principal.ts'
import type { ClusterRow } from '../clusters/tables.ts'
import { isOpen, openJobStatuses } from './job.ts'
import { type AttemptRow, jobAttempts, type JobRow, jobs } from './tables.ts'
import type { AttemptOutcome } from '../vocabulary.ts'
import { tryTransition } from '../clusters/lifecycle.ts'
import { keepEntry, type LedgerFacts } from '../clusters/ledger.ts'
import { lockCluster } from '../clusters/queries.ts'
import type { Db, Reader, Transaction } from '../db/client.ts'
import { announce } from '../events.ts'
import { newId } from '../ids.ts'
import { uptimeMs } from '../uptime.ts'
import { endAsCancelled, endJob, failCluster, moveOf } from './lifecycle.ts'
import {
  assertFence,
  closeLostAttempts,
  fenced,
  findLock,
  LockLost,
  nextFence,
  releaseLock,
  takeLock,
  type Lock,
} from './lock.ts'
import type { Delivery } from '../queue/queue.ts'

const WORKER: Actor = { kind: 'system', name: 'worker' }
const BUSY_RETRY_SECONDS = 5

export type Claim = {
  cluster: ClusterRow
  job: JobRow
  attempt: AttemptRow
  lock: Lock
  delivery: Delivery
  /** By uptimeMs, from before the lock was taken. */
  claimedAtMs: number
}

/** Undefined when there is nothing to do for this delivery: the job is over, cancelled, or its cluster still locked. */
export async function claimJob(app: App, delivery: Delivery, worker: string): Promise<Claim | undefined> {
  const claimedAtMs = uptimeMs()
  return app.db.transaction(async (tx) => {
    const [named] = await tx.select({ clusterId: jobs.clusterId }).from(jobs).where(eq(jobs.id, delivery.jobId))
    if (!named) throw new Error(`the queue holds job ${delivery.jobId}, which has no row`)
    const cluster = await clusterOf(tx, named.clusterId)
    if (await findLock(tx, cluster.id)) {
      await must(app.queue.giveBack(tx, delivery, BUSY_RETRY_SECONDS, 'busy'))
      return undefined
    }
    const [job] = await tx.select().from(jobs).where(eq(jobs.id, delivery.jobId)).for('update')
    if (!job || !isOpen(job)) {
      await must(app.queue.complete(tx, delivery))
      return undefined
    }
    await closeLostAttempts(tx, cluster.id)
    const move = moveOf(job.type)
    if (job.cancelRequestedAt !== null || !move.requires.includes(cluster.status)) {
      await endAsCancelled(tx, WORKER, cluster, job, job.message ?? `the cluster is ${cluster.status}`)
      await must(app.queue.complete(tx, delivery))
      return undefined
    }
    const moved = move.start ? await tryTransition(tx, WORKER, cluster.id, move.start, {}, job.id) : cluster
    if (!moved) throw new Error(`${cluster.id} was ${cluster.status} and did not take ${move.start}`)

    const [last] = await tx
      .select({ number: max(jobAttempts.number) })
      .from(jobAttempts)
      .where(eq(jobAttempts.jobId, job.id))
    const fence = await nextFence(tx)
    const [attempt] = await tx
      .insert(jobAttempts)
      .values({ id: newId('att'), jobId: job.id, number: (last?.number ?? 0) + 1, fence, worker })
      .returning()
    if (!attempt) throw new Error('the attempt was not inserted')
    const lock: Lock = { clusterId: cluster.id, jobId: job.id, attemptId: attempt.id, fence, worker }
    await takeLock(tx, lock, app.config.leaseSeconds)
    const [running] = await tx
      .update(jobs)
      .set({ status: 'RUNNING', startedAt: sql`coalesce(${jobs.startedAt}, now())`, retryAt: null })
      .where(and(eq(jobs.id, job.id), inArray(jobs.status, openJobStatuses)))
      .returning()
    if (!running) throw new Error(`job ${job.id} ended while it was locked`)
    writeAudit(tx, WORKER, {
      action: 'job.start',
      clusterId: cluster.id,
      jobId: job.id,
      detail: { attempt: attempt.number, worker, fence },
    })
    announce(tx, 'job', job.id)
    return { cluster: moved, job: running, attempt, lock, delivery, claimedAtMs }
  })
}

export type Outcome =
  | {
      kind: 'succeeded'
      /** What is worth knowing although all went well. */
      message?: string | undefined
      changes?: { readyAt?: Date; infraId?: string; destroyedAt?: Date; lookAt?: SQL }
      record?: (tx: Transaction) => Promise<void>
    }
  | {
      kind: 'failed'
      reason: string
      message: string
      exitCode?: number
      fingerprint?: string
      /** The wait before another try; undefined when none is worth it. */
      retryInSeconds?: number
      statusReason?: string
    }
  | { kind: 'cancelled'; message: string; statusReason?: string }
  | { kind: 'interrupted'; message: string; retryInSeconds?: number }

const attemptOutcome: Record<Outcome['kind'], AttemptOutcome> = {
  succeeded: 'SUCCEEDED',
  failed: 'FAILED',
  cancelled: 'CANCELLED',
  interrupted: 'INTERRUPTED',
}

/** How many tries of the job have counted so far; one that a shutdown interrupted does not. */
export async function countTries(db: Reader, jobId: string): Promise<number> {
  const [row] = await db
    .select({ tries: count() })
    .from(jobAttempts)
    .where(and(eq(jobAttempts.jobId, jobId), sql`${jobAttempts.outcome} is distinct from 'INTERRUPTED'`))
  return row?.tries ?? 0
}

/**
 * `infra`: what the attempt made, which goes back into a ledger that has lost it. Throws LockLost, and leaves everything
 * as it was, when the fence or the delivery no longer counts.
 */
export async function settleJob(app: App, claim: Claim, outcome: Outcome, infra?: LedgerFacts): Promise<void> {
  const { lock, delivery } = claim
  await app.db.transaction(async (tx) => {
    const cluster = await clusterOf(tx, lock.clusterId)
    await assertFence(tx, lock)
    const [job] = await tx.select().from(jobs).where(eq(jobs.id, lock.jobId)).for('update')
    if (!job || !isOpen(job)) throw new LockLost(`job ${lock.jobId} is over`)
    if (infra) await keepEntry(tx, infra)
    await closeAttempt(tx, lock.attemptId, outcome)
    await releaseLock(tx, lock)

    // A destroy that came meanwhile has moved the cluster on; this job then ends as cancelled, whatever it did.
    const move = moveOf(job.type)
    const overtaken = !move.requires.includes(cluster.status)
    if (outcome.kind === 'succeeded' && !overtaken) {
      await outcome.record?.(tx)
      await tryTransition(tx, WORKER, cluster.id, move.finish, outcome.changes, job.id)
      await endJob(tx, WORKER, job, { status: 'SUCCEEDED', reason: null, message: outcome.message ?? null })
    } else if (
      outcome.kind === 'succeeded' ||
      outcome.kind === 'cancelled' ||
      overtaken ||
      job.cancelRequestedAt !== null
    ) {
      const statusReason = 'statusReason' in outcome ? outcome.statusReason : undefined
      await endAsCancelled(tx, WORKER, cluster, job, job.message ?? 'cancelled', statusReason)
    } else if (outcome.kind === 'interrupted') {
      return retryLater(app, tx, claim, outcome.retryInSeconds ?? 0, null, outcome.message)
    } else {
      const { reason, message, retryInSeconds, statusReason } = outcome
      if (retryInSeconds !== undefined && (await countTries(tx, job.id)) < job.maxAttempts)
        return retryLater(app, tx, claim, retryInSeconds, reason, message)
      await failCluster(tx, WORKER, cluster, job, statusReason ?? `${reason}: ${message}`)
      await endJob(tx, WORKER, job, { status: 'FAILED', reason, message })
    }
    await must(app.queue.complete(tx, delivery))
  })
}

async function closeAttempt(tx: Transaction, attemptId: string, outcome: Outcome): Promise<void> {
  const failure = outcome.kind === 'failed' ? outcome : undefined
  await tx
    .update(jobAttempts)
    .set({
      outcome: attemptOutcome[outcome.kind],
      endedAt: sql`now()`,
      ...(outcome.kind === 'succeeded' ? { progressPercent: 100 } : { message: outcome.message }),
      ...(failure ? { reason: failure.reason, exitCode: failure.exitCode, fingerprint: failure.fingerprint } : {}),
    })
    .where(eq(jobAttempts.id, attemptId))
}

/** The queue keeps the cluster's turn for the job meanwhile. */
async function retryLater(
  app: App,
  tx: Transaction,
  claim: Claim,
  seconds: number,
  reason: string | null,
  message: string,
): Promise<void> {
  const { jobId, clusterId } = claim.lock
  await tx
    .update(jobs)
    .set({ status: 'RETRYING', retryAt: sql`now() + make_interval(secs => ${seconds})`, reason, message })
    .where(eq(jobs.id, jobId))
  const detail = { reason, message, retryInSeconds: seconds }
  writeAudit(tx, WORKER, { action: 'job.retry-later', clusterId, jobId, outcome: 'failure', detail })
  announce(tx, 'job', jobId)
  await must(app.queue.giveBack(tx, claim.delivery, seconds, 'settled'))
}

/** Ends a job that no delivery has ended, so that its cluster can be worked on again. Safe to run twice. */
export async function settleDeadJob(app: App, jobId: string, cause?: string): Promise<void> {
  await app.db.transaction(async (tx) => {
    const [named] = await tx.select({ clusterId: jobs.clusterId }).from(jobs).where(eq(jobs.id, jobId))
    if (!named) return
    const cluster = await clusterOf(tx, named.clusterId)
    if (await findLock(tx, cluster.id)) throw new Error(`${cluster.id} is still locked; the dead job waits for it`)
    const [job] = await tx.select().from(jobs).where(eq(jobs.id, jobId)).for('update')
    if (!job || !isOpen(job)) return
    const message = `no worker got this job to an end, the last time because ${cause ?? 'it died'}; what it made may still exist until the cluster is destroyed`
    if (moveOf(job.type).requires.includes(cluster.status)) await failCluster(tx, WORKER, cluster, job, message)
    await endJob(tx, WORKER, job, { status: 'FAILED', reason: 'WORKER_LOST', message })
  })
}

async function clusterOf(tx: Transaction, id: string): Promise<ClusterRow> {
  const row = await lockCluster(tx, id)
  if (!row) throw new LockLost(`there is no cluster ${id}`)
  return row
}

async function must(counted: Promise<boolean>): Promise<void> {
  if (!(await counted)) throw new LockLost('the queue gave the job to another worker')
}

/** Shows how far an attempt is; refused once its fence has moved on. */
export async function recordStage(
  db: Db,
  lock: Lock,
  stage: string,
  progressPercent: number,
  infra?: LedgerFacts,
): Promise<void> {
  await fenced(db, lock, async (tx) => {
    if (infra) await keepEntry(tx, infra)
    await tx.update(jobAttempts).set({ stage, progressPercent }).where(eq(jobAttempts.id, lock.attemptId))
    announce(tx, 'job', lock.jobId)
  })
}

/** Keeps why a delivery ended without a settle, for whoever waits for the job. */
export async function noteCause(db: Db, jobId: string, cause: string): Promise<void> {
  await db
    .update(jobs)
    .set({ message: cause })
    .where(and(eq(jobs.id, jobId), inArray(jobs.status, openJobStatuses), sql`${jobs.cancelRequestedAt} is null`))
}

/** Which of these ids are of attempts that have not ended. */
export async function listOpenAttempts(db: Db, ids: string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const rows = await db
    .select({ id: jobAttempts.id })
    .from(jobAttempts)
    .where(and(inArray(jobAttempts.id, ids), isNull(jobAttempts.outcome)))
  return rows.map((row) => row.id)
}
