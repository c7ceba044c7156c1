// Giving up a destroy that cannot end.
import { eq, sql } from 'drizzle-orm'
import type { App } from '../app.ts'
import { writeAudit } from '../audit/audit.ts'
import { nameOf, type Actor } from '../auth/principal.ts'
import { describeAnswer, unansweredOf, type InventoryAnswer } from '../clouds/inventory.ts'
import type { Transaction } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { announce } from '../events.ts'
import { newId } from '../ids.ts'
import { tellOfChange } from '../notices/notices.ts'
import { queryOfWhole } from './inventory-query.ts'
import { listInfraIds } from './ledger.ts'
import { clusterFor } from './queries.ts'
import { clusters, leakRecords, type ClusterRow } from './tables.ts'

/** Asks the cloud what an abandoned cluster would leave, outside of any transaction. Throws NOT_FOUND, FORBIDDEN. */
export async function findLeftovers(
  app: Pick<App, 'db' | 'inventory'>,
  by: Actor,
  id: string,
): Promise<InventoryAnswer> {
  const cluster = await clusterFor(app.db, by, 'cluster.abandon', id)
  return app.inventory.find(await queryOfWhole(app.db, cluster))
}

/**
 * Gives up a destroy that cannot end, and records what it leaves. The name stays held, because what is left may still
 * use it. Throws NOT_FOUND, FORBIDDEN, NOT_IN_STATE unless the cluster is DESTROY_FAILED.
 */
export async function abandonCluster(
  tx: Transaction,
  by: Actor,
  id: string,
  reason: string,
  leftovers: InventoryAnswer,
): Promise<ClusterRow> {
  const cluster = await clusterFor(tx, by, 'cluster.abandon', id, { lock: true })
  if (cluster.status !== 'DESTROY_FAILED')
    throw new AppError(
      'NOT_IN_STATE',
      `the cluster is ${cluster.status}; only one that is DESTROY_FAILED can be abandoned`,
    )
  const infraIds = await listInfraIds(tx, id)
  const { found } = leftovers
  const isTold = unansweredOf(leftovers).length === 0
  const resources = isTold || found.length > 0 ? found : null
  await tx
    .insert(leakRecords)
    .values({ id: newId('lek'), clusterId: id, infraIds, resources, reason, recordedBy: nameOf(by) })
  const [row] = await tx
    .update(clusters)
    .set({ abandonedAt: sql`now()`, destroyRetryAt: null, updatedAt: sql`now()` })
    .where(eq(clusters.id, id))
    .returning()
  if (!row) throw new Error(`${id} vanished while it was locked`)
  const left = isTold ? found.length : describeAnswer(cluster.platform, leftovers)
  writeAudit(tx, by, { action: 'cluster.abandon', clusterId: id, detail: { reason, infraIds, left } })
  tellOfChange(tx, { type: 'cluster.changed', team: row.team, clusterId: id })
  announce(tx, 'cluster', id)
  return row
}
