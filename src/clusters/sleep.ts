// Letting a cluster sleep, and waking it. What was awake is kept before anything is stopped.
import { eq } from 'drizzle-orm'
import type { App } from '../app.ts'
import type { Actor } from '../auth/principal.ts'
import { writeAudit } from '../audit/audit.ts'
import { send, type Reader, type Transaction } from '../db/client.ts'
import { update } from '../db/statements.ts'
import { AppError } from '../errors.ts'
import { openJob } from '../jobs/commands.ts'
import type { Lock } from '../jobs/lock.ts'
import { listOpenJobsOf } from '../jobs/queries.ts'
import type { JobParams, JobRow } from '../jobs/tables.ts'
import { maySleep } from '../policy/sleep.ts'
import { timeOf } from './end.ts'
import { requireTransition, transitionCluster } from './lifecycle.ts'
import { changesByHand } from './off-hours.ts'
import { clusterFor } from './queries.ts'
import { clusters, clusterSleeps, type ClusterRow } from './tables.ts'

export type Sleep = Omit<typeof clusterSleeps.$inferSelect, 'createdAt'>

/** Throws NOT_FOUND, FORBIDDEN, NOT_IN_STATE, CONFLICT where it would not wake again. */
export async function hibernateCluster(
  app: Pick<App, 'queue'>,
  tx: Transaction,
  by: Actor,
  id: string,
  reason?: string,
): Promise<{ cluster: ClusterRow; job: JobRow }> {
  const cluster = await lockIdle(tx, by, id, 'startHibernate')
  const at = await timeOf(tx)
  if (!maySleep(cluster, at))
    throw new AppError('CONFLICT', 'the certificate by which its nodes know its API server is at its end, a year after the installation: it would not wake again') // prettier-ignore
  const changes = changesByHand(cluster, by, 'asleep', at)
  const moved = transitionCluster(tx, by, cluster, 'startHibernate', changes)
  const params: JobParams = reason === undefined ? {} : { why: reason }
  return { cluster: moved, job: openJob(app, tx, by, moved, 'HIBERNATE', moved.updatedAt, { params }) }
}

/** `replaceWorkers`: those for which the cloud has no room. Throws NOT_FOUND, FORBIDDEN, NOT_IN_STATE. */
export async function resumeCluster(
  app: Pick<App, 'queue'>,
  tx: Transaction,
  by: Actor,
  id: string,
  replaceWorkers = false,
): Promise<{ cluster: ClusterRow; job: JobRow }> {
  const cluster = await lockIdle(tx, by, id, 'startResume')
  const changes = changesByHand(cluster, by, 'awake', await timeOf(tx))
  const moved = transitionCluster(tx, by, cluster, 'startResume', changes)
  return {
    cluster: moved,
    job: openJob(app, tx, by, moved, 'RESUME', moved.updatedAt, { params: replaceWorkers ? { replaceWorkers } : {} }),
  }
}

/** A cluster on its way to sleep or from it can be turned once its job has failed. */
async function lockIdle(tx: Transaction, by: Actor, id: string, transition: 'startHibernate' | 'startResume') {
  const cluster = await clusterFor(tx, by, 'cluster.sleep', id, { lock: true })
  requireTransition(cluster, transition)
  const [open] = await listOpenJobsOf(tx, [id])
  if (open) throw new AppError('NOT_IN_STATE', `the cluster is ${cluster.status}, and its job ${open.id} is under way`)
  return cluster
}

export async function findSleep(db: Reader, clusterId: string): Promise<Sleep | undefined> {
  const [row] = await db.select().from(clusterSleeps).where(eq(clusterSleeps.clusterId, clusterId))
  return row
}

/** Of several attempts the first tells what was awake; what is found later was there too. */
export async function keepSleep(tx: Transaction, sleep: Sleep): Promise<void> {
  await tx.insert(clusterSleeps).values(sleep).onConflictDoUpdate({ target: clusterSleeps.clusterId, set: sleep })
}

export async function forgetSleep(tx: Transaction, clusterId: string): Promise<void> {
  await tx.delete(clusterSleeps).where(eq(clusterSleeps.clusterId, clusterId))
}

/** Each is in the trail before the cluster is told. */
export function auditApproval(tx: Transaction, { clusterId, jobId }: Lock, detail: Record<string, unknown>): void {
  writeAudit(tx, { kind: 'system', name: 'worker' }, { action: 'cluster.approve-signing-request', clusterId, jobId, detail }) // prettier-ignore
}

/** While it is still RESUMING: its nodes are ready, and it can be used. */
export function noteUsable(tx: Transaction, { id }: Pick<ClusterRow, 'id'>): void {
  const statusReason = 'it can be used; its operators are still settling'
  send(tx, update(clusters, { statusReason }, { id, status: 'RESUMING' }))
}
