// Makes of each cluster what its off-hours say. A look compares what is wanted now with what is; so what a service that was
// down has missed is done at its first look.
import type { App } from '../app.ts'
import type { Actor } from '../auth/principal.ts'
import { send, type Transaction } from '../db/client.ts'
import { selection, update, type Changes } from '../db/statements.ts'
import { dueAt, maintenanceAt, MAINTENANCE_MS, type Due } from '../hours/due.ts'
import { readHours, type Hours, type OffHours } from '../hours/off-hours.ts'
import { wantedAt, type Override, type Wanted } from '../hours/wanted.ts'
import { openJobs } from '../jobs/commands.ts'
import { listEndsOf } from '../jobs/queries.ts'
import { maySleep } from '../policy/sleep.ts'
import type { ClusterStatus, JobType } from '../vocabulary.ts'
import { timeOf } from './end.ts'
import { transitionClusters } from './lifecycle.ts'
import { keptOf, readOverrides, tellAhead, writeAhead } from './off-hours.ts'
import { clusters, type ClusterRow, type StoredOverride } from './tables.ts'

const KEEPER: Actor = { kind: 'system', name: 'off-hours' }
const AT_ONCE = 50
/** After a sleep or a wake that failed. Twice as long after each further one. */
const RETRY_MS = 10 * 60_000
const LONGEST_RETRY_MS = 2 * 60 * 60_000

/** What the looks of a process remember: what is wanted of a cluster holds until a time that is known. */
export type Foresight = Map<string, { hoursText: string; overridesText: string; hours: Hours; overrides: Override[]; from: Date; wanted: Wanted }> // prettier-ignore
export const newForesight = (): Foresight => new Map()

/** `at`: for the database's time. Returns how many sleep, wake and are told. */
export async function keepHours(
  app: Pick<App, 'db' | 'queue' | 'log'>,
  foresight: Foresight,
  at?: Date,
): Promise<{ asleep: number; awake: number; told: number }> {
  const due = await listDue(app, foresight, at ?? (await timeOf(app.db)))
  const done = { asleep: 0, awake: 0, told: 0 }
  const keep = async (ids: string[]) => {
    const some = await app.db.transaction((tx) => keepSome(app, tx, ids, at))
    for (const key of ['asleep', 'awake', 'told'] as const) done[key] += some[key]
  }
  for (let first = 0; first < due.length; first += AT_ONCE) {
    const ids = due.slice(first, first + AT_ONCE)
    await keep(ids).catch(async (error: unknown) => {
      app.log.error({ err: error, clusters: ids.length }, 'off-hours could not be kept together')
      // One of them may be what the transaction failed of, so each is tried by itself.
      for (const id of ids)
        await keep([id]).catch((alone: unknown) => app.log.error({ err: alone, clusterId: id }, 'off-hours could not be kept')) // prettier-ignore
    })
  }
  return done
}

type Seen = Pick<ClusterRow, 'id' | 'status' | 'announcedFor' | 'wakeBy' | 'maintenanceUntil'> & {
  hoursText: string | null
  overridesText: string
  endsAt: Date
}

/** The clusters about which something is to be done. One read of an index and its rows. */
export async function listDue({ db, log }: Pick<App, 'db' | 'log'>, foresight: Foresight, at: Date): Promise<string[]> {
  const { rows } = await db.$client.query<Seen>({
    name: 'clusters with hours',
    // Index clusters_hours.
    text: `select id, status, announced_for as "announcedFor", wake_by as "wakeBy", maintenance_until as "maintenanceUntil",
        off_hours::text as "hoursText", overrides::text as "overridesText", greatest(destroy_at, protected_until) as "endsAt"
      from clusters
      where status <> 'DESTROYED' and (off_hours is not null or wake_by is not null or maintenance_until is not null)`,
  })
  const known = new Set<string>()
  const due: string[] = []
  for (const row of rows) {
    known.add(row.id)
    try {
      const { hours, overrides, wanted } = remember(foresight, row, at)
      if (dueAt({ ...row, hours, overrides }, at, wanted)) due.push(row.id)
    } catch (error) {
      // Such as a zone that a newer process knew.
      log.error({ err: error, clusterId: row.id }, 'the off-hours of a cluster cannot be read')
    }
  }
  for (const id of foresight.keys()) if (!known.has(id)) foresight.delete(id)
  return due
}

function remember(foresight: Foresight, { id, hoursText, overridesText }: Seen, at: Date) {
  if (hoursText === null) return { hours: undefined, overrides: [], wanted: undefined }
  const known = foresight.get(id)
  const isSame = known?.hoursText === hoursText && known.overridesText === overridesText
  if (isSame && known.from <= at && (known.wanted.until === null || at < known.wanted.until)) return known
  const hours = isSame ? known.hours : readHours(JSON.parse(hoursText) as OffHours) // as it was stored
  const overrides = isSame ? known.overrides : readOverrides(JSON.parse(overridesText) as StoredOverride[]) // likewise
  const seen = { hoursText, overridesText, hours, overrides, from: at, wanted: wantedAt(hours, overrides, at) }
  foresight.set(id, seen)
  return seen
}

