// Makes of each cluster what its off-hours say. A look compares what is wanted now with what is; so what a service that was
// down has missed is done at its first look.
import type { App } from '../app.ts'
import type { Actor } from '../auth/principal.ts'
import { send, type Reader, type Transaction } from '../db/client.ts'
import { selection, update } from '../db/statements.ts'
import { dueAt, MAINTENANCE_MS, type Due } from '../hours/due.ts'
import { readHours, type Hours, type OffHours } from '../hours/off-hours.ts'
import { wantedAt, type Override, type Wanted } from '../hours/wanted.ts'
import { openJobs } from '../jobs/commands.ts'
import { listEndsOf } from '../jobs/queries.ts'
import { maySleep } from '../policy/sleep.ts'
import type { ClusterStatus, JobType } from '../vocabulary.ts'
import { timeOf } from './end.ts'
import { transitionClusters } from './lifecycle.ts'
import { keptOf, readOverrides, tellAhead } from './off-hours.ts'
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
  const { now, due } = await listDue(app.db, foresight, at)
  const done = { asleep: 0, awake: 0, told: 0 }
  for (let first = 0; first < due.length; first += AT_ONCE) {
    const ids = due.slice(first, first + AT_ONCE)
    try {
      await app.db.transaction(async (tx) => {
        const some = await keepSome(app, tx, ids, now)
        for (const key of ['asleep', 'awake', 'told'] as const) done[key] += some[key]
      })
    } catch (error) {
      // One of them may be what the transaction failed of. The next look comes soon.
      app.log.error({ err: error, clusters: ids.length }, 'off-hours could not be kept')
    }
  }
  return done
}

type Seen = Pick<ClusterRow, 'id' | 'status' | 'announcedFor' | 'wakeBy' | 'maintenanceUntil'> & {
  hoursText: string | null
  overridesText: string
  endsAt: Date
}

/** The clusters about which something is to be done. One read of an index and its rows. */
export async function listDue(db: Reader, foresight: Foresight, at?: Date): Promise<{ now: Date; due: string[] }> {
  const { rows } = await db.$client.query<Seen>({
    name: 'clusters with hours',
    // Index clusters_hours.
    text: `select id, status, announced_for as "announcedFor", wake_by as "wakeBy", maintenance_until as "maintenanceUntil",
        off_hours::text as "hoursText", overrides::text as "overridesText", greatest(destroy_at, protected_until) as "endsAt"
      from clusters
      where status <> 'DESTROYED' and (off_hours is not null or wake_by is not null or maintenance_until is not null)`,
  })
  const now = at ?? (await timeOf(db))
  const known = new Set<string>()
  const due: string[] = []
  for (const row of rows) {
    known.add(row.id)
    const { hours, overrides, wanted } = remember(foresight, row, now)
    if (dueAt({ ...row, hours, overrides }, now, wanted)) due.push(row.id)
  }
  for (const id of foresight.keys()) if (!known.has(id)) foresight.delete(id)
  return { now, due }
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

async function keepSome(app: Pick<App, 'queue'>, tx: Transaction, ids: string[], at: Date) {
  const rows = await lockSome(tx, ids)
  const due = rows.flatMap((cluster) => {
    const found = dueAt(keptOf(cluster), at)
    const sleeps = found?.kind === 'sleep' || found?.kind === 'announce-sleep'
    return found && (!sleeps || maySleep(cluster, at)) ? [{ cluster, due: found }] : []
  })
  // A cluster on its way is turned by nobody else while its job is open.
  const moving = due.filter(({ cluster }) => isMoving(cluster.status)).map(({ cluster }) => cluster.id)
  const ends = moving.length > 0 ? await listEndsOf(tx, moving) : []
  const held = new Set(
    moving.filter(
      (id) =>
        !mayTurn(
          ends.filter(({ clusterId }) => clusterId === id),
          at,
        ),
    ),
  )
  const free = due.filter(({ cluster }) => !held.has(cluster.id))
  const of = (...kinds: Due['kind'][]) => free.filter(({ due: { kind } }) => kinds.includes(kind))

  const asleep = move(app, tx, of('sleep'), 'HIBERNATE', { maintenanceUntil: null })
  const awake = move(app, tx, of('wake'), 'RESUME', {})
  const maintained = move(app, tx, of('maintain'), 'RESUME', { maintenanceUntil: new Date(at.getTime() + MAINTENANCE_MS) }) // prettier-ignore
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

/** Whether its last job is over, and the pause after so many failures too. */
function mayTurn(ends: { endedAt: Date | null; status: string }[], at: Date): boolean {
  const [last] = ends
  if (!last) return true
  if (last.endedAt === null) return false
  const failures = ends.findIndex(({ status }) => status === 'SUCCEEDED')
  const inARow = failures === -1 ? ends.length : failures
  if (inARow === 0) return true
  return at.getTime() >= last.endedAt.getTime() + Math.min(LONGEST_RETRY_MS, RETRY_MS * 2 ** (inARow - 1))
}

function move(
  app: Pick<App, 'queue'>,
  tx: Transaction,
  those: { cluster: ClusterRow; due: Due }[],
  type: JobType & ('HIBERNATE' | 'RESUME'),
  changes: { maintenanceUntil?: Date | null },
): number {
  const transition = type === 'HIBERNATE' ? 'startHibernate' : 'startResume'
  const moved = transitionClusters(tx, KEEPER, those.map(({ cluster }) => cluster), transition, changes) // prettier-ignore
  const whys = new Map(those.map(({ cluster, due }) => [cluster.id, 'why' in due ? due.why : '']))
  openJobs(app, tx, KEEPER, moved, type, new Date(), ({ id }) => ({ params: { why: whys.get(id) ?? '' } }))
  return moved.length
}
