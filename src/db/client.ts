// The pool and its one way to open a transaction. A connection that dies while idle is logged and replaced.
import { setTimeout } from 'node:timers/promises'
import { callbackify } from 'node:util'
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import { Pool, type PoolClient } from 'pg'
import type { Config } from '../config.ts'
import { hasCode } from '../errors.ts'
import type { Log } from '../observability/log.ts'
import type { Readings } from '../observability/metrics.ts'
import type { Observers } from '../observability/observers.ts'
import { uptimeMs } from '../uptime.ts'
import { forgetWaiting, isRefused, refuseAll, runTogether, sendTogether, type Statement } from './together.ts'

type Drizzle<Client> = Omit<NodePgDatabase, 'transaction'> & { $client: Client }
/** Its statements are answered in the order in which they are sent. They need not be awaited one by one. */
export type Transaction = Drizzle<PoolClient> & {
  /** Statements that must have succeeded before it commits. */
  readonly sent: Promise<unknown>[]
  /** Words that other processes are told once it has committed. */
  readonly words: string[]
  /** What metrics and traces are told once it has committed. */
  readonly observed: ((by: Observers) => void)[]
}
export type Db = Drizzle<Pool> & {
  /**
   * `readsFirst`: the statements that it sends before it awaits anything go out together with BEGIN. If BEGIN fails, they
   * take effect without it. So they only read, or write what is understood to be unfinished.
   */
  transaction: <T>(change: (tx: Transaction) => Promise<T>, options?: { readsFirst?: boolean }) => Promise<T>
}
/** What a read needs: the pool or an open transaction. */
export type Reader = Db | Transaction

/**
 * For a statement whose answer nobody needs. The transaction goes on without the answer, and fails if the statement
 * fails. All that is sent between two reads is one statement to the server, and each part sees what was there before
 * all of them.
 */
export function send(tx: Transaction, statement: Statement): void {
  const done = runTogether(tx.$client, statement)
  done.catch(() => undefined) // told at the end
  tx.sent.push(done)
}

/** Tells metrics and traces of what the transaction did, once it has committed. */
export function observe(tx: Transaction, tell: (by: Observers) => void): void {
  tx.observed.push(tell)
}

const TOO_MANY_CONNECTIONS = '53300'

export type Database = { db: Db; pool: Pool; close: () => Promise<void> }

export function openDatabase(
  url: string,
  options: Config['pool'] & {
    log: Log
    name: string
    patienceMs?: number
    /** Called with the words of each transaction that has committed. */
    tell?: (words: string[]) => void
    observers?: Observers
  },
): Database {
  const { patienceMs = 30_000, tell = () => undefined, observers } = options
  // What is committed has happened, whatever becomes of the telling.
  const tellObservers = (observed: Transaction['observed']) => {
    if (!observers) return
    try {
      for (const tellOne of observed) tellOne(observers)
    } catch (error) {
      options.log.error({ err: error }, 'metrics or traces were not told of a transaction')
    }
  }
  const pool = new PatientPool({
    connectionString: url,
    application_name: options.name,
    min: options.min,
    max: options.max,
    maxLifetimeSeconds: options.lifetimeSeconds,
    idleTimeoutMillis: options.idleSeconds * 1000,
    connectionTimeoutMillis: Math.min(10_000, patienceMs),
    keepAlive: true,
    // A statement that does not depend on an answer need not wait for it.
    pipeline: true,
    // Our statements are short. One that hangs on a dead link must not hold a lease or a request.
    query_timeout: patienceMs,
    // The server gives up first, with a clean error. Also, a process that freezes inside a transaction must not hold
    // its row locks for as long as it is frozen.
    statement_timeout: Math.floor((patienceMs * 5) / 6),
    lock_timeout: 10_000,
    idle_in_transaction_session_timeout: 10_000,
  })
  let closing = false
  pool.on('error', (error) => {
    if (!closing) options.log.warn({ err: error }, 'an idle database connection died and is replaced')
  })
  // The pool listens to idle clients only. Without this listener, a client that dies between two statements of a
  // transaction would end the process. Its next statement fails, and so the transaction learns of it.
  pool.on('connect', (client) => {
    client.on('error', () => undefined)
    sendTogether(client)
  })
  const probe = setInterval(() => {
    pool.query('select 1').catch((error: unknown) => options.log.warn({ err: error }, 'the database does not answer'))
  }, options.probeSeconds * 1000)
  probe.unref()
  return {
    db: Object.assign(drizzle(pool), { transaction: transactionOf(pool, tell, tellObservers) }),
    pool,
    close: async () => {
      closing = true
      clearInterval(probe)
      await pool.end()
    },
  }
}

type Connected = (error: Error | undefined, client: PoolClient | undefined, done: (release?: unknown) => void) => void

