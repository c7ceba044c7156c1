// Finds workers that are gone. A worker that dies, freezes or loses the database stops renewing its lock. The others
// look at all locks a few times a lease. They take away a lock that has stood unrenewed for a whole lease by their own
// clock. No clock of the database, of the dead worker or of anybody else is believed. The dead worker's installer has
// been dead for a third of a lease then.
import { and, eq, sql } from 'drizzle-orm'
import type { App } from '../app.ts'
import { lockCluster } from '../clusters/queries.ts'
import { observe, send, type Db, type Transaction } from '../db/client.ts'
import type { ActiveDelivery } from '../queue/queue.ts'
import { uptimeMs } from '../uptime.ts'
import { isOpen } from './job.ts'
import { closingOfLost, renewEveryMs, type Lock } from './lock.ts'
import { jobLocks, jobs } from './tables.ts'

type Version = { version: string; sinceMs: number }
export type SeenLock = Lock & { version: string }

export type LockWatch = {
  /** Looks once, and frees what dead workers hold. Throws what the database throws. */
  look: () => Promise<void>
  stop: () => void
}

/** Looks every sixth of a lease. `now` is in milliseconds, from a clock that nobody adjusts. */
export function startLockWatch(
  app: Pick<App, 'db' | 'queue' | 'config' | 'log'>,
  now: () => number = uptimeMs,
): LockWatch {
  const leaseMs = app.config.leaseSeconds * 1000
  let seen = new Map<string, Version>()
  let lookedAtMs = -Infinity
  let hasFailed = false
  let looking: Promise<void> | undefined

  /** Returns those that have stood unchanged for a lease. The others are remembered. */
  const listDead = <T>(
    all: T[],
    keyOf: (each: T) => string,
    versionOf: (each: T) => string,
    next: Map<string, Version>,
  ) => {
    const at = now()
    return all.filter((each) => {
      const [key, version] = [keyOf(each), versionOf(each)]
      const before = seen.get(key)
      const sinceMs = before?.version === version ? before.sinceMs : at
      next.set(key, { version, sinceMs })
      return at - sinceMs >= leaseMs
    })
  }
  /**
   * A lock may not be freed because somebody holds its cluster's row. It must not make the others wait; the next look
   * tries again.
   */
  const free = (about: object, freeing: Promise<void>) =>
    freeing.catch((error: unknown) => app.log.warn({ err: error, ...about }, 'what a dead worker held is not free yet'))
  const lookOnce = async () => {
    const [locks, active] = await Promise.all([listLocks(app.db), app.queue.listActive(app.db)]).catch(
      (error: unknown) => {
        hasFailed = true
        throw error
      },
    )
    // The server that answers now may be another one. It may have lost a renewal that its holder still counts on. That
    // renewal was before this moment, so three quarters of a lease from now are enough.
    if (hasFailed || now() - lookedAtMs > leaseMs / 2)
      for (const each of seen.values()) each.sinceMs = Math.max(each.sinceMs, now() - leaseMs / 4)
    hasFailed = false
    lookedAtMs = now()
    const next = new Map<string, Version>()
    const dead = listDead(
      locks,
      (lock) => `lock ${lock.clusterId}`,
      (lock) => lock.version,
      next,
    )
    const locked = new Set(locks.map((lock) => lock.jobId))
    const stranded = listDead(
      active.filter(({ jobId }) => !locked.has(jobId)),
      ({ jobId }) => `delivery ${jobId}`,
      ({ retryCount }) => String(retryCount),
      next,
    )
    seen = next
    await Promise.all([
      ...dead.map((lock) => free({ clusterId: lock.clusterId }, freeDeadLock(app, lock))),
      ...stranded.map((delivery) => free({ jobId: delivery.jobId }, freeDelivery(app, delivery))),
    ])
    if (dead.length + stranded.length > 0) app.queue.wake()
  }
  const look = () => (looking ??= lookOnce().finally(() => (looking = undefined)))
  const timer = setInterval(
    () => void look().catch((error: unknown) => app.log.warn({ err: error }, 'the locks could not be looked at')),
    renewEveryMs(app.config.leaseSeconds),
  )
  return { look, stop: () => clearInterval(timer) }
}

// The row's own version. It changes with every renewal, also with those by workers of another release.
export const lockVersion = sql<string>`${jobLocks.fence}::text || ' ' || ${jobLocks}.xmin::text`

/** Reads all of job_locks: it has a row for each job that runs now, and no more. */
async function listLocks(db: Db): Promise<SeenLock[]> {
  const rows = await db.select({ lock: jobLocks, version: lockVersion }).from(jobLocks)
  return rows.map(({ lock, version: of }) => ({ ...lock, version: of }))
}

/** Returns false when the lock is not as it was seen. */
export async function freeLock(
  app: Pick<App, 'queue'>,
  tx: Transaction,
  { clusterId, version: seen, jobId }: SeenLock,
): Promise<boolean> {
  await lockCluster(tx, clusterId)
  const gone = await tx
    .delete(jobLocks)
    .where(and(eq(jobLocks.clusterId, clusterId), eq(lockVersion, seen)))
    .returning({ clusterId: jobLocks.clusterId })
  if (gone.length === 0) return false
  send(tx, closingOfLost(clusterId))
  await handOutAgain(app, tx, jobId)
  observe(tx, ({ metrics }) => metrics.add('ocpctl_takeovers_total', { reason: 'lock' }))
  return true
}

async function freeDeadLock(app: Pick<App, 'db' | 'queue' | 'log'>, lock: SeenLock): Promise<void> {
  const { clusterId, jobId, worker } = lock
  if (await app.db.transaction((tx) => freeLock(app, tx, lock)))
    app.log.warn({ clusterId, jobId, worker }, 'a worker is gone: its job is handed out again')
}

/** Frees a delivery that a worker took from the queue before it died, without having the lock yet. */
async function freeDelivery(
  app: Pick<App, 'db' | 'queue' | 'log'>,
  { jobId, clusterId, retryCount }: ActiveDelivery,
): Promise<void> {
  await app.db.transaction(async (tx) => {
    await lockCluster(tx, clusterId)
    const [lock] = await tx.select().from(jobLocks).where(eq(jobLocks.clusterId, clusterId))
    const now = (await app.queue.listActive(tx)).find((delivery) => delivery.jobId === jobId)
    if (lock || now?.retryCount !== retryCount) return
    await handOutAgain(app, tx, jobId)
    observe(tx, ({ metrics }) => metrics.add('ocpctl_takeovers_total', { reason: 'delivery' }))
    app.log.warn({ clusterId, jobId }, 'a worker is gone before it began: its job is handed out again')
  })
}

async function handOutAgain(app: Pick<App, 'queue'>, tx: Transaction, jobId: string): Promise<void> {
  const [job] = await tx.select({ status: jobs.status }).from(jobs).where(eq(jobs.id, jobId)).for('update')
  if (job && isOpen(job)) await app.queue.handOutAgain(tx, jobId)
}
