// Telling people and programs of a change. The notice is written in the transaction of the change: it is told if and
// only if the change happened. publish.ts hands it on.
import { observe, send, type Transaction } from '../db/client.ts'
import { insertion } from '../db/statements.ts'
import { announce } from '../events.ts'
import { newId } from '../ids.ts'
import type { ChangeType, ClusterStatus, NoticeType, Platform } from '../vocabulary.ts'
import { notices, type MailedTo } from './tables.ts'

export type Notice = {
  type: NoticeType | ChangeType
  team: string
  clusterId?: string
  jobId?: string | undefined
  /** What is told. It holds no secret. */
  data: Record<string, unknown>
  mailedTo?: MailedTo
  webhookId?: string
}

const insertNotice = insertion(notices, ['sequence', 'at', 'isPublished', 'position'])

/** The notice is only sent, but the transaction does not commit without it. Returns its id. */
export function writeNotice(tx: Transaction, notice: Notice): string {
  const id = newId('msg')
  const { type, team, clusterId = null, jobId = null, data, mailedTo = null, webhookId = null } = notice
  send(tx, insertNotice({ id, type, team, clusterId, jobId, data, mailedTo, webhookId }))
  announce(tx, 'notice', 'all')
  return id
}

/** For a change that only those hear who follow the stream of events. */
export function tellOfChange(
  tx: Transaction,
  change: { type: ChangeType; team: string; clusterId: string; jobId?: string; data?: Record<string, unknown> },
): void {
  writeNotice(tx, { data: {}, ...change })
}

/** What a cluster's new state is told as. States that a cluster only passes through are told in the stream of events alone. */
const told: Partial<Record<ClusterStatus, { type: NoticeType; isMailed: boolean }>> = {
  PENDING: { type: 'cluster.requested', isMailed: false },
  CREATING: { type: 'cluster.creating', isMailed: false },
  READY: { type: 'cluster.ready', isMailed: true },
  HIBERNATED: { type: 'cluster.hibernated', isMailed: false },
  FAILED: { type: 'cluster.failed', isMailed: true },
  DESTROYING: { type: 'cluster.destroying', isMailed: false },
  DESTROYED: { type: 'cluster.destroyed', isMailed: true },
  DESTROY_FAILED: { type: 'cluster.destroy_failed', isMailed: true },
}

/** `from` is undefined for a cluster that is new. */
export function tellOfState(
  tx: Transaction,
  cluster: { id: string; name: string; baseDomain: string; team: string; platform: Platform; status: ClusterStatus; destroyAt: Date; statusReason: string | null }, // prettier-ignore
  from: ClusterStatus | undefined,
  jobId?: string,
): void {
  const { id, name, baseDomain, team, platform, status, destroyAt, statusReason } = cluster
  // It was READY before, and has been told.
  const how = from === 'SCALING' && status === 'READY' ? undefined : told[status]
  if (status === from) return
  observe(tx, ({ metrics }) => metrics.add('ocpctl_cluster_transitions_total', { platform, status }))
  if (!how) return tellOfChange(tx, { type: 'cluster.changed', team, clusterId: id })
  writeNotice(tx, {
    type: how.type,
    team,
    clusterId: id,
    jobId,
    data: { name, baseDomain, status, from: from ?? null, reason: statusReason, destroyAt: destroyAt.toISOString() },
    // Nobody wants a mail each morning.
    ...(how.isMailed && from !== 'RESUMING' ? { mailedTo: 'owner' } : {}),
  })
}
