// Objects of the artifact store that may become useless. Each is announced to the queue before it is written, and goes
// later, unless a row names it by then. So a process may die anywhere, and nothing stays in the store for ever.
import { eq, sql, type SQL } from 'drizzle-orm'
import type { App } from '../app.ts'
import { clusterArtifacts } from './infra-tables.ts'

/** Longer than any object takes to be stored, and any reader of a row to fetch its object. */
export const DISCARD_AFTER_SECONDS = 3600
/** A row is not switched to an object that may be about to be discarded. */
const SWITCH_WITHIN_SECONDS = DISCARD_AFTER_SECONDS / 2

/** Returns the condition under which a row may still come to name the object. */
export async function announceArtifact({ db, queue }: Pick<App, 'db' | 'queue'>, key: string): Promise<SQL> {
  const { rows } = await db.execute<{ at: string }>(sql`select now()::text as at`)
  await queue.discardArtifact(db, key, DISCARD_AFTER_SECONDS)
  return sql`now() < ${rows[0]?.at}::timestamptz + make_interval(secs => ${SWITCH_WITHIN_SECONDS})`
}

/** Removes an object that no row names. */
export async function discardArtifact({ db, store }: Pick<App, 'db' | 'store'>, key: string): Promise<void> {
  // cluster_artifacts_key.
  const [named] = await db
    .select({ id: clusterArtifacts.id })
    .from(clusterArtifacts)
    .where(eq(clusterArtifacts.key, key))
  if (!named) await store.delete(key)
}
