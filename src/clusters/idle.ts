// Puts clusters to sleep that nobody uses, where their profile asks for it. How a use is known: kubernetes/use.ts. A cluster
// of which it is not known stays awake.
import { and, eq } from 'drizzle-orm'
import type { App } from '../app.ts'
import type { Actor } from '../auth/principal.ts'
import type { Reader, Transaction } from '../db/client.ts'
import { messageOf } from '../errors.ts'
import { NOTICE_MS } from '../hours/due.ts'
import { wantedAt } from '../hours/wanted.ts'
import { openJob } from '../jobs/commands.ts'
import { readUse, type Use } from '../kubernetes/use.ts'
import { maySleep } from '../policy/sleep.ts'
import { uptimeMs } from '../uptime.ts'
import { tryTransition } from './lifecycle.ts'
import { changesByHand, keptOf, tellAhead } from './off-hours.ts'
import { openKubeconfig } from './outputs.ts'
import { lockCluster } from './queries.ts'
import { clusters, type ClusterRow } from './tables.ts'

const KEEPER: Actor = { kind: 'system', name: 'off-hours' }
const HOUR_MS = 3_600_000
const LOOK_MS = 20_000
const AT_ONCE = 8
const MOST = 500
/** The next pass comes then. */
const LONGEST_MS = 4 * 60_000

type Idle = Pick<ClusterRow, 'id' | 'name' | 'baseDomain' | 'idleHours'>

/** Returns how many sleep, and how many are told. `at`: for the time of now. */
export async function putIdleToSleep(
  app: Pick<App, 'db' | 'box' | 'reach' | 'queue' | 'log'>,
  at?: Date,
): Promise<{ asleep: number; told: number }> {
  const unused = await listUnused(app.db, at ?? new Date())
  const done = { asleep: 0, told: 0 }
  const until = uptimeMs() + LONGEST_MS
  // Those of which nobody knows take the longest, and are in no fixed place.
  for (let first = 0; first < unused.length && uptimeMs() < until; first += AT_ONCE)
    await Promise.all(
      unused.slice(first, first + AT_ONCE).map(async (cluster) => {
        try {
          const did = await lookAtOne(app, cluster, at)
          if (did) done[did]++
        } catch (error) {
          app.log.error({ err: error, clusterId: cluster.id }, 'a cluster that nobody uses could not be put to sleep')
        }
      }),
    )
  return done
}

async function lookAtOne(app: Pick<App, 'db' | 'box' | 'reach' | 'queue' | 'log'>, cluster: Idle, at?: Date) {
  const use = await askForUse(app, cluster, at ?? new Date()).catch((error: unknown): Use => ({ unknown: messageOf(error) })) // prettier-ignore
  if (!('unknown' in use)) return app.db.transaction((tx) => settleUse(app, tx, cluster.id, use.at, at ?? new Date()))
  app.log.debug({ clusterId: cluster.id }, `whether it is used is not known: ${use.unknown}`)
  return undefined
}

/** Those whose last known use is long enough ago. Index clusters_idle. */
async function listUnused(db: Reader, now: Date): Promise<Idle[]> {
  const { rows } = await db.$client.query<Idle>({
    name: 'clusters without use',
    text: `select id, name, base_domain as "baseDomain", idle_hours as "idleHours"
      from clusters where status = 'READY' and idle_hours is not null and coalesce(in_use_at, ready_at) <= $1::timestamptz - make_interval(hours => idle_hours)
      order by random() limit ${MOST}`,
    values: [now],
  })
  return rows
}

async function askForUse(
  { db, box, reach }: Pick<App, 'db' | 'box' | 'reach'>,
  cluster: Idle,
  now: Date,
): Promise<Use> {
  const kubeconfig = await openKubeconfig(db, box, cluster.id)
  if (kubeconfig === undefined) return { unknown: 'it has no kubeconfig' }
  const api = await reach.open(kubeconfig, `${cluster.name}.${cluster.baseDomain}`, AbortSignal.timeout(LOOK_MS))
  try {
    return await readUse(api, cluster.idleHours ?? 0, now)
  } finally {
    await api.close()
  }
}

async function settleUse(
  app: Pick<App, 'queue'>,
  tx: Transaction,
  id: string,
  usedAt: Date | null,
  now: Date,
): Promise<'asleep' | 'told' | undefined> {
  const cluster = await lockCluster(tx, id)
  if (!cluster || cluster.status !== 'READY' || cluster.idleHours === null) return undefined
  const known = cluster.inUseAt ?? cluster.readyAt ?? cluster.createdAt
  const lastUse = usedAt && usedAt > known ? usedAt : known
  if (lastUse.getTime() > now.getTime() - cluster.idleHours * HOUR_MS) {
    // A sleep that was told of does not come.
    if (lastUse > known) await tx.update(clusters).set({ inUseAt: lastUse, announcedFor: null }).where(and(eq(clusters.id, id), eq(clusters.status, 'READY'))) // prettier-ignore
    return undefined
  }
  const { maintenanceUntil, announcedFor } = cluster
  if (maintenanceUntil !== null || !maySleep(cluster, now)) return undefined
  // Somebody has said until when it is to be awake.
  const { hours, overrides } = keptOf(cluster)
  const wanted = hours && wantedAt(hours, overrides, now)
  if (wanted?.state === 'awake' && wanted.because.kind === 'override' && wanted.because.override.how !== 'hand') return undefined // prettier-ignore
  const why = `nobody but its own parts has asked its API for ${cluster.idleHours} hours`
  const isNear = announcedFor !== null && announcedFor.getTime() <= now.getTime() + NOTICE_MS
  // An announcement from before its last use was of another sleep.
  if (!isNear || announcedFor.getTime() < lastUse.getTime() + cluster.idleHours * HOUR_MS) {
    tellAhead(tx, cluster, 'cluster.sleep_near', { at: new Date(now.getTime() + NOTICE_MS), why }, now)
    return 'told'
  }
  if (announcedFor > now) return undefined
  // Its off-hours would wake it at once.
  const moved = tryTransition(tx, KEEPER, cluster, 'startHibernate', changesByHand(cluster, KEEPER, 'asleep', now))
  if (!moved) return undefined
  openJob(app, tx, KEEPER, moved, 'HIBERNATE', now, { params: { why } })
  return 'asleep'
}
