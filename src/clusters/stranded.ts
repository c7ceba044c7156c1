// A cluster is destroyed with the entry of credentials that made it. While no worker has that entry, nothing of the
// cluster can be taken away, and nobody would notice before its end.
import { and, count, isNotNull, min, ne, sql } from 'drizzle-orm'
import type { Db } from '../db/client.ts'
import type { Platform } from '../vocabulary.ts'
import { clusters } from './tables.ts'

/** The entries that clusters which are not destroyed were made with. Reads every such cluster. */
export async function listEntriesInUse(
  db: Db,
): Promise<{ platform: Platform; entry: string; clusters: number; first: string | null }[]> {
  const entry = sql<string>`${clusters.profileSnapshot} ->> 'credentials'`
  const { platform, name, status } = clusters
  return db
    .select({ platform, entry, clusters: count(), first: min(name) })
    .from(clusters)
    .where(and(ne(status, 'DESTROYED'), isNotNull(entry)))
    .groupBy(platform, entry)
}
