// Puts a cluster to sleep: what is awake is kept, health checks are paused, then the workers are stopped, and the control
// plane last. Machines that did not obey are told again at each look. A spot machine cannot sleep on every cloud: it is
// terminated, and another one comes in its place at the waking.
import { findSleep, keepSleep, type Sleep } from '../clusters/sleep.ts'
import { queryOfWhole } from '../clusters/inventory-query.ts'
import type { Instance, InstancesQuery, Ordered } from '../clouds/instances.ts'
import type { Outcome } from '../jobs/settle.ts'
import type { Kubernetes } from '../kubernetes/client.ts'
import { pauseHealthChecks, readHealthChecks } from '../kubernetes/health-checks.ts'
import { readWorkers } from '../kubernetes/machines.ts'
import { wakeBy } from '../policy/sleep.ts'
import { uptimeMs } from '../uptime.ts'
import { DayTwoFailed } from './failures.ts'
import { nameFirst, runInside } from './inside.ts'
import { insist, lookMsOf, until } from './insist.ts'
import type { Operation } from './operation.ts'
import { pointsOf, takeSteps, type OperationPlan, type Step } from './steps.ts'

const REACH_MINUTES = 5
const STOP_MINUTES = 10
const LIST_MS = 60_000

/** `isBegun`: machines were stopped already, so the API may not answer any more. What was kept before is enough then. */
type State = { api: Kubernetes; query: InstancesQuery; sleep: Sleep; isBegun: boolean }

const isAwake = ({ state }: Instance) => ['running', 'pending', 'other'].includes(state)

const steps: readonly Step<State>[] = [
  {
    name: 'noted',
    leaves: 'with the cluster, what is awake',
    isNeeded: ({ isBegun }) => !isBegun,
    stage: 'reach',
    budget: { minutes: () => REACH_MINUTES, leastMs: 60_000 },
    async take(operation, state, budgetMs) {
      const { claim } = operation
      const before = state.sleep
      const { sets } = await insist(operation, budgetMs, () => readWorkers(state.api))
      const checks = await insist(operation, budgetMs, () => readHealthChecks(state.api))
      const instances = await listInstances(operation, state.query, LIST_MS)
      if (instances.length === 0) throw new DayTwoFailed('NothingToStop', 'the cloud shows no machine of this cluster')
      const local = instances.filter(({ cannotStop }) => cannotStop === 'local-disk')
      if (local.length > 0)
        throw new DayTwoFailed('LocalDisks', `${describe(local)} would lose what is on its local disks`)
      const machines = instances.map(({ id, name, zone, machineType, isSpot, role }) => ({ id, name, zone, machineType, isSpot, role })) // prettier-ignore
      // An earlier attempt may have stopped some, and terminated spot machines: what it kept still counts.
      const known = new Set(before.machines.map(({ id }) => id))
      state.sleep = {
        clusterId: claim.cluster.id,
        reason: claim.job.params.why ?? null,
        machines: [...before.machines, ...machines.filter(({ id }) => !known.has(id))],
        sizes: { ...Object.fromEntries(sets.map(({ name, replicas }) => [name, replicas])), ...before.sizes },
        healthChecks: [...new Set([...before.healthChecks, ...checks])],
      }
      await operation.fenced((tx) => keepSleep(tx, state.sleep))
    },
  },
  {
    name: 'paused',
    leaves: 'health checks that replace no machine',
    isNeeded: ({ isBegun }) => !isBegun,
    budget: { minutes: () => REACH_MINUTES, leastMs: 60_000 },
    take: (operation, { api, sleep }, budgetMs) =>
      insist(operation, budgetMs, () => pauseHealthChecks(api, sleep.healthChecks, true)),
  },
  {
    name: 'workers-stopped',
    leaves: 'a control plane that is awake alone',
    stage: 'stop-workers',
    budget: { minutes: () => STOP_MINUTES, leastMs: 60_000 },
    take: (operation, { query }, budgetMs = 0) =>
      untilStopped(operation, query, budgetMs, ({ role }) => role !== 'control-plane'),
  },
  {
    name: 'stopped',
    leaves: 'machines that only their disks cost',
    stage: 'stop-control-plane',
    budget: { minutes: () => STOP_MINUTES, leastMs: 60_000 },
    take: (operation, { query }, budgetMs = 0) => untilStopped(operation, query, budgetMs, () => true),
  },
]