// Those that another process works on just now are left for the next look.
const lockSome = selection(clusters, 'where id = any($1) for update skip locked')

async function keepSome(app: Pick<App, 'queue'>, tx: Transaction, ids: string[], given?: Date) {
  const rows = await lockSome(tx, ids)
  // What was asked for until the lock counts.
  const at = given ?? (await timeOf(tx))
  const due = rows.flatMap((cluster) => {
    const found = dueAt(keptOf(cluster), at)
    if (!found) return []
    const sleeps = found.kind === 'sleep' || found.kind === 'announce-sleep'
    if (!sleeps || maySleep(cluster, at)) return [{ cluster, due: found }]
    return cluster.maintenanceUntil === null ? [] : [{ cluster, due: { kind: 'end-maintenance' } satisfies Due }]
  })
  // A cluster on its way is turned by nobody else while its job is open.
  const moving = due.filter(({ cluster }) => isMoving(cluster.status)).map(({ cluster }) => cluster.id)
  const ends = moving.length > 0 ? await listEndsOf(tx, moving) : []
  const endsOf = (id: string) => ends.filter(({ clusterId }) => clusterId === id)
  const mayNot = due.filter(({ cluster, due: { kind } }) => isMoving(cluster.status) && !mayTurn(endsOf(cluster.id), kind === 'sleep' ? 'HIBERNATE' : 'RESUME', at)) // prettier-ignore
  const held = new Set(mayNot.map(({ cluster }) => cluster.id))
  const free = due.filter(({ cluster }) => !held.has(cluster.id))
  const of = (...kinds: Due['kind'][]) => free.filter(({ due: { kind } }) => kinds.includes(kind))

  const asleep = move(app, tx, of('sleep'), 'HIBERNATE', { maintenanceUntil: null, announcedFor: null })
  const awake = move(app, tx, of('wake'), 'RESUME', { announcedFor: null, inUseAt: at })
  const maintained = move(app, tx, of('maintain'), 'RESUME', { maintenanceUntil: new Date(at.getTime() + MAINTENANCE_MS), inUseAt: at }) // prettier-ignore
  for (const { cluster, due: what } of of('maintain')) {
    // After a pause, nobody was told before.
    const isTold = cluster.maintenanceUntil !== null || cluster.announcedFor?.getTime() === maintenanceAt(keptOf(cluster))?.getTime() // prettier-ignore
    if (!isTold && what.kind === 'maintain') writeAhead(tx, cluster, 'cluster.wake_near', { at, why: what.why }, at)
  }
  for (const { cluster } of of('end-maintenance')) send(tx, update(clusters, { maintenanceUntil: null }, { id: cluster.id })) // prettier-ignore
  let told = 0
  for (const { cluster, due: what } of free) {
    if (what.kind !== 'announce-sleep' && what.kind !== 'announce-maintenance') continue
    tellAhead(tx, cluster, what.kind === 'announce-sleep' ? 'cluster.sleep_near' : 'cluster.wake_near', what, at)
    told++
  }
  return { asleep, awake: awake + maintained, told }
}

const isMoving = (status: ClusterStatus) => status === 'HIBERNATING' || status === 'RESUMING'

/** Whether its last job is over, and the pause after so many failures of this kind too. */
function mayTurn(ends: Awaited<ReturnType<typeof listEndsOf>>, wanted: JobType, at: Date): boolean {
  const [last] = ends
  if (!last) return true
  if (last.endedAt === null) return false
  const other = ends.findIndex(({ status, type }) => status === 'SUCCEEDED' || type !== wanted)
  const inARow = other === -1 ? ends.length : other
  if (inARow === 0) return true
  return at.getTime() >= last.endedAt.getTime() + Math.min(LONGEST_RETRY_MS, RETRY_MS * 2 ** (inARow - 1))
}

function move(
  app: Pick<App, 'queue'>,
  tx: Transaction,
  those: { cluster: ClusterRow; due: Due }[],
  type: JobType & ('HIBERNATE' | 'RESUME'),
  changes: Pick<Changes<typeof clusters>, 'maintenanceUntil' | 'announcedFor' | 'inUseAt'>,
): number {
  const transition = type === 'HIBERNATE' ? 'startHibernate' : 'startResume'
  const moved = transitionClusters(tx, KEEPER, those.map(({ cluster }) => cluster), transition, changes) // prettier-ignore
  const whys = new Map(those.map(({ cluster, due }) => [cluster.id, 'why' in due ? due.why : '']))
  openJobs(app, tx, KEEPER, moved, type, new Date(), ({ id }) => ({ params: { why: whys.get(id) ?? '' } }))
  return moved.length
}
