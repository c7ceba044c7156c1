// Sizes, sleep and waking against the API server of Kubernetes itself, with the resource definitions that OpenShift
// publishes: what the service writes they admit, and what it reads is in the form that they demand. No controller runs.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { pauseHealthChecks, readHealthChecks } from '../../src/kubernetes/health-checks.ts'
import type { Kubernetes } from '../../src/kubernetes/client.ts'
import { deleteMachine, markMachine, moveWorkers, readAutoscalers, readNodes, readWorkers, resizeSet, spreadWorkers } from '../../src/kubernetes/machines.ts' // prettier-ignore
import { readUnsettled } from '../../src/kubernetes/operators.ts'
import { approve, readAsked, readKnownMachines, readPending, refusalOf } from '../../src/kubernetes/signing-requests.ts'
import { makeRequest } from '../../src/kubernetes/simulated/certificates.ts'
import { readUse } from '../../src/kubernetes/use.ts'
import { eventually } from '../harness.ts'
import { downloadGo, type Verdict } from './judge.ts'

const API = 'github.com/openshift/api@v0.0.0-20260318185450-1f2fa3f09f4e'
const AUTOSCALER = 'github.com/openshift/cluster-autoscaler-operator@v0.0.1-0.20260608074635-5c8643284941'
const definitions = {
  [API]: [
    'machine/v1beta1/zz_generated.crd-manifests/0000_10_machine-api_01_machines-Default.crd.yaml',
    'machine/v1beta1/zz_generated.crd-manifests/0000_10_machine-api_01_machinesets-Default.crd.yaml',
    'machine/v1beta1/zz_generated.crd-manifests/0000_10_machine-api_01_machinehealthchecks.crd.yaml',
    'config/v1/zz_generated.crd-manifests/0000_00_cluster-version-operator_01_clusteroperators.crd.yaml',
    'apiserver/v1/zz_generated.crd-manifests/kube-apiserver_apirequestcounts.crd.yaml',
  ],
  [AUTOSCALER]: ['install/02_machineautoscaler.crd.yaml'],
}
const HOME = 'openshift-machine-api'
const MACHINES = `/apis/machine.openshift.io/v1beta1/namespaces/${HOME}`
const ROLE = 'machine.openshift.io/cluster-api-machine-role'
const SET = 'machine.openshift.io/cluster-api-machineset'
const ZONES = ['a', 'b', 'c'].map((zone) => `eu-west-1${zone}`)
const BOOTSTRAPPER = 'system:serviceaccount:openshift-machine-config-operator:node-bootstrapper'

type Definition = { metadata: { name: string } }

