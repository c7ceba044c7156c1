// What the end of a job does to the job and to its cluster: one table, and one place that applies it.
import { writeAudit } from '../audit/audit.ts'
import type { Actor } from '../auth/principal.ts'
import { hasOpenEntries } from '../clusters/ledger.ts'
import { tryTransition } from '../clusters/lifecycle.ts'
import type { ClusterRow, clusters } from '../clusters/tables.ts'
import { observe, send, type Transaction } from '../db/client.ts'
import { now, update, type Changes, type Expression } from '../db/statements.ts'
import { announce } from '../events.ts'
import { writeNotice } from '../notices/notices.ts'
import type { Observers } from '../observability/observers.ts'
import { readTraceparent, traceOfJob } from '../observability/trace-context.ts'
import { openJobStatuses } from './job.ts'
import { closingOfLost } from './lock.ts'
import { moveOf } from './moves.ts'
import { jobs, type JobRow } from './tables.ts'

export type Circumstances = {
  /** `dead`: no delivery ends the job. `revoked`: the job was cancelled before a worker had it. */
  outcome: 'succeeded' | 'failed' | 'cancelled' | 'interrupted' | 'dead' | 'revoked'
  /** A destroy has moved the cluster on meanwhile. */
  isOvertaken: boolean
  isCancelRequested: boolean
  mayRetry: boolean
}
export type End = Readonly<{
  job: 'SUCCEEDED' | 'FAILED' | 'CANCELLED' | 'RETRYING'
  cluster: 'finishes' | 'fails' | 'stays'
}>

/** The first row that fits applies. */
const ends: readonly [fits: (of: Circumstances) => boolean, end: End][] = [
  [({ outcome, isOvertaken }) => outcome === 'dead' && isOvertaken, { job: 'FAILED', cluster: 'stays' }],
  [({ outcome }) => outcome === 'dead', { job: 'FAILED', cluster: 'fails' }],
  [({ outcome, isOvertaken }) => outcome === 'succeeded' && !isOvertaken, { job: 'SUCCEEDED', cluster: 'finishes' }],
  [({ isOvertaken }) => isOvertaken, { job: 'CANCELLED', cluster: 'stays' }],
  [({ outcome }) => outcome === 'cancelled' || outcome === 'revoked', { job: 'CANCELLED', cluster: 'fails' }],
  [({ isCancelRequested }) => isCancelRequested, { job: 'CANCELLED', cluster: 'fails' }],
  [({ outcome, mayRetry }) => outcome === 'interrupted' || mayRetry, { job: 'RETRYING', cluster: 'stays' }],
  [() => true, { job: 'FAILED', cluster: 'fails' }],
]

export function endOf(cluster: ClusterRow, job: JobRow, outcome: Circumstances['outcome'], mayRetry = false): End {
  const circumstances: Circumstances = {
    outcome,
    isOvertaken: !moveOf(job.type).requires.includes(cluster.status),
    isCancelRequested: job.cancelRequestedAt !== null,
    mayRetry,
  }
  const row = ends.find(([fits]) => fits(circumstances))
  if (!row) throw new Error('the last row fits always')
  return row[1]
}

export type Told = {
  reason: string | null
  message: string | null
  /** Shown with a cluster that fails. */
  statusReason?: string
  /** Only for a cluster that finishes. */
  changes?: Changes<typeof clusters>
}