export const hibernatePlan: OperationPlan = {
  name: 'hibernate',
  types: ['HIBERNATE'],
  points: pointsOf('hibernate', steps),
  run: runHibernate,
}

async function runHibernate(operation: Operation): Promise<Outcome> {
  return runInside(operation, async (api) => {
    const { app, claim } = operation
    const { cluster } = claim
    const query = await queryOfWhole(app.db, cluster)
    const kept = await findSleep(app.db, cluster.id)
    const isBegun = kept !== undefined && !(await listInstances(operation, query, LIST_MS)).every(isAwake)
    const sleep = kept ?? { clusterId: cluster.id, reason: null, machines: [], sizes: {}, healthChecks: [] }
    await takeSteps('hibernate', steps, operation, { api, query, sleep, isBegun })
    // Its certificates go by the sleep from which it has never been quite awake since.
    const hibernatedAt = cluster.hibernatedAt ?? new Date()
    const latest = wakeBy(cluster.version, cluster.readyAt ?? cluster.createdAt, hibernatedAt)
    return { kind: 'succeeded', changes: { hibernatedAt, wakeBy: latest } }
  })
}

/** Asks again while the cloud does not tell all. Throws DayTwoFailed at the end of the budget, or for a refusal. */
export async function listInstances(
  operation: Operation,
  query: InstancesQuery,
  budgetMs: number,
): Promise<Instance[]> {
  const end = uptimeMs() + budgetMs
  for (;;) {
    const { instances, notChecked } = await operation.app.instances.list(query)
    const [first] = notChecked
    if (!first) return instances
    if (first.isDenied || uptimeMs() >= end)
      throw new DayTwoFailed('InstancesNotListed', `the cloud does not tell the machines: ${first.why} (${first.kind})`)
    await operation.pause(lookMsOf(operation))
  }
}

async function untilStopped(
  operation: Operation,
  query: InstancesQuery,
  budgetMs: number,
  isMeant: (instance: Instance) => boolean,
): Promise<void> {
  const { app } = operation
  let left: Instance[] = []
  let refused: Ordered[] = []
  await until(
    operation,
    budgetMs,
    async (leftMs) => {
      left = (await listInstances(operation, query, leftMs)).filter((each) => isMeant(each) && !['stopped', 'terminated'].includes(each.state)) // prettier-ignore
      const awake = left.filter(isAwake)
      const spot = awake.filter(({ cannotStop }) => cannotStop === 'spot')
      const others = awake.filter((each) => !spot.includes(each))
      operation.stopping.throwIfAborted()
      const orders = [
        ...(spot.length > 0 ? await app.instances.terminate(query, spot) : []),
        ...(others.length > 0 ? await app.instances.stop(query, others) : []),
      ]
      refused = orders.filter(({ outcome }) => outcome === 'refused' || outcome === 'cannot-stop')
      const [denied] = refused.filter(({ isDenied }) => isDenied)
      if (denied) throw new DayTwoFailed('PowerRefused', `the cloud does not let machines be stopped: ${denied.why}`)
      return left.length === 0
    },
    () => new DayTwoFailed('MachinesStillRun', `these did not stop in time: ${describe(left)}${refused[0]?.why ? `; ${refused[0].why}` : ''}`), // prettier-ignore
  )
}

export const describe = (machines: Pick<Instance, 'id' | 'name' | 'told'>[]): string =>
  nameFirst(machines.map(({ id, name, told }) => `${name} ${id} (${told})`))