/** `openAs`: another user of the API, in these groups. */
export async function judgeDayTwo(
  admin: Kubernetes,
  openAs: (name: string, group: string) => Promise<Kubernetes>,
  { hold }: Verdict & { hold: (what: string, isSo: boolean, otherwise?: unknown) => void },
): Promise<void> {
  const apply = (path: string, object: object) => admin.patch(path, object, 'apply', { fieldManager: 'judge', force: 'true' }) // prettier-ignore
  const make = (apiVersion: string, kind: string, path: string, more: object = {}, metadata: object = {}) =>
    apply(path, { apiVersion, kind, metadata: { name: path.split('/').at(-1), ...metadata }, ...more })
  const setStatus = (path: string, status: object) => admin.patch(`${path}/status`, { status }, 'merge')

  for (const [module, files] of Object.entries(definitions)) {
    const dir = await downloadGo(module)
    for (const file of files) {
      const definition = parse(readFileSync(join(dir, file), 'utf8')) as Definition // as OpenShift publishes it
      await apply(`/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${definition.metadata.name}`, definition)
    }
  }
  await make('v1', 'Namespace', `/api/v1/namespaces/${HOME}`)
  await eventually(async () => (await admin.list(`${MACHINES}/machinesets`, (each) => each)) !== undefined)
  await eventually(
    async () => (await admin.list('/apis/apiserver.openshift.io/v1/apirequestcounts', (each) => each)) !== undefined,
  )

  for (const [index, zone] of ZONES.entries()) {
    const set = `shop-worker-${zone}`
    const spec = {
      replicas: 1,
      selector: { matchLabels: { [SET]: set } },
      template: {
        metadata: { labels: { [ROLE]: 'worker', [SET]: set } },
        spec: { providerSpec: { value: { kind: 'AWSMachineProviderConfig', placement: { availabilityZone: zone } } } },
      },
    }
    await make('machine.openshift.io/v1beta1', 'MachineSet', `${MACHINES}/machinesets/${set}`, { spec })
    await setStatus(`${MACHINES}/machinesets/${set}`, { replicas: 1, readyReplicas: 1, availableReplicas: 1, observedGeneration: 1 }) // prettier-ignore
    const machine = `${set}-${index}`
    await make('machine.openshift.io/v1beta1', 'Machine', `${MACHINES}/machines/${machine}`, { spec: {} }, { labels: { [ROLE]: 'worker', [SET]: set } }) // prettier-ignore
    await setStatus(`${MACHINES}/machines/${machine}`, { phase: 'Running', nodeRef: { kind: 'Node', name: `ip-10-0-0-${index}` }, addresses: [{ type: 'InternalDNS', address: `ip-10-0-0-${index}` }, { type: 'InternalIP', address: '10.0.0.1' }] }) // prettier-ignore
    await make('v1', 'Node', `/api/v1/nodes/ip-10-0-0-${index}`)
    await setStatus(`/api/v1/nodes/ip-10-0-0-${index}`, { conditions: [{ type: 'Ready', status: index === 2 ? 'False' : 'True', reason: 'J', message: '' }] }) // prettier-ignore
  }
  const workers = await readWorkers(admin)
  hold('machine sets are read with their zones and sizes', JSON.stringify(workers.sets.map(({ zone, replicas, isSettled }) => [zone, replicas, isSettled])) === JSON.stringify(ZONES.map((zone) => [zone, 1, true])), workers.sets) // prettier-ignore
  hold('machines are read with their nodes', JSON.stringify(workers.machines.map(({ isNodeReady }) => isNodeReady)) === '[true,true,false]', workers.machines) // prettier-ignore
  hold('nodes are read', (await readNodes(admin)).filter(({ isReady }) => isReady).length === 2)

  for (const [name, size] of spreadWorkers(workers.sets, 5)) await resizeSet(admin, name, size)
  const resized = await readWorkers(admin)
  hold('five workers are 2, 2 and 1, and no set has settled but one', JSON.stringify(resized.sets.map(({ replicas }) => replicas).toSorted((a, b) => a - b)) === '[1,2,2]' && resized.sets.filter(({ isSettled }) => isSettled).length === 1, resized.sets) // prettier-ignore
  const moved = moveWorkers(resized, [`shop-worker-${ZONES[0]}-0`])
  hold('a worker without room is made in another zone', moved !== undefined && (moved.get(`shop-worker-${ZONES[0]}`) ?? 9) === (resized.sets[0]?.replicas ?? 0) - 1, [...(moved ?? [])]) // prettier-ignore
  await markMachine(admin, `shop-worker-${ZONES[1]}-1`)
  hold('a machine that is to go first is marked', (await readWorkers(admin)).machines.filter(({ isMarked }) => isMarked).length === 1) // prettier-ignore
  await deleteMachine(admin, `shop-worker-${ZONES[2]}-2`)
  hold('a machine is deleted', (await readWorkers(admin)).machines.length === 2)

  const scaler = `/apis/autoscaling.openshift.io/v1beta1/namespaces/${HOME}/machineautoscalers/scaler`
  await make('autoscaling.openshift.io/v1beta1', 'MachineAutoscaler', scaler, { spec: { minReplicas: 1, maxReplicas: 3, scaleTargetRef: { apiVersion: 'machine.openshift.io/v1beta1', kind: 'MachineSet', name: `shop-worker-${ZONES[0]}` } } }) // prettier-ignore
  hold('an autoscaler is seen', (await readAutoscalers(admin)).get(`shop-worker-${ZONES[0]}`) === 'scaler')

  const check = `${MACHINES}/machinehealthchecks/workers`
  await make('machine.openshift.io/v1beta1', 'MachineHealthCheck', check, { spec: { selector: { matchLabels: { [ROLE]: 'worker' } }, unhealthyConditions: [{ type: 'Ready', status: 'Unknown', timeout: '300s' }] } }) // prettier-ignore
  hold('a health check is seen', JSON.stringify(await readHealthChecks(admin)) === '["workers"]')
  await pauseHealthChecks(admin, ['workers', 'gone'], true)
  hold('a health check is paused, and one that is gone is none', (await readHealthChecks(admin)).length === 0)
  await pauseHealthChecks(admin, ['workers'], false)
  hold('a health check looks again', (await readHealthChecks(admin)).length === 1)

  const operator = '/apis/config.openshift.io/v1/clusteroperators/ingress'
  const condition = (type: string, status: string) => ({
    type,
    status,
    lastTransitionTime: '2026-11-30T00:00:00Z',
    message: 'why',
  })
  await make('config.openshift.io/v1', 'ClusterOperator', operator, { spec: {} })
  await setStatus(operator, { conditions: [condition('Available', 'True'), condition('Progressing', 'False'), condition('Degraded', 'True')] }) // prettier-ignore
  const [unsettled] = await readUnsettled(admin)
  hold(
    'an operator that is degraded is told',
    unsettled?.name === 'ingress' && unsettled.why === 'degraded: why',
    unsettled,
  )
  await setStatus(operator, { conditions: [condition('Available', 'True'), condition('Progressing', 'False'), condition('Degraded', 'False')] }) // prettier-ignore
  hold('an operator that has settled is not', (await readUnsettled(admin)).length === 0)

  const now = new Date('2026-11-30T12:30:00Z')
  const counts = '/apis/apiserver.openshift.io/v1/apirequestcounts/pods.v1'
  const hours = (at: number, username: string, requestCount: number) =>
    Array.from({ length: 24 }, (_, hour) => (hour === at ? { requestCount, byNode: [{ nodeName: 'ip-10-0-0-0', requestCount, byUser: [{ username, userAgent: 'oc/4.20', requestCount: 1, byVerb: [{ verb: 'list', requestCount: 1 }] }] }] } : { requestCount: 0 })) // prettier-ignore
  await make('apiserver.openshift.io/v1', 'APIRequestCount', counts, { spec: { numberOfUsersToReport: 10 } })
  await setStatus(counts, {
    conditions: [],
    requestCount: 1,
    currentHour: { requestCount: 0 },
    last24h: hours(10, 'ana', 1),
  })
  const used = await readUse(admin, 4, now)
  hold('a request of a person is a use', 'at' in used && used.at?.toISOString() === '2026-11-30T11:00:00.000Z', used)
  await setStatus(counts, { conditions: [], requestCount: 1, currentHour: { requestCount: 0 }, last24h: hours(10, 'system:node:ip-10-0-0-0', 1) }) // prettier-ignore
  const unused = await readUse(admin, 4, now)
  hold('a request of a node is none', 'at' in unused && unused.at === null, unused)
  await setStatus(counts, { conditions: [], requestCount: 9, currentHour: { requestCount: 0 }, last24h: hours(10, 'system:node:ip-10-0-0-0', 9) }) // prettier-ignore
  const hidden = await readUse(admin, 4, now)
  const asked = (await admin.get(counts)) as { spec: { numberOfUsersToReport: number } } // of the API
  hold('requests of users that are not named are not known, and more names are asked for', 'unknown' in hidden && asked.spec.numberOfUsersToReport === 100, { hidden, asked }) // prettier-ignore

  const rbac = '/apis/rbac.authorization.k8s.io/v1'
  await make('rbac.authorization.k8s.io/v1', 'ClusterRole', `${rbac}/clusterroles/asks`, { rules: [{ apiGroups: ['certificates.k8s.io'], resources: ['certificatesigningrequests'], verbs: ['create', 'patch', 'get'] }] }) // prettier-ignore
  const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: BOOTSTRAPPER }, { apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'system:nodes' }] // prettier-ignore
  await make('rbac.authorization.k8s.io/v1', 'ClusterRoleBinding', `${rbac}/clusterrolebindings/asks`, { roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'asks' }, subjects }) // prettier-ignore
  const requests = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
  const bootstrapper = await openAs(BOOTSTRAPPER, 'system:serviceaccounts')
  const node = await openAs('system:node:ip-10-0-0-0', 'system:nodes')
  const request = (by: Kubernetes, name: string, signerName: string, of: string, usages: string[]) =>
    by.patch(`${requests}/${name}`, { apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name }, spec: { request: of, signerName, usages } }, 'apply', { fieldManager: 'judge' }) // prettier-ignore
  const client = ['digital signature', 'client auth']
  await eventually(async () => request(bootstrapper, 'client', 'kubernetes.io/kube-apiserver-client-kubelet', await makeRequest('ip-10-0-0-0', 'client'), client).then(() => true, () => false)) // prettier-ignore
  await request(bootstrapper, 'stranger', 'kubernetes.io/kube-apiserver-client-kubelet', await makeRequest('ip-10-0-0-9', 'client'), client) // prettier-ignore
  await request(node, 'serving', 'kubernetes.io/kubelet-serving', await makeRequest('ip-10-0-0-0', 'serving'), ['digital signature', 'server auth']) // prettier-ignore
  const machines = await readKnownMachines(admin)
  const answers: Record<string, string> = {}
  for (const each of await readPending(admin)) {
    const refusal = refusalOf(each, await readAsked(each.spec.request), machines)
    answers[each.metadata.name] = refusal ?? 'approved'
    if (refusal === undefined) await approve(admin, each, new Date())
  }
  hold('the requests of a node of this cluster are approved, and the one of a stranger is not', answers['client'] === 'approved' && answers['serving'] === 'approved' && answers['stranger'] === '0 machines are the node ip-10-0-0-9', answers) // prettier-ignore
  const left = await readPending(admin)
  hold('what was approved no longer waits', JSON.stringify(left.map(({ metadata }) => metadata.name)) === '["stranger"]', left.map(({ metadata }) => metadata.name)) // prettier-ignore
}
