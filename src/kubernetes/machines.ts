// The machines of a cluster as its own API has them: machine sets and what moves their size by itself, machines, nodes.
import { z } from 'zod'
import type { Kubernetes } from './client.ts'

const MACHINES = '/apis/machine.openshift.io/v1beta1/namespaces/openshift-machine-api'
const SET_OF = 'machine.openshift.io/cluster-api-machineset'
const ROLE_OF = 'machine.openshift.io/cluster-api-machine-role'
/** Of the machines of a set that becomes smaller, those with it go first. */
const GOES_FIRST = 'machine.openshift.io/delete-machine'

const strings = z.record(z.string(), z.string()).default({})
const count = z.number().default(0)
const condition = z.object({ type: z.string(), status: z.string(), message: z.string().default('') })
const conditions = z.array(condition).nullish().transform((all) => all ?? []) // prettier-ignore

/** Each platform has its own; only AWS has the zone somewhere else. */
const provider = z.looseObject({
  zone: z.string().optional(),
  placement: z.looseObject({ availabilityZone: z.string().optional() }).optional(),
})
const template = z.object({ providerSpec: z.object({ value: provider.nullish() }).nullish() })
const zoneOf = (of: z.infer<typeof provider> | null | undefined) => of?.placement?.availabilityZone ?? of?.zone
const machineSet = z.object({
  metadata: z.object({ name: z.string(), generation: z.number().default(0) }),
  spec: z.object({
    replicas: z.number().default(1),
    template: z.object({ metadata: z.object({ labels: strings }).prefault({}), spec: template.prefault({}) }),
  }),
  status: z
    .object({
      replicas: count,
      readyReplicas: count,
      availableReplicas: count,
      observedGeneration: z.number().optional(),
    }) // prettier-ignore
    .prefault({}),
})
const machine = z.object({
  metadata: z.object({
    name: z.string(),
    labels: strings,
    annotations: strings,
    creationTimestamp: z.string().default(''),
    deletionTimestamp: z.string().optional(),
  }),
  status: z
    .object({
      phase: z.string().default(''),
      errorMessage: z.string().optional(),
      nodeRef: z.object({ name: z.string() }).optional(),
      conditions,
    })
    .prefault({}),
})
const node = z.object({ metadata: z.object({ name: z.string() }), status: z.object({ conditions }).prefault({}) })
const autoscaler = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({ scaleTargetRef: z.object({ kind: z.string(), name: z.string() }) }),
})

/** `isSettled`: as many as are wanted exist, and their nodes are ready. */
export type MachineSet = { name: string; replicas: number; isSettled: boolean; zone: string | undefined }
export type Machine = {
  name: string
  set: string
  madeAt: string
  isGoing: boolean
  isMarked: boolean
  phase: string
  error: string | undefined
  node: string | undefined
  isNodeReady: boolean
  /** Why its node is not empty yet. */
  drain: string | undefined
}
export type Workers = { sets: MachineSet[]; machines: Machine[] }

/** The sets of workers, and their machines. Throws ApiNotReached, ApiRefused, ZodError. */
export async function readWorkers(api: Kubernetes): Promise<Workers> {
  const list = async <Item>(shape: z.ZodType<Item>, path: string) => (await api.list(path, (each) => shape.parse(each))) ?? [] // prettier-ignore
  const all = await list(machineSet, `${MACHINES}/machinesets`)
  const sets = all.filter(({ spec }) => spec.template.metadata.labels[ROLE_OF] === 'worker')
  const names = new Set(sets.map(({ metadata }) => metadata.name))
  const machines = (await list(machine, `${MACHINES}/machines`)).filter(({ metadata }) => names.has(metadata.labels[SET_OF] ?? '')) // prettier-ignore
  const nodes = await list(node, '/api/v1/nodes')
  const ready = new Set(nodes.filter(({ status }) => isTrue(status.conditions, 'Ready')).map(({ metadata }) => metadata.name)) // prettier-ignore
  return {
    sets: sets.map(({ metadata, spec: { replicas, template }, status }) => ({
      name: metadata.name,
      replicas,
      zone: zoneOf(template.spec.providerSpec?.value),
      isSettled:
        (status.observedGeneration ?? metadata.generation) >= metadata.generation &&
        [status.replicas, status.readyReplicas, status.availableReplicas].every((each) => each === replicas),
    })),
    machines: machines.map(({ metadata, status: { phase, errorMessage: error, nodeRef, conditions: told } }) => ({
      name: metadata.name,
      set: metadata.labels[SET_OF] ?? '',
      madeAt: metadata.creationTimestamp,
      isGoing: metadata.deletionTimestamp !== undefined,
      isMarked: GOES_FIRST in metadata.annotations,
      phase,
      error,
      node: nodeRef?.name,
      isNodeReady: nodeRef !== undefined && ready.has(nodeRef.name),
      drain: told.find(({ type, status, message }) => type === 'Drained' && status === 'False' && message !== '')?.message, // prettier-ignore
    })),
  }
}

