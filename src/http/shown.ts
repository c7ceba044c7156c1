// The JSON of clusters, written once for each state of a row: most pages show what other pages have shown.
import { LRUCache } from 'lru-cache'
import { readClusters, type Versioned } from '../clusters/queries.ts'
import type { Db } from '../db/client.ts'
import { showCluster } from './routes/shapes.ts'

/** Each has about a kilobyte. */
const REMEMBERED = 5000

/** The texts of these clusters by id, in the same order. Clusters that are gone meanwhile are left out. */
export type ShownClusters = (asked: readonly Versioned[]) => Promise<Map<string, string>>

export function openShownClusters(db: Db): ShownClusters {
  const texts = new LRUCache<string, { rowVersion: string; text: string }>({ max: REMEMBERED })
  return async (asked) => {
    // The place is kept for those that are read below.
    const found = new Map(asked.map(({ id }) => [id, '']))
    const missing: string[] = []
    for (const { id, rowVersion } of asked) {
      const known = texts.get(id)
      if (known?.rowVersion === rowVersion) found.set(id, known.text)
      else missing.push(id)
    }
    for (const { rowVersion, ...cluster } of missing.length > 0 ? await readClusters(db, missing) : []) {
      const text = JSON.stringify(showCluster(cluster))
      texts.set(cluster.id, { rowVersion, text })
      found.set(cluster.id, text)
    }
    for (const [id, text] of found) if (text === '') found.delete(id)
    return found
  }
}
