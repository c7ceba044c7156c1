// The end of an attempt: one transaction that counts only while fence and delivery stand. The table of ends.ts says
// what the end does to job and cluster.
import type { App } from '../app.ts'
import { writeAudit } from '../audit/audit.ts'
import type { Actor } from '../auth/principal.ts'
import { keepEntry, type LedgerFacts } from '../clusters/ledger.ts'
import { lockCluster, lockClusterOf } from '../clusters/queries.ts'
import type { ClusterRow, clusters } from '../clusters/tables.ts'
import { send, type Transaction } from '../db/client.ts'
import { now, selection, update, type Changes } from '../db/statements.ts'
import { announce } from '../events.ts'
import { tellOfChange } from '../notices/notices.ts'
import type { AttemptOutcome } from '../vocabulary.ts'
import { countTries } from './attempts.ts'
import { must, type Claim } from './claim.ts'
import { endJob, endOf, type Told } from './ends.ts'
import { isOpen } from './job.ts'
import { assertFence, findLockOf, LockLost, releasing } from './lock.ts'
import { jobAttempts, jobs } from './tables.ts'

const WORKER: Actor = { kind: 'system', name: 'worker' }

export type Outcome =
  | {
      kind: 'succeeded'
      /** A message that is worth knowing although all went well. */
      message?: string | undefined
      /** Of the cluster; a function is given the row as it is locked. */
      changes?: Changes<typeof clusters> | ((cluster: ClusterRow) => Changes<typeof clusters>)
      record?: (tx: Transaction) => Promise<void>
    }
  | {
      kind: 'failed'
      reason: string
      message: string
      exitCode?: number
      fingerprint?: string
      /** The wait before another try; undefined when no try is worth it. */
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

const lockJob = selection(jobs, 'where id = $1 for update')

/**
 * `infra` is what the attempt made. It goes back into a ledger that has lost it. Throws LockLost, and leaves everything
 * as it was, when the fence or the delivery no longer counts.
 */
export async function settleJob(
  app: Pick<App, 'db' | 'queue'>,
  { lock, delivery }: Claim,
  outcome: Outcome,
  infra?: LedgerFacts,
): Promise<void> {
  const settle = async (tx: Transaction): Promise<void> => {
    const [cluster, , [job]] = await Promise.all([
      lockCluster(tx, lock.clusterId),
      assertFence(tx, lock),
      lockJob(tx, lock.jobId),
    ])
    if (!cluster || !job || !isOpen(job)) throw new LockLost(`job ${lock.jobId} is over`)
    if (infra) await keepEntry(tx, infra)
    const wantsRetry = outcome.kind === 'failed' && outcome.retryInSeconds !== undefined
    const mayRetry = wantsRetry && (await countTries(tx, job.id)) < job.maxAttempts
    const end = endOf(cluster, job, outcome.kind, mayRetry)

    send(tx, closing(lock.attemptId, outcome))
    send(tx, releasing(lock))
    if (end.job === 'RETRYING') {
      const seconds = ('retryInSeconds' in outcome ? outcome.retryInSeconds : undefined) ?? 0
      retryLater(tx, cluster, lock.jobId, seconds, outcome)
      await must(app.queue.giveBack(tx, delivery, seconds, 'settled'))
      return
    }
    if (end.cluster === 'finishes' && outcome.kind === 'succeeded') await outcome.record?.(tx)
    await endJob(tx, WORKER, cluster, job, end, toldOf(cluster, outcome, end.job, job.message))
    await must(app.queue.complete(tx, delivery))
  }
  await app.db.transaction(settle, { readsFirst: true })
}

function toldOf(
  cluster: ClusterRow,
  outcome: Outcome,
  end: 'SUCCEEDED' | 'FAILED' | 'CANCELLED',
  asked: string | null,
): Told {
  const statusReason = 'statusReason' in outcome ? outcome.statusReason : undefined
  if (end === 'CANCELLED') {
    const message = asked ?? 'cancelled'
    return { reason: 'CANCELLED', message, statusReason: statusReason ?? `cancelled: ${message}` }
  }
  if (outcome.kind === 'failed')
    return { reason: outcome.reason, message: outcome.message, ...(statusReason === undefined ? {} : { statusReason }) }
  const given = outcome.kind === 'succeeded' ? outcome.changes : undefined
  const changes = typeof given === 'function' ? given(cluster) : given
  return { reason: null, message: outcome.message ?? null, ...(changes ? { changes } : {}) }
}

function closing(attemptId: string, outcome: Outcome) {
  const failure = outcome.kind === 'failed' ? outcome : undefined
  const changes: Changes<typeof jobAttempts> = {
    outcome: attemptOutcome[outcome.kind],
    endedAt: now,
    ...(outcome.kind === 'succeeded' ? { progressPercent: 100 } : { message: outcome.message }),
    ...(failure ? { reason: failure.reason, exitCode: failure.exitCode, fingerprint: failure.fingerprint } : {}),
  }
  return update(jobAttempts, changes, { id: attemptId })
}

/** Meanwhile the queue keeps the cluster's turn for the job. */
function retryLater(
  tx: Transaction,
  { id: clusterId, team }: ClusterRow,
  jobId: string,
  seconds: number,
  outcome: Outcome,
): void {
  const reason = outcome.kind === 'failed' ? outcome.reason : null
  const message = outcome.message ?? null
  const retryAt = { sql: 'now() + make_interval(secs => ?)', values: [seconds] }
  send(tx, update(jobs, { status: 'RETRYING', retryAt, reason, message }, { id: jobId }))
  const detail = { reason, message, retryInSeconds: seconds }
  writeAudit(tx, WORKER, { action: 'job.retry-later', clusterId, jobId, outcome: 'failure', detail })
  tellOfChange(tx, { type: 'job.changed', team, clusterId, jobId, data: { retryInSeconds: seconds } })
  announce(tx, 'job', jobId)
}

/** Ends a job that no delivery has ended, so that its cluster can be worked on again. Safe to run twice. */
export async function settleDeadJob({ db }: Pick<App, 'db'>, jobId: string, cause?: string): Promise<void> {
  await db.transaction(async (tx) => {
    const cluster = await lockClusterOf(tx, jobId)
    if (!cluster) return
    if (await findLockOf(tx, jobId)) throw new Error(`${cluster.id} is still locked; the dead job waits for it`)
    const [job] = await lockJob(tx, jobId)
    if (!job || !isOpen(job)) return
    const message = `no worker got this job to an end, the last time because ${cause ?? 'it died'}; what it made may still exist until the cluster is destroyed`
    const told = { reason: 'WORKER_LOST', message, statusReason: message }
    await endJob(tx, WORKER, cluster, job, endOf(cluster, job, 'dead'), told)
  })
}
