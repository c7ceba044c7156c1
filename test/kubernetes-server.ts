/**
 * One server for the APIs of all simulated clusters: which one is asked is told by the name in the TLS greeting. It knows
 * who asks by the client certificate, speaks as much of Kubernetes as the service asks (lists in pages, preconditions,
 * finalizers, patches), and stands for the controllers that matter: what is deleted takes its load balancer or disk out
 * of the simulated cloud (where no tag leads to the disks), claims wait for the pods that hold them, and workloads make again what they miss.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import { makeAuthority, kubeconfigOf } from './pki.ts'

type Meta = {
  name: string
  namespace?: string
  uid: string
  resourceVersion: string
  annotations?: Record<string, string>
  deletionTimestamp?: string
  finalizers?: string[]
}
export type Thing = { metadata: Meta; spec: Record<string, any>; status?: Record<string, any> } // eslint-disable-line -- the JSON of any kind
type Body = Record<string, any> // eslint-disable-line -- the same

/** `expire`: the list is too old for its next page. */
export type KubernetesFault = {
  /** Of the method, the host and the path. */
  at: RegExp
  how: 'hang' | 'throttle' | 'fail' | 'reset' | 'forbid' | 'expire' | 'no-json'
  times: number
}

/** A set of pods with a claim each, which its controller keeps complete. */
type Workload = { namespace: string; name: string; replicas: number; policy: string }
type Cluster = {
  things: Map<string, Thing>
  workloads: Workload[]
  /** Services that their operator makes again. */
  operated: { namespace: string; name: string }[]
}

const kinds = ['namespaces', 'services', 'persistentvolumeclaims', 'persistentvolumes', 'pods', 'resourcequotas']
const CLAIM_FINALIZER = 'kubernetes.io/pvc-protection'
const BALANCER_FINALIZER = 'service.kubernetes.io/load-balancer-cleanup'
const PATH = /^\/api\/v1(?:\/namespaces\/([^/]+))?\/([^/]+)(?:\/([^/]+))?$/

export type KubernetesServer = Awaited<ReturnType<typeof startKubernetesServer>>

