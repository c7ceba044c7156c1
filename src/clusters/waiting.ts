// What is said of a cluster that waits for something before a job of it can begin. The next move of the cluster takes it away.
import { and, eq, sql } from 'drizzle-orm'
import type { Db, Transaction } from '../db/client.ts'
import { send } from '../db/client.ts'
import { now, update } from '../db/statements.ts'
import { announce } from '../events.ts'
import { tellOfChange } from '../notices/notices.ts'
import { lockCluster } from './queries.ts'
import { clusters, type ClusterRow } from './tables.ts'

/** A store may be away for a moment. Whoever waits for longer is told why. */
export const STORE_TOLD_AFTER_MS = 2 * 60_000

/** This transaction has locked the row. null: it waits no more. */
export function noteWait(tx: Transaction, cluster: ClusterRow, reason: string | null): void {
  if (['PENDING', 'CREATING', 'DESTROYING'].includes(cluster.status)) noteHold(tx, [cluster], reason)
}

/** As noteWait, of destroys too. */
export function noteHold(
  tx: Transaction,
  rows: readonly Pick<ClusterRow, 'id' | 'team' | 'statusReason'>[],
  reason: string | null,
): void {
  const changed = rows.filter(({ statusReason }) => statusReason !== reason)
  if (changed.length === 0) return
  send(tx, update(clusters, { statusReason: reason, updatedAt: now }, { id: changed.map(({ id }) => id) }))
  for (const { id, team } of changed) {
    tellOfChange(tx, { type: 'cluster.changed', team, clusterId: id })
    announce(tx, 'cluster', id)
  }
}

/** Says it of every cluster that has waited for long to be begun. */
export async function noteLongWaits(db: Db, reason: string): Promise<void> {
  const isLong = sql`${clusters.createdAt} < now() - make_interval(secs => ${STORE_TOLD_AFTER_MS / 1000})`
  const isUntold = sql`${clusters.statusReason} is distinct from ${reason}`
  const waiting = await db
    .select({ id: clusters.id })
    .from(clusters)
    .where(and(eq(clusters.status, 'PENDING'), isLong, isUntold))
  for (const { id } of waiting)
    await db.transaction(async (tx) => {
      const cluster = await lockCluster(tx, id)
      if (cluster?.status === 'PENDING') noteWait(tx, cluster, reason)
    })
}
