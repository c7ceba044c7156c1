// Wakes a cluster, rung by rung, each with its own budget: machines, API, signing requests, nodes, a moment of rest,
// operators, console. It can be used when its nodes are ready, and is READY when its operators have settled.
import { queryOfWhole } from '../clusters/inventory-query.ts'
import { keepSizes } from '../clusters/scale.ts'
import { auditApproval, findSleep, forgetSleep, noteUsable, type Sleep } from '../clusters/sleep.ts'
import type { ClusterRow } from '../clusters/tables.ts'
import type { Instance, InstancesQuery, Ordered } from '../clouds/instances.ts'
import type { Transaction } from '../db/client.ts'
import { messageOf } from '../errors.ts'
import { MAINTENANCE_MS } from '../hours/due.ts'
import { keepParams } from '../jobs/attempts.ts'
import type { Outcome } from '../jobs/settle.ts'
import type { Kubernetes } from '../kubernetes/client.ts'
import { pauseHealthChecks, readPausedHere } from '../kubernetes/health-checks.ts'
import { deleteMachine, markMachine, moveWorkers, readNodes, readWorkers, resizeSet } from '../kubernetes/machines.ts'
import { readUnsettled } from '../kubernetes/operators.ts'
import { approve, readAsked, readKnownMachines, readPending, refusalOf } from '../kubernetes/signing-requests.ts'
import { uptimeMs } from '../uptime.ts'
import { DayTwoFailed } from './failures.ts'
import { describe, listInstances } from './hibernate.ts'
import { nameFirst, runInside } from './inside.ts'
import { insist, lookMsOf, until } from './insist.ts'
import type { Operation } from './operation.ts'
import { pointsOf, takeSteps, type OperationPlan, type Step } from './steps.ts'

const MINUTE_MS = 60_000
const START_MINUTES = 10
/** A cloud without a machine at the moment may have one later. */
const CAPACITY_MINUTES = 30
const API_MINUTES = 15
const SIGNING_MINUTES = 20
const NODE_MINUTES = 15
/** Nodes say for a while what they said before they slept. */
const DISBELIEF_MINUTES = 4
const SETTLE_MINUTES = 2
const OPERATOR_MINUTES = 20

type State = {
  api: Kubernetes
  query: InstancesQuery
  sleep: Sleep | undefined
  startedAtMs: number
  told: Set<string>
  /** The names of the workers for which the cloud has no room, and in whose place others are wanted. */
  lacking: string[]
  isNoted: boolean
}

const steps: readonly Step<State>[] = [
  {
    name: 'started',
    leaves: 'machines that run',
    stage: 'instances',
    budget: { minutes: () => START_MINUTES, leastMs: 20_000 },
    async take(operation, state, budgetMs = 0) {
      await untilStarted(operation, state, budgetMs)
      state.startedAtMs = uptimeMs()
    },
  },
  {
    name: 'answered',
    leaves: 'an API that answers',
    stage: 'wake-api',
    budget: { minutes: () => API_MINUTES, leastMs: 60_000 },
    take: (operation, { api }, budgetMs) => insist(operation, budgetMs, async () => void (await api.get('/api/v1/namespaces/default'))), // prettier-ignore
  },
  {
    name: 'replaced',
    leaves: 'machine sets of other zones that are larger, by the workers for which the cloud has no room',
    budget: { minutes: () => API_MINUTES, leastMs: 60_000 },
    // What an earlier attempt has noted is done to its end.
    isNeeded: ({ lacking, isNoted }) => isNoted || lacking.length > 0,
    take: replaceLacking,
  },
  {
    name: 'signed',
    leaves: 'nodes with certificates',
    stage: 'signing-requests',
    budget: { minutes: () => SIGNING_MINUTES, leastMs: 60_000 },
    async take(operation, state, budgetMs = 0) {
      // Nodes that still have none then are told by the next rung.
      await untilReady(operation, state, budgetMs)
    },
  },
  {
    name: 'joined',
    leaves: 'nodes that are ready',
    stage: 'wake-nodes',
    budget: { minutes: () => NODE_MINUTES, leastMs: 60_000 },
    async take(operation, state, budgetMs = 0) {
      const waiting = await untilReady(operation, state, budgetMs)
      if (waiting.length > 0)
        throw new DayTwoFailed('NodesNotReady', `these nodes are not ready: ${nameFirst(waiting)}`)
      await operation.fencedWithCluster(async (tx) => {
        keepParams(tx, operation.claim.job.id, { usableAt: new Date().toISOString() })
        noteUsable(tx, operation.claim.cluster)
      })
      operation.log('info', 'The cluster can be used; its operators are settling')
    },
  },
  {
    name: 'rested',
    leaves: 'operators that no longer say what they said before',
    stage: 'settle',
    take: (operation) => operation.pause(operation.realMs(SETTLE_MINUTES * MINUTE_MS, 10)),
  },
  {
    name: 'settled-inside',
    leaves: 'operators that have done their work',
    stage: 'operators',
    budget: { minutes: () => OPERATOR_MINUTES, leastMs: 60_000 },
    async take(operation, { api }, budgetMs = 0) {
      let unsettled: { name: string; why: string }[] = []
      await until(
        operation,
        budgetMs,
        async (leftMs) => {
          unsettled = await insist(operation, leftMs, () => readUnsettled(api))
          return unsettled.length === 0
        },
        () => new DayTwoFailed('OperatorsNotSettled', `these operators have not settled: ${nameFirst(unsettled.map(({ name, why }) => `${name} (${why})`))}`), // prettier-ignore
      )
    },
  },
  {
    name: 'watched',
    leaves: 'health checks that look after machines again',
    budget: { minutes: () => API_MINUTES, leastMs: 60_000 },
    async take(operation, { api, sleep }, budgetMs) {
      // Where nobody knows any more what was kept, the annotation tells.
      const paused = sleep?.healthChecks ?? (await insist(operation, budgetMs, () => readPausedHere(api)))
      await insist(operation, budgetMs, () => pauseHealthChecks(api, paused, false))
      const route = await api.get('/apis/route.openshift.io/v1/namespaces/openshift-console/routes/console').catch(() => undefined) // prettier-ignore
      if (route === undefined) operation.log('warning', 'The route of the console is not there yet')
    },
  },
]

