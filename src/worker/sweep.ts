// What is taken away inside a cluster before it is destroyed: load balancers and disks that its own controllers made, and
// that they alone know how to undo. Nothing here may keep the cluster from being destroyed. Whatever does not work is
// told, and the destroy goes on.
import { auditSweep, noteDisks } from '../clusters/disks.ts'
import { openKubeconfig } from '../clusters/outputs.ts'
import { messageOf } from '../errors.ts'
import { LockLost } from '../jobs/lock.ts'
import type { Kubernetes } from '../kubernetes/client.ts'
import { ApiNotReached, ApiRefused } from '../kubernetes/refusals.ts'
import { readHoldings, type Holdings, type KubeObject } from '../kubernetes/holdings.ts'
import type { Operation } from './operation.ts'

const LOOK_MS = 5_000
const SHORTEST_LOOK_MS = 50
/** So often in a row the API may not answer. It is started anew at times. */
const MISSES = 3
/** Enough for a volume to be unmounted. What the pod still writes is destroyed a moment later anyway. */
const POD_GRACE_SECONDS = 10
const DELETES_AT_ONCE = 6
const SHOWN = 20

/**
 * A quota of nothing keeps every controller, whatever its kind, from making again what was deleted. It is in no way of
 * what exists. It holds a moment after it was made; what is made meanwhile is seen at the next look.
 */
const QUOTA = 'ocpctl-sweep'
const quota = {
  apiVersion: 'v1',
  kind: 'ResourceQuota',
  metadata: { name: QUOTA },
  spec: { hard: { 'services.loadbalancers': '0', persistentvolumeclaims: '0' } },
}

/** Throws Stopped and LockLost, and nothing else. */
export async function sweepCluster(operation: Operation, budgetMs: number): Promise<void> {
  const { app, claim, stopping, log } = operation
  const { id, name, baseDomain, readyAt, hibernatedAt } = claim.cluster
  // One that sleeps is not woken for it.
  if (!readyAt || hibernatedAt) return
  const timeIsOver = AbortSignal.timeout(budgetMs)
  const stop = AbortSignal.any([stopping, timeIsOver])
  let api: Kubernetes | undefined
  try {
    const kubeconfig = await openKubeconfig(app.db, app.box, id)
    if (kubeconfig === undefined) return
    api = await app.reach.open(kubeconfig, `${name}.${baseDomain}`, stop)
    await sweep(operation, api, timeIsOver)
  } catch (error) {
    stopping.throwIfAborted()
    if (error instanceof LockLost) throw error
    const isSilent = error instanceof ApiNotReached
    const what = isSilent ? "The cluster's API is not reached" : 'The cluster is not swept inside'
    log(
      isSilent ? 'info' : 'warning',
      `${what}: ${messageOf(error)}. What its own controllers made is left to the destroyer`,
    )
  } finally {
    await api?.close()
  }
}

async function sweep(operation: Operation, api: Kubernetes, timeIsOver: AbortSignal): Promise<void> {
  const { log } = operation
  let holdings = await readHoldings(api)
  const first = targetsOf(holdings)
  const asked = new Map<string, KubeObject>()
  const refusals = new Map<string, string>()
  const noted = new Set<string>()
  const ended = new Set<string>()
  await note(operation, holdings, noted, first.length > 0)
  if (first.length === 0) return log('info', 'The cluster has no load balancer or disk of its own making')
  await operation.enter('sweep')
  log('info', `Taking away inside the cluster: ${describe(first)}`)

  for (let misses = 0; ;) {
    try {
      await askToGo(api, holdings, { ended, asked, refusals })
      await operation.pause(operation.realMs(LOOK_MS, SHORTEST_LOOK_MS))
      holdings = await readHoldings(api)
      misses = 0
    } catch (error) {
      operation.stopping.throwIfAborted()
      if (!(error instanceof ApiNotReached || error instanceof ApiRefused)) throw error
      misses++
      if (timeIsOver.aborted || misses === MISSES) {
        log('warning', `The cluster's API is not reached any more: ${error.message}`)
        break
      }
      await operation.pause(operation.realMs(LOOK_MS, SHORTEST_LOOK_MS))
      continue
    }
    // Noted before its claim is deleted, like those of the first look.
    await note(operation, holdings, noted, false)
    if (targetsOf(holdings).length === 0 || timeIsOver.aborted) break
  }
  tell(operation, holdings, asked, refusals)
}

