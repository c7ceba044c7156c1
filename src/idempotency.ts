// The same key and body from the same principal gives the same answer, even when both requests arrive at once. The key
// is written first in the transaction of the change, so the second request waits for the first and replays its answer.
// When a change fails, its key is rolled back too.
import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import { and, eq, gt, lt, sql } from 'drizzle-orm'
import { index, integer, json, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import { type Actor, nameOf } from './auth/principal.ts'
import { send, type Db, type Transaction } from './db/client.ts'
import { at } from './db/columns.ts'
import type { Statement } from './db/together.ts'
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
  /** For an answer that contains a secret: how it is sealed for storage, and opened again. */
  sealing?: { seal: (body: unknown) => unknown; open: (kept: unknown) => unknown } | undefined
}

/**
 * `prepare` is sent along with the key. It may read and wait for its turn, but it changes nothing. Throws
 * IDEMPOTENCY_KEY_MISSING without a key, IDEMPOTENCY_KEY_REUSED when the key came with another request.
 */
export async function answerOnce<Prepared>(
  db: Db,
  by: Actor,
  request: IdempotentRequest,
  prepare: (tx: Transaction) => Promise<Prepared>,
  change: (tx: Transaction, prepared: Prepared) => Promise<Answer>,
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
  return db.transaction(
    async (tx) => {
      const [isNew, prepared] = await Promise.all([enterKey(tx, principal, key, requestHash), prepare(tx)])
      if (!isNew) {
        const mine = and(eq(idempotencyKeys.principal, principal), eq(idempotencyKeys.key, key))
        const [stored] = await tx.select().from(idempotencyKeys).where(mine)
        if (stored?.requestHash !== requestHash)
          throw new AppError(
            'IDEMPOTENCY_KEY_REUSED',
            `Idempotency-Key "${key}" was used with another request; take a new key`,
          )
        // The key was entered, but its transaction never began.
        if (stored.status === null)
          throw new AppError(
            'UNAVAILABLE',
            `the first request with this Idempotency-Key came to nothing: take a new key`,
          )
        const body = request.sealing ? request.sealing.open(stored.body) : stored.body
        return { status: stored.status, body, replayed: true }
      }
      const answer = await change(tx, prepared)
      const kept = request.sealing ? request.sealing.seal(answer.body) : answer.body
      send(tx, keepAnswer(principal, key, answer.status, kept))
      return { ...answer, replayed: false }
    },
    { readsFirst: true },
  )
}

/**
 * Returns false when the key exists already. An expired key is entered anew. Waits for a transaction that is just
 * entering it.
 */
async function enterKey(tx: Transaction, principal: string, key: string, requestHash: string): Promise<boolean> {
  const { rowCount } = await tx.$client.query({
    name: 'enter key',
    text: `insert into idempotency_keys as old (principal, key, request_hash, expires_at)
      values ($1, $2, $3, now() + make_interval(hours => ${KEY_HOURS}))
      on conflict (principal, key) do update
        set request_hash = excluded.request_hash, status = null, body = null, created_at = now(), expires_at = excluded.expires_at
        where old.expires_at < now()`,
    values: [principal, key, requestHash],
  })
  return rowCount === 1
}

const keepAnswer = (principal: string, key: string, status: number, body: unknown): Statement => ({
  name: 'keep answer',
  text: 'update idempotency_keys set status = $3, body = $4 where principal = $1 and key = $2',
  values: [principal, key, status, JSON.stringify(body)],
})

/** Whether a request with this key has been answered already. If so, nothing need be gathered for it. Holds no lock. */
export async function isAnswered(db: Db, by: Actor, key: string | undefined): Promise<boolean> {
  if (key === undefined) return false
  const { principal, key: column, expiresAt } = idempotencyKeys
  const rows = await db
    .select({ key: column })
    .from(idempotencyKeys)
    .where(and(eq(principal, nameOf(by)), eq(column, key), gt(expiresAt, sql`now()`)))
  return rows.length > 0
}

/** Removes the expired keys, in batches, so that no statement is long. Returns how many. */
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
