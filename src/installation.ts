// Which installation of the service this is. The database holds its id, the fingerprint of the secrets key, and whether
// the artifact store has been marked as its own. A process with another key or another store would make clusters that
// nobody can read or destroy. So it ends before it does anything.
import { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { eq, isNull, sql } from 'drizzle-orm'
import { boolean, check, pgTable, text } from 'drizzle-orm/pg-core'
import type { App } from './app.ts'
import { ArtifactExists, StoreUnavailable, type ArtifactStore } from './artifacts/store.ts'
import { readMark } from './clusters/mark.ts'
import { clusters } from './clusters/tables.ts'
import { noteLongWaits } from './clusters/waiting.ts'
import { ConfigError } from './config.ts'
import type { Db } from './db/client.ts'
import { at } from './db/columns.ts'
import { messageOf } from './errors.ts'
import { newId } from './ids.ts'
import type { Log } from './observability/log.ts'
import { createMasker, secretsOfEnvironment } from './observability/mask.ts'
import type { SecretBox } from './secrets.ts'

/**
 * The table has one row. Its id separates what this installation owns from what others own in the same cloud accounts.
 */
export const installation = pgTable(
  'installation',
  {
    isOnly: boolean('is_only').primaryKey().default(true),
    id: text('id').notNull(),
    /** The fingerprint of the secrets key: a process with another key could open nothing. */
    keyFingerprint: text('key_fingerprint').notNull(),
    /** The time since which the artifact store carries the id. */
    storeMarkedAt: at('store_marked_at'),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  () => [check('installation_is_only', sql.raw('is_only'))],
)

/** The prefix of the object that says whose store it is. The id follows it. */
const MARKER = 'installation/'
const STORE_RETRY_MS = 2000

/**
 * Makes the installation at the very first start. Throws ConfigError when the secrets key is not this installation's.
 */
export async function openInstallation(db: Db, box: SecretBox, log: Log): Promise<string> {
  await db
    .insert(installation)
    .values({ id: newId('ins'), keyFingerprint: box.fingerprint })
    .onConflictDoNothing()
  const { id, keyFingerprint } = await readInstallation(db)
  if (keyFingerprint === box.fingerprint) return id
  if (!box.olderFingerprints.includes(keyFingerprint))
    throw new ConfigError(
      `OCPCTL_SECRETS_KEY is not the key of this database, which is ${keyFingerprint.slice(0, 8)}…, and yours is ` +
        `${box.keyId}…: set the key that the other processes have, or, to replace it, name the old one in OCPCTL_SECRETS_KEYS_OLD`,
    )
  // The key was rotated: what the old key sealed is still read with the old key.
  await db
    .update(installation)
    .set({ keyFingerprint: box.fingerprint })
    .where(eq(installation.keyFingerprint, keyFingerprint))
  log.info(
    { from: keyFingerprint.slice(0, 8), to: box.keyId },
    'the secrets key of this installation is another one now',
  )
  return id
}

/**
 * Checks that the store is this installation's, or marks it if nobody has. Only a worker marks it, because it may write
 * to the store. A store that does not answer is asked again until it does, or until the signal aborts; then the
 * signal's reason is thrown. Clusters that wait for the worker meanwhile say why. Throws ConfigError when the store is another one.
 */
export async function claimStore(
  { config, db, store, log, runsJobs }: Pick<App, 'config' | 'db' | 'store' | 'log' | 'runsJobs'>,
  signal: AbortSignal,
): Promise<void> {
  const masker = createMasker(secretsOfEnvironment(config.environment))
  for (;;) {
    try {
      return await claimStoreOnce(db, store, runsJobs)
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      const why = masker.mask(messageOf(error))
      log.warn(`the artifact store does not answer and is waited for: ${why}`)
      if (runsJobs) await noteLongWaits(db, `it waits to begin: the artifact store does not work: ${why}`)
      await setTimeout(STORE_RETRY_MS, undefined, { signal }).catch(() => signal.throwIfAborted())
    }
  }
}

async function claimStoreOnce(db: Db, store: ArtifactStore, mayMark: boolean): Promise<void> {
  const { id, storeMarkedAt } = await readInstallation(db)
  const owners = await listOwners(store)
  if (owners.length === 0 && storeMarkedAt === null) {
    if (!mayMark) return
    const words = Buffer.from(
      `The artifacts of the ocpctl installation ${id}; its processes start only where this object is.\n`,
    )
    await store.put(`${MARKER}${id}`, Readable.from([words])).catch((error: unknown) => {
      if (!(error instanceof ArtifactExists)) throw error
    })
    return claimStoreOnce(db, store, mayMark)
  }
  if (owners.length === 0)
    throw new ConfigError(
      `OCPCTL_ARTIFACTS is not the artifact store of this database: it lacks the object ${MARKER}${id}. ` +
        'Give every process the same OCPCTL_ARTIFACTS; a store that moved must be copied whole',
    )
  if (!owners.includes(id))
    throw new ConfigError(
      `OCPCTL_ARTIFACTS is the artifact store of another installation, ${owners.join(', ')}; this database is of ${id}. ` +
        'Each installation needs a bucket, prefix or directory of its own (unless set, it is under OCPCTL_DATA_DIR). ' +
        'If its database was lost and this new one is to take its place: node src/main.ts recover (docs/recovery.md)',
    )
  if (storeMarkedAt === null) await db.update(installation).set({ storeMarkedAt: sql`now()` })
}

/**
 * The installation whose database was lost, where this one is new and the store is that one's. undefined: it is not so.
 * Throws ConfigError when the key opens nothing of it.
 */
export async function findFormer(app: Pick<App, 'db' | 'store' | 'box' | 'log'>): Promise<string | undefined> {
  const { id, storeMarkedAt } = await readInstallation(app.db)
  const [former, ...more] = await listOwners(app.store)
  if (storeMarkedAt !== null || former === undefined || former === id || more.length > 0) return undefined
  // A worker that outlived the loss may have taken back what it was at.
  const isOfOthers = sql`${clusters.effectiveTags} ->> 'ocpctl-installation-id' is distinct from ${former}`
  if ((await app.db.select({ id: clusters.id }).from(clusters).where(isOfOthers).limit(1)).length > 0) return undefined
  if (await readMark(app)) return former
  // Whoever tries again with the right key must not be held to this one.
  await app.db.delete(installation).where(eq(installation.id, id))
  throw new ConfigError(
    `OCPCTL_SECRETS_KEY opens no mark in the store of ${former}: recover needs the key that its processes had`,
  )
}

/** Makes this new database the one of the installation that has lost its own. */
export async function takePlaceOf(db: Db, former: string): Promise<void> {
  await db
    .update(installation)
    .set({ id: former, storeMarkedAt: sql`now()` })
    .where(isNull(installation.storeMarkedAt))
}

/** Reads only the names of objects: damaged bytes in one of them must not keep a service from starting. */
async function listOwners(store: ArtifactStore): Promise<string[]> {
  const ids: string[] = []
  for await (const key of store.list(MARKER)) ids.push(key.slice(MARKER.length))
  return ids
}

async function readInstallation(db: Db): Promise<typeof installation.$inferSelect> {
  const [row] = await db.select().from(installation)
  if (!row) throw new Error('the database holds no installation')
  return row
}
