// What the artifact store has must be of a cluster that the database knows. Not every cloud can list what carries our
// tag, so of a cluster that the database has lost, the store may be all that is left to find it by.
import { inArray } from 'drizzle-orm'
import type { App } from '../app.ts'
import { findLost, recover } from '../clusters/adopt.ts'
import { findMarkAhead } from '../clusters/mark.ts'
import { clusters } from '../clusters/tables.ts'
import { AppError, messageOf } from '../errors.ts'
import { firstIdAt } from '../ids.ts'
import type { Pass } from './pass.ts'

const BATCH = 500
/** The characters of an id that tell its time to nine hours: an id is a time in milliseconds, five bits a character. */
const PREFIX_LENGTH = 'clu_'.length + 5
const PREFIX_MS = 2 ** 25

/** Clusters that were asked for in the last nine hours at least: what a fail-over loses is newer. */
export async function checkStoredClusters(pass: Pass): Promise<void> {
  const now = Date.now()
  const prefixes = [now - PREFIX_MS, now].map((ms) => firstIdAt('clu', new Date(ms)).slice(0, PREFIX_LENGTH))
  for await (const id of listUnknownStored(pass.app, [...new Set(prefixes)])) await takeBack(pass, id)
}

/** Those that the database has no row of. */
export async function listUnknown<T extends { id: string }>({ db }: Pick<App, 'db'>, all: T[]): Promise<T[]> {
  const unknown: T[] = []
  for (let start = 0; start < all.length; start += BATCH) {
    const batch = all.slice(start, start + BATCH)
    // Index clusters_pkey.
    const rows = await db
      .select({ id: clusters.id })
      .from(clusters)
      .where(inArray(clusters.id, batch.map(({ id }) => id))) // prettier-ignore
    const known = new Set(rows.map(({ id }) => id))
    unknown.push(...batch.filter(({ id }) => !known.has(id)))
  }
  return unknown
}

/** The clusters of which the store has state, and of which the database has no row. `prefixes`: of their ids. */
export async function* listUnknownStored(
  app: Pick<App, 'db' | 'store'>,
  prefixes: readonly string[],
): AsyncGenerator<string> {
  // Asked after the store: the row exists before anything is stored.
  const unknownOf = async (ids: string[]) =>
    (
      await listUnknown(
        app,
        ids.map((id) => ({ id })),
      )
    ).map(({ id }) => id)
  for (const prefix of prefixes) {
    const ids = new Set<string>()
    for await (const key of app.store.list(`clusters/${prefix}`)) {
      const id = key.split('/')[1]
      if (id !== undefined) ids.add(id)
      if (ids.size < BATCH) continue
      // The newest one may have more keys to come.
      yield* await unknownOf([...ids])
      ids.clear()
    }
    if (ids.size > 0) yield* await unknownOf([...ids])
  }
}

async function takeBack(pass: Pass, id: string): Promise<void> {
  const { app } = pass
  let why = 'it has no state that could be adopted'
  try {
    const found = await findLost(app, id, await findMarkAhead(app))
    if (found) {
      const cluster = await recover(app, found)
      const repair = `taken back as ${cluster.status}, until ${cluster.destroyAt.toISOString()}`
      const detail = 'no row had this id, and the artifact store had its state'
      return await pass.inspect({ type: 'cluster-adopted', subject: id, clusterId: id }, async () => ({
        detail,
        repair,
      }))
    }
  } catch (error) {
    why = messageOf(error)
    if (!(error instanceof AppError)) app.log.error({ err: error, clusterId: id }, 'a lost cluster was not taken back')
    // This check looks at new clusters only.
    else if (error.code === 'NAME_TAKEN') await app.queue.adoptLater(app.db, id)
    // Somebody else has just taken it back.
    else if (error.code === 'CONFLICT') return
  }
  const detail = `no cluster has this id, and the artifact store has state of it; ${why}`
  await pass.inspect({ type: 'resources-without-cluster', subject: id }, async () => ({ detail }))
}
