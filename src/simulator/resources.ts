// What a cluster is made of on each platform: believable rather than complete. All resources carry the cluster's
// ownership tag and the user's tags, but for public DNS records, which cannot carry any.
import type { InstallConfig } from './install-config.ts'
import { azureResourceGroup, type ClusterIdentity } from './metadata.ts'
import { randomHex } from './random.ts'

export interface Resource {
  simulated: true
  id: string
  type: string
  name: string
  platform: string
  region: string
  infraID: string
  tags: Record<string, string>
  /** Of a DNS record: the name of the load balancer that it points to. */
  target?: string
  createdAt?: string
}

/** A resource's file is named after its type and its role in the cluster. */
export interface PlannedResource {
  file: string
  resource: Resource
}

export interface ResourcePlan {
  network: PlannedResource[]
  machines: PlannedResource[]
  /** Made by the cluster's own operators once the control plane is up. */
  initialize: PlannedResource[]
}

type Draft = [type: string, role: string, name?: string]

interface Drafts {
  network: Draft[]
  machines: Draft[]
  initialize: Draft[]
  ownerTags: Record<string, string>
  /** Its name is the DNS name of the zone, but on IBM Cloud, where it must contain the infraID. */
  privateZone: Draft
  idOf(type: string, name: string): string
}

export function planResources(config: InstallConfig, identity: ClusterIdentity): ResourcePlan {
  const drafts = draftResources(config, identity)
  const domain = `${config.name}.${config.baseDomain}.`
  const plan = (stage: Draft[], tags: Record<string, string>): PlannedResource[] =>
    stage.map(([type, role, name = `${identity.infraID}-${role}`]) => ({
      file: `${type}-${role}.json`,
      resource: {
        simulated: true,
        id: drafts.idOf(type, name),
        type,
        name,
        platform: config.platform,
        region: config.region,
        infraID: identity.infraID,
        tags,
      },
    }))
  const publicRecord = (role: string, name: string): PlannedResource[] =>
    config.isPublic
      ? plan([['dns-record', role, `${name}.${domain}`]], {}).map(({ file, resource }) => ({
          file,
          resource: { ...resource, target: `${identity.infraID}-${role}.lb.simulated.example` },
        }))
      : []
  const tags = { ...config.userTags, ...drafts.ownerTags }
  const operatorTags = config.platform === 'aws' ? { ...tags, openshiftClusterID: identity.uuid } : tags
  return {
    network: [...plan([...drafts.network, drafts.privateZone], tags), ...publicRecord('api', 'api')],
    machines: plan(drafts.machines, tags),
    initialize: [...plan(drafts.initialize, operatorTags), ...publicRecord('apps', '*.apps')],
  }
}

