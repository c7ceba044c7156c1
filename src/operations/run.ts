// Does an operation: each item in a transaction of its own, in which the verb acts and the item is marked. So an item is
// neither done twice nor left out, wherever the worker dies and however many workers are at it.
import { setTimeout } from 'node:timers/promises'
import { and, eq, isNull, sql } from 'drizzle-orm'
import type { App } from '../app.ts'
import { areLiving } from '../auth/api-tokens.ts'
import type { Caller } from '../auth/principal.ts'
import { destroyCluster, retryJob } from '../clusters/commands.ts'
import { extendCluster } from '../clusters/end.ts'
import { clusterFor } from '../clusters/queries.ts'
import { send, type Transaction } from '../db/client.ts'
import { now, update } from '../db/statements.ts'
import { AppError, hasCode, isDatabaseGone } from '../errors.ts'
import { cancelJob } from '../jobs/commands.ts'
import { findNewestJobs, listOpenJobsOf } from '../jobs/queries.ts'
import { uptimeMs } from '../uptime.ts'
import type { OperationEffect, OperationVerb } from '../vocabulary.ts'
import { actionOf, cancelEffect, firstOfEach, NEVER_HAD_ONE, NOTHING_OPEN, requireJob } from './judge.ts'
import { operationItems, operations, type ItemRow, type OperationRow } from './tables.ts'

type Running = Pick<App, 'db' | 'queue' | 'catalog' | 'authenticators' | 'log'>
type Done = { effect: OperationEffect; jobId?: string }

/** One run. Then the queue has it go on, and others have had their turn. */
const RUN_MS = 3000
const AT_ONCE = 50
/** While another worker is at all that is left. */
const BESIDE_SECONDS = 2
const LOCK_NOT_AVAILABLE = '55P03'
const DEADLOCK = '40P01'

/** Does the items that are left, for a while, and has itself called again for the rest. */
export async function runOperation(app: Running, id: string, stop: AbortSignal): Promise<void> {
  const operation = await startOperation(app, id)
  if (!operation) return
  const from = uptimeMs()
  for (;;) {
    const items = await listPending(app, id)
    if (items.length === 0) return endOperation(app, id)
    let settled = 0
    for (const clusterId of items) {
      if (stop.aborted || uptimeMs() - from > RUN_MS) return app.queue.runOperation(app.db, id)
      const began = uptimeMs()
      if (await doItem(app, operation, clusterId)) settled++
      // Requests have the database for half of the time.
      await setTimeout(uptimeMs() - began)
    }
    if (settled === 0) return app.queue.runOperation(app.db, id, BESIDE_SECONDS)
  }
}

/** undefined: it has ended, or is gone. */
async function startOperation({ db }: Running, id: string): Promise<OperationRow | undefined> {
  const [row] = await db
    .update(operations)
    .set({ startedAt: sql`coalesce(started_at, now())` })
    .where(and(eq(operations.id, id), isNull(operations.endedAt)))
    .returning()
  return row
}

/** In the order in which they were judged. Index operation_items_pending. */
async function listPending({ db }: Running, id: string): Promise<string[]> {
  const { rows } = await db.$client.query<{ id: string }>({
    name: 'pending items',
    text: `select cluster_id as id from operation_items where operation_id = $1 and outcome = 'PENDING'
      order by cluster_id desc limit ${AT_ONCE}`,
    values: [id],
  })
  return rows.map((row) => row.id)
}

/** Nothing pends, as somebody has just seen, and no item is ever added. */
async function endOperation({ db }: Running, id: string): Promise<void> {
  await db
    .update(operations)
    .set({ endedAt: sql`now()` })
    .where(and(eq(operations.id, id), isNull(operations.endedAt)))
}

/** Returns false when another worker has the item. Throws when the database went away: then the item may be done. */
async function doItem(app: Running, operation: OperationRow, clusterId: string): Promise<boolean> {
  const settle = (change: (tx: Transaction) => Promise<{ outcome: Settled; changes: Partial<ItemRow> }>) =>
    app.db.transaction(async (tx) => {
      if (!(await takeItem(tx, operation.id, clusterId))) return false
      const { outcome, changes } = await change(tx)
      settleItem(tx, operation.id, clusterId, outcome, changes)
      return true
    })
  try {
    return await settle(async (tx) => {
      const by = await callerOf(app, tx, operation)
      return { outcome: 'DONE', changes: await verbs[operation.verb](app, tx, by, clusterId, operation) }
    })
  } catch (error) {
    if (isDatabaseGone(error)) throw error
    const { outcome, ...changes } = told(app, operation, clusterId, error)
    // The verb may have begun, and that is taken back.
    return settle(() => Promise.resolve({ outcome, changes }))
  }
}