const targetsOf = ({ services, claims, volumes }: Holdings) => [...services, ...claims, ...volumes]

/** What is not noted yet. It is durable before anything is deleted. */
async function note(operation: Operation, holdings: Holdings, noted: Set<string>, isAudited: boolean): Promise<void> {
  const disks = holdings.disks.filter((disk) => !noted.has(disk))
  if (disks.length === 0 && !isAudited) return
  const { lock } = operation.claim
  const { services, claims, volumes } = holdings
  await operation.fenced(async (tx) => {
    if (disks.length > 0) await noteDisks(tx, lock, disks)
    if (isAudited) auditSweep(tx, lock, { services: services.length, claims: claims.length, volumes: volumes.length })
  })
  for (const disk of disks) noted.add(disk)
}

type Sweeping = {
  /** The namespaces that have the quota. */
  ended: Set<string>
  asked: Map<string, KubeObject>
  refusals: Map<string, string>
}

/**
 * Claims come before the pods that hold them. A pod that is made again is then given no node, since its claim is being
 * deleted, and a pod without a node holds nothing.
 */
async function askToGo(api: Kubernetes, holdings: Holdings, { ended, asked, refusals }: Sweeping): Promise<void> {
  const { services, claims, pods } = holdings
  const namespaces = new Set([...services, ...claims].map(({ namespace }) => namespace))
  await forEach([...namespaces].filter((each) => !ended.has(each)), refusals, async (namespace) => {
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/resourcequotas/${QUOTA}`
    await api.patch(path, quota, 'apply', { fieldManager: 'ocpctl', force: 'true' })
    ended.add(namespace)
  }) // prettier-ignore
  for (const objects of [services, claims, pods])
    await forEach(
      objects.filter((each) => each.deletionTimestamp === undefined),
      refusals,
      async (each) => {
        const { uid, kind, path } = each
        const options = kind === 'pod' ? { gracePeriodSeconds: POD_GRACE_SECONDS } : {}
        await api.delete(path, { uid, propagationPolicy: 'Background', ...options })
        refusals.delete(path)
        if (kind !== 'pod') asked.set(uid, each)
      },
    )
}

/** A refusal of one keeps nobody from asking for the others. */
async function forEach<T extends KubeObject | string>(
  items: T[],
  refusals: Map<string, string>,
  act: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = [...items]
  const actNext = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift())
      try {
        await act(item)
      } catch (error) {
        if (!(error instanceof ApiRefused)) throw error
        refusals.set(typeof item === 'string' ? item : item.path, error.message)
      }
  }
  await Promise.all(Array.from({ length: DELETES_AT_ONCE }, actNext))
}

function tell({ log }: Operation, last: Holdings, asked: Map<string, KubeObject>, refusals: Map<string, string>): void {
  const remaining = targetsOf(last)
  const there = new Set(remaining.map(({ uid }) => uid))
  const gone = [...asked.values()].filter(({ uid }) => !there.has(uid))
  if (gone.length > 0) log('info', `Gone inside the cluster: ${describe(gone)}`)
  if (remaining.length === 0) return log('info', 'No load balancer or disk of its own making is left in the cluster')
  const held = last.pods.length > 0 ? `; held by ${describe(last.pods)}` : ''
  log('warning', `Left inside the cluster: ${describe(remaining, refusals)}${held}. The destroy goes on; disks are looked for by name afterwards`) // prettier-ignore
}

function describe(objects: KubeObject[], refusals?: Map<string, string>): string {
  const shown = objects.slice(0, SHOWN).map(({ kind, namespace, name, path, finalizers }) => {
    const why = refusals && (refusals.get(path) ?? finalizers.join(', '))
    return `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}${why ? ` (${why})` : ''}`
  })
  return [...shown, ...(objects.length > SHOWN ? [`and ${objects.length - SHOWN} more`] : [])].join(', ')
}
