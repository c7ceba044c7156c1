// Reading operations. Who asked for one may see it, and who may see all that anybody does.
import { and, eq, inArray } from 'drizzle-orm'
import { clusterScope, isAllowedForAll, requireAnywhere } from '../auth/permissions.ts'
import { type Caller, nameOf } from '../auth/principal.ts'
import { clusters } from '../clusters/tables.ts'
import type { Reader } from '../db/client.ts'
import { keyset, type PageRequest } from '../db/page.ts'
import { AppError } from '../errors.ts'
import type { ItemOutcome } from '../vocabulary.ts'
import { operationItems, operations, type ItemRow, type OperationRow } from './tables.ts'

const seenBy = (by: Caller) =>
  isAllowedForAll(by, 'operation.read') ? undefined : eq(operations.requestedBy, nameOf(by))

/** Throws FORBIDDEN, NOT_FOUND. */
export async function operationFor(db: Reader, by: Caller, id: string): Promise<OperationRow> {
  requireAnywhere(by, 'operation.read')
  const [row] = await db
    .select()
    .from(operations)
    .where(and(eq(operations.id, id), seenBy(by)))
  if (!row) throw new AppError('NOT_FOUND', `there is no operation ${id} that you may see`)
  return row
}

/** One row more than the page asks for, newest first. Throws FORBIDDEN. */
export async function listOperations(db: Reader, by: Caller, page: PageRequest): Promise<OperationRow[]> {
  requireAnywhere(by, 'operation.read')
  const { where, orderBy, limit } = keyset(operations.id, page, seenBy(by))
  return db.select().from(operations).where(where).orderBy(orderBy).limit(limit)
}

/**
 * What became of each cluster, as far as the caller may see it still. One more than the page asks for, the newest cluster
 * first. Throws FORBIDDEN, NOT_FOUND.
 */
export async function listItems(
  db: Reader,
  by: Caller,
  operationId: string,
  outcome: ItemOutcome[] | undefined,
  page: PageRequest,
): Promise<(ItemRow & { name: string })[]> {
  const operation = await operationFor(db, by, operationId)
  const wanted = outcome?.length ? inArray(operationItems.outcome, outcome) : undefined
  const its = and(eq(operationItems.operationId, operation.id), clusterScope(by, 'cluster.read'), wanted)
  const { where, orderBy, limit } = keyset(operationItems.clusterId, page, its)
  const rows = await db
    .select({ item: operationItems, name: clusters.name })
    .from(operationItems)
    .innerJoin(clusters, eq(clusters.id, operationItems.clusterId))
    .where(where)
    .orderBy(orderBy)
    .limit(limit)
  return rows.map(({ item, name }) => ({ ...item, name }))
}
