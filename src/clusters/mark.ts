// The mark: what the artifact store knows of how far the database had come, written once a minute while something
// changes. A database without the seal that the mark names was restored from an older backup, or is another one. Then
// no cluster is made: its queue may hold creates that ended long ago. The mark also lists the clusters that lived, so
// that those which are gone do not come back, and those which stand keep their end.
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { zstdCompress, zstdDecompress } from 'node:zlib'
import { and, eq, ne, sql } from 'drizzle-orm'
import type { App } from '../app.ts'
import { ArtifactExists, ArtifactMissing } from '../artifacts/store.ts'
import type { Head } from '../audit/seal.ts'
import { auditSeals } from '../audit/tables.ts'
import { realMs, type Config } from '../config.ts'
import type { Db } from '../db/client.ts'
import { messageOf } from '../errors.ts'
import { readKeyId, SecretUnreadable } from '../secrets.ts'
import { clusters, type ClusterRow } from './tables.ts'

const MARKS = 'marks/'
const KEPT = 3
const DIGITS = 12
/** A row may be committed this long after its id and its time were taken. */
const COMMITTED_WITHIN_MS = 10 * 60_000
const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)

const livingColumns = {
  id: clusters.id,
  name: clusters.name,
  baseDomain: clusters.baseDomain,
  owner: clusters.owner,
  team: clusters.team,
  status: clusters.status,
  destroyAt: clusters.destroyAt,
  endRevision: clusters.endRevision,
  protectedUntil: clusters.protectedUntil,
  protectedReason: clusters.protectedReason,
  offHours: clusters.offHours,
  overrides: clusters.overrides,
  hibernatedAt: clusters.hibernatedAt,
  wakeBy: clusters.wakeBy,
}
/** What an older release has not written is undefined. */
type Asleep = 'offHours' | 'overrides' | 'hibernatedAt' | 'wakeBy'
export type Living = Pick<ClusterRow, Exclude<keyof typeof livingColumns, Asleep>> & Partial<Pick<ClusterRow, Asleep>>

export type Mark = {
  at: Date
  /** The newest seal of the audit trail. */
  head: Head
  /** What a database must have: the head of the mark before. A fail-over that loses less than that heals by itself. */
  least: Head
  /** Every cluster that was not DESTROYED, by id. */
  living: Map<string, Living>
}

type Stored = { mark: Mark; keyId: string }
type Keeping = Pick<App, 'db' | 'store' | 'box' | 'log'>

/** The mark that this database has not reached. undefined: all is well. Throws StoreUnavailable. */
export async function findMarkAhead(app: Keeping): Promise<Mark | undefined> {
  const mark = await readMark(app)
  return mark && !(await hasSeal(app.db, mark.least)) ? mark : undefined
}

/** The newest mark that can be read. Throws StoreUnavailable. */
export async function readMark(app: Omit<Keeping, 'db'>): Promise<Mark | undefined> {
  return (await readNewest(app, await listMarks(app)))?.mark
}

/**
 * Writes a mark when there is something new, unless the database is behind the one that is there: then this returns
 * that one. `head` is the newest seal. A mark that is younger than `leastAgeMs` stays. Throws StoreUnavailable.
 */
export async function keepMark(app: Keeping, head: Head, leastAgeMs = 0): Promise<Mark | undefined> {
  const keys = await listMarks(app)
  const newest = await readNewest(app, keys)
  if (!newest) {
    await writeMark(app, keys, { head, least: head })
    return undefined
  }
  const { mark, keyId } = newest
  if (!(await hasSeal(app.db, mark.least))) return mark
  if (mark.head.hash === head.hash && keyId === app.box.keyId) return undefined
  const ageMs = Date.now() - mark.at.getTime()
  // One from the future is of a clock that was stepped back.
  if (ageMs >= 0 && ageMs < leastAgeMs) return undefined
  const least = (await hasSeal(app.db, mark.head)) ? mark.head : mark.least
  await writeMark(app, keys, { head, least })
  return undefined
}