function draftResources(config: InstallConfig, { infraID }: ClusterIdentity): Drafts {
  const zones = ['a', 'b', 'c']
  const domain = `${config.name}.${config.baseDomain}.`
  const machines = (type: string): Draft[] => [
    [type, 'bootstrap'],
    ...numbered(config.controlPlaneReplicas).map((n): Draft => [type, `master-${n}`]),
  ]
  const workers = (type: string): Draft[] =>
    numbered(config.computeReplicas).map((n): Draft => [type, `worker-${config.region}${zones[n % 3]}-${randomHex(5)}`])
  const balancers = (type: string): Draft[] => [
    [type, 'int'],
    ...(config.isPublic ? [[type, 'ext'] satisfies Draft] : []),
  ]

  switch (config.platform) {
    case 'aws':
      return {
        network: [
          ['iam-role', 'master-role'],
          ['iam-role', 'worker-role'],
          ['instance-profile', 'master-profile'],
          ['instance-profile', 'worker-profile'],
          ['vpc', 'vpc'],
          ['internet-gateway', 'igw'],
          ...zones.flatMap((zone): Draft[] => [
            ['subnet', `subnet-public-${config.region}${zone}`],
            ['subnet', `subnet-private-${config.region}${zone}`],
            ['elastic-ip', `eip-${config.region}${zone}`],
            ['nat-gateway', `nat-${config.region}${zone}`],
            ['route-table', `rt-private-${config.region}${zone}`],
          ]),
          ['route-table', 'rt-public'],
          ['security-group', 'controlplane'],
          ['security-group', 'node'],
          ['security-group', 'lb'],
          ...balancers('load-balancer'),
          ['target-group', 'apiserver-target'],
        ],
        machines: [['s3-bucket', 'bootstrap', `openshift-bootstrap-data-${infraID}`], ...machines('instance')],
        initialize: [
          ...workers('instance'),
          ['load-balancer', 'ingress'],
          ['security-group', 'ingress'],
          ['s3-bucket', 'image-registry', `${infraID}-image-registry-${config.region}`],
          ['volume', 'prometheus-data'],
        ],
        ownerTags: {
          [`kubernetes.io/cluster/${infraID}`]: 'owned',
          [`sigs.k8s.io/cluster-api-provider-aws/cluster/${infraID}`]: 'owned',
        },
        privateZone: ['hosted-zone', 'private', domain],
        idOf: (type, name) => awsId(type, name, config.region),
      }
    case 'azure': {
      const subscription = '/subscriptions/00000000-0000-0000-0000-00000000510a/resourceGroups'
      const group = azureResourceGroup(config, infraID)
      return {
        network: [
          ['resource-group', 'rg', group],
          ['managed-identity', 'identity'],
          ['virtual-network', 'vnet'],
          ['subnet', 'master-subnet'],
          ['subnet', 'worker-subnet'],
          ['network-security-group', 'nsg'],
          ['public-ip', 'pip-v4'],
          ...balancers('load-balancer'),
        ],
        machines: [['storage-account', 'bootstrap'], ...machines('virtual-machine'), ...machines('network-interface')],
        initialize: [
          ...workers('virtual-machine'),
          ['public-ip', 'ingress'],
          ['storage-account', 'image-registry'],
          ['disk', 'prometheus-data'],
        ],
        ownerTags: { [`kubernetes.io_cluster.${infraID}`]: 'owned' },
        privateZone: ['private-dns-zone', 'private', domain],
        idOf: (type, name) => {
          if (type === 'resource-group') return `${subscription}/${name}`
          const holder = type === 'dns-record' ? String(config.settings['baseDomainResourceGroupName']) : group
          return `${subscription}/${holder}/providers/${type}/${name}`
        },
      }
    }
    case 'gcp':
      return {
        network: [
          ['service-account', 'm'],
          ['service-account', 'w'],
          ['network', 'network'],
          ['subnetwork', 'master-subnet'],
          ['subnetwork', 'worker-subnet'],
          ['router', 'router'],
          ['firewall', 'api'],
          ['firewall', 'internal-cluster'],
          ['address', 'apiserver'],
          ...balancers('forwarding-rule'),
        ],
        machines: [
          ['bucket', 'bootstrap', `${infraID}-bootstrap-ignition`],
          ...machines('instance'),
          ...machines('disk'),
        ],
        initialize: [
          ...workers('instance'),
          ['forwarding-rule', 'ingress'],
          ['bucket', 'image-registry', `${infraID}-image-registry`],
        ],
        ownerTags: { [`kubernetes-io-cluster-${infraID}`]: 'owned', [`capg-cluster-${infraID}`]: 'owned' },
        privateZone: ['managed-zone', 'private', domain],
        idOf: (type, name) => `projects/${String(config.settings['projectID'])}/${type}s/${name}`,
      }
    case 'ibmcloud':
      return {
        network: [
          ['resource-group', 'rg', infraID],
          ['vpc', 'vpc'],
          ...zones.map((_, n): Draft => ['subnet', `subnet-control-plane-${n + 1}`]),
          ...zones.map((_, n): Draft => ['public-gateway', `public-gateway-${n + 1}`]),
          ['security-group', 'sg-cluster-wide'],
          ['image', 'rhcos'],
          ...balancers('load-balancer'),
        ],
        machines: [['cos-bucket', 'bootstrap', `${infraID}-bootstrap-ignition`], ...machines('instance')],
        initialize: [...workers('instance'), ['load-balancer', 'ingress'], ['cos-instance', 'image-registry']],
        ownerTags: { [`kubernetes-io-cluster-${infraID}`]: 'owned' },
        privateZone: ['dns-zone', 'private', `${infraID}-private-zone`],
        idOf: (type, name) => `crn:v1:bluemix:public:is:${config.region}:a/simulated::${type}:${name}-${randomHex(8)}`,
      }
  }
}

function awsId(type: string, name: string, region: string): string {
  const prefix: Record<string, string> = {
    instance: 'i',
    vpc: 'vpc',
    subnet: 'subnet',
    'internet-gateway': 'igw',
    'nat-gateway': 'nat',
    'elastic-ip': 'eipalloc',
    'route-table': 'rtb',
    'security-group': 'sg',
    volume: 'vol',
  }
  if (type in prefix) return `${prefix[type]}-0${randomHex(16)}`
  if (type === 'hosted-zone') return `Z0${randomHex(18).toUpperCase()}`
  return `arn:aws:${type}:${region}:000000000000:${name}`
}

function numbered(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n)
}
