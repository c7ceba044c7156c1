// What carries our tag in the cloud must belong to a cluster that is not DESTROYED. Only told, never deleted.
import { inArray, sql } from 'drizzle-orm'
import type { Resource } from '../clouds/inventory.ts'
import { clusters } from '../db/schema.ts'
import { messageOf } from '../errors.ts'
import { CannotTell, type Pass } from './pass.ts'

const BATCH = 500
const SHOWN_RESOURCES = 20

/** A cloud goes on listing for a while what is gone: by then it does not, and an empty inventory has been seen. */
const isLongDestroyed = sql<boolean>`coalesce(${clusters.destroyedAt} < now() - interval '1 hour', false)`

type Owned = { count: number; shown: Resource[] }

export async function checkOwnedResources(pass: Pass): Promise<void> {
  const { app } = pass
  const owned = await listOwned(pass)
  const ids = [...owned.keys()]
  for (let start = 0; start < ids.length; start += BATCH) {
    const batch = ids.slice(start, start + BATCH)
    // clusters_pkey, for one batch of ids. Asked after the cloud: a row stands before anything carries its id.
    const rows = await app.db
      .select({ id: clusters.id, status: clusters.status, isLongDestroyed })
      .from(clusters)
      .where(inArray(clusters.id, batch))
    const known = new Map(rows.map((row) => [row.id, row]))
    for (const id of batch) {
      const resources = owned.get(id)
      const cluster = known.get(id)
      if (!resources || (cluster && !cluster.isLongDestroyed)) continue
      const seen = describe(resources)
      if (cluster)
        await pass.inspect({ type: 'resources-of-destroyed-cluster', subject: id, clusterId: id }, async () => ({
          detail: `the cluster is DESTROYED, and of it there ${seen}`,
        }))
      else
        await pass.inspect({ type: 'resources-without-cluster', subject: id }, async () => ({
          detail: `no cluster has this id, and by it there ${seen}`,
        }))
    }
  }
}

async function listOwned({ app }: Pass): Promise<Map<string, Owned>> {
  const listing = app.inventory.findOwned?.()
  if (!listing) throw new CannotTell('this inventory cannot list all that carries the tag of the service')
  const owned = new Map<string, Owned>()
  try {
    for await (const { clusterId, resource } of listing) {
      const of = owned.get(clusterId) ?? { count: 0, shown: [] }
      of.count++
      if (of.shown.length < SHOWN_RESOURCES) of.shown.push(resource)
      owned.set(clusterId, of)
    }
  } catch (error) {
    throw new CannotTell(`the cloud did not tell what carries the tag of the service: ${messageOf(error)}`)
  }
  return owned
}

function describe({ count, shown }: Owned): string {
  const names = shown.map(({ type, id, region }) => `${type} ${id} in ${region}`).join(', ')
  return `${count === 1 ? 'is one resource' : `are ${count} resources`}: ${names}${count > shown.length ? ', …' : ''}`
}
