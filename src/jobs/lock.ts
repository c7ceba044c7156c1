// The right to work on a cluster. There is one row per cluster. Each taking has a new fence, and a write of a handler
// is refused once the row carries another fence. A row is a lock, whatever the clock says. It goes when its holder
// gives it back, or when a lock watch has seen it unrenewed for a lease by its own clock. A live lock is never broken.
import { sql } from 'drizzle-orm'
import { send, type Db, type Transaction } from '../db/client.ts'
import { selection, update } from '../db/statements.ts'
import type { Statement } from '../db/together.ts'
import type { Delivery, Queue } from '../queue/queue.ts'
import { jobLocks } from './tables.ts'

/** How often a lock of this many seconds is renewed. */
export const renewEveryMs = (lockSeconds: number): number => (lockSeconds * 1000) / 6
/** Installer and handler end after this long without a renewal. It is counted from the sending of the last good one. */
export const leaseMs = (lockSeconds: number): number => (lockSeconds * 1000 * 2) / 3
/** A renewal that takes longer is given up, and the next is tried. */
export const RENEW_TIMEOUT_MS = 5_000

export type Lock = Readonly<{ clusterId: string; jobId: string; attemptId: string; fence: number; worker: string }>

/** Thrown when a handler's lock has moved on. The handler must stop, and nothing it does counts any more. */
export class LockLost extends Error {
  override readonly name = 'LockLost'
}

const lockLock = selection(jobLocks, 'where cluster_id = $1 for update')
const lockLockOf = selection(jobLocks, 'where cluster_id = (select cluster_id from jobs where id = $1) for update')

export async function findLock(tx: Transaction, clusterId: string): Promise<Lock | undefined> {
  const [row] = await lockLock(tx, clusterId)
  return row
}

/** As findLock, for the cluster of this job. */
export async function findLockOf(tx: Transaction, jobId: string): Promise<Lock | undefined> {
  const [row] = await lockLockOf(tx, jobId)
  return row
}

/** The caller has locked the cluster row and seen that there is no lock. */
export const taking = ({ clusterId, jobId, attemptId, fence, worker }: Lock, seconds: number): Statement => ({
  name: 'take lock',
  text: `insert into job_locks (cluster_id, job_id, attempt_id, fence, worker, acquired_at, expires_at)
    values ($1, $2, $3, $4, $5, clock_timestamp(), clock_timestamp() + make_interval(secs => $6))`,
  values: [clusterId, jobId, attemptId, fence, worker, seconds],
})

const lockHeld = selection(jobLocks, 'where cluster_id = $1 and fence = $2 and attempt_id = $3 for update')

/** Throws LockLost unless the fence still stands. Nobody else can take the lock until the transaction ends. */
export async function assertFence(tx: Transaction, lock: Lock): Promise<void> {
  // The attempt is compared too: a database that lost its newest commits may give a fence a second time.
  const [held] = await lockHeld(tx, lock.clusterId, lock.fence, lock.attemptId)
  if (!held) throw new LockLost(`the lock of ${lock.jobId} on ${lock.clusterId} has moved on`)
}

/** Runs a change in a transaction that counts only while the fence stands. */
export async function fenced<T>(db: Db, lock: Lock, change: (tx: Transaction) => Promise<T>): Promise<T> {
  return db.transaction(async (tx) => {
    await assertFence(tx, lock)
    return change(tx)
  })
}

/**
 * As fenced, for a change that touches the cluster's row too. That row is locked first, as everywhere where both are
 * locked.
 */
export async function fencedWithCluster<T>(db: Db, lock: Lock, change: (tx: Transaction) => Promise<T>): Promise<T> {
  return db.transaction(async (tx) => {
    await tx.execute(sql`select 1 from clusters where id = ${lock.clusterId} for update`)
    await assertFence(tx, lock)
    return change(tx)
  })
}

/** Renews lock and queue job together. Tells whether somebody asked the job to stop. Throws LockLost. */
export async function renewLock(
  db: Db,
  queue: Queue,
  lock: Lock,
  delivery: Delivery,
  seconds: number,
): Promise<{ cancelRequested: boolean }> {
  const renew = async (tx: Transaction) => {
    const [, cancelRequested] = await Promise.all([assertFence(tx, lock), isCancelRequested(tx, lock.jobId)])
    const expiresAt = { sql: 'clock_timestamp() + make_interval(secs => ?)', values: [seconds] }
    send(tx, update(jobLocks, { expiresAt }, { clusterId: lock.clusterId, fence: lock.fence }))
    if (!(await queue.renew(tx, delivery))) throw new LockLost(`the queue gave ${lock.jobId} to another worker`)
    return { cancelRequested }
  }
  return db.transaction(renew, { readsFirst: true })
}

async function isCancelRequested(tx: Transaction, jobId: string): Promise<boolean> {
  const text = 'select cancel_requested_at is not null as is from jobs where id = $1'
  const { rows } = await tx.$client.query<{ is: boolean }>({ name: 'is cancelled', text, values: [jobId] })
  return rows[0]?.is ?? false
}

export const releasing = ({ clusterId, fence, attemptId }: Lock): Statement => ({
  name: 'release lock',
  text: 'delete from job_locks where cluster_id = $1 and fence = $2 and attempt_id = $3 returning 1',
  values: [clusterId, fence, attemptId],
  mustReturn: true,
})

/** Closes the attempts that dead workers left open: those without a lock. */
export const closingOfLost = (clusterId: string): Statement => ({
  name: 'close lost attempts',
  text: `update job_attempts
    set outcome = 'LOST', reason = 'WORKER_LOST', message = 'the worker died or lost the database', ended_at = now()
    where outcome is null and job_id in (select id from jobs where cluster_id = $1)
      and id not in (select attempt_id from job_locks where cluster_id = $1)`,
  values: [clusterId],
})
