// The same key and body from the same principal gives the same answer, also when both arrive at once: the key is
// written first in the transaction of the change, so the second waits for the first and replays it. A change that
// fails takes its key with it.
import { createHash } from 'node:crypto'
import { and, eq, gt, lt, sql } from 'drizzle-orm'
import { index, integer, json, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import canonicalize from 'canonicalize'
import { type Actor, nameOf } from './auth/principal.ts'
import type { Db, Transaction } from './db/client.ts'
import { at } from './db/columns.ts'
import { AppError } from './errors.ts'

export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    principal: text('principal').notNull(),
    key: text('key').notNull(),
    requestHash: text('request_hash').notNull(),
    status: integer('status'),
    // json, not jsonb: a replay is the same text, in the same order.
    body: json('body'),
    createdAt: at('created_at').notNull().defaultNow(),
    expiresAt: at('expires_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.principal, t.key] }), index('idempotency_keys_expiry').on(t.expiresAt)],
)

const KEY_HOURS = 24
const PURGED_AT_ONCE = 5000

export type Answer = { status: number; body: unknown }
export type IdempotentRequest = {
  key: string | undefined
  operation: string
  body: unknown
  /** For an answer with a secret in it: how it is kept, and read again. */
  sealing?: { seal: (body: unknown) => unknown; open: (kept: unknown) => unknown } | undefined
}

/** Throws IDEMPOTENCY_KEY_MISSING without a key, IDEMPOTENCY_KEY_REUSED when the key came with another request. */
export async function answerOnce(
  db: Db,
  by: Actor,
  request: IdempotentRequest,
  change: (tx: Transaction) => Promise<Answer>,
): Promise<Answer & { replayed: boolean }> {
  const { key } = request
  if (key === undefined || !/^[\x21-\x7e]{1,255}$/.test(key))
    throw new AppError(
      'IDEMPOTENCY_KEY_MISSING',
      'send the header Idempotency-Key with 1 to 255 visible ASCII characters of your choice, new for each new request',
    )
  const principal = nameOf(by)
  const requestHash = createHash('sha256')
    .update(canonicalize({ operation: request.operation, body: request.body }) ?? '')
    .digest('hex')
  const mine = and(eq(idempotencyKeys.principal, principal), eq(idempotencyKeys.key, key))
  return db.transaction(async (tx) => {
    const expiresAt = sql`now() + make_interval(hours => ${KEY_HOURS})`
    const [fresh] = await tx
      .insert(idempotencyKeys)
      .values({ principal, key, requestHash, expiresAt })
      .onConflictDoUpdate({
        target: [idempotencyKeys.principal, idempotencyKeys.key],
        set: { requestHash, status: null, body: null, createdAt: sql`now()`, expiresAt },
        setWhere: lt(idempotencyKeys.expiresAt, sql`now()`),
      })
      .returning({ key: idempotencyKeys.key })
    if (!fresh) {
      const [stored] = await tx.select().from(idempotencyKeys).where(mine)
      if (stored?.requestHash !== requestHash)
        throw new AppError(
          'IDEMPOTENCY_KEY_REUSED',
          `Idempotency-Key "${key}" was used with another request; take a new key`,
        )
      const body = request.sealing ? request.sealing.open(stored.body) : stored.body
      return { status: stored.status ?? 200, body, replayed: true }
    }
    const answer = await change(tx)
    const kept = request.sealing ? request.sealing.seal(answer.body) : answer.body
    await tx.update(idempotencyKeys).set({ status: answer.status, body: kept }).where(mine)
    return { ...answer, replayed: false }
  })
}

/** Whether a request with this key has been answered, so that nothing need be gathered for it. Holds no lock. */
export async function isAnswered(db: Db, by: Actor, key: string | undefined): Promise<boolean> {
  if (key === undefined) return false
  const { principal, key: column, expiresAt } = idempotencyKeys
  const rows = await db
    .select({ key: column })
    .from(idempotencyKeys)
    .where(and(eq(principal, nameOf(by)), eq(column, key), gt(expiresAt, sql`now()`)))
  return rows.length > 0
}

/** Removes the keys that are over, in batches, so that no statement is long. Returns how many. */
export async function purgeKeys(db: Db): Promise<number> {
  for (let purged = 0; ;) {
    // idempotency_keys_expiry
    const old = db
      .select({ principal: idempotencyKeys.principal, key: idempotencyKeys.key })
      .from(idempotencyKeys)
      .where(lt(idempotencyKeys.expiresAt, sql`now()`))
      .limit(PURGED_AT_ONCE)
      .for('update', { skipLocked: true })
    const { rowCount } = await db
      .delete(idempotencyKeys)
      .where(
        sql`(${idempotencyKeys.principal}, ${idempotencyKeys.key}) in ${old} and ${idempotencyKeys.expiresAt} < now()`,
      )
    purged += rowCount ?? 0
    if ((rowCount ?? 0) < PURGED_AT_ONCE) return purged
  }
}
