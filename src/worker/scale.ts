// Gives a cluster another number of workers: the sizes of its machine sets, as evenly as can be, and then the wait until
// machines and nodes have followed. A worker that takes over finds the wanted sizes with the job and goes on.
import { keepSizes } from '../clusters/scale.ts'
import { messageOf } from '../errors.ts'
import type { Outcome } from '../jobs/settle.ts'
import { readBlocked } from '../kubernetes/budgets.ts'
import type { Kubernetes } from '../kubernetes/client.ts'
import {
  chooseLeaving,
  markMachine,
  readAutoscalers,
  readWorkers,
  resizeSet,
  spreadWorkers,
  type Machine,
  type Workers,
} from '../kubernetes/machines.ts'
import { sizesOf } from '../policy/sizes.ts'
import { uptimeMs } from '../uptime.ts'
import { DayTwoFailed } from './failures.ts'
import { nameFirst, runInside } from './inside.ts'
import { insist, lookMsOf } from './insist.ts'
import type { Operation } from './operation.ts'
import { pointsOf, takeSteps, type OperationPlan, type Step } from './steps.ts'

const REACH_MINUTES = 15

type State = { api: Kubernetes; sizes: Map<string, number> }

const steps: readonly Step<State>[] = [
  {
    name: 'noted',
    leaves: 'with the job, the size that each machine set is to have',
    stage: 'reach',
    budget: { minutes: () => REACH_MINUTES, leastMs: 60_000 },
    async take(operation, state, budgetMs) {
      const { wanted, noted } = wantedOf(operation)
      const { sets } = await insist(operation, budgetMs, () => readWorkers(state.api))
      if (sets.length === 0)
        throw new DayTwoFailed('NoMachineSets', 'the cluster has no machine set of workers whose size could be changed')
      const autoscalers = await insist(operation, budgetMs, () => readAutoscalers(state.api))
      const [moved] = sets.filter(({ name }) => autoscalers.has(name))
      if (moved)
        throw new DayTwoFailed('Autoscaled', `the machine autoscaler ${autoscalers.get(moved.name)} moves the size of ${moved.name}: change its bounds in the cluster, or delete it`) // prettier-ignore
      const isSame = noted !== undefined && sets.every(({ name }) => Object.hasOwn(noted, name))
      state.sizes = isSame ? new Map(Object.entries(noted)) : spreadWorkers(sets, wanted)
      if (!isSame) await operation.fenced(async (tx) => keepSizes(tx, operation.claim.job.id, state.sizes))
      const told = sets.map(({ name, replicas }) => `${name} from ${replicas} to ${state.sizes.get(name) ?? 0}`)
      operation.log('info', `Machine sets: ${told.sort().join(', ')}`)
    },
  },
  {
    name: 'sized',
    leaves: 'machine sets of the wanted sizes',
    stage: 'scale',
    budget: { minutes: () => REACH_MINUTES, leastMs: 60_000 },
    async take(operation, { api, sizes }, budgetMs) {
      await insist(operation, budgetMs, async () => {
        const { sets, machines } = await readWorkers(api)
        for (const { name, replicas } of sets) {
          const size = sizes.get(name) ?? replicas
          for (const { name: machine } of chooseLeaving(machines, name, replicas - size)) await markMachine(api, machine) // prettier-ignore
          if (size !== replicas) await resizeSet(api, name, size)
        }
      })
    },
  },
  {
    name: 'followed',
    leaves: 'as many machines and ready nodes as are wanted',
    stage: 'nodes',
    budget: { minutes: (deadlines) => deadlines.scaleMinutes, leastMs: 20_000 },
    take: (operation, { api, sizes }, budgetMs = 0) => untilFollowed(operation, api, sizes, budgetMs),
  },
]

export const scalePlan: OperationPlan = {
  name: 'scale',
  types: ['SCALE_WORKERS'],
  points: pointsOf('scale', steps),
  run: runScale,
}

async function runScale(operation: Operation): Promise<Outcome> {
  return runInside(operation, async (api) => {
    await takeSteps('scale', steps, operation, { api, sizes: new Map() })
    return { kind: 'succeeded', changes: sizesOf(operation.claim.cluster.profileSnapshot, wantedOf(operation).wanted) }
  })
}

function wantedOf({ claim }: Operation): { wanted: number; noted: Record<string, number> | undefined } {
  const { replicas, sizes } = claim.job.params
  return { wanted: replicas ?? claim.cluster.workerReplicas, noted: sizes }
}

async function untilFollowed(
  operation: Operation,
  api: Kubernetes,
  sizes: Map<string, number>,
  budgetMs: number,
): Promise<void> {
  let told = ''
  const until = uptimeMs() + budgetMs
  for (;;) {
    const workers = await insist(operation, until - uptimeMs(), () => readWorkers(api))
    const { sets, machines } = workers
    const going = machines.filter(({ isGoing }) => isGoing)
    const waiting = machines.filter(({ isGoing, isNodeReady }) => !isGoing && !isNodeReady)
    const isFollowed = sets.every(({ name, replicas, isSettled }) => isSettled && replicas === (sizes.get(name) ?? replicas)) // prettier-ignore
    if (isFollowed && going.length + waiting.length === 0) return
    const now = `${machines.length - going.length - waiting.length} of ${sumOf(sizes)} workers are ready${going.length > 0 ? `; ${going.length} on their way out` : ''}` // prettier-ignore
    if (now !== told) operation.log('info', (told = now))
    const failed = waiting.filter(({ phase }) => phase === 'Failed')
    // A failed machine stays as it is. While others are on their way, more may be learnt.
    if (failed.length > 0 && failed.length === waiting.length && going.length === 0)
      throw new DayTwoFailed('MachineFailed', `machines failed: ${describe(failed, ({ error }) => error)}`)
    if (uptimeMs() >= until) throw await overdue(operation, api, workers, waiting, going)
    await operation.pause(lookMsOf(operation))
  }
}

async function overdue(
  operation: Operation,
  api: Kubernetes,
  { sets }: Workers,
  waiting: Machine[],
  going: Machine[],
): Promise<DayTwoFailed> {
  const blocked = await readBlocked(api, going.flatMap(({ node }) => node ?? [])).catch((error: unknown) => {
    operation.log('warning', `What keeps the nodes cannot be asked: ${messageOf(error)}`)
    return []
  }) // prettier-ignore
  if (blocked.length > 0) {
    const pods = nameFirst(blocked.map(({ pod, budget }) => `${pod} (disruption budget ${budget})`))
    return new DayTwoFailed('DrainBlocked', `${describe(going, ({ drain }) => drain)} cannot be emptied: ${pods} may not be evicted`) // prettier-ignore
  }
  const left = [...going, ...waiting]
  const what = left.length > 0 ? describe(left, ({ error, drain, phase }) => error ?? drain ?? phase) : sets.filter(({ isSettled }) => !isSettled).map(({ name }) => name).join(', ') // prettier-ignore
  return new DayTwoFailed('ScaleDeadlineExceeded', `machines and nodes did not follow in time: ${what}`)
}

const describe = (machines: Machine[], why: (machine: Machine) => string | undefined): string =>
  nameFirst(machines.map((each) => `${each.name}${why(each) ? ` (${why(each)})` : ''}`))

const sumOf = (sizes: Map<string, number>) => [...sizes.values()].reduce((sum, each) => sum + each, 0)