/** Ends the job for good. Both rows are locked, the cluster's first. */
export async function endJob(
  tx: Transaction,
  by: Actor,
  cluster: ClusterRow,
  job: JobRow,
  { job: status, cluster: fate }: End,
  told: Told,
): Promise<JobRow> {
  if (status === 'RETRYING') throw new Error('a job that is tried again has not ended')
  const { reason, message } = told
  if (fate === 'finishes') tryTransition(tx, by, cluster, moveOf(job.type).finish, told.changes, job.id)
  if (fate === 'fails') await failCluster(tx, by, cluster, job, told.statusReason ?? `${reason}: ${message}`)
  const end = { status, reason, message }
  send(
    tx,
    update(jobs, { ...end, endedAt: now, retryAt: null, pausedBy: null }, { id: job.id, status: openJobStatuses }),
  )
  // A job whose worker died may be ended before another worker has noticed it.
  send(tx, closingOfLost(job.clusterId))
  writeAudit(tx, by, {
    action: 'job.end',
    clusterId: job.clusterId,
    jobId: job.id,
    outcome: status === 'FAILED' ? 'failure' : 'success',
    detail: end,
  })
  const { id: jobId, type, clusterId } = job
  writeNotice(tx, {
    type: 'job.ended',
    team: cluster.team,
    clusterId,
    jobId,
    data: { name: cluster.name, job: type, ...end },
  })
  announce(tx, 'job', job.id)
  observe(tx, (by) => observeEnd(by, cluster, job, end))
  return { ...job, ...end, endedAt: new Date(), retryAt: null }
}

const results = { SUCCEEDED: 'success', FAILED: 'failure', CANCELLED: 'cancellation' } as const

function observeEnd(
  { metrics, traces }: Observers,
  cluster: ClusterRow,
  job: JobRow,
  { status, reason }: { status: keyof typeof results; reason: string | null },
): void {
  const { traceId, spanId } = traceOfJob(job)
  const labels = { type: job.type, outcome: status }
  metrics.add('ocpctl_jobs_total', { ...labels, reason: reason ?? '' })
  const seconds = (Date.now() - (job.startedAt?.getTime() ?? 0)) / 1000
  if (job.startedAt) metrics.observe('ocpctl_job_run_seconds', labels, Math.max(0, seconds), traceId)
  const parent = readTraceparent(job.traceparent)
  const attributes = {
    'cicd.pipeline.name': job.type,
    'cicd.pipeline.run.id': job.id,
    'cicd.pipeline.result': results[status],
    ...(status === 'FAILED' && reason !== null ? { 'error.type': reason } : {}),
    'ocpctl.cluster.id': cluster.id,
    'ocpctl.cluster.platform': cluster.platform,
  }
  const span = traces.start(job.type, { parent, traceId, spanId, at: job.createdAt, attributes })
  span.end(status === 'FAILED' ? { error: reason ?? '' } : {})
}

/** Ends a job that was cancelled. Its cluster becomes what a failure would make it, unless the cluster was moved on. */
export function endAsCancelled(
  tx: Transaction,
  by: Actor,
  cluster: ClusterRow,
  job: JobRow,
  message: string,
): Promise<JobRow> {
  const told = { reason: 'CANCELLED', message, statusReason: `cancelled: ${message}` }
  return endJob(tx, by, cluster, job, endOf(cluster, job, 'revoked'), told)
}

/** The wait before a failed destroy is tried again: 5 minutes, doubled each time, at most 6 hours. */
const destroyRetry: Expression = {
  sql: `now() + least(interval '6 hours', interval '5 minutes' * power(2, least(destroy_failures, 10)))`,
}
const leftoverRetry: Expression = { sql: `now() + interval '1 minute'` }
const oneMore: Expression = { sql: 'destroy_failures + 1' }

/**
 * Moves the cluster to the state that follows from the job's failure. What the job may have left is put on the
 * janitor's list.
 */
export async function failCluster(
  tx: Transaction,
  by: Actor,
  cluster: ClusterRow,
  job: Pick<JobRow, 'id' | 'type'>,
  statusReason: string,
): Promise<void> {
  const { fail } = moveOf(job.type)
  if (fail === 'failDestroy') {
    const changes = { statusReason, destroyRetryAt: destroyRetry, destroyFailures: oneMore }
    tryTransition(tx, by, cluster, fail, changes, job.id)
    return
  }
  if (fail !== 'failCreate') {
    tryTransition(tx, by, cluster, fail, { statusReason }, job.id)
    return
  }
  const mayLeave = !cluster.preserveOnFailure && (await hasOpenEntries(tx, cluster.id))
  tryTransition(tx, by, cluster, fail, { statusReason, destroyRetryAt: mayLeave ? leftoverRetry : null }, job.id)
}