const isTrue = (all: z.infer<typeof condition>[], wanted: string) =>
  all.some(({ type, status }) => type === wanted && status === 'True')

/** What changes the size of a machine set by itself: the name of each autoscaler, by the set that it moves. */
export async function readAutoscalers(api: Kubernetes): Promise<Map<string, string>> {
  const path = '/apis/autoscaling.openshift.io/v1beta1/namespaces/openshift-machine-api/machineautoscalers'
  const all = (await api.list(path, (each) => autoscaler.parse(each))) ?? []
  return new Map(
    all.flatMap(({ metadata, spec: { scaleTargetRef: of } }) => (of.kind === 'MachineSet' ? [[of.name, metadata.name]] : [])), // prettier-ignore
  )
}

/** One that is gone is left out. */
export async function resizeSet(api: Kubernetes, name: string, replicas: number): Promise<void> {
  await api.patch(`${MACHINES}/machinesets/${encodeURIComponent(name)}`, { spec: { replicas } }, 'merge')
}

/** When its set becomes smaller, it goes before the others. */
export async function markMachine(api: Kubernetes, name: string): Promise<void> {
  const patch = { metadata: { annotations: { [GOES_FIRST]: 'true' } } }
  await api.patch(`${MACHINES}/machines/${encodeURIComponent(name)}`, patch, 'merge')
}

/** Every node. Throws ApiNotReached, ApiRefused, ZodError. */
export async function readNodes(api: Kubernetes): Promise<{ name: string; isReady: boolean }[]> {
  const all = (await api.list('/api/v1/nodes', (each) => node.parse(each))) ?? []
  return all.map(({ metadata: { name }, status }) => ({ name, isReady: isTrue(status.conditions, 'Ready') }))
}

/** Its set makes another one. */
export async function deleteMachine(api: Kubernetes, name: string): Promise<void> {
  const path = `${MACHINES}/machines/${encodeURIComponent(name)}`
  const found = z.object({ metadata: z.object({ uid: z.string() }) }).safeParse(await api.get(path))
  if (found.success) await api.delete(path, { uid: found.data.metadata.uid, propagationPolicy: 'Background' })
}

/**
 * The sizes with which others take the place of these machines, in sets of other zones: the smallest first. undefined:
 * there is no other zone.
 */
export function moveWorkers({ sets, machines }: Workers, leaving: readonly string[]): Map<string, number> | undefined {
  const sizes = new Map(sets.map(({ name, replicas }) => [name, replicas]))
  const sizeOf = (name: string) => sizes.get(name) ?? 0
  const from = machines.filter(({ name, isGoing }) => leaving.includes(name) && !isGoing)
  const zones = new Map(sets.map(({ name, zone }) => [name, zone ?? name]))
  const lacking = new Set(from.map(({ set }) => zones.get(set)))
  for (const { set } of from) {
    const [to] = sets
      .filter(({ name }) => !lacking.has(zones.get(name)))
      .toSorted((a, b) => sizeOf(a.name) - sizeOf(b.name) || a.name.localeCompare(b.name))
    if (!to) return undefined
    sizes.set(set, sizeOf(set) - 1)
    sizes.set(to.name, sizeOf(to.name) + 1)
  }
  return sizes
}

/**
 * So many workers over all sets, as evenly as can be. Where it does not come out even, those that are larger now keep
 * more, so that as few as possible move. Pure.
 */
export function spreadWorkers(sets: Pick<MachineSet, 'name' | 'replicas'>[], wanted: number): Map<string, number> {
  const each = Math.floor(wanted / Math.max(1, sets.length))
  const rest = wanted - each * sets.length
  const order = sets.toSorted((a, b) => b.replicas - a.replicas || (a.name < b.name ? -1 : 1))
  return new Map(order.map(({ name }, index) => [name, each + (index < rest ? 1 : 0)]))
}

/** Those of a set that are to go: first what no node came of, then what is newest. Pure. */
export function chooseLeaving(machines: Machine[], set: string, count: number): Machine[] {
  const here = machines.filter((each) => each.set === set)
  const leaving = here.filter(({ isGoing, isMarked }) => isGoing || isMarked).length
  return here
    .filter(({ isGoing, isMarked }) => !isGoing && !isMarked)
    .toSorted((a, b) => Number(a.isNodeReady) - Number(b.isNodeReady) || (a.madeAt < b.madeAt ? 1 : -1))
    .slice(0, Math.max(0, count - leaving))
}
