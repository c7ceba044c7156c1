// Another number of workers. What a cluster that grows will cost counts from the request on, and one that shrinks costs
// what it did until its machines are gone.
import type { App } from '../app.ts'
import type { Actor } from '../auth/principal.ts'
import type { Transaction } from '../db/client.ts'
import { AppError, messageOf } from '../errors.ts'
import { openJob } from '../jobs/commands.ts'
import { keepParams } from '../jobs/attempts.ts'
import type { JobRow } from '../jobs/tables.ts'
import { readAutoscalers } from '../kubernetes/machines.ts'
import { outsideBounds } from '../policy/policy.ts'
import { sizesOf, type Sizes } from '../policy/sizes.ts'
import { cents, hoursThisMonth } from '../policy/spend.ts'
import { destroyStartsAt } from '../policy/end.ts'
import { timeFor } from './end.ts'
import { requireTransition, transitionCluster } from './lifecycle.ts'
import { openKubeconfig } from './outputs.ts'
import { clusterFor } from './queries.ts'
import { readUsageInTurn } from './quota.ts'
import type { ClusterRow } from './tables.ts'

const LOOK_MS = 5_000

/**
 * Opens the job. `autoscaled`: what lookForAutoscalers has told. Throws NOT_FOUND, FORBIDDEN, NOT_IN_STATE,
 * POLICY_VIOLATION, QUOTA_EXCEEDED, CONFLICT.
 */
export async function scaleWorkers(
  app: Pick<App, 'queue' | 'catalog'>,
  tx: Transaction,
  by: Actor,
  id: string,
  replicas: number,
  autoscaled?: string,
): Promise<{ cluster: ClusterRow; job: JobRow }> {
  const cluster = await clusterFor(tx, by, 'cluster.scale', id, { lock: true })
  requireTransition(cluster, 'startScale')
  const outside = outsideBounds(cluster.profileSnapshot, replicas, '/replicas')
  if (outside) throw new AppError('POLICY_VIOLATION', outside.detail, [outside])
  if (autoscaled !== undefined) throw new AppError('CONFLICT', autoscaled)
  const sizes = sizesOf(cluster.profileSnapshot, replicas)
  const isLarger = replicas > cluster.workerReplicas
  if (isLarger) await requireRoom(app, tx, cluster, sizes)
  const moved = transitionCluster(tx, by, cluster, 'startScale', isLarger ? sizes : {})
  const job = openJob(app, tx, by, moved, 'SCALE_WORKERS', moved.updatedAt, { params: { replicas } })
  return { cluster: moved, job }
}

/** Throws QUOTA_EXCEEDED. */
async function requireRoom(app: Pick<App, 'catalog'>, tx: Transaction, cluster: ClusterRow, sizes: Sizes) {
  const { team, profileSnapshot: profile } = cluster
  const quota = app.catalog.quotaOf(team)
  const usage = await readUsageInTurn(tx, team, quota, profile)
  const at = await timeFor(tx, cluster)
  const vcpu = sizes.vcpu - cluster.vcpu
  const usd = (sizes.usdPerHour - cluster.usdPerHour) * Math.max(0, hoursThisMonth(at, destroyStartsAt(cluster), at))
  const limits: [what: string, has: number, adds: number, limit: number | undefined][] = [
    [`vCPU of team "${team}"`, usage.vcpu, vcpu, quota.vcpu],
    [`USD of this month of team "${team}"`, usage.usdThisMonth, usd, quota.usdPerMonth],
    [`USD of this month of profile ${profile.name}`, usage.profileUsdThisMonth, usd, profile.cost.monthlyCeilingUsd],
  ]
  for (const [what, has, adds, limit] of limits)
    if (limit !== undefined && adds > 0 && has + adds > limit) {
      const detail = `${cents(has)} of ${limit} ${what} are taken, and these workers need ${cents(adds)} more`
      throw new AppError('QUOTA_EXCEEDED', detail, [{ pointer: '/replicas', detail, allowed: { max: cents(Math.max(0, limit - has)) } }]) // prettier-ignore
    }
}

/**
 * Why the size is not ours to change: an autoscaler of the cluster moves it. undefined: none does, or the cluster does not
 * tell just now, and then the job finds out. Throws NOT_FOUND, FORBIDDEN.
 */
export async function lookForAutoscalers(
  { db, box, reach, log }: Pick<App, 'db' | 'box' | 'reach' | 'log'>,
  by: Actor,
  id: string,
): Promise<string | undefined> {
  const cluster = await db.transaction((tx) => clusterFor(tx, by, 'cluster.scale', id))
  if (cluster.status !== 'READY') return undefined
  try {
    const kubeconfig = await openKubeconfig(db, box, id)
    if (kubeconfig === undefined) return undefined
    const api = await reach.open(kubeconfig, `${cluster.name}.${cluster.baseDomain}`, AbortSignal.timeout(LOOK_MS))
    try {
      const [first] = await readAutoscalers(api)
      return first && `the machine autoscaler ${first[1]} moves the size of ${first[0]}: change its bounds in the cluster, or delete it` // prettier-ignore
    } finally {
      await api.close()
    }
  } catch (error) {
    log.debug({ clusterId: id }, `autoscalers are not asked for: ${messageOf(error)}`)
    return undefined
  }
}

/** Keeps with the job the size that each machine set is to have. */
export const keepSizes = (tx: Transaction, jobId: string, sizes: Map<string, number>): void =>
  keepParams(tx, jobId, { sizes: Object.fromEntries(sizes) })
