// What carries this installation's tag in the cloud must belong to a cluster that is not DESTROYED. A cluster that the
// database has lost is taken back when the artifact store has its state. What exists of a destroyed cluster is looked
// at, and destroyed again. Nothing is deleted because a tag was found, and what another installation owns is left
// alone.
import { inArray, sql } from 'drizzle-orm'
import type { App } from '../app.ts'
import type { Resource } from '../clouds/inventory.ts'
import { findLost, recover } from '../clusters/adopt.ts'
import { placesOf } from '../clusters/inventory-query.ts'
import { findMarkAhead } from '../clusters/mark.ts'
import { clusters } from '../clusters/tables.ts'
import { AppError, messageOf } from '../errors.ts'
import { findAccepted, noteSeen } from './findings.ts'
import { lookAgain } from './leftovers.ts'
import { CannotTell, type Pass } from './pass.ts'

const BATCH = 500
const SHOWN_RESOURCES = 20
const KEPT_RESOURCES = 200

/**
 * A cloud goes on listing deleted resources for a while. After this time it does not, and an empty inventory has been
 * seen.
 */
const isLongDestroyed = sql<boolean>`coalesce(${clusters.destroyedAt} < now() - interval '1 hour', false)`

/** isOurs false: nothing of it says of which installation it is, as earlier releases left it. */
export type Owned = { count: number; kept: Resource[]; isOurs: boolean }

export async function checkOwnedResources(pass: Pass): Promise<void> {
  for await (const { id, owned, isKnown } of compareOwned(pass.app)) {
    const seen = describe(owned)
    const type = isKnown ? 'resources-of-destroyed-cluster' : 'resources-without-cluster'
    // Whoever accepted it has seen these resources, and wants nothing done about them.
    if ((await findAccepted(pass.app.db, { type, subject: id }))?.includes(seen)) {
      await noteSeen(pass.app.db, { type, subject: id })
      continue
    }
    if (isKnown) await lookAtDestroyed(pass, id, owned)
    else await takeBack(pass, id, owned)
  }
}

/** What a look at all that this installation owns touches. */
type Asking = Pick<App, 'db' | 'inventory' | 'installationId' | 'catalog'>

/**
 * Clusters that own what they should not: unknown ones, and those that have long been DESTROYED. What is told counts,
 * although not all is: then this throws CannotTell at its end.
 */
async function* compareOwned(app: Asking): AsyncGenerator<{ id: string; owned: Owned; isKnown: boolean }> {
  const { all, untold } = await listOwned(app)
  const ids = [...all.keys()]
  for (let start = 0; start < ids.length; start += BATCH) {
    const batch = ids.slice(start, start + BATCH)
    // Index clusters_pkey, for one batch of ids. Asked after the cloud: a row exists before anything carries its id.
    const rows = await app.db
      .select({ id: clusters.id, isLongDestroyed })
      .from(clusters)
      .where(inArray(clusters.id, batch))
    const known = new Map(rows.map((row) => [row.id, row]))
    for (const id of batch) {
      const owned = all.get(id)
      const cluster = known.get(id)
      if (owned && (!cluster || cluster.isLongDestroyed)) yield { id, owned, isKnown: cluster !== undefined }
    }
  }
  if (untold) throw untold
}

async function lookAtDestroyed(pass: Pass, id: string, owned: Owned): Promise<void> {
  const looked = await lookAgain(pass.app, id)
  if (looked === 'held') return pass.leave({ type: 'resources-of-destroyed-cluster', subject: id })
  if (looked !== 'reopened' && looked !== 'unknown') return
  const detail = `the cluster is DESTROYED, and of it there ${describe(owned)}`
  const verdict = { detail, resources: owned.kept }
  await pass.inspect({ type: 'resources-of-destroyed-cluster', subject: id, clusterId: id }, async () =>
    looked === 'reopened' ? { ...verdict, repair: 'it is destroyed again' } : verdict,
  )
}

async function takeBack(pass: Pass, id: string, owned: Owned): Promise<void> {
  const seen = describe(owned)
  const resources = owned.kept
  let why = 'the artifact store has no state of it that could be adopted'
  try {
    // The listing may be of what has gone since.
    const found = await findLost(pass.app, id, await findMarkAhead(pass.app))
    if (found) {
      const cluster = await recover(pass.app, found)
      const detail = `no row had this id, and by it there ${seen}; the artifact store had its state`
      const repair = `taken back as ${cluster.status}, until ${cluster.destroyAt.toISOString()}`
      return await pass.inspect({ type: 'cluster-adopted', subject: id, clusterId: id }, async () => ({
        detail,
        repair,
        resources,
      }))
    }
  } catch (error) {
    why = messageOf(error)
    if (!(error instanceof AppError))
      pass.app.log.error({ err: error, clusterId: id }, 'a lost cluster was not taken back')
  }
  // It may be of another installation in the same account.
  if (!owned.isOurs) return
  const detail = `no cluster has this id, and by it there ${seen}; ${why}`
  await pass.inspect({ type: 'resources-without-cluster', subject: id }, async () => ({ detail, resources }))
}

/**
 * All that carries the tag of this installation, by cluster; `untold`: why that is not all. Throws CannotTell where
 * nothing is told.
 */
export async function listOwned({ inventory, installationId, catalog }: Asking) {
  if (!inventory.findOwned) throw new CannotTell('this inventory cannot list all that carries the tag of the service')
  const all = new Map<string, Owned>()
  try {
    const listing = inventory.findOwned({ installationId, offered: catalog.list().flatMap(placesOf) })
    for await (const { clusterId, installationId: owner, resource } of listing) {
      if (owner !== undefined && owner !== installationId) continue
      const of = all.get(clusterId) ?? { count: 0, kept: [], isOurs: false }
      of.count++
      of.isOurs ||= owner !== undefined
      if (of.kept.length < KEPT_RESOURCES) of.kept.push(resource)
      all.set(clusterId, of)
    }
  } catch (error) {
    const why = `the cloud did not tell all that carries the tag of the service: ${messageOf(error)}`
    return { all, untold: new CannotTell(why) }
  }
  return { all, untold: undefined }
}

function describe({ count, kept }: Owned): string {
  // Clouds list in any order, and what is accepted is known again by these words.
  const sorted = kept.map(({ type, id, region }) => `${type} ${id} in ${region}`).toSorted()
  const shown = sorted.slice(0, SHOWN_RESOURCES)
  const names = shown.join(', ')
  return `${count === 1 ? 'is one resource' : `are ${count} resources`}: ${names}${count > shown.length ? ', …' : ''}`
}