/**
 * When the server has no connection left for a new one, one of the pool's own is free in a moment. This pool waits for
 * that one, as it does when it is at its own limit.
 */
class PatientPool extends Pool {
  override connect(): Promise<PoolClient>
  override connect(callback: Connected): void
  override connect(callback?: Connected): Promise<PoolClient> | undefined {
    if (!callback) return this.connectPatiently()
    const connect = callbackify(() => this.connectPatiently())
    connect(
      (error, client) =>
        callback(error ?? undefined, client, (release) => client.release(release as Error | boolean | undefined)), // as pg calls it
    )
    return undefined
  }

  private async connectPatiently(): Promise<PoolClient> {
    for (let until: number | undefined; ;)
      try {
        return await super.connect()
      } catch (error) {
        until ??= uptimeMs() + (this.options.connectionTimeoutMillis ?? 0)
        if (!hasCode(error, TOO_MANY_CONNECTIONS) || uptimeMs() > until) throw error
        await setTimeout(50 + 200 * Math.random())
      }
  }
}

/**
 * Only for the renewals of leases. Its connection is opened now and kept, so that a shortage of connections, or a pool
 * that waits for others, never costs an install. A second connection takes its place while the first hangs. Throws when
 * no connection can be opened.
 */
export async function openLeaseDatabase(url: string, options: { log: Log; name: string }): Promise<Database> {
  const database = openDatabase(url, {
    ...options,
    min: 1,
    max: 2,
    lifetimeSeconds: 0, // for ever
    idleSeconds: 0, // never closed for being idle
    // The probe opens the connection again when it has died.
    probeSeconds: 10,
    patienceMs: 5_000,
  })
  try {
    await database.pool.query('select 1')
    return database
  } catch (error) {
    await database.close()
    throw error
  }
}

/** What pools are at, by their names. */
export function readPools(pools: Record<string, Pool>): Readings {
  const all = Object.entries(pools)
  const of = (read: (pool: Pool) => number | undefined, state?: string) =>
    all.map(([pool, it]) => ({ labels: { pool, ...(state === undefined ? {} : { state }) }, value: read(it) ?? 0 }))
  return {
    ocpctl_db_connections: [
      ...of(({ totalCount, idleCount }) => totalCount - idleCount, 'used'),
      ...of(({ idleCount }) => idleCount, 'idle'),
    ],
    ocpctl_db_connections_max: of(({ options }) => options.max),
    ocpctl_db_waiting: of(({ waitingCount }) => waitingCount),
  }
}

/**
 * Drizzle keeps a connection for ever when its BEGIN fails. It also gives back a connection whose transaction is still
 * open because the ROLLBACK did not get through; the next borrower would commit half of it. So this code handles the
 * connection itself: one that is not known to be idle again is destroyed, and the server rolls back.
 */
function transactionOf(
  pool: Pool,
  tell: (words: string[]) => void,
  tellObservers: (observed: Transaction['observed']) => void,
): Db['transaction'] {
  // Making one costs more than most statements do.
  const known = new WeakMap<PoolClient, Transaction>()
  const on = (client: PoolClient): Transaction => {
    const tx = known.get(client) ?? Object.assign(drizzle(client), { sent: [], words: [], observed: [] })
    known.set(client, tx)
    return tx
  }
  return async (change, { readsFirst = false } = {}) => {
    const client = await pool.connect()
    const tx = on(client)
    let isClean = false
    try {
      const begun = client.query('begin')
      begun.catch(() => refuseAll(client))
      tx.sent.push(begun)
      if (!readsFirst) await begun
      const result = await change(tx)
      // COMMIT is sent along with the statements. If a statement before it failed, the server rolls back instead.
      const committed = client.query('commit')
      committed.catch(() => undefined)
      await allOf(tx)
      if ((await committed).command !== 'COMMIT') throw new Error('the database rolled the transaction back')
      isClean = true
      if (tx.words.length > 0) tell([...tx.words])
      tellObservers(tx.observed)
      return result
    } catch (error) {
      forgetWaiting(client)
      // The statement that failed first has made the rest fail.
      const cause = await allOf(tx).then(
        () => error,
        (earlier: unknown) => earlier,
      )
      if (hasTimedOut(error) || hasTimedOut(cause)) throw cause
      await client.query('rollback').catch(() => undefined)
      isClean = client.getTransactionStatus() === 'I' && !isRefused(client)
      throw cause
    } finally {
      tx.sent.length = 0
      tx.words.length = 0
      tx.observed.length = 0
      client.release(!isClean)
    }
  }
}

/** Throws the error of the first statement that failed, in the order in which they were sent. */
async function allOf({ sent }: Transaction): Promise<void> {
  for (const statement of sent) await statement
}

function hasTimedOut(error: unknown): boolean {
  return error instanceof Error && (error.message === 'Query read timeout' || hasTimedOut(error.cause))
}
