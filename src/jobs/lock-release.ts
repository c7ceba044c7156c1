// Releasing a lock by hand, as the lock watch of a worker would: where no worker is left that watches, or nobody wants to
// wait for one. Whether its worker lives is observed, since no clock tells it.
import { setTimeout } from 'node:timers/promises'
import { eq, sql } from 'drizzle-orm'
import type { App } from '../app.ts'
import { writeAudit } from '../audit/audit.ts'
import type { Actor } from '../auth/principal.ts'
import { clusterFor } from '../clusters/queries.ts'
import type { Db, Transaction } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { announce } from '../events.ts'
import { uptimeMs } from '../uptime.ts'
import { SERVER } from './claim.ts'
import { freeLock, lockVersion, type SeenLock } from './lock-watch.ts'
import { renewEveryMs } from './lock.ts'
import { jobLocks } from './tables.ts'

type Seen = { lock: SeenLock; acquiredAt: Date; server: string }

/** The time that an observation goes by, which nobody adjusts. */
export type Pace = { now: () => number; wait: (ms: number) => Promise<unknown> }
const REAL: Pace = { now: uptimeMs, wait: (ms) => setTimeout(ms) }

/** The lock that stands, and how long an observation would take. Throws NOT_FOUND, FORBIDDEN, NOT_IN_STATE. */
export async function lockToRelease({ db, config }: Pick<App, 'db' | 'config'>, by: Actor, clusterId: string) {
  await clusterFor(db, by, 'lock.release', clusterId)
  const seen = await readLock(db, clusterId)
  if (!seen) throw noLock()
  return { ...seen.lock, acquiredAt: seen.acquiredAt, observedForSeconds: config.leaseSeconds }
}

/**
 * Looks at the lock for the whole lock time. Returns it when it was not renewed meanwhile, or undefined when there is
 * none. Throws CONFLICT as soon as it is renewed, UNAVAILABLE when the database went away meanwhile.
 */
export async function findStaleLock(
  { db, config }: Pick<App, 'db' | 'config'>,
  by: Actor,
  clusterId: string,
  { now, wait }: Pace = REAL,
): Promise<SeenLock | undefined> {
  await clusterFor(db, by, 'lock.release', clusterId)
  const first = await readLock(db, clusterId)
  if (!first) return undefined
  const fromMs = now()
  let lookedAtMs = fromMs
  for (;;) {
    await wait(renewEveryMs(config.leaseSeconds))
    const seen = await readLock(db, clusterId)
    if (!seen) return undefined
    // Another server may have lost a renewal that the holder still counts on. So may one that nobody saw for a while.
    if (seen.server !== first.server || now() - lookedAtMs > config.leaseSeconds * 500)
      throw new AppError('UNAVAILABLE', 'the database could not be watched all the time: ask again')
    if (seen.lock.version !== first.lock.version)
      throw new AppError('CONFLICT', `${first.lock.worker} lives: it has renewed its lock just now; cancel the job to have it stop`) // prettier-ignore
    lookedAtMs = now()
    if (lookedAtMs - fromMs >= config.leaseSeconds * 1000) return seen.lock
  }
}

/** `lock` comes from findStaleLock. Its job is handed out again. Throws NOT_IN_STATE, CONFLICT. */
export async function releaseLock(
  app: Pick<App, 'queue'>,
  tx: Transaction,
  by: Actor,
  lock: SeenLock | undefined,
): Promise<void> {
  if (!lock) throw noLock()
  const { clusterId, jobId, worker } = lock
  if (!(await freeLock(app, tx, lock))) throw new AppError('CONFLICT', 'the lock has changed meanwhile: look again')
  writeAudit(tx, by, { action: 'lock.release', clusterId, jobId, detail: { worker } })
  announce(tx, 'job', jobId)
  announce(tx, 'work', 'all')
}

const noLock = () => new AppError('NOT_IN_STATE', 'no lock is on the cluster: nobody works on it')

async function readLock(db: Db, clusterId: string): Promise<Seen | undefined> {
  const [row] = await db
    .select({ lock: jobLocks, version: lockVersion, server: sql<string>`${sql.raw(SERVER)}` })
    .from(jobLocks)
    .where(eq(jobLocks.clusterId, clusterId))
  return row && { lock: { ...row.lock, version: row.version }, acquiredAt: row.lock.acquiredAt, server: row.server }
}
