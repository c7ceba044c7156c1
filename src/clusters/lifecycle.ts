// The one writer of clusters.status: one table of legal transitions, each a guarded UPDATE with its audit event.
// Actions and error texts are derived from it.
import { and, eq, inArray, sql } from 'drizzle-orm'
import type { PgUpdateSetSource } from 'drizzle-orm/pg-core'
import { writeAudit } from '../audit/audit.ts'
import type { Actor } from '../auth/principal.ts'
import { type ClusterRow, clusters } from './tables.ts'
import type { ClusterStatus } from '../vocabulary.ts'
import type { Transaction } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { announce } from '../events.ts'

export const transitions = {
  startCreate: { from: ['PENDING', 'CREATING'], to: 'CREATING' },
  finishCreate: { from: ['CREATING'], to: 'READY' },
  retryCreate: { from: ['FAILED'], to: 'PENDING' },
  failCreate: { from: ['PENDING', 'CREATING'], to: 'FAILED' },
  startDestroy: {
    from: [
      'PENDING',
      'CREATING',
      'READY',
      'SCALING',
      'HIBERNATING',
      'HIBERNATED',
      'RESUMING',
      'FAILED',
      'DESTROY_FAILED',
    ],
    to: 'DESTROYING',
  },
  finishDestroy: { from: ['DESTROYING'], to: 'DESTROYED' },
  failDestroy: { from: ['DESTROYING'], to: 'DESTROY_FAILED' },
  /** Something of it stands after all. */
  reopenDestroy: { from: ['DESTROYED'], to: 'DESTROYING' },
} as const satisfies Record<string, { from: ClusterStatus[]; to: ClusterStatus }>

export type Transition = keyof typeof transitions
export type ClusterAction = 'destroy'

type Changes = PgUpdateSetSource<typeof clusters>

/** Moves the cluster and returns it, or returns undefined when its state does not allow the transition. */
export async function tryTransition(
  tx: Transaction,
  by: Actor,
  id: string,
  transition: Transition,
  changes: Changes = {},
  jobId?: string,
): Promise<ClusterRow | undefined> {
  const { from, to } = transitions[transition]
  const [before] = await tx.select({ status: clusters.status }).from(clusters).where(eq(clusters.id, id)).for('update')
  const [row] = await tx
    .update(clusters)
    .set({ statusReason: null, destroyRetryAt: null, ...changes, status: to, updatedAt: sql`now()` })
    .where(and(eq(clusters.id, id), inArray(clusters.status, [...from])))
    .returning()
  if (!row) return undefined
  writeAudit(tx, by, {
    action: `cluster.${transition}`,
    clusterId: id,
    ...(jobId === undefined ? {} : { jobId }),
    detail: { from: before?.status, to },
  })
  announce(tx, 'cluster', id)
  return row
}

/** As tryTransition, but throws NOT_IN_STATE with the state it found. */
export async function transitionCluster(
  tx: Transaction,
  by: Actor,
  id: string,
  transition: Transition,
  changes: Changes = {},
  jobId?: string,
): Promise<ClusterRow> {
  const row = await tryTransition(tx, by, id, transition, changes, jobId)
  if (row) return row
  const [found] = await tx.select({ status: clusters.status }).from(clusters).where(eq(clusters.id, id))
  if (!found) throw new AppError('NOT_FOUND', `there is no cluster ${id}`)
  throw new AppError(
    'NOT_IN_STATE',
    `the cluster is ${found.status}; this needs one of ${transitions[transition].from.join(', ')}`,
  )
}

/** What may be asked of a cluster now, apart from who asks. */
export function actionsOf(cluster: Pick<ClusterRow, 'status' | 'protected'>): ClusterAction[] {
  const from: readonly ClusterStatus[] = transitions.startDestroy.from
  return !cluster.protected && from.includes(cluster.status) ? ['destroy'] : []
}
