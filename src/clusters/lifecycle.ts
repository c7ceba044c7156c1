// The one writer of clusters.status: one table of legal transitions. Each transition is a guarded UPDATE with its audit
// event. Actions and error texts are derived from the table.
import { writeAudit } from '../audit/audit.ts'
import type { Actor } from '../auth/principal.ts'
import { send, type Transaction } from '../db/client.ts'
import { now, plainOf, update, type Changes } from '../db/statements.ts'
import { AppError } from '../errors.ts'
import { announce } from '../events.ts'
import { tellOfState } from '../notices/notices.ts'
import type { ClusterStatus } from '../vocabulary.ts'
import { type ClusterRow, clusters } from './tables.ts'

export const transitions = {
  startCreate: { from: ['PENDING', 'CREATING'], to: 'CREATING' },
  finishCreate: { from: ['CREATING'], to: 'READY' },
  retryCreate: { from: ['FAILED'], to: 'PENDING' },
  failCreate: { from: ['PENDING', 'CREATING'], to: 'FAILED' },
  startScale: { from: ['READY'], to: 'SCALING' },
  finishScale: { from: ['SCALING'], to: 'READY' },
  /** It works on, with as many workers as there came to be. */
  failScale: { from: ['SCALING'], to: 'READY' },
  startHibernate: { from: ['READY', 'HIBERNATING', 'RESUMING'], to: 'HIBERNATING' },
  finishHibernate: { from: ['HIBERNATING'], to: 'HIBERNATED' },
  /** Neither asleep nor awake: it is put to sleep again, woken or destroyed. */
  failHibernate: { from: ['HIBERNATING'], to: 'HIBERNATING' },
  startResume: { from: ['HIBERNATED', 'HIBERNATING', 'RESUMING'], to: 'RESUMING' },
  finishResume: { from: ['RESUMING'], to: 'READY' },
  failResume: { from: ['RESUMING'], to: 'RESUMING' },
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
  /** Something of the destroyed cluster exists after all. */
  reopenDestroy: { from: ['DESTROYED'], to: 'DESTROYING' },
  /** The database was restored from a backup, and the cluster had been destroyed and proved gone since. */
  recallDestroy: {
    from: [
      'PENDING',
      'CREATING',
      'READY',
      'SCALING',
      'HIBERNATING',
      'HIBERNATED',
      'RESUMING',
      'FAILED',
      'DESTROYING',
      'DESTROY_FAILED',
    ],
    to: 'DESTROYED',
  },
} as const satisfies Record<string, { from: ClusterStatus[]; to: ClusterStatus }>

export type Transition = keyof typeof transitions
export type ClusterAction = 'destroy' | 'extend' | 'protect' | 'scale-workers' | 'hibernate' | 'resume'

/**
 * Moves a cluster whose row this transaction has locked, and returns the new row. Values that an SQL expression
 * computes are not in it. Returns undefined when the cluster's state does not allow the transition.
 */
export function tryTransition(
  tx: Transaction,
  by: Actor,
  cluster: ClusterRow,
  transition: Transition,
  changes: Changes<typeof clusters> = {},
  jobId?: string,
): ClusterRow | undefined {
  const { from } = transitions[transition]
  if (!(from as readonly ClusterStatus[]).includes(cluster.status)) return undefined
  const { id, status } = cluster
  const all = allOf(transition, changes)
  send(tx, update(clusters, all, { id, status }))
  const moved = { ...cluster, ...plainOf(all), updatedAt: new Date() }
  tell(tx, by, cluster, moved, transition, jobId)
  return moved
}

/**
 * Moves many clusters at once, whose rows this transaction has locked and whose states allow it. Returns the new rows.
 */
export function transitionClusters(
  tx: Transaction,
  by: Actor,
  rows: readonly ClusterRow[],
  transition: Transition,
  changes: Changes<typeof clusters> = {},
): ClusterRow[] {
  const from: readonly ClusterStatus[] = transitions[transition].from
  for (const { id, status } of rows) if (!from.includes(status)) throw new Error(`${id} is ${status}`)
  if (rows.length === 0) return []
  const all = allOf(transition, changes)
  send(tx, update(clusters, all, { id: rows.map(({ id }) => id) }))
  const updatedAt = new Date()
  return rows.map((cluster) => {
    const moved = { ...cluster, ...plainOf(all), updatedAt }
    tell(tx, by, cluster, moved, transition)
    return moved
  })
}

function allOf(transition: Transition, changes: Changes<typeof clusters>): Changes<typeof clusters> {
  const { to } = transitions[transition]
  return {
    statusReason: null,
    destroyRetryAt: null,
    // The end of a cluster that is being destroyed has come.
    ...(to === 'DESTROYING' ? { warnAt: null } : {}),
    ...changes,
    status: to,
    updatedAt: now,
  }
}

function tell(
  tx: Transaction,
  by: Actor,
  { id, status }: ClusterRow,
  moved: ClusterRow,
  transition: Transition,
  jobId?: string,
): void {
  writeAudit(tx, by, {
    action: `cluster.${transition}`,
    clusterId: id,
    ...(jobId === undefined ? {} : { jobId }),
    detail: { from: status, to: moved.status },
  })
  tellOfState(tx, moved, status, jobId)
  announce(tx, 'cluster', id)
}

/** As tryTransition, but throws NOT_IN_STATE with the state it found. */
export function transitionCluster(
  tx: Transaction,
  by: Actor,
  cluster: ClusterRow,
  transition: Transition,
  changes: Changes<typeof clusters> = {},
  jobId?: string,
): ClusterRow {
  requireTransition(cluster, transition)
  const moved = tryTransition(tx, by, cluster, transition, changes, jobId)
  if (!moved) throw new Error('a transition that is allowed was not made')
  return moved
}

/** Throws NOT_IN_STATE where the state does not allow the transition. */
export function requireTransition({ status }: Pick<ClusterRow, 'status'>, transition: Transition): void {
  const from: readonly ClusterStatus[] = transitions[transition].from
  if (!from.includes(status))
    throw new AppError('NOT_IN_STATE', `the cluster is ${status}; this needs one of ${from.join(', ')}`)
}

/** What the cluster's state allows now, whoever asks. */
export function actionsOf(cluster: Pick<ClusterRow, 'status' | 'protected'>): ClusterAction[] {
  const from: readonly ClusterStatus[] = transitions.startDestroy.from
  const end: ClusterAction[] = hasOpenEnd(cluster.status) ? ['extend', 'protect'] : []
  const allows = (transition: Transition) =>
    (transitions[transition].from as readonly string[]).includes(cluster.status)
  return [
    ...(!cluster.protected && from.includes(cluster.status) ? (['destroy'] as const) : []),
    ...end,
    ...(allows('startScale') ? (['scale-workers'] as const) : []),
    ...(allows('startHibernate') ? (['hibernate'] as const) : []),
    ...(allows('startResume') ? (['resume'] as const) : []),
  ]
}

/** Whether the end can still be moved: no destroy has begun. */
export const hasOpenEnd = (status: ClusterStatus): boolean =>
  !['DESTROYING', 'DESTROYED', 'DESTROY_FAILED'].includes(status)
