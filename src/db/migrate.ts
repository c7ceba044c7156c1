// Brings the database to this version: our migrations first, then pg-boss's. Both run under one advisory lock, so that
// any number of processes may start at once. A database that is newer than the code is refused.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { drizzle } from 'drizzle-orm/node-postgres'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import { Client } from 'pg'
import { ConfigError } from '../config.ts'
import { hasCode, messageOf } from '../errors.ts'
import type { Log } from '../observability/log.ts'

const MIGRATIONS = fileURLToPath(new URL('../../drizzle', import.meta.url))
const MIGRATION_LOCK = 7_262_500_002

type Journal = { entries: { when: number; tag: string }[] }

/** Throws ConfigError when the database cannot be reached or is newer than this code. */
export async function migrateDatabase(
  url: string,
  log: Log,
  /** Returns false when the queue's schema is newer than this code. */
  migrateQueue: (url: string, log: Log) => Promise<boolean>,
): Promise<void> {
  const client = await connect(url)
  try {
    await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK])
    await refuseNewerDatabase(client)
    await migrate(drizzle(client), { migrationsFolder: MIGRATIONS })
    if (!(await migrateQueue(url, log))) throw newerDatabase()
  } finally {
    await client.end()
  }
}

async function connect(url: string): Promise<Client> {
  const client = new Client({
    connectionString: url,
    application_name: 'ocpctl-migrate',
    connectionTimeoutMillis: 10_000,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return client
  } catch (error) {
    await client.end().catch(() => undefined)
    throw new ConfigError(plainConnectError(url, error), { cause: error })
  }
}

async function refuseNewerDatabase(client: Client): Promise<void> {
  const journal = JSON.parse(readFileSync(`${MIGRATIONS}/meta/_journal.json`, 'utf8')) as Journal // drizzle-kit's own file
  const known = Math.max(...journal.entries.map((entry) => entry.when))
  const exists = await client.query(`select to_regclass('drizzle.__drizzle_migrations') as name`)
  if (exists.rows[0]?.name == null) return
  const { rows } = await client.query('select max(created_at)::float8 as latest from drizzle.__drizzle_migrations')
  if (Number(rows[0]?.latest ?? 0) > known) throw newerDatabase()
}

function newerDatabase(): ConfigError {
  return new ConfigError(
    'the database was migrated by a newer version of ocpctl than this one: start the newer version, or restore the database from before it',
  )
}

function plainConnectError(url: string, error: unknown): string {
  const where = new URL(url)
  const server = `${where.hostname}:${where.port || 5432}`
  if (hasCode(error, 'ECONNREFUSED'))
    return `no PostgreSQL answers at ${server} (connection refused): start it, or correct DATABASE_URL`
  if (hasCode(error, '28P01', '28000')) return `PostgreSQL at ${server} refuses the user or password of DATABASE_URL`
  if (hasCode(error, '3D000'))
    return `PostgreSQL at ${server} has no database "${where.pathname.slice(1)}": create it, or correct DATABASE_URL`
  return `PostgreSQL at ${server} cannot be reached: ${messageOf(error)}`
}
