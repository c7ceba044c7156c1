// A database that was restored from a backup has clusters as they were then. The mark in the artifact store says how far
// they had come. What is brought up to date here makes and destroys nothing.
import { isDeepStrictEqual } from 'node:util'
import { asc, eq, ne } from 'drizzle-orm'
import type { App } from '../app.ts'
import { writeAudit } from '../audit/audit.ts'
import type { Db, Transaction } from '../db/client.ts'
import { supersedeJobs } from '../jobs/commands.ts'
import { wakeBy } from '../policy/sleep.ts'
import { RECOVERY } from './adopt.ts'
import { restoreEnd, unprotected } from './end.ts'
import { closeEntries } from './ledger.ts'
import { transitionCluster, tryTransition } from './lifecycle.ts'
import { isEnding, wasDestroyed, type Living, type Mark } from './mark.ts'
import { lockCluster } from './queries.ts'
import { forgetSleep } from './sleep.ts'
import { clusters, type ClusterRow } from './tables.ts'

/**
 * `destroyed`: it was proved gone since. `ended`: its installation had failed, or its destroy had begun. `lives`: it was
 * made anew after a failure, so what that one left is not to be taken away. `sleeps`, `wakes`: it was put to sleep since, or
 * woken. `hours`: its off-hours were changed. `end`: its end was moved.
 */
export type Outdated = {
  cluster: ClusterRow
  now: Living | undefined
  is: 'destroyed' | 'ended' | 'lives' | 'sleeps' | 'wakes' | 'hours' | 'end'
  mark: Mark
}

const ASLEEP: readonly ClusterRow['status'][] = ['HIBERNATING', 'HIBERNATED', 'RESUMING']

/** `stands`: whether the cloud lists something of the cluster. */
export async function listOutdated(
  { db, config }: Pick<App, 'config'> & { db: Db },
  mark: Mark,
  stands: (id: string) => boolean,
): Promise<Outdated[]> {
  // Index clusters_status_live.
  const rows = await db.select().from(clusters).where(ne(clusters.status, 'DESTROYED')).orderBy(asc(clusters.id))
  return rows.flatMap((cluster): Outdated[] => {
    const now = mark.living.get(cluster.id)
    const of = { cluster, now, mark }
    if (!now) return wasDestroyed(config, mark, cluster) && !stands(cluster.id) ? [{ ...of, is: 'destroyed' }] : []
    if (isEnding(now.status) && !isEnding(cluster.status)) return [{ ...of, is: 'ended' }]
    if (!isEnding(now.status) && cluster.status === 'FAILED' && cluster.destroyRetryAt) return [{ ...of, is: 'lives' }]
    if (ASLEEP.includes(now.status) && cluster.status === 'READY') return [{ ...of, is: 'sleeps' }]
    if (now.status === 'READY' && cluster.status === 'HIBERNATED') return [{ ...of, is: 'wakes' }]
    if (now.endRevision > cluster.endRevision) return [{ ...of, is: 'end' }]
    return hasOtherHours(cluster, now) ? [{ ...of, is: 'hours' }] : []
  })
}

/** Returns false when the cluster is not as it was seen: another process was faster. */
export async function bringUpToDate(
  app: Pick<App, 'db' | 'queue'>,
  { cluster: { id, status, endRevision }, now, is, mark: { at } }: Outdated,
): Promise<boolean> {
  return app.db.transaction(async (tx) => {
    const cluster = await lockCluster(tx, id)
    if (cluster?.status !== status || cluster.endRevision !== endRevision) return false
    writeAudit(tx, RECOVERY, { action: 'cluster.recall', clusterId: id, detail: { is, mark: at.toISOString() } })
    if (is === 'destroyed') {
      await supersedeJobs(app, tx, RECOVERY, cluster)
      await closeEntries(tx, id)
      // What the mark says is looked at once more.
      const changes = { ...unprotected, destroyedAt: at, lookAt: new Date(), looks: 0, warnAt: null, abandonedAt: null }
      transitionCluster(tx, RECOVERY, cluster, 'recallDestroy', changes)
      return true
    }
    if (is === 'sleeps' && now) await recallSleep(tx, cluster, now, at)
    if (is === 'wakes') await recallWaking(tx, cluster, now)
    if ((is === 'hours' || is === 'end') && now && hasOtherHours(cluster, now)) await tx.update(clusters).set(hoursOf(now)).where(eq(clusters.id, id)) // prettier-ignore
    if (is === 'lives') await tx.update(clusters).set({ destroyRetryAt: null }).where(eq(clusters.id, id))
    if (is === 'ended') {
      await supersedeJobs(app, tx, RECOVERY, cluster)
      const statusReason = `it was ${now?.status} when the database was lost`
      tryTransition(tx, RECOVERY, cluster, 'failCreate', { statusReason })
      // Somebody had asked for the destroy that had begun, so the end has come.
      if (now?.status !== 'FAILED') await restoreEnd(tx, cluster, { ...unprotected, destroyAt: at })
    }
    if (now && now.endRevision > endRevision && is !== 'ended') {
      const { destroyAt, protectedUntil, protectedReason } = now
      await restoreEnd(tx, cluster, { destroyAt, protectedUntil, protectedReason, protected: protectedUntil !== null })
    }
    return true
  })
}

/** Its machines are off. What was kept when it was put to sleep is lost, and its next waking asks the cloud. */
async function recallSleep(tx: Transaction, cluster: ClusterRow, now: Living, at: Date): Promise<void> {
  const hibernatedAt = now.hibernatedAt ?? at
  const latest = now.wakeBy ?? wakeBy(cluster.version, cluster.readyAt ?? cluster.createdAt, hibernatedAt)
  const statusReason = `it was ${now.status} when the database was lost`
  const moved = tryTransition(tx, RECOVERY, cluster, 'startHibernate', { statusReason, ...hoursOf(now) })
  // What was kept of an earlier sleep is over. The first move is made by then.
  await forgetSleep(tx, cluster.id)
  if (moved && now.status === 'HIBERNATED') tryTransition(tx, RECOVERY, moved, 'finishHibernate', { hibernatedAt, wakeBy: latest }) // prettier-ignore
}

async function recallWaking(tx: Transaction, cluster: ClusterRow, now: Living | undefined): Promise<void> {
  const moved = tryTransition(tx, RECOVERY, cluster, 'startResume', hoursOf(now))
  // The first move is made by then.
  await forgetSleep(tx, cluster.id)
  const awake = { hibernatedAt: null, wakeBy: null, inUseAt: new Date() }
  if (moved) tryTransition(tx, RECOVERY, moved, 'finishResume', awake)
}

/** Nothing, where an older release has written the mark. */
const hoursOf = (now: Living | undefined) =>
  now?.offHours === undefined ? {} : { offHours: now.offHours, overrides: now.overrides ?? [], announcedFor: null }

const hasOtherHours = ({ offHours, overrides }: ClusterRow, now: Living): boolean =>
  now.offHours !== undefined && !isDeepStrictEqual([offHours, overrides], [now.offHours, now.overrides ?? []])
