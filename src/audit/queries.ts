// Reading the trail.
import { and, asc, eq, gte, gt, lt, type SQL } from 'drizzle-orm'
import { requireAnywhere } from '../auth/permissions.ts'
import type { Actor } from '../auth/principal.ts'
import { apiTokens, rbacMappings } from '../auth/tables.ts'
import { clusterArtifacts } from '../clusters/infra-tables.ts'
import { clusters } from '../clusters/tables.ts'
import type { Reader } from '../db/client.ts'
import { keyset, type PageRequest } from '../db/page.ts'
import { firstIdAt } from '../ids.ts'
import { jobs } from '../jobs/tables.ts'
import { auditEvents, type AuditRow } from './tables.ts'

export type AuditFilter = {
  actor?: string | undefined
  action?: string | undefined
  clusterId?: string | undefined
  /** Included. */
  from?: Date | undefined
  /** Not included. */
  to?: Date | undefined
}

const EXPORT_BATCH = 500

/** One row more than the page asks for, newest first. Throws FORBIDDEN. */
export async function listAudit(db: Reader, by: Actor, filter: AuditFilter, page: PageRequest): Promise<AuditRow[]> {
  requireAnywhere(by, 'audit.read')
  const { where, orderBy, limit } = keyset(auditEvents.id, page, conditionOf(filter))
  return db.select().from(auditEvents).where(where).orderBy(orderBy).limit(limit)
}

/** All events of a span of time, oldest first, in batches. Throws FORBIDDEN. */
export async function* exportAudit(db: Reader, by: Actor, filter: AuditFilter): AsyncGenerator<AuditRow[]> {
  requireAnywhere(by, 'audit.read')
  let after: string | undefined
  for (;;) {
    const rows = await db
      .select()
      .from(auditEvents)
      .where(and(conditionOf(filter), after === undefined ? undefined : gt(auditEvents.id, after)))
      .orderBy(asc(auditEvents.id))
      .limit(EXPORT_BATCH)
    if (rows.length > 0) yield rows
    after = rows.at(-1)?.id
    if (rows.length < EXPORT_BATCH) return
  }
}

/** Whether the id belongs to a thing that may be denied to a caller. */
export async function isSomething(db: Reader, id: string): Promise<boolean> {
  const tables = { clu: clusters, job: jobs, art: clusterArtifacts, tok: apiTokens, rbm: rbacMappings }
  const table = Object.hasOwn(tables, id.slice(0, 3)) ? tables[id.slice(0, 3) as keyof typeof tables] : undefined // just seen
  return table !== undefined && (await db.$count(table, eq(table.id, id))) > 0
}

// Ids are in the order of time, so a span of time is a span of the primary key.
const conditionOf = ({ actor, action, clusterId, from, to }: AuditFilter): SQL | undefined =>
  and(
    actor === undefined ? undefined : eq(auditEvents.actor, actor),
    action === undefined ? undefined : eq(auditEvents.action, action),
    clusterId === undefined ? undefined : eq(auditEvents.clusterId, clusterId),
    from === undefined ? undefined : gte(auditEvents.id, firstIdAt('evt', from)),
    to === undefined ? undefined : lt(auditEvents.id, firstIdAt('evt', to)),
  )
