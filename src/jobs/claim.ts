// The beginning of an attempt, in one transaction. It locks the cluster row first, then lock, job and queue entry. Then
// it takes the lock and opens the attempt.
import type { App } from '../app.ts'
import { writeAudit } from '../audit/audit.ts'
import type { Actor } from '../auth/principal.ts'
import { hasOpenEntries } from '../clusters/ledger.ts'
import { tryTransition } from '../clusters/lifecycle.ts'
import { lockClusterOf } from '../clusters/queries.ts'
import type { ClusterRow } from '../clusters/tables.ts'
import { noteHold, noteWait } from '../clusters/waiting.ts'
import { observe, send, type Db, type Transaction } from '../db/client.ts'
import { insertion, selection, update } from '../db/statements.ts'
import { announce } from '../events.ts'
import { newId } from '../ids.ts'
import { kindOf, pauseFor, PAUSES, toldOf, type Pause } from '../intake/pauses.ts'
import { tellOfChange } from '../notices/notices.ts'
import { traceOfJob } from '../observability/trace-context.ts'
import type { Delivery } from '../queue/queue.ts'
import { uptimeMs } from '../uptime.ts'
import { WAITS_FOR_WORKER } from '../workers/workers.ts'
import { endAsCancelled } from './ends.ts'
import { isOpen, openJobStatuses } from './job.ts'
import { closingOfLost, findLockOf, leaseMs, LockLost, taking, type Lock } from './lock.ts'
import { moveOf } from './moves.ts'
import { jobAttempts, jobs, type AttemptRow, type JobRow } from './tables.ts'

const WORKER: Actor = { kind: 'system', name: 'worker' }
const BUSY_RETRY_SECONDS = 5
const HELD_RETRY_SECONDS = 10

export type Claim = {
  cluster: ClusterRow
  job: JobRow
  attempt: AttemptRow
  lock: Lock
  delivery: Delivery
  /** The uptimeMs from before the lock was taken. */
  claimedAtMs: number
}

const lockJob = selection(jobs, 'where id = $1 for update')
const opening = insertion(jobAttempts)

/**
 * Returns undefined when there is nothing to do for this delivery: the job is over, cancelled, or its cluster still
 * locked.
 */
export async function claimJob(
  app: Pick<App, 'db' | 'queue' | 'config'>,
  delivery: Delivery,
  worker: string,
  waitMs: WaitMs = () => 0,
  whyNotHere: WhyNotHere = () => undefined,
): Promise<Claim | undefined> {
  const claimedAtMs = uptimeMs()
  const { jobId } = delivery
  const claim = async (tx: Transaction): Promise<Claim | undefined> => {
    const [cluster, held, [job], { fence, last, at, server, pauses }] = await Promise.all([
      lockClusterOf(tx, jobId),
      findLockOf(tx, jobId),
      lockJob(tx, jobId),
      nextNumbers(tx, jobId),
    ])
    if (!cluster || !job) throw new Error(`the queue holds job ${jobId}, which has no row`)
    const wait = waitMs(server)
    if (wait > 0) {
      await must(app.queue.giveBack(tx, delivery, wait / 1000, 'busy'))
      return undefined
    }
    if (held) {
      await must(app.queue.giveBack(tx, delivery, BUSY_RETRY_SECONDS, 'busy'))
      return undefined
    }
    if (!isOpen(job)) {
      await must(app.queue.complete(tx, delivery))
      return undefined
    }
    // A worker that died has left an attempt open, and a job has one open attempt at a time.
    if (last > 0) await tx.$client.query(closingOfLost(cluster.id))
    const move = moveOf(job.type)
    if (job.cancelRequestedAt !== null || !move.requires.includes(cluster.status)) {
      await endAsCancelled(tx, WORKER, cluster, job, job.message ?? `the cluster is ${cluster.status}`)
      await must(app.queue.complete(tx, delivery))
      return undefined
    }
    const pause = await findHold(tx, pauses, cluster, job)
    if (pause) {
      const status = job.status === 'RUNNING' ? 'RETRYING' : job.status
      noteHold(tx, [cluster], toldOf(pause))
      send(tx, update(jobs, { status, pausedBy: pause.id }, { id: jobId, status: openJobStatuses }))
      announce(tx, 'job', jobId)
      // It does not come back before the end, unless the pause is taken back: then it is handed out again.
      const waitMs = Date.parse(pause.endsAt) - at.getTime()
      await must(app.queue.giveBack(tx, delivery, waitMs / 1000, 'busy'))
      return undefined
    }
    const message = whyNotHere(cluster, job)
    if (message !== undefined) {
      noteWait(tx, cluster, message)
      await must(app.queue.giveBack(tx, delivery, HELD_RETRY_SECONDS, 'busy'))
      return undefined
    }
    // Where the job moves its cluster, that takes the reason away.
    if (!move.start && (job.pausedBy !== null || cluster.statusReason?.startsWith(WAITS_FOR_WORKER)))
      noteHold(tx, [cluster], null)
    const moved = move.start ? tryTransition(tx, WORKER, cluster, move.start, {}, job.id) : cluster
    if (!moved) throw new Error(`${cluster.id} was ${cluster.status} and did not take ${move.start}`)

    const attempt: AttemptRow = {
      id: newId('att'),
      jobId,
      number: last + 1,
      fence,
      worker,
      stage: 'claimed',
      progressPercent: 0,
      infraId: null,
      exitCode: null,
      outcome: null,
      reason: null,
      fingerprint: null,
      message: null,
      startedAt: at,
      endedAt: null,
    }
    const lock: Lock = { clusterId: cluster.id, jobId, attemptId: attempt.id, fence, worker }
    const running = { status: 'RUNNING', startedAt: job.startedAt ?? at, retryAt: null, pausedBy: null } as const
    send(tx, opening(attempt))
    send(tx, taking(lock, app.config.leaseSeconds))
    send(tx, update(jobs, running, { id: jobId, status: openJobStatuses }))
    writeAudit(tx, WORKER, {
      action: 'job.start',
      clusterId: cluster.id,
      jobId,
      detail: { attempt: attempt.number, worker, fence },
    })
    const { id: clusterId, team } = cluster
    tellOfChange(tx, { type: 'job.changed', team, clusterId, jobId, data: { attempt: attempt.number } })
    announce(tx, 'job', jobId)
    const waited = Math.max(0, (at.getTime() - job.createdAt.getTime()) / 1000)
    if (attempt.number === 1)
      observe(tx, ({ metrics }) =>
        metrics.observe('ocpctl_job_wait_seconds', { type: job.type }, waited, traceOfJob(job).traceId),
      )
    return { cluster: moved, job: { ...job, ...running }, attempt, lock, delivery, claimedAtMs }
  }
  return app.db.transaction(claim, { readsFirst: true })
}

