// The trail of who did what. It is written in the transaction of the change it is about: if the writing fails, the
// change fails.
import { type Actor, nameOf } from '../auth/principal.ts'
import { send, type Transaction } from '../db/client.ts'
import { insertion } from '../db/statements.ts'
import { newId } from '../ids.ts'
import { auditEvents } from './tables.ts'

export type AuditEntry = {
  action: string
  clusterId?: string
  jobId?: string
  outcome?: 'success' | 'failure' | 'denied'
  detail?: Record<string, unknown>
}

const insertEvent = insertion(auditEvents, ['position', 'at'])

/** The event is only sent, but the transaction does not commit without it. */
export function writeAudit(tx: Transaction, by: Actor, entry: AuditEntry): void {
  const origin = by.kind === 'caller' ? by.origin : undefined
  const event = {
    id: newId('evt'),
    actor: nameOf(by),
    actorKind: by.kind,
    action: entry.action,
    clusterId: entry.clusterId ?? null,
    jobId: entry.jobId ?? null,
    outcome: entry.outcome ?? 'success',
    detail: { ...entry.detail, ...(origin?.operationId === undefined ? {} : { operationId: origin.operationId }) },
    requestId: origin?.requestId ?? null,
    address: origin?.address ?? null,
    agent: origin?.agent ?? null,
    session: (by.kind === 'caller' ? by.session : undefined) ?? null,
  }
  send(tx, insertEvent(event))
}