export const resumePlan: OperationPlan = {
  name: 'resume',
  types: ['RESUME'],
  points: pointsOf('resume', steps),
  run: runResume,
}

async function runResume(operation: Operation): Promise<Outcome> {
  return runInside(operation, async (api) => {
    const { app, claim } = operation
    const state: State = {
      api,
      query: await queryOfWhole(app.db, claim.cluster),
      sleep: await findSleep(app.db, claim.cluster.id),
      startedAtMs: uptimeMs(),
      told: new Set(),
      lacking: [],
      isNoted: claim.job.params.sizes !== undefined,
    }
    await takeSteps('resume', steps, operation, state)
    const record = (tx: Transaction) => forgetSleep(tx, claim.cluster.id)
    const awake = { hibernatedAt: null, wakeBy: null, inUseAt: new Date() }
    // Its certificates take a day from now on.
    const changes = ({ maintenanceUntil }: ClusterRow) =>
      maintenanceUntil ? { ...awake, maintenanceUntil: new Date(Date.now() + MAINTENANCE_MS) } : awake
    return { kind: 'succeeded', changes, record }
  })
}

/** The control plane first, and the workers as soon as that was told to start. Each look tells the stragglers again. */
async function untilStarted(operation: Operation, state: State, budgetMs: number): Promise<void> {
  const { app, claim } = operation
  const { query } = state
  const mayReplace = claim.job.params.replaceWorkers === true
  const capacityMs = operation.realMs(CAPACITY_MINUTES * MINUTE_MS, budgetMs)
  const from = uptimeMs()
  let left: Instance[] = []
  let lacking: Ordered[] = []
  await until(
    operation,
    capacityMs,
    async (leftMs) => {
      const all = await listInstances(operation, query, leftMs)
      left = all.filter(({ state }) => !['running', 'terminated'].includes(state))
      const asleep = left.filter(({ state }) => state !== 'pending')
      const masters = asleep.filter(({ role }) => role === 'control-plane')
      const others = asleep.filter(({ role }) => role !== 'control-plane')
      const orders: Ordered[] = []
      operation.stopping.throwIfAborted()
      for (const group of [masters, others])
        if (group.length > 0) orders.push(...(await app.instances.start(query, group)))
      const [denied] = orders.filter(({ isDenied }) => isDenied)
      if (denied) throw new DayTwoFailed('PowerRefused', `the cloud does not let machines be started: ${denied.why}`)
      const lacks = new Set(left.filter(({ lacksCapacity }) => lacksCapacity).map(({ id }) => id))
      lacking = orders.filter(({ id, outcome }) => outcome === 'no-capacity' || lacks.has(id))
      const isLate = uptimeMs() - from >= budgetMs
      if (left.length > 0 && lacking.length === 0 && isLate) throw notStarted(left, lacking)
      if (
        mayReplace &&
        isLate &&
        left.every(({ role, id }) => role !== 'control-plane' && lacking.some((each) => each.id === id))
      ) {
        // prettier-ignore
        state.lacking = left.map(({ name }) => name)
        return true
      }
      return left.length === 0
    },
    () => notStarted(left, lacking),
  )
}

