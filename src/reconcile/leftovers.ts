// What turns up after DESTROYED. A host may freeze together with its installer, and thaw when the cluster has long been
// destroyed elsewhere. The installer then makes what it was about to make. A lease on the frozen host cannot prevent
// that. So a cluster that ever lost a worker is looked at again, for a day. What exists then takes it back to
// DESTROYING.
import { and, asc, eq, isNotNull, sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { App } from '../app.ts'
import type { Actor } from '../auth/principal.ts'
import { describeResources, isProvedEmpty, type Resource } from '../clouds/inventory.ts'
import { adoptLost } from '../clusters/adopt.ts'
import { queryOf } from '../clusters/inventory-query.ts'
import { closeEntries, keepEntry, listInfraIds, type LedgerFacts } from '../clusters/ledger.ts'
import { transitionCluster } from '../clusters/lifecycle.ts'
import { lockCluster } from '../clusters/queries.ts'
import { type ClusterRow, clusters, leakRecords } from '../clusters/tables.ts'
import { realMs, type Config } from '../config.ts'
import type { Db, Transaction } from '../db/client.ts'
import type { Expression } from '../db/statements.ts'
import { hasCode } from '../errors.ts'
import { newId } from '../ids.ts'
import { openJob } from '../jobs/commands.ts'
import { fileFinding } from './findings.ts'

const LOOKER = { kind: 'system', name: 'later-look' } as const satisfies Actor
const MINUTE_MS = 60_000
/** The looks after the proof that nothing is left. Each is counted from the look before. */
const LOOKS_AFTER_MINUTES = [1, 5, 30, 360, 1080]
const SHORTEST_LOOK_MS = 5_000
/** How long to wait when another cluster has the name by now, or when a cloud does not answer. */
const WAIT_MINUTES = 60
const NAME_LEASE = '23505'

/** For the transition to DESTROYED: when to take the first later look at a cluster that has lost a worker. */
export function firstLookAt(config: Config): Expression {
  const seconds = secondsOf(config, LOOKS_AFTER_MINUTES[0] ?? 1)
  return {
    sql: `case when exists (select 1 from job_attempts a join jobs j on j.id = a.job_id
      where j.cluster_id = clusters.id and a.outcome = 'LOST') then now() + make_interval(secs => ${seconds}) end`,
  }
}

export async function listDueLooks(db: Db, limit = 100): Promise<string[]> {
  // Index clusters_look.
  const rows = await db
    .select({ id: clusters.id })
    .from(clusters)
    .where(and(isNotNull(clusters.lookAt), sql`${clusters.lookAt} <= now()`))
    .orderBy(asc(clusters.lookAt))
    .limit(limit)
  return rows.map((row) => row.id)
}

/** held: something exists, and another cluster has the name; unknown: the cloud did not tell. */
export type Look = 'empty' | 'reopened' | 'held' | 'unknown'

/** Destroys once more what exists of a DESTROYED cluster. Returns undefined when it is not DESTROYED. */
export async function lookAgain(
  app: Pick<App, 'db' | 'queue' | 'inventory' | 'config' | 'log'>,
  clusterId: string,
): Promise<Look | undefined> {
  const [cluster] = await app.db
    .select()
    .from(clusters)
    .where(and(eq(clusters.id, clusterId), eq(clusters.status, 'DESTROYED')))
  if (!cluster) return undefined
  const infraIds = await listInfraIds(app.db, clusterId)
  const answer = await app.inventory.find(queryOf(cluster, clusterId, infraIds))
  if (answer.found.length === 0) {
    const isEmpty = isProvedEmpty(answer)
    await app.db.transaction((tx) => setNextLook(app, tx, cluster, isEmpty))
    return isEmpty ? 'empty' : 'unknown'
  }
  try {
    const isReopened = await app.db.transaction((tx) => reopenDestroy(app, tx, clusterId, answer.found))
    return isReopened ? 'reopened' : undefined
  } catch (error) {
    if (!hasCode(error, NAME_LEASE)) throw error
    await app.db.transaction((tx) => recordLeak(app, tx, cluster, infraIds, answer.found))
    return 'held'
  }
}

/**
 * For a worker that has lost its attempt. When the host was frozen or the database came back without its newest
 * commits, only this worker may know what its installer made meanwhile. `infra` is what the attempt made. Throws as
 * adoptCluster.
 */
export async function lookAfterLoss(
  app: Pick<App, 'db' | 'queue' | 'store' | 'box' | 'inventory' | 'config' | 'log'>,
  clusterId: string,
  infra: LedgerFacts | undefined,
): Promise<void> {
  const isKnown = await app.db.transaction(async (tx) => {
    const cluster = await lockCluster(tx, clusterId)
    // For a cluster that is gone, only the look decides whether anything is open.
    if (cluster && infra) await keepEntry(tx, { ...infra, emptyAt: cluster.status === 'DESTROYED' ? new Date() : null })
    return cluster !== undefined
  })
  if (isKnown) await lookAgain(app, clusterId)
  else if (infra) await adoptLost(app, clusterId)
}

async function setNextLook(
  app: Pick<App, 'config'>,
  tx: Transaction,
  { id, looks, lookAt }: ClusterRow,
  isAnswered: boolean,
) {
  const cluster = await lockCluster(tx, id)
  if (cluster?.status !== 'DESTROYED') return
  // A worker that had lost its attempt put these back, and nothing exists for them.
  if (isAnswered) await closeEntries(tx, id)
  if (lookAt === null) return
  const minutes = isAnswered ? LOOKS_AFTER_MINUTES[looks + 1] : WAIT_MINUTES
  await tx
    .update(clusters)
    .set({
      looks: isAnswered ? looks + 1 : looks,
      lookAt: minutes === undefined ? null : inMinutes(app.config, minutes),
    })
    .where(and(eq(clusters.id, id), eq(clusters.looks, looks), isNotNull(clusters.lookAt)))
}

async function reopenDestroy(
  app: Pick<App, 'queue' | 'log'>,
  tx: Transaction,
  id: string,
  resources: Resource[],
): Promise<boolean> {
  const cluster = await lockCluster(tx, id)
  if (cluster?.status !== 'DESTROYED') return false
  const statusReason = `found after the destroy: ${describeResources(resources)}`
  const changes = { destroyedAt: null, lookAt: null, looks: 0, statusReason }
  const moved = transitionCluster(tx, LOOKER, cluster, 'reopenDestroy', changes)
  openJob(app, tx, LOOKER, moved, 'JANITOR_DESTROY', moved.updatedAt)
  app.log.warn(
    { clusterId: id, resources: resources.length },
    'leftovers of a destroyed cluster: it is destroyed again',
  )
  return true
}

/**
 * Another cluster holds the name, and the installer's destroy would take its DNS records. So this destroy waits for it.
 */
async function recordLeak(
  app: Pick<App, 'config'>,
  tx: Transaction,
  { id }: ClusterRow,
  infraIds: string[],
  resources: Resource[],
) {
  const detail = `the cluster is DESTROYED, and of it there stands ${describeResources(resources)}; another cluster holds its name, so it is destroyed again when that one is gone`
  const isNew = await fileFinding(
    tx,
    LOOKER,
    { type: 'resources-of-destroyed-cluster', subject: id, clusterId: id },
    { detail, resources },
  )
  if (isNew)
    await tx
      .insert(leakRecords)
      .values({ id: newId('lek'), clusterId: id, infraIds, resources, reason: detail, recordedBy: LOOKER.name })
  await tx
    .update(clusters)
    .set({ lookAt: inMinutes(app.config, WAIT_MINUTES) })
    .where(and(eq(clusters.id, id), eq(clusters.status, 'DESTROYED')))
}

const inMinutes = (config: Config, minutes: number): SQL<Date> =>
  sql`now() + make_interval(secs => ${secondsOf(config, minutes)})`

const secondsOf = (config: Config, minutes: number) => realMs(config, minutes * MINUTE_MS, SHORTEST_LOOK_MS) / 1000
