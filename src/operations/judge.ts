// What an operation would do to each of its clusters, by the same rules as the single verbs. It changes nothing and waits
// for nobody, so what happens meanwhile may turn out otherwise.
import { setImmediate } from 'node:timers/promises'
import type { App } from '../app.ts'
import { denial, isAllowedOn, type Action } from '../auth/permissions.ts'
import type { Actor } from '../auth/principal.ts'
import { judgeDestroy, judgeRetry, listDestroysUnderWay } from '../clusters/commands.ts'
import { judgeCost, planEnd } from '../clusters/end.ts'
import { type Judged, readSnapshots } from '../clusters/queries.ts'
import { nothingHeld, readHoldings, requireInstall } from '../clusters/quota.ts'
import type { Reader } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { judgeCancel } from '../jobs/commands.ts'
import { findNewestJobs, listOpenJobsOf } from '../jobs/queries.ts'
import type { JobRow } from '../jobs/tables.ts'
import type { OperationEffect, OperationVerb } from '../vocabulary.ts'

type Order = { verb: OperationVerb; hours: number | undefined }
/** `usdAdded`: what a moved end adds. */
type Verdict = { effect: OperationEffect; usdAdded?: number }
export type Judgement = { cluster: Judged } & (Verdict | { refusal: AppError })
type Judge = (cluster: Judged) => Promise<Verdict> | Verdict

/** So many are judged before the process does other things. */
const AT_ONCE = 500

/** What it takes to do this to a cluster. */
export const actionOf: Record<OperationVerb, Action> = {
  destroy: 'cluster.destroy',
  extend: 'cluster.extend',
  retry: 'job.retry',
  cancel: 'job.cancel',
}

export async function judgeAll(
  app: Pick<App, 'db' | 'catalog'>,
  by: Actor,
  { verb, hours = 0 }: Order,
  clusters: readonly Judged[],
): Promise<Judgement[]> {
  const judges: Record<OperationVerb, () => Promise<Judge>> = {
    destroy: () => openDestroy(app.db, clusters),
    extend: () => openExtend(app, clusters, hours),
    retry: () => openRetry(app, by, clusters),
    cancel: () => openCancel(app.db, clusters),
  }
  const judge = await judges[verb]()
  const all: Judgement[] = []
  for (const cluster of clusters) {
    if (all.length % AT_ONCE === AT_ONCE - 1) await setImmediate()
    try {
      if (!isAllowedOn(by, actionOf[verb], cluster)) throw denial(by, actionOf[verb], cluster)
      all.push({ cluster, ...(await judge(cluster)) })
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      all.push({ cluster, refusal: error })
    }
  }
  return all
}

const idsOf = (clusters: readonly Judged[], isWanted: (cluster: Judged) => boolean = () => true) =>
  clusters.filter(isWanted).map(({ id }) => id)
const clusterIdsOf = (jobs: JobRow[]) => new Set(jobs.map(({ clusterId }) => clusterId))

async function openDestroy(db: Reader, clusters: readonly Judged[]): Promise<Judge> {
  const at = new Date()
  const destroying = idsOf(clusters, ({ status }) => status === 'DESTROYING')
  const underWay = clusterIdsOf(await listDestroysUnderWay(db, destroying))
  return (cluster) => ({ effect: judgeDestroy(cluster, at, underWay.has(cluster.id)) })
}

async function openExtend(
  { db, catalog }: Pick<App, 'db' | 'catalog'>,
  clusters: readonly Judged[],
  hours: number,
): Promise<Judge> {
  const at = new Date()
  const snapshots = await readSnapshots(db, clusters)
  // What the clusters before have taken counts for those after them.
  const ofTeams = openSums(async (team) => (await readHoldings(db, 'team', team)).usdThisMonth)
  const ofProfiles = openSums(async (profile) => (await readHoldings(db, 'profile', profile)).usdThisMonth)
  return async (cluster) => {
    const profileSnapshot = snapshots.get(cluster.profileHash)
    if (!profileSnapshot) throw new Error(`the profile of ${cluster.id} is gone`)
    const ending = { ...cluster, profileSnapshot }
    const plan = planEnd(ending, { hours }, at)
    const quota = catalog.quotaOf(cluster.team)
    const [team, profile] = await Promise.all([
      quota.usdPerMonth === undefined ? undefined : ofTeams(cluster.team),
      profileSnapshot.cost.monthlyCeilingUsd === undefined ? undefined : ofProfiles(profileSnapshot.name),
    ])
    const usage = { ...nothingHeld, usdThisMonth: team?.sum ?? 0, profileUsdThisMonth: profile?.sum ?? 0 }
    const { addedThisMonth, usdAdded } = judgeCost(ending, plan, quota, usage, at)
    for (const holder of [team, profile]) if (holder) holder.sum += addedThisMonth
    return { effect: plan.isLater ? 'end-later' : 'end-earlier', usdAdded }
  }
}

async function openRetry(
  { db, catalog }: Pick<App, 'db' | 'catalog'>,
  by: Actor,
  clusters: readonly Judged[],
): Promise<Judge> {
  const newest = await findNewestJobs(db, idsOf(clusters))
  const destroy = await openDestroy(db, clusters)
  const installs = openSums(async (team) => (await readHoldings(db, 'team', team)).installs)
  return async (cluster) => {
    const effect = judgeRetry(cluster, requireJob(newest.get(cluster.id), NEVER_HAD_ONE))
    if (effect === 'destroy-again') {
      if (!isAllowedOn(by, 'cluster.destroy', cluster)) throw denial(by, 'cluster.destroy', cluster)
      await destroy(cluster)
      return { effect }
    }
    const limit = catalog.quotaOf(cluster.team).concurrentInstalls
    if (limit === undefined) return { effect }
    const holder = await installs(cluster.team)
    requireInstall(cluster.team, holder.sum, limit)
    holder.sum++
    return { effect }
  }
}

async function openCancel(db: Reader, clusters: readonly Judged[]): Promise<Judge> {
  const at = new Date()
  const open = firstOfEach(await listOpenJobsOf(db, idsOf(clusters)))
  return (cluster) => {
    const job = requireJob(open.get(cluster.id), NOTHING_OPEN)
    judgeCancel(cluster, job, at)
    return { effect: cancelEffect(job) }
  }
}

/** The job that a cluster's turn belongs to: its oldest that has not ended. */
export function firstOfEach(jobs: JobRow[]): Map<string, JobRow> {
  return new Map(jobs.toSorted((a, b) => (a.id < b.id ? 1 : -1)).map((job) => [job.clusterId, job]))
}

export const NEVER_HAD_ONE = 'the cluster never had a job'
export const NOTHING_OPEN = 'the cluster has no job that could be cancelled'
export const cancelEffect = ({ type }: JobRow): OperationEffect =>
  type === 'CREATE' ? 'create-cancelled' : 'destroy-cancelled'

export function requireJob(job: JobRow | undefined, otherwise: string): JobRow {
  if (!job) throw new AppError('NOT_IN_STATE', otherwise)
  return job
}

/** A sum for each name, read once. */
function openSums(read: (name: string) => Promise<number>): (name: string) => Promise<{ sum: number }> {
  const known = new Map<string, Promise<{ sum: number }>>()
  return (name) => {
    const sum = known.get(name) ?? read(name).then((value) => ({ sum: value }))
    known.set(name, sum)
    return sum
  }
}