/** Makes this database the one that counts, whatever the marks before say. Throws StoreUnavailable. */
export async function replaceMark(app: Keeping, head: Head): Promise<void> {
  while (!(await writeMark(app, await listMarks(app), { head, least: head })));
}

export const tellMarkAhead = ({ at }: Pick<Mark, 'at'>): string =>
  `the database is older than the artifact store's mark of ${at.toISOString()}: it was restored from a backup, or another ` +
  'database runs on this store. No cluster is made until somebody has run: node src/main.ts recover (docs/recovery.md)'

/** Whether the cluster had been destroyed, and proved gone, when the mark was made. */
export const wasDestroyed = (
  config: Config,
  { at, living }: Mark,
  { id, createdAt }: Pick<ClusterRow, 'id' | 'createdAt'>,
): boolean => !living.has(id) && createdAt.getTime() < at.getTime() - realMs(config, COMMITTED_WITHIN_MS, 1000)

/** Whether nobody was to destroy the cluster yet. */
export const isSpared = ({ status, destroyAt, protectedUntil }: Living): boolean =>
  !isEnding(status) && (destroyAt > new Date() || (protectedUntil ?? 0) > new Date())

/** The installation has failed, or the destroy has begun. */
export const isEnding = (status: ClusterRow['status']): boolean =>
  ['FAILED', 'DESTROYING', 'DESTROY_FAILED'].includes(status)

const listMarks = ({ store }: Pick<App, 'store'>): Promise<string[]> => Array.fromAsync(store.list(MARKS))

async function hasSeal(db: Db, { number, hash }: Head): Promise<boolean> {
  if (number === 0) return true
  const [seal] = await db
    .select({ number: auditSeals.number })
    .from(auditSeals)
    .where(and(eq(auditSeals.number, number), eq(auditSeals.hash, hash)))
  return seal !== undefined
}

async function readNewest({ store, box, log }: Omit<Keeping, 'db'>, keys: string[]): Promise<Stored | undefined> {
  for (const key of keys.toReversed())
    try {
      const sealed = await buffer(await store.get(key))
      const text = (await decompress(box.open(sealed, key))).toString()
      const { at, living, ...seals } = JSON.parse(text, reviveTimes) as Omit<Mark, 'living'> & { living: Living[] } // we sealed it
      return {
        keyId: readKeyId(sealed),
        mark: { ...seals, at, living: new Map(living.map((each) => [each.id, each])) },
      }
    } catch (error) {
      // Another process may have removed it since the listing.
      if (!(error instanceof ArtifactMissing || error instanceof SecretUnreadable)) throw error
      log.warn(`the mark ${key} is left out: ${messageOf(error)}`)
    }
  return undefined
}

const reviveTimes = (key: string, value: unknown): unknown =>
  (key === 'at' || /(At|Until|wakeBy)$/.test(key)) && typeof value === 'string' ? new Date(value) : value

/** Returns false when another process has written one at the same moment. */
async function writeMark(
  { db, store, box, log }: Keeping,
  keys: string[],
  seals: Pick<Mark, 'head' | 'least'>,
): Promise<boolean> {
  const { rows } = await db.execute<{ at: string }>(sql`select to_json(now()) #>> '{}' as at`)
  // Index clusters_status_live.
  const living = await db.select(livingColumns).from(clusters).where(ne(clusters.status, 'DESTROYED'))
  const number = Number(keys.at(-1)?.slice(MARKS.length) ?? 0) + 1
  const key = `${MARKS}${String(number).padStart(DIGITS, '0')}`
  const text = JSON.stringify({ at: new Date(rows[0]?.at ?? ''), ...seals, living })
  try {
    await store.put(key, Readable.from([box.seal(await compress(text), key)]))
  } catch (error) {
    if (error instanceof ArtifactExists) return false
    throw error
  }
  for (const old of keys.slice(0, 1 - KEPT))
    await store.delete(old).catch((error: unknown) => log.warn(`an old mark stays: ${messageOf(error)}`))
  return true
}
