// The way into a cluster against the API server of Kubernetes itself, with etcd, built from their Go modules. No node and
// no controller runs: what is being deleted stays as it is, which is what a sweep must live with.
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { openKubernetes, type Kubernetes } from '../../src/kubernetes/client.ts'
import { ApiNotReached, ApiRefused } from '../../src/kubernetes/refusals.ts'
import { readHoldings } from '../../src/kubernetes/holdings.ts'
import { readKubeconfig } from '../../src/kubernetes/kubeconfig.ts'
import { eventually } from '../harness.ts'
import { kubeconfigOf, makeAuthority } from '../pki.ts'
import { judgeDayTwo } from './day-two.ts'
import { buildGo, openVerdict, startProgram, type Judge, type Verdict } from './judge.ts'

const DOMAIN = 'judged.example.com'
const HOST = `api.${DOMAIN}`
const MANY = 1100
const staging = [
  'api', 'apiextensions-apiserver', 'apimachinery', 'apiserver', 'cli-runtime', 'client-go', 'cloud-provider', 'cluster-bootstrap',
  'code-generator', 'component-base', 'component-helpers', 'controller-manager', 'cri-api', 'cri-client', 'cri-streaming',
  'csi-translation-lib', 'dynamic-resource-allocation', 'endpointslice', 'externaljwt', 'kms', 'kube-aggregator', 'kube-controller-manager',
  'kube-proxy', 'kube-scheduler', 'kubectl', 'kubelet', 'metrics', 'mount-utils', 'pod-security-admission', 'sample-apiserver', 'streaming',
] // prettier-ignore

export const clusterApi: Judge = {
  name: 'kube-apiserver 1.36.3 and etcd 3.6.16, the way into a cluster',
  async judge(dir) {
    const programs = await buildGo(
      dir,
      { 'k8s.io/kubernetes': 'v1.36.3', 'go.etcd.io/etcd/server/v3': 'v3.6.16' },
      // Their versions stand in no file of the module: a release of Kubernetes is built from one tree.
      Object.fromEntries(staging.map((name) => [`k8s.io/${name}`, 'v0.36.3'])),
      { 'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver', etcd: 'go.etcd.io/etcd/server/v3' },
    )
    const etcd = await startProgram(join(programs, 'etcd'), (port) => {
      const client = `http://127.0.0.1:${port}`
      return ['--data-dir', join(dir, 'etcd'), '--listen-client-urls', client, '--advertise-client-urls', client, '--listen-peer-urls', 'http://127.0.0.1:0', '--log-level', 'error'] // prettier-ignore
    })
    try {
      return await judgeApi(dir, join(programs, 'kube-apiserver'), etcd.url)
    } finally {
      await etcd.stop()
    }
  },
}

async function judgeApi(dir: string, program: string, etcdUrl: string): Promise<Verdict> {
  const authority = await makeAuthority()
  const serving = await authority.issue(HOST, { names: [HOST] })
  const home = join(dir, 'pki')
  mkdirSync(home)
  const put = (name: string, text: string) => {
    writeFileSync(join(home, name), text)
    return join(home, name)
  }
  const account = put('sa.key', generateKeyPairSync('ec', { namedCurve: 'P-256', privateKeyEncoding: { type: 'sec1', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } }).privateKey) // prettier-ignore
  const server = await startProgram(program, (port) => [
    `--etcd-servers=${etcdUrl}`,
    `--secure-port=${port}`,
    '--bind-address=127.0.0.1',
    `--cert-dir=${home}`,
    `--client-ca-file=${put('ca.crt', authority.cert)}`,
    `--tls-cert-file=${put('tls.crt', serving.cert)}`,
    `--tls-private-key-file=${put('tls.key', serving.key)}`,
    '--service-account-issuer=https://judged.example.com',
    `--service-account-key-file=${account}`,
    `--service-account-signing-key-file=${account}`,
    '--service-cluster-ip-range=10.0.0.0/16',
    '--authorization-mode=RBAC',
    '--disable-admission-plugins=ServiceAccount',
  ])
  const at = { host: '127.0.0.1', port: Number(new URL(server.url).port) }
  const open = async (ca: string, who: { organization?: string }, from = authority, name = 'system:admin') =>
    openKubernetes(readKubeconfig(kubeconfigOf(`https://${HOST}:6443`, ca, await from.issue(name, who)), DOMAIN), {
      stop: new AbortController().signal,
      at,
    })
  const opened: Kubernetes[] = []
  const openOne = async (...args: Parameters<typeof open>) => {
    const api = await open(...args)
    opened.push(api)
    return api
  }
  try {
    const masters = { organization: 'system:masters' }
    const other = await makeAuthority('another-authority')
    const admin = await openOne(authority.cert, masters)
    const verdict = await judgeClient({
      admin,
      stranger: await openOne(authority.cert, masters, other),
      somebody: await openOne(authority.cert, {}),
      misled: await openOne(other.cert, masters),
    })
    const openAs = (name: string, organization: string) => openOne(authority.cert, { organization }, authority, name)
    await judgeDayTwo(admin, openAs, verdict)
    return verdict
  } finally {
    await Promise.all(opened.map((api) => api.close()))
    await server.stop()
  }
}

