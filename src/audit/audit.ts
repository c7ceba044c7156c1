// The trail of who did what, written in the transaction of the change it is about: if it fails, the change fails.
import { auditEvents } from './tables.ts'
import { type Actor, nameOf } from '../auth/principal.ts'
import type { Transaction } from '../db/client.ts'
import { newId } from '../ids.ts'

export type AuditEntry = {
  action: string
  clusterId?: string
  jobId?: string
  outcome?: 'success' | 'failure' | 'denied'
  detail?: Record<string, unknown>
}

export async function writeAudit(tx: Transaction, by: Actor, entry: AuditEntry): Promise<void> {
  const origin = by.kind === 'caller' ? by.origin : undefined
  await tx.insert(auditEvents).values({
    id: newId('evt'),
    actor: nameOf(by),
    actorKind: by.kind,
    action: entry.action,
    clusterId: entry.clusterId,
    jobId: entry.jobId,
    outcome: entry.outcome ?? 'success',
    detail: entry.detail ?? {},
    requestId: origin?.requestId,
    address: origin?.address,
    agent: origin?.agent,
    session: by.kind === 'caller' ? by.session : undefined,
  })
}
