// The API of a simulated cluster, as far as the service asks: the same paths and objects as a real one, without a server.
import type { Kubernetes } from '../client.ts'
import { ApiNotReached, ApiRefused } from '../refusals.ts'
import {
  nodeOf,
  type SimulatedCluster,
  type SimulatedMachine,
  type SimulatedRequest,
  type SimulatedState,
} from './cluster.ts'

const MACHINES = '/apis/machine.openshift.io/v1beta1/namespaces/openshift-machine-api'
const SCALERS = '/apis/autoscaling.openshift.io/v1beta1/namespaces/openshift-machine-api/machineautoscalers'
const NAMESPACE = 'openshift-machine-api'
const GOES_FIRST = 'machine.openshift.io/delete-machine'
const PAUSED = 'cluster.x-k8s.io/paused'
const REQUESTS = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
const COUNTS = '/apis/apiserver.openshift.io/v1/apirequestcounts'
const OPERATORS = ['authentication', 'console', 'ingress', 'machine-config', 'network']

/** `stop`: nothing is answered once it aborts. */
export function openSimulatedApi(cluster: SimulatedCluster, stop: AbortSignal): Kubernetes {
  const listOf = (path: string, state: SimulatedState, query: Record<string, string>): object[] | undefined => {
    const { sets, machines } = state
    if (path === `${MACHINES}/machinesets`) return sets.map((set) => showSet(set, state))
    if (path === `${MACHINES}/machinehealthchecks`)
      return state.healthChecks.map(({ name, isPaused }) => ({
        metadata: { name, annotations: isPaused ? { [PAUSED]: 'hibernated by ocpctl' } : {} },
      }))
    if (path === REQUESTS) return state.requests.map(showRequest)
    if (path === '/api/v1/namespaces') return [{ metadata: { name: 'default' } }]
    if (path === '/apis/config.openshift.io/v1/clusteroperators')
      return OPERATORS.map((name) => showOperator(name, state))
    if (path === `${MACHINES}/machines`) return machines.map((each) => showMachine(each, state))
    if (path === '/api/v1/nodes')
      return machines
        .filter((each) => each.error === undefined && cluster.runs(each))
        .map((each) => showNode(each, state))
    if (path === SCALERS)
      return state.autoscaled.map((name) => ({ metadata: { name: `scaler-of-${name}` }, spec: { scaleTargetRef: { kind: 'MachineSet', name } } })) // prettier-ignore
    if (path === '/apis/policy/v1/poddisruptionbudgets')
      return Object.values(state.blocked).map((pod) => ({ metadata: { name: pod, namespace: 'shop' }, spec: { selector: { matchLabels: { app: pod } } }, status: { disruptionsAllowed: 0 } })) // prettier-ignore
    if (path === '/api/v1/pods')
      return Object.entries(state.blocked)
        .filter(([name]) => `spec.nodeName=${nodeOf(name)}` === (query['fieldSelector'] ?? `spec.nodeName=${nodeOf(name)}`)) // prettier-ignore
        .map(([name, pod]) => ({ metadata: { name: pod, namespace: 'shop', uid: pod, labels: { app: pod } }, spec: { nodeName: nodeOf(name) } })) // prettier-ignore
    if (path === COUNTS) return state.asked && [showCounts(state.asked)]
    return /^\/api\/v1\/(services|persistentvolumes|persistentvolumeclaims)$/.test(path) ? [] : undefined
  }
  const showSet = ({ name, replicas, generation }: SimulatedState['sets'][number], state: SimulatedState) => {
    const own = state.machines.filter(({ set }) => set === name)
    const ready = own.filter((each) => each.goesAt === undefined && cluster.isReady(each, state)).length
    return {
      metadata: { name, namespace: NAMESPACE, generation },
      spec: { replicas, template: { metadata: { labels: { 'machine.openshift.io/cluster-api-machine-role': 'worker' } }, spec: { providerSpec: { value: { zone: name.replace(/^.*-worker-/, '') } } } } }, // prettier-ignore
      status: { replicas: own.length, readyReplicas: ready, availableReplicas: ready, observedGeneration: generation },
    }
  }
  const showCounts = (asked: NonNullable<SimulatedState['asked']>) => ({
    metadata: { name: 'pods.v1' },
    spec: { numberOfUsersToReport: 10 },
    status: {
      last24h: Array.from({ length: 24 }, (_, hour) => {
        const of = asked.filter((each) => each.hour === hour)
        const byUser = of.filter(({ isNamed }) => isNamed).map(({ username, count }) => ({ username, userAgent: 'oc/4.20', requestCount: count })) // prettier-ignore
        return {
          byNode: [{ nodeName: 'master-0', requestCount: of.reduce((sum, { count }) => sum + count, 0), byUser }],
        }
      }),
    },
  })
  const showOperator = (name: string, state: SimulatedState) => {
    const is = (type: string, status: boolean) => ({
      type,
      status: status ? 'True' : 'False',
      message: 'after the start',
    })
    const { isDegraded, isProgressing } = cluster.operators(state)
    return { metadata: { name }, status: { conditions: [is('Available', true), is('Progressing', isProgressing), is('Degraded', isDegraded)] } } // prettier-ignore
  }
  const showRequest = ({ name, node, signer, request, isApproved }: SimulatedRequest) => ({
    metadata: { name, uid: name },
    spec: {
      request,
      ...(signer === 'client'
        ? { signerName: 'kubernetes.io/kube-apiserver-client-kubelet', username: 'system:serviceaccount:openshift-machine-config-operator:node-bootstrapper', groups: ['system:serviceaccounts'], usages: ['digital signature', 'client auth'] } // prettier-ignore
        : { signerName: 'kubernetes.io/kubelet-serving', username: `system:node:${node}`, groups: ['system:nodes'], usages: ['digital signature', 'server auth'] }), // prettier-ignore
    },
    status: isApproved ? { conditions: [{ type: 'Approved', status: 'True' }] } : {},
  })
  const showMachine = (each: SimulatedMachine, { blocked }: SimulatedState) => {
    const { error } = each
    const hasFailed = error !== undefined && cluster.runs(each)
    const hasNode = error === undefined && cluster.runs(each)
    const drain = { type: 'Drained', status: 'False', message: `error when evicting pods/"${blocked[each.name]}"` }
    return {
      metadata: {
        name: each.name,
        namespace: NAMESPACE,
        labels: each.set === undefined ? {} : { 'machine.openshift.io/cluster-api-machineset': each.set },
        annotations: each.isMarked ? { [GOES_FIRST]: 'true' } : {},
        creationTimestamp: new Date(each.madeAt).toISOString(),
        ...(each.goesAt === undefined ? {} : { deletionTimestamp: new Date(each.goesAt).toISOString() }),
      },
      status: {
        phase: each.goesAt !== undefined ? 'Deleting' : hasFailed ? 'Failed' : hasNode ? 'Running' : 'Provisioning',
        ...(hasFailed ? { errorMessage: error } : {}),
        ...(hasNode ? { nodeRef: { name: nodeOf(each.name) } } : {}),
        addresses: [
          { type: 'InternalDNS', address: nodeOf(each.name) },
          { type: 'InternalIP', address: '10.0.0.1' },
        ],
        conditions: each.goesAt !== undefined && blocked[each.name] !== undefined ? [drain] : [],
      },
    }
  }
  const showNode = (each: SimulatedMachine, state: SimulatedState) => ({
    metadata: { name: nodeOf(each.name) },
    status: { conditions: [{ type: 'Ready', status: cluster.isReady(each, state) ? 'True' : 'False' }] },
  })
  const requireOpen = () => {
    if (stop.aborted) throw new ApiNotReached('it was not waited for any longer')
  }
  const look = async () => {
    requireOpen()
    const state = await cluster.look()
    if (!cluster.isAwake(state)) throw new ApiNotReached('its control plane sleeps')
    return state
  }

  return {
    async get(path) {
      const state = await look()
      const at = path.lastIndexOf('/')
      const all = listOf(path.slice(0, at), state, {}) as { metadata: { name: string } }[] | undefined // as made above
      return all?.find(({ metadata }) => metadata.name === decodeURIComponent(path.slice(at + 1)))
    },
    async list(path, read, query = {}) {
      return listOf(path, await look(), query)?.map(read)
    },
    async patch(path, patch) {
      await look()
      const [, kind, name = ''] =
        /\/(machinesets|machines|machinehealthchecks|certificatesigningrequests|apirequestcounts)\/([^/]+)(?:\/approval)?$/.exec(
          path,
        ) ?? []
      let isThere = false
      await cluster.change(({ sets, machines, healthChecks, requests, asked = [] }) => {
        const { spec, metadata } = patch as { spec?: { replicas?: number }; metadata?: { annotations?: Record<string, string> } } // prettier-ignore
        const set = kind === 'machinesets' ? sets.find((each) => each.name === name) : undefined
        const machine = kind === 'machines' ? machines.find((each) => each.name === name) : undefined
        const check = kind === 'machinehealthchecks' ? healthChecks.find((each) => each.name === name) : undefined
        const request = kind === 'certificatesigningrequests' ? requests.find((each) => each.name === name) : undefined
        isThere = kind === 'apirequestcounts' || (set ?? machine ?? check ?? request) !== undefined
        // More users are named from now on.
        if (kind === 'apirequestcounts') for (const each of asked) each.isNamed = true
        if (check && metadata?.annotations) check.isPaused = metadata.annotations[PAUSED] != null
        if (request) request.isApproved = true
        if (set && spec?.replicas !== undefined) Object.assign(set, { replicas: spec.replicas, generation: set.generation + 1 }) // prettier-ignore
        if (machine && metadata?.annotations?.[GOES_FIRST] !== undefined) machine.isMarked = true
      })
      if (kind === undefined) throw new ApiRefused(404, 'NotFound', `the simulation has nothing to change at ${path}`)
      return isThere ? {} : undefined
    },
    async delete(path) {
      await look()
      const [, name = ''] = /\/machines\/([^/]+)$/.exec(path) ?? []
      if (name === '') throw new ApiRefused(405, 'MethodNotAllowed', `the simulation deletes nothing at ${path}`)
      let isThere = false
      await cluster.change(({ machines }) => {
        const machine = machines.find((each) => each.name === name)
        isThere = machine !== undefined
        if (machine) machine.goesAt ??= Date.now()
      })
      return isThere
    },
    close: () => Promise.resolve(),
  }
}