const notStarted = (left: Instance[], lacking: Ordered[]) =>
  lacking.length > 0
    ? new DayTwoFailed('NoCapacity', `the cloud has no room for ${describe(left)}: ${lacking[0]?.why ?? 'it does not say more'}${left.every(({ role }) => role !== 'control-plane') ? '. With replaceWorkers, others are made in another zone in their place' : ''}`) // prettier-ignore
    : new DayTwoFailed('MachinesDoNotStart', `these did not start in time: ${describe(left)}`)

/** What an earlier attempt has noted is what is done. */
async function replaceLacking(operation: Operation, { api, lacking }: State, budgetMs: number | undefined) {
  const { job, lock } = operation.claim
  await insist(operation, budgetMs, async () => {
    const workers = await readWorkers(api)
    const noted = job.params.sizes
    const sizes = noted ? new Map(Object.entries(noted)) : moveWorkers(workers, lacking)
    if (!sizes) throw new DayTwoFailed('NoOtherZone', `the cloud has no room for ${nameFirst(lacking)}, and there is no machine set of another zone`) // prettier-ignore
    if (!noted) await operation.fenced(async (tx) => keepSizes(tx, lock.jobId, sizes))
    job.params = { ...job.params, sizes: Object.fromEntries(sizes) }
    for (const { name, isGoing } of workers.machines)
      if (lacking.includes(name) && !isGoing) await markMachine(api, name)
    for (const { name, replicas } of workers.sets) {
      const size = sizes.get(name) ?? replicas
      if (size !== replicas) await resizeSet(api, name, size)
    }
  })
  if (lacking.length > 0) operation.log('info', `Workers in another zone take the place of ${nameFirst(lacking)}`)
}

/** Answers what nodes ask for meanwhile. Returns those that are not ready at the end of the budget. */
async function untilReady(operation: Operation, state: State, budgetMs: number): Promise<string[]> {
  const believedMs = operation.realMs(DISBELIEF_MINUTES * MINUTE_MS, 10)
  const end = uptimeMs() + budgetMs
  for (;;) {
    const leftMs = end - uptimeMs()
    await answerRequests(operation, state, leftMs)
    await replaceFailed(operation, state, leftMs)
    const nodes = await insist(operation, leftMs, () => readNodes(state.api))
    const waiting = nodes.length === 0 ? ['none is there'] : nodes.filter(({ isReady }) => !isReady).map(({ name }) => name) // prettier-ignore
    const isBelieved = uptimeMs() - state.startedAtMs >= believedMs
    if ((isBelieved && waiting.length === 0) || leftMs <= 0) return waiting
    await operation.pause(lookMsOf(operation))
  }
}

/** Each request is approved or told once. */
async function answerRequests(operation: Operation, { api, told }: State, leftMs: number): Promise<void> {
  const pending = await insist(operation, leftMs, () => readPending(api))
  if (pending.length === 0) return
  const machines = await insist(operation, leftMs, () => readKnownMachines(api))
  for (const request of pending) {
    const { name } = request.metadata
    const { signerName, username } = request.spec
    const asked = await readAsked(request.spec.request).catch((error: unknown) => messageOf(error))
    const refusal = typeof asked === 'string' ? asked : refusalOf(request, asked, machines)
    if (refusal === undefined && typeof asked !== 'string') {
      const { commonName, dnsNames, addresses } = asked
      await operation.fenced(async (tx) =>
        auditApproval(tx, operation.claim.lock, { name, signerName, username, commonName, dnsNames, addresses }),
      )
      await insist(operation, leftMs, () => approve(api, request, new Date()))
      operation.log('info', `Approved ${name} of ${commonName} (${signerName})`)
    } else if (!told.has(name)) {
      told.add(name)
      operation.log('warning', `The signing request ${name} of ${username} is left alone: ${refusal}`)
    }
  }
}

/** In the place of a spot machine that went with the sleep its machine set makes another one, once that is deleted. */
async function replaceFailed(operation: Operation, { api, sleep, told }: State, leftMs: number): Promise<void> {
  const spot = new Set(sleep?.machines.filter(({ isSpot }) => isSpot).map(({ name }) => name))
  if (spot.size === 0) return
  const { machines } = await insist(operation, leftMs, () => readWorkers(api))
  for (const { name, phase, isGoing } of machines) {
    if (!spot.has(name) || phase !== 'Failed' || isGoing || told.has(name)) continue
    told.add(name)
    operation.log('info', `The spot machine ${name} is gone, and another one takes its place`)
    await insist(operation, leftMs, () => deleteMachine(api, name))
  }
}