type Object_ = {
  metadata: { name: string; uid: string; resourceVersion: string; deletionTimestamp?: string; finalizers?: string[] }
}

async function judgeClient(apis: Record<'admin' | 'stranger' | 'somebody' | 'misled', Kubernetes>) {
  const { admin, stranger, somebody, misled } = apis
  const verdict = openVerdict()
  const { hold } = verdict
  const failureOf = (promise: Promise<unknown>) => promise.then((value): unknown => ({ value }), (error: unknown) => error) // prettier-ignore
  const isRefusal = (error: unknown, status: number) => error instanceof ApiRefused && error.status === status
  const nameOf = (object: unknown) => (object as Object_).metadata.name // of the API
  const get = async (path: string) => (await admin.get(path)) as Object_ | undefined // of the API

  await eventually(() => admin.get('/api/v1/namespaces/default').catch(() => undefined))
  const apply = (apiVersion: string, kind: string, path: string, more: object = {}, metadata: object = {}) =>
    admin.patch(path, { apiVersion, kind, metadata: { name: path.split('/').at(-1), ...metadata }, ...more }, 'apply', { fieldManager: 'judge' }) // prettier-ignore
  for (const name of ['shop', 'openshift-ingress']) await apply('v1', 'Namespace', `/api/v1/namespaces/${name}`)
  const within = '/api/v1/namespaces/shop'

  const refusedToStranger = await failureOf(stranger.get('/api/v1/services'))
  hold('a certificate of another authority is nobody', isRefusal(refusedToStranger, 401), refusedToStranger)
  const refusedToSomebody = await failureOf(somebody.list('/api/v1/services', nameOf))
  hold('a certificate without a group may do nothing, and it is said why', isRefusal(refusedToSomebody, 403) && /cannot list/.test(String(refusedToSomebody)), refusedToSomebody) // prettier-ignore
  const notBelieved = await failureOf(misled.get('/api/v1/services'))
  hold('a server that our authority does not vouch for is not asked', notBelieved instanceof ApiNotReached, notBelieved)

  const names = Array.from({ length: MANY }, (_, index) => `many-${index}`)
  for (let index = 0; index < MANY; index += 50)
    await Promise.all(names.slice(index, index + 50).map((name) => apply('v1', 'ConfigMap', `${within}/configmaps/${name}`))) // prettier-ignore
  const listed = await admin.list(`${within}/configmaps`, nameOf)
  hold(`${MANY} objects come on all pages, each once`, new Set(listed).size === MANY && listed?.length === MANY, listed?.length) // prettier-ignore
  hold('a kind that there is not', (await admin.list('/api/v1/unknowns', nameOf)) === undefined)
  hold('an object that there is not', (await get(`${within}/configmaps/none`)) === undefined)
  hold('a group that there is not', (await admin.list('/apis/machine.openshift.io/v1beta1/machinesets', nameOf)) === undefined) // prettier-ignore

  const map = `${within}/configmaps/many-0`
  const before = await get(map)
  hold('a merge patch changes', /"a":"b"/.test(JSON.stringify(await admin.patch(map, { data: { a: 'b' } }, 'merge'))))
  const json = await failureOf(admin.patch(map, [{ op: 'test', path: '/data/a', value: 'c' }], 'json'))
  hold('a JSON patch whose test fails is refused', isRefusal(json, 422), json)
  hold('another uid is not deleted', !(await admin.delete(map, { uid: '00000000-0000-0000-0000-000000000000' })) && (await get(map)) !== undefined) // prettier-ignore
  const stale = await failureOf(admin.delete(map, { uid: before?.metadata.uid ?? '', resourceVersion: before?.metadata.resourceVersion ?? '' })) // prettier-ignore
  hold('an object that has changed since is not deleted', isRefusal(stale, 409), stale)
  hold('an object that was seen is deleted', (await admin.delete(map, { uid: before?.metadata.uid ?? '' })) && (await get(map)) === undefined) // prettier-ignore
  hold('what is gone is not deleted', !(await admin.delete(map, { uid: before?.metadata.uid ?? '' })))

  const balancer = { spec: { type: 'LoadBalancer', selector: { app: 'a' }, ports: [{ port: 80 }] } }
  const lasting = { finalizers: ['service.kubernetes.io/load-balancer-cleanup'] }
  await apply('v1', 'Service', `${within}/services/front`, balancer, lasting)
  await apply('v1', 'Service', `${within}/services/inner`, { spec: { ...balancer.spec, type: 'ClusterIP' } })
  await apply('v1', 'Service', '/api/v1/namespaces/openshift-ingress/services/router-default', balancer)
  const storage = { accessModes: ['ReadWriteOnce'], storageClassName: '' }
  const volume = (name: string, persistentVolumeReclaimPolicy: string, annotations: object) =>
    apply('v1', 'PersistentVolume', `/api/v1/persistentvolumes/${name}`, { spec: { ...storage, capacity: { storage: '1Gi' }, persistentVolumeReclaimPolicy, csi: { driver: 'ebs.csi.aws.com', volumeHandle: `vol-${name}` } } }, { annotations }) // prettier-ignore
  const claim = (name: string, volumeName: string) =>
    apply('v1', 'PersistentVolumeClaim', `${within}/persistentvolumeclaims/${name}`, { spec: { ...storage, resources: { requests: { storage: '1Gi' } }, volumeName } }) // prettier-ignore
  const made = { 'pv.kubernetes.io/provisioned-by': 'ebs.csi.aws.com' }
  await volume('pvc-1', 'Delete', made)
  await volume('pvc-2', 'Retain', made)
  await volume('brought', 'Delete', {})
  for (const [name, of] of [['data', 'pvc-1'], ['kept', 'pvc-2'], ['theirs', 'brought']] as const) await claim(name, of) // prettier-ignore
  await apply('v1', 'Pod', `${within}/pods/db-0`, { spec: { nodeName: 'worker-0', containers: [{ name: 'db', image: 'db' }], volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] } }) // prettier-ignore
  const holdings = await readHoldings(admin)
  const seen = Object.fromEntries(Object.entries(holdings).map(([kind, all]) => [kind, all.map((each) => (typeof each === 'string' ? each : each.path))])) // prettier-ignore
  const expected = {
    services: [`${within}/services/front`],
    claims: [`${within}/persistentvolumeclaims/data`],
    volumes: ['/api/v1/persistentvolumes/pvc-1'],
    pods: [`${within}/pods/db-0`],
    disks: ['vol-pvc-1', 'pvc-1', 'vol-pvc-2', 'pvc-2'],
  }
  hold('what stands for something in the cloud is seen, and nothing else', JSON.stringify(seen) === JSON.stringify(expected), seen) // prettier-ignore

  const hard = { 'services.loadbalancers': '0', persistentvolumeclaims: '0' }
  const quota = `${within}/resourcequotas/ocpctl-sweep`
  await apply('v1', 'ResourceQuota', quota, { spec: { hard } })
  // What admits goes by the status, which a controller writes that is not here.
  await admin.patch(`${quota}/status`, { status: { hard, used: hard } }, 'merge')
  // It holds a moment after it was made, since what decides hears of it like everybody else.
  const refusedInTheEnd = async (make: (name: string) => Promise<unknown>) => {
    for (let tries = 0; ; tries++) {
      const result = await failureOf(make(`again-${tries}`))
      if (isRefusal(result, 403) || tries === 100) return result
      await setTimeout(100)
    }
  }
  const again = await refusedInTheEnd((name) => claim(name, 'pvc-1'))
  hold('with a quota of nothing no claim is made', isRefusal(again, 403), again)
  const balancerAgain = await refusedInTheEnd((name) => apply('v1', 'Service', `${within}/services/${name}`, balancer))
  hold('with a quota of nothing no load balancer is made', isRefusal(balancerAgain, 403), balancerAgain)
  const plain = await failureOf(apply('v1', 'ConfigMap', `${within}/configmaps/again`))
  hold('everything else is', !(plain instanceof Error), plain)

  for (const { path, uid, kind } of [...holdings.services, ...holdings.claims, ...holdings.pods]) {
    const asked = await failureOf(admin.delete(path, { uid, propagationPolicy: 'Background', ...(kind === 'pod' ? { gracePeriodSeconds: 10 } : {}) })) // prettier-ignore
    const left = await get(path)
    hold(`a ${kind} that something keeps is asked to go, and stays`, left?.metadata.deletionTimestamp !== undefined, { asked, left }) // prettier-ignore
  }
  const claimLeft = await get(`${within}/persistentvolumeclaims/data`)
  hold('a claim is kept by the protection of Kubernetes itself', claimLeft?.metadata.finalizers?.includes('kubernetes.io/pvc-protection') === true, claimLeft) // prettier-ignore
  const last = await readHoldings(admin)
  const uids = new Set([...holdings.services, ...holdings.claims, ...holdings.pods].map(({ uid }) => uid))
  const going = [...last.services, ...last.claims, ...last.pods].filter((each) => uids.has(each.uid))
  hold('what goes and has not gone is seen as such', going.length === uids.size && going.every((each) => each.deletionTimestamp !== undefined), going) // prettier-ignore
  return verdict
}