/** A create of which something may stand in the cloud is carried on: to leave it half made would only cost money. */
async function findHold(tx: Transaction, pauses: readonly Pause[], cluster: ClusterRow, { type }: JobRow) {
  const kind = kindOf(type)
  const pause = kind && pauseFor(pauses, kind, cluster)
  if (!pause || (kind === 'creates' && (await hasOpenEntries(tx, cluster.id)))) return undefined
  return pause
}

/** Why this worker may not begin the job. It is left to another worker, or to a later time; people read why. */
export type WhyNotHere = (cluster: ClusterRow, job: JobRow) => string | undefined

/** How long no lock may be taken, given the server that the claim has met. */
export type WaitMs = (server: string) => number

/**
 * A server that was started anew, or took over, may have lost the newest commits, and locks among them. Their installers live
 * for a lease at most, so a worker that meets another server than before takes no lock for so long. The first server counts
 * as another one, unless it has run for longer than that. `onOther` is called when the server is another one.
 */
export async function openWait(db: Db, lockSeconds: number, onOther: () => void = () => undefined): Promise<WaitMs> {
  const { rows } = await db.$client.query<{ server: string; upMs: number }>(
    `select ${SERVER} as server, (extract(epoch from clock_timestamp() - pg_postmaster_start_time()) * 1000)::float8 as "upMs"`,
  )
  const [first] = rows
  if (!first) throw new Error('the database did not tell since when it runs')
  let known = first.server
  let untilMs = uptimeMs() + Math.max(0, leaseMs(lockSeconds) - Math.max(0, first.upMs))
  return (server) => {
    if (server !== known) {
      untilMs = uptimeMs() + leaseMs(lockSeconds)
      onOther()
    }
    known = server
    return Math.max(0, untilMs - uptimeMs())
  }
}

export const SERVER = `pg_postmaster_start_time()::text || ' ' || (select timeline_id from pg_control_checkpoint())`

/** Returns a fence that nobody had, the number of the job's last attempt, and the time of the transaction. */
async function nextNumbers(
  tx: Transaction,
  jobId: string,
): Promise<{ fence: number; last: number; at: Date; server: string; pauses: Pause[] }> {
  const { rows } = await tx.$client.query<{ fence: string; last: number; at: Date; server: string; pauses: Pause[] }>({
    name: 'next numbers',
    text: `select nextval('lock_fence') as fence, now() as at, ${SERVER} as server, ${PAUSES} as pauses,
      (select coalesce(max(number), 0) from job_attempts where job_id = $1)::int as last`,
    values: [jobId],
  })
  const [row] = rows
  if (!row) throw new Error('the database gave no fence')
  return { ...row, fence: Number(row.fence) }
}

export async function must(counted: Promise<boolean>): Promise<void> {
  if (!(await counted)) throw new LockLost('the queue gave the job to another worker')
}
