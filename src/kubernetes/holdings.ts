// What a cluster's own objects stand for in the cloud: load balancers, and the disks of its volumes.
import { z } from 'zod'
import type { Kubernetes } from './client.ts'

const metadata = z.object({
  name: z.string(),
  namespace: z.string().default(''),
  uid: z.string(),
  deletionTimestamp: z.string().optional(),
  annotations: z.record(z.string(), z.string()).default({}),
  finalizers: z.array(z.string()).default([]),
})

const service = z.object({ metadata, spec: z.object({ type: z.string().optional() }) })
const claim = z.object({ metadata, spec: z.object({ volumeName: z.string().default('') }) })
const volume = z.object({
  metadata,
  spec: z.object({
    persistentVolumeReclaimPolicy: z.string().default('Retain'),
    csi: z.object({ driver: z.string(), volumeHandle: z.string() }).optional(),
    awsElasticBlockStore: z.object({ volumeID: z.string() }).optional(),
    azureDisk: z.object({ diskURI: z.string() }).optional(),
    gcePersistentDisk: z.object({ pdName: z.string() }).optional(),
  }),
})
const pod = z.object({
  metadata,
  spec: z.object({
    nodeName: z.string().default(''),
    volumes: z
      .array(
        z.object({
          name: z.string(),
          persistentVolumeClaim: z.object({ claimName: z.string() }).optional(),
          ephemeral: z.object({}).optional(),
        }),
      )
      .nullish(),
  }),
  status: z.object({ phase: z.string().optional() }).optional(),
})

export type KubeObject = { kind: 'service' | 'claim' | 'volume' | 'pod'; path: string } & z.infer<typeof metadata>

export type Holdings = {
  /** Services with a load balancer that no operator of OpenShift looks after. */
  services: KubeObject[]
  /** Claims whose disk goes with them, and those that have none yet. */
  claims: KubeObject[]
  /** Volumes whose disk goes with their claim. */
  volumes: KubeObject[]
  /** The pods on nodes that keep these claims in use. */
  pods: KubeObject[]
  /** The names by which the cloud knows each disk that was made for a volume, whatever becomes of the volume. */
  disks: string[]
}

/** The annotation of a volume that was made for its claim. Others were there before, and are not the cluster's. */
const MADE_BY = 'pv.kubernetes.io/provisioned-by'
const diskDrivers = ['ebs.csi.aws.com', 'disk.csi.azure.com', 'pd.csi.storage.gke.io', 'vpc.block.csi.ibm.io']

/** Throws ApiNotReached, ApiRefused, and ZodError when an object is not what it should be. */
export async function readHoldings(api: Kubernetes): Promise<Holdings> {
  const list = async <Item>(shape: z.ZodType<Item>, kind: string) =>
    (await api.list(`/api/v1/${kind}`, (object) => shape.parse(object))) ?? []
  const services = await list(service, 'services')
  const made = (await list(volume, 'persistentvolumes')).filter(({ metadata: { annotations } }) => annotations[MADE_BY])
  const passing = made.filter(({ spec }) => spec.persistentVolumeReclaimPolicy === 'Delete')
  const names = new Set(['', ...passing.map((each) => each.metadata.name)])
  const claims = (await list(claim, 'persistentvolumeclaims')).filter(({ spec }) => names.has(spec.volumeName))
  const claimed = new Set(claims.map(({ metadata: { namespace, name } }) => `${namespace}/${name}`))
  const pods = claims.length === 0 ? [] : await list(pod, 'pods')
  return {
    services: services.filter((each) => each.spec.type === 'LoadBalancer' && !isOfOperators(each.metadata)).map((each) => show('service', 'services', each)), // prettier-ignore
    claims: claims.map((each) => show('claim', 'persistentvolumeclaims', each)),
    volumes: passing.map((each) => show('volume', 'persistentvolumes', each)),
    pods: pods.filter((each) => holds(each, claimed)).map((each) => show('pod', 'pods', each)),
    disks: [...new Set(made.flatMap(disksOf))],
  }
}

/** They would make it again, and the installer takes it away. */
const isOfOperators = ({ namespace }: { namespace: string }) => namespace.startsWith('openshift-')

function show(kind: KubeObject['kind'], plural: string, { metadata: meta }: { metadata: z.infer<typeof metadata> }) {
  const within = meta.namespace === '' ? '' : `namespaces/${encodeURIComponent(meta.namespace)}/`
  return { ...meta, kind, path: `/api/v1/${within}${plural}/${encodeURIComponent(meta.name)}` }
}

/** A pod that has ended, or that no node has yet, does not keep a claim. */
function holds({ metadata: { namespace, name }, spec, status }: z.infer<typeof pod>, claimed: Set<string>): boolean {
  if (spec.nodeName === '' || ['Succeeded', 'Failed'].includes(status?.phase ?? '')) return false
  return (spec.volumes ?? []).some((each) => {
    const claimName = each.persistentVolumeClaim?.claimName ?? (each.ephemeral ? `${name}-${each.name}` : undefined)
    return claimName !== undefined && claimed.has(`${namespace}/${claimName}`)
  })
}

const DISK_NAME = /^[\w.-]{1,100}$/

/** The end of the handle is the disk's id or name; most clouds have the volume's own name on it as well. */
function disksOf({ metadata: { name }, spec }: z.infer<typeof volume>): string[] {
  const { csi, awsElasticBlockStore, azureDisk, gcePersistentDisk } = spec
  const ofDriver = csi && diskDrivers.includes(csi.driver) ? csi.volumeHandle : undefined
  const handle = ofDriver ?? awsElasticBlockStore?.volumeID ?? azureDisk?.diskURI ?? gcePersistentDisk?.pdName
  const last = handle?.split('/').at(-1)
  return last === undefined ? [] : [last, name].filter((each) => DISK_NAME.test(each))
}