type Settled = 'DONE' | 'REFUSED' | 'FAILED'

function told({ log }: Running, { id }: OperationRow, clusterId: string, error: unknown) {
  if (error instanceof AppError) return { outcome: 'REFUSED' as const, code: error.code, detail: error.message }
  if (hasCode(error, LOCK_NOT_AVAILABLE, DEADLOCK))
    return { outcome: 'FAILED' as const, code: 'UNAVAILABLE', detail: 'somebody else was changing this: ask again' }
  log.error({ err: error, operationId: id, clusterId }, 'an item of an operation failed')
  return { outcome: 'FAILED' as const, code: 'INTERNAL', detail: `something went wrong; the log has it under ${id}` }
}

async function takeItem(tx: Transaction, operationId: string, clusterId: string): Promise<boolean> {
  const { rowCount } = await tx.$client.query({
    name: 'take item',
    text: `select 1 from operation_items where operation_id = $1 and cluster_id = $2 and outcome = 'PENDING'
      for update skip locked`,
    values: [operationId, clusterId],
  })
  return rowCount === 1
}

/** The row of the operation is locked last, and only until the commit. */
function settleItem(
  tx: Transaction,
  operationId: string,
  clusterId: string,
  outcome: Settled,
  changes: Partial<ItemRow>,
): void {
  send(
    tx,
    update(operationItems, { ...changes, outcome, endedAt: now }, { operationId, clusterId, outcome: 'PENDING' }),
  )
  const count = ({ DONE: 'done', REFUSED: 'refused', FAILED: 'failed' } as const)[outcome]
  send(tx, update(operations, { [count]: { sql: `${count} + 1` } }, { id: operationId }))
}

/** Who asked, with the roles of now. Throws UNAUTHENTICATED when the credential counts no longer. */
async function callerOf({ authenticators }: Running, tx: Transaction, operation: OperationRow): Promise<Caller> {
  const { principal, groups, session, scopes, credentials, requestId, address, agent } = operation.asker
  if (!(await areLiving(tx, credentials)))
    throw new AppError('UNAUTHENTICATED', 'the token or session that asked for this is revoked or expired meanwhile')
  const bindings = await authenticators.access.bindingsOf([principal, ...groups], tx)
  return {
    kind: 'caller',
    principal,
    groups,
    session: session ?? undefined,
    tokenId: undefined,
    scopes,
    bindings,
    origin: { requestId, address: address ?? undefined, agent: agent ?? undefined, operationId: operation.id },
  }
}

type Verb = (app: Running, tx: Transaction, by: Caller, clusterId: string, operation: OperationRow) => Promise<Done>

const verbs: Record<OperationVerb, Verb> = {
  async destroy(app, tx, by, clusterId) {
    const { job, isNew } = await destroyCluster(app, tx, by, clusterId)
    return { effect: isNew ? 'destroy-begins' : 'destroy-under-way', jobId: job.id }
  },

  async extend(app, tx, by, clusterId, { hours }) {
    const { isLater } = await extendCluster(app, tx, by, clusterId, { hours: hours ?? 0 })
    return { effect: isLater ? 'end-later' : 'end-earlier' }
  },

  async retry(app, tx, by, clusterId) {
    await clusterFor(tx, by, actionOf.retry, clusterId, { lock: true })
    const newest = (await findNewestJobs(tx, [clusterId])).get(clusterId)
    const { job } = await retryJob(app, tx, by, requireJob(newest, NEVER_HAD_ONE).id)
    return { effect: job.type === 'CREATE' ? 'create-again' : 'destroy-again', jobId: job.id }
  },

  async cancel(app, tx, by, clusterId) {
    await clusterFor(tx, by, actionOf.cancel, clusterId, { lock: true })
    const open = firstOfEach(await listOpenJobsOf(tx, [clusterId])).get(clusterId)
    const job = await cancelJob(app, tx, by, requireJob(open, NOTHING_OPEN).id)
    return { effect: cancelEffect(job), jobId: job.id }
  },
}