export async function startKubernetesServer({
  cloudDir,
  pageItems = 2,
}: { cloudDir?: string; pageItems?: number } = {}) {
  const authority = await makeAuthority('kube-apiserver-authority')
  const admin = await authority.issue('system:admin', { organization: 'system:masters' })
  const clusters = new Map<string, Cluster>()
  const faults: KubernetesFault[] = []
  const requests: string[] = []
  const hung = new Set<ServerResponse>()
  /** Paths of things whose finalizers nobody removes. */
  const stuck = new Set<string>()
  let version = 0

  const contexts = new Map<string, Promise<SecureContext>>()
  const contextOf = (host: string): Promise<SecureContext> => {
    const make = async () => createSecureContext({ ...(await authority.issue(host, { names: [host] })), ca: authority.cert }) // prettier-ignore
    const made = contexts.get(host) ?? make()
    contexts.set(host, made)
    return made
  }
  const giveContext = async (host: string, done: (error: Error | null, context?: SecureContext) => void) =>
    done(null, await contextOf(host))
  const server = createServer(
    {
      SNICallback: (host, done) => void giveContext(host, done),
      ca: authority.cert,
      requestCert: true,
      rejectUnauthorized: false,
    },
    (request, response) => {
      respond(request, response).catch((error: unknown) => response.destroy(error as Error))
    },
  )

  async function respond(request: IncomingMessage, response: ServerResponse) {
    const socket = request.socket as TLSSocket // of an HTTPS server
    const host = typeof socket.servername === 'string' ? socket.servername : ''
    const url = new URL(request.url ?? '', `https://${host}`)
    const line = `${request.method} ${host}${url.pathname}`
    requests.push(line)
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer) // no encoding is set
    const text = Buffer.concat(chunks).toString()
    const send = (status: number, body: Body, headers = {}) =>
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
    const refuse = (code: number, reason: string, message: string, headers = {}) =>
      send(code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason, message, code }, headers)

    const fault = faults.find(({ at, times, how }) => times > 0 && at.test(line) && (how !== 'expire' || url.searchParams.has('continue'))) // prettier-ignore
    if (fault) fault.times--
    if (fault?.how === 'hang') return void hung.add(response)
    if (fault?.how === 'reset') return void request.socket.destroy()
    if (fault?.how === 'throttle')
      return refuse(429, 'TooManyRequests', 'too many requests, please try again later', { 'retry-after': '1' })
    if (fault?.how === 'fail') return refuse(500, 'InternalError', 'etcdserver: leader changed', { 'retry-after': '0' })
    if (fault?.how === 'forbid') return refuse(403, 'Forbidden', `cannot do this: ${line}`)
    if (fault?.how === 'expire') return refuse(410, 'Expired', 'The provided continue parameter is too old')
    if (fault?.how === 'no-json') return void response.writeHead(200).end('<html>')
    const { subject } = socket.getPeerCertificate()
    if (!socket.authorized || subject?.O !== 'system:masters') return refuse(401, 'Unauthorized', 'Unauthorized')
    const cluster = clusters.get(host)
    const [, namespace = '', kind = '', name] = PATH.exec(url.pathname) ?? []
    if (!cluster || !kinds.includes(kind)) return refuse(404, 'NotFound', 'the server could not find the requested resource') // prettier-ignore
    settle(host, cluster)
    if (name === undefined) return send(200, page(cluster, namespace, kind, url.searchParams))

    const path = pathOf(kind, namespace, name)
    const thing = cluster.things.get(path)
    const body = (text === '' ? {} : JSON.parse(text)) as Body // as sent
    if (request.method === 'PATCH' && request.headers['content-type'] === 'application/apply-patch+yaml') {
      const made = put(cluster, kind, { namespace, name }, { ...thing?.spec, ...body['spec'] })
      return send(thing ? 200 : 201, made)
    }
    if (!thing) return refuse(404, 'NotFound', `${kind} "${name}" not found`)
    if (request.method === 'GET') return send(200, thing)
    if (request.method === 'PATCH') {
      Object.assign(thing.spec, body['spec'])
      thing.metadata.resourceVersion = String(++version)
      return send(200, thing)
    }
    const wanted = body['preconditions'] as Partial<Meta> | undefined
    if (wanted?.uid !== undefined && wanted.uid !== thing.metadata.uid)
      return refuse(409, 'Conflict', `Precondition failed: UID in precondition: ${wanted.uid}`)
    thing.metadata.deletionTimestamp ??= new Date().toISOString()
    if ((thing.metadata.finalizers ?? []).length === 0) cluster.things.delete(path)
    settle(host, cluster)
    return send(200, thing)
  }

  function page(cluster: Cluster, namespace: string, kind: string, query: URLSearchParams): Body {
    const within = pathOf(kind, namespace, '')
    const all = [...cluster.things]
      .filter(([path]) => (namespace === '' ? path.split('/').at(-2) === kind : path.startsWith(within)))
      .map(([, thing]) => thing)
    const from = Number(query.get('continue') ?? 0)
    const until = from + Math.min(pageItems, Number(query.get('limit') ?? pageItems))
    const rest = until < all.length ? { continue: String(until), remainingItemCount: all.length - until } : {}
    return { kind: 'List', apiVersion: 'v1', metadata: { resourceVersion: String(version), ...rest }, items: all.length === 0 ? null : all.slice(from, until) } // prettier-ignore
  }

  function put(
    cluster: Cluster,
    kind: string,
    meta: Partial<Meta> & { name: string },
    spec: Thing['spec'],
    status = {},
  ): Thing {
    // prettier-ignore
    const path = pathOf(kind, meta.namespace ?? '', meta.name)
    const thing = {
      metadata: {
        uid: randomUUID(),
        ...cluster.things.get(path)?.metadata,
        ...meta,
        resourceVersion: String(++version),
      },
      spec,
      status,
    }
    cluster.things.set(path, thing)
    return thing
  }

  const hasQuota = (cluster: Cluster, namespace: string, resource: string) =>
    [...cluster.things].some(([path, { spec }]) => path.startsWith(pathOf('resourcequotas', namespace, '')) && spec['hard']?.[resource] === '0') // prettier-ignore

  function addService(host: string, cluster: Cluster, namespace: string, name: string) {
    put(cluster, 'services', { namespace, name, finalizers: [BALANCER_FINALIZER] }, { type: 'LoadBalancer' })
    addResource(host, 'load-balancer', `${namespace}-${name}`, { isTagged: true })
  }

  function addClaim(host: string, cluster: Cluster, namespace: string, name: string, policy: string) {
    const uid = randomUUID()
    const volume = `pvc-${uid}`
    put(cluster, 'persistentvolumeclaims', { namespace, name, uid, finalizers: [CLAIM_FINALIZER] }, { volumeName: volume }) // prettier-ignore
    put(
      cluster,
      'persistentvolumes',
      { name: volume, annotations: { 'pv.kubernetes.io/provisioned-by': 'ebs.csi.aws.com' }, finalizers: ['external-provisioner.volume.kubernetes.io/finalizer'] }, // prettier-ignore
      { persistentVolumeReclaimPolicy: policy, csi: { driver: 'ebs.csi.aws.com', volumeHandle: `vol-${uid}` }, claimRef: { namespace, name } }, // prettier-ignore
    )
    addResource(host, 'volume', volume, { id: `vol-${uid}` })
  }

  /** What the controllers do until nothing more is to do. */
  function settle(host: string, cluster: Cluster): void {
    const { things } = cluster
    const of = (kind: string) => [...things].filter(([path]) => path.split('/').at(-2) === kind)
    const going = (kind: string) => of(kind).filter(([path, { metadata }]) => metadata.deletionTimestamp && !stuck.has(path)) // prettier-ignore
    for (const [path, { metadata }] of going('services')) {
      things.delete(path)
      removeResource(host, 'load-balancer', `${metadata.namespace}-${metadata.name}`)
    }
    for (const [path] of going('pods')) things.delete(path)
    for (const [path, { metadata, spec }] of going('persistentvolumeclaims')) {
      const isHeld = of('pods').some(([, pod]) => pod.metadata.namespace === metadata.namespace && pod.spec['nodeName'] && pod.spec['volumes'][0].persistentVolumeClaim.claimName === metadata.name) // prettier-ignore
      if (isHeld) continue
      things.delete(path)
      const volume = pathOf('persistentvolumes', '', spec['volumeName'])
      if (things.get(volume)?.spec['persistentVolumeReclaimPolicy'] !== 'Delete' || stuck.has(volume)) continue
      things.delete(volume)
      removeResource(host, 'volume', spec['volumeName'])
    }
    for (const { namespace, name } of cluster.operated)
      if (!things.has(pathOf('services', namespace, name)) && !hasQuota(cluster, namespace, 'services.loadbalancers'))
        addService(host, cluster, namespace, name)
    for (const { namespace, name, replicas, policy } of cluster.workloads)
      for (let index = 0; index < replicas; index++) {
        const claimName = `data-${name}-${index}`
        const claimPath = pathOf('persistentvolumeclaims', namespace, claimName)
        if (!things.has(claimPath) && !hasQuota(cluster, namespace, 'persistentvolumeclaims'))
          addClaim(host, cluster, namespace, claimName, policy)
        const claim = things.get(claimPath)
        const podPath = pathOf('pods', namespace, `${name}-${index}`)
        if (things.has(podPath)) continue
        const nodeName = claim && !claim.metadata.deletionTimestamp ? { nodeName: 'worker-0' } : {}
        put(cluster, 'pods', { namespace, name: `${name}-${index}`, finalizers: ['test/grace'] }, { ...nodeName, volumes: [{ name: 'data', persistentVolumeClaim: { claimName } }] }, { phase: 'Running' }) // prettier-ignore
      }
  }

  const simulated = (host: string): Record<string, string> | undefined => {
    if (cloudDir === undefined) return undefined
    const home = join(cloudDir, 'clusters')
    return readdirSync(home)
      .filter((name) => !name.startsWith('.'))
      .map((name) => JSON.parse(readFileSync(join(home, name), 'utf8')) as Record<string, string>) // the simulator's
      .find((each) => new URL(each['server'] ?? '').hostname === host)
  }
  const fileOf = (infraID: string, type: string, name: string) => join(cloudDir ?? '', 'resources', infraID, `${type}-${name}.json`) // prettier-ignore
  function addResource(host: string, type: string, name: string, { id = name, isTagged = false }) {
    const cluster = simulated(host)
    if (!cluster) return
    const { infraID = '', platform, region } = cluster
    const file = fileOf(infraID, type, name)
    mkdirSync(join(file, '..'), { recursive: true })
    const tags = isTagged ? { [`kubernetes.io/cluster/${infraID}`]: 'owned' } : {}
    writeFileSync(file, JSON.stringify({ simulated: true, id, type, name, platform, region, infraID, tags }))
  }
  function removeResource(host: string, type: string, name: string) {
    const infraID = simulated(host)?.['infraID']
    if (infraID !== undefined) rmSync(fileOf(infraID, type, name), { force: true })
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on a port
  const at = { host: '127.0.0.1', port }
  if (cloudDir !== undefined) {
    mkdirSync(cloudDir, { recursive: true })
    writeFileSync(join(cloudDir, 'kubernetes.json'), JSON.stringify({ ...at, ca: authority.cert, ...admin }))
  }

  return {
    at,
    authority,
    admin,
    faults,
    requests,
    stuck,
    kubeconfig: (host: string) => kubeconfigOf(`https://${host}:6443`, authority.cert, admin),
    /** Begins to serve the API of a cluster. */
    serve(host: string) {
      const cluster: Cluster = { things: new Map(), workloads: [], operated: [] }
      clusters.set(host, cluster)
      return {
        things: (kind: string) => [...cluster.things].filter(([path]) => path.split('/').at(-2) === kind).map(([path]) => path), // prettier-ignore
        put: (kind: string, meta: Partial<Meta> & { name: string }, spec: Thing['spec'] = {}) => put(cluster, kind, meta, spec), // prettier-ignore
        addService: (namespace: string, name: string) => addService(host, cluster, namespace, name),
        addOperated(namespace: string, name: string) {
          cluster.operated.push({ namespace, name })
          settle(host, cluster)
        },
        addWorkload(namespace: string, name: string, { replicas = 1, policy = 'Delete' } = {}) {
          cluster.workloads.push({ namespace, name, replicas, policy })
          settle(host, cluster)
        },
      }
    },
    /** As when nothing runs any more. */
    async stop() {
      for (const response of hung) response.destroy()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

const pathOf = (kind: string, namespace: string, name: string) => `/api/v1${namespace === '' ? '' : `/namespaces/${namespace}`}/${kind}/${name}` // prettier-ignore
