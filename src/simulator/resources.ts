// What a cluster is made of on each platform: believable rather than complete, with ids in the form of the cloud. All
// resources carry the cluster's ownership tag and the user's tags, but for public DNS records, which cannot carry any.
import type { InstallConfig } from './install-config.ts'
import { azureResourceGroup, type ClusterIdentity } from './metadata.ts'
import { randomHex, randomUuid } from './random.ts'

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
  /** Of a DNS record: the name of the zone that it is in. */
  zone?: string
  /** Of a snapshot: the disk that it was made of. */
  of?: string
  /** Of a machine. Whoever stops or starts it writes the state here. */
  machine?: Machine
  /** No destroyer looks for it. */
  isMissed?: true
  createdAt?: string
}

/** `start`: what becomes of the next so many starts. */
export interface Machine {
  state: 'running' | 'stopped'
  zone: string
  type?: string
  isSpot?: true
  start?: StartFault
}

/** `no-start`: it is accepted, and the machine stays stopped. */
export interface StartFault {
  fault: 'no-start' | 'no-capacity'
  times: number
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
  /** What a cluster may make that the installer's destroyer is known to leave, beside the public records. */
  missed: Draft[]
  ownerTags: Record<string, string>
  /** Its name is the DNS name of the zone. On IBM Cloud no zone is the cluster's own. */
  privateZone: Draft[]
  idOf(type: string, name: string): string
}

/**
 * `leavesKnown`: with all that the destroyer of the platform is known to leave. `startFaultOf`: of a machine, by its role in
 * the cluster.
 */
export function planResources(
  config: InstallConfig,
  identity: ClusterIdentity,
  leavesKnown = false,
  startFaultOf: (role: string) => StartFault | undefined = () => undefined,
): ResourcePlan {
  const drafts = draftResources(config, identity)
  const domain = `${config.name}.${config.baseDomain}.`
  const plan = (stage: Draft[], tags: Record<string, string>, more: Partial<Resource> = {}): PlannedResource[] =>
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
        ...(['instance', 'virtual-machine'].includes(type) && {
          machine: planMachine(config, role, startFaultOf(role)),
        }),
        ...more,
      },
    }))
  const missed = leavesKnown ? ({ isMissed: true } as const) : {}
  const publicRecord = (role: string, name: string, balancer: string): PlannedResource[] =>
    config.isPublic
      ? plan([['dns-record', role, `${name}.${domain}`]], {}, {
          target: `${identity.infraID}-${balancer}.lb.simulated.example`,
          zone: config.baseDomain,
          ...missed,
        }) // prettier-ignore
      : []
  const tags = { ...config.userTags, ...drafts.ownerTags }
  const operatorTags = config.platform === 'aws' ? { ...tags, openshiftClusterID: identity.uuid } : tags
  const machines = plan(drafts.machines, tags)
  const disk = machines.find(({ resource }) => ['disk', 'volume'].includes(resource.type))?.resource.id
  return {
    network: [...plan([...drafts.network, ...drafts.privateZone], tags), ...publicRecord('api', 'api', 'ext')],
    machines,
    initialize: [
      ...plan(drafts.initialize, operatorTags),
      ...publicRecord('apps', '*.apps', 'ingress'),
      ...(leavesKnown ? plan(drafts.missed, operatorTags, { ...missed, ...(disk !== undefined && { of: disk }) }) : []),
    ],
  }
}

const zones = ['a', 'b', 'c']

function planMachine({ platform, region, document }: InstallConfig, role: string, start?: StartFault): Machine {
  const compute = (document['compute'] as unknown[] | undefined)?.[0] // as readInstallConfig has checked
  const pool = (role.startsWith('worker-') ? compute : document['controlPlane']) as { platform?: Record<string, { type?: string }> } | undefined // prettier-ignore
  const type = pool?.platform?.[platform]?.type
  const [, letter, number] = /^(?:worker-.*([abc])-\w+|master-(\d+))$/.exec(role) ?? []
  const index = letter === undefined ? Number(number ?? 0) % zones.length : zones.indexOf(letter)
  return {
    state: 'running',
    // On Google Cloud the ids of all have the first one.
    zone:
      platform === 'aws' ? `${region}${zones[index]}` : platform === 'gcp' ? `${region}-a` : `${region}-${index + 1}`,
    ...(type !== undefined && { type }),
    ...(start && { start }),
  }
}

function draftResources(config: InstallConfig, { infraID }: ClusterIdentity): Drafts {
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
          ['vpc-endpoint', 'vpce-s3'],
          ['security-group', 'controlplane'],
          ['security-group', 'node'],
          ['security-group', 'lb'],
          ...balancers('load-balancer'),
          ['target-group', 'apiserver-target'],
        ],
        machines: [['s3-bucket', 'bootstrap', `openshift-bootstrap-data-${infraID}`], ...machines('instance')],
        initialize: [
          ...workers('instance'),
          ['iam-user', 'openshift-ingress', `${infraID}-openshift-ingress-${randomHex(5)}`],
          ['load-balancer', 'ingress'],
          ['security-group', 'ingress'],
          ['s3-bucket', 'image-registry', `${infraID}-image-registry-${config.region}`],
          ['volume', 'prometheus-data'],
        ],
        missed: [['iam-role', 'with-a-policy-of-others']],
        ownerTags: {
          [`kubernetes.io/cluster/${infraID}`]: 'owned',
          [`sigs.k8s.io/cluster-api-provider-aws/cluster/${infraID}`]: 'owned',
        },
        privateZone: [['hosted-zone', 'private', domain]],
        idOf: (type, name) => awsId(type, name, config.region),
      }
    case 'azure': {
      const group = azureResourceGroup(config, infraID)
      const plain = infraID.replaceAll('-', '')
      return {
        network: [
          ['resource-group', 'rg', group],
          ['managed-identity', 'identity'],
          ['virtual-network', 'vnet'],
          ['route-table', 'node-routetable'],
          ['network-security-group', 'nsg'],
          ['public-ip', 'pip-v4'],
          ...balancers('load-balancer'),
          ['gallery', 'gallery', `gallery_${infraID.replaceAll('-', '_')}`],
          ['virtual-network-link', 'network-link'],
        ],
        machines: [
          ['storage-account', 'bootstrap', `cluster${plain}`.slice(0, 24)],
          ...machines('virtual-machine'),
          ...machines('network-interface'),
        ],
        initialize: [
          ...workers('virtual-machine'),
          ['public-ip', 'ingress'],
          ['storage-account', 'image-registry', `imageregistry${plain}`.slice(0, 24)],
          ['disk', 'prometheus-data', `pvc-${randomUuid()}`],
        ],
        missed: [],
        ownerTags: { [`kubernetes.io_cluster.${infraID}`]: 'owned' },
        privateZone: [['private-dns-zone', 'private', domain]],
        idOf: (type, name) => azureId(type, name, group, config),
      }
    }
    case 'gcp': {
      const project = String(config.settings['projectID'])
      const balancer = `a${randomHex(31)}`
      return {
        network: [
          ['service-account', 'm'],
          ['service-account', 'w'],
          ['role-binding', 'm', `serviceAccount:${infraID}-m@${project}.iam.gserviceaccount.com`],
          ['network', 'network'],
          ['subnetwork', 'master-subnet'],
          ['subnetwork', 'worker-subnet'],
          ['router', 'router'],
          ['firewall', 'api'],
          ['firewall', 'internal-cluster'],
          ['address', 'apiserver'],
          ['health-check', 'apiserver'],
          ['instance-group', 'master-a'],
          ['backend-service', 'apiserver'],
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
          ['target-pool', 'ingress'],
          ['bucket', 'image-registry', `${infraID}-image-registry`],
          ['disk', 'prometheus-data', `pvc-${randomUuid()}`],
        ],
        missed: [
          ['firewall', 'of-the-cloud-provider', `k8s-fw-${balancer}`],
          ['backend-service', 'leaked', balancer],
          ['address', 'leaked', balancer],
          ['snapshot', 'of-a-volume', `snapshot-${randomUuid()}`],
          ['role-binding', 'deleted', `deleted:serviceAccount:${infraID}-w@${project}.iam.gserviceaccount.com?uid=1`],
        ],
        ownerTags: { [`kubernetes-io-cluster-${infraID}`]: 'owned', [`capg-cluster-${infraID}`]: 'owned' },
        privateZone: [['managed-zone', 'private', domain]],
        idOf: (type, name) => googleId(type, name, project, infraID, config.region),
      }
    }
    case 'ibmcloud':
      return {
        network: [
          ['resource-group', 'rg', infraID],
          ['service-instance', 'cos'],
          ['iam-authorization', 'images-in-cos'],
          ['vpc', 'vpc'],
          ...zones.map((_, n): Draft => ['subnet', `subnet-control-plane-${n + 1}`]),
          ...zones.map((_, n): Draft => ['public-gateway', `public-gateway-${n + 1}`]),
          ['security-group', 'sg-cluster-wide'],
          ['image', 'rhcos'],
          ...balancers('load-balancer'),
        ],
        machines: [
          ['floating-ip', 'bootstrap'],
          ...machines('instance'),
          ...machines('volume'),
          ['virtual-network-interface', 'master-0'],
        ],
        initialize: [...workers('instance'), ['load-balancer', 'ingress'], ['service-instance', 'image-registry']],
        missed: [
          ['snapshot', 'of-a-volume', `snapshot-${randomUuid()}`],
          ['service-id', 'openshift-image-registry'],
        ],
        ownerTags: { [`kubernetes-io-cluster-${infraID}`]: 'owned' },
        privateZone: [],
        idOf: ibmCloudId,
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
    'vpc-endpoint': 'vpce',
    volume: 'vol',
  }
  const account = '000000000000'
  if (type in prefix) return `${prefix[type]}-0${randomHex(16)}`
  if (type === 'hosted-zone') return `Z0${randomHex(18).toUpperCase()}`
  if (type === 's3-bucket') return name
  if (type === 'dns-record') return `record/${name}`
  if (['iam-role', 'iam-user'].includes(type)) return `arn:aws:iam::${account}:${type.slice(4)}/${name}`
  if (type === 'instance-profile') return `arn:aws:iam::${account}:instance-profile/${name}`
  const kind = type === 'target-group' ? 'targetgroup' : 'loadbalancer/net'
  return `arn:aws:elasticloadbalancing:${region}:${account}:${kind}/${name}/${randomHex(16)}`
}

function azureId(
  type: string,
  name: string,
  group: string,
  { baseDomain, settings, ...config }: InstallConfig,
): string {
  const groups = '/subscriptions/00000000-0000-0000-0000-00000000510a/resourceGroups'
  if (type === 'resource-group') return `${groups}/${name}`
  if (type === 'dns-record') {
    const zone = `${groups}/${String(settings['baseDomainResourceGroupName'])}/providers/Microsoft.Network/dnszones/${baseDomain}`
    return `${zone}/CNAME/${name.slice(0, -baseDomain.length - 2)}`
  }
  const kinds: Record<string, string> = {
    'managed-identity': 'Microsoft.ManagedIdentity/userAssignedIdentities',
    'virtual-network': 'Microsoft.Network/virtualNetworks',
    'route-table': 'Microsoft.Network/routeTables',
    'network-security-group': 'Microsoft.Network/networkSecurityGroups',
    'public-ip': 'Microsoft.Network/publicIPAddresses',
    'load-balancer': 'Microsoft.Network/loadBalancers',
    'network-interface': 'Microsoft.Network/networkInterfaces',
    gallery: 'Microsoft.Compute/galleries',
    'virtual-machine': 'Microsoft.Compute/virtualMachines',
    disk: 'Microsoft.Compute/disks',
    'storage-account': 'Microsoft.Storage/storageAccounts',
    'private-dns-zone': 'Microsoft.Network/privateDnsZones',
    'virtual-network-link': `Microsoft.Network/privateDnsZones/${config.name}.${baseDomain}/virtualNetworkLinks`,
  }
  return `${groups}/${group}/providers/${kinds[type]}/${name.replace(/\.$/, '')}`
}

function googleId(type: string, name: string, project: string, infraID: string, region: string): string {
  const regional = ['subnetwork', 'router', 'address', 'forwarding-rule', 'backend-service', 'target-pool', 'health-check'] // prettier-ignore
  const plural =
    type === 'address' ? 'addresses' : `${type.replace(/-(.)/g, (_, first: string) => first.toUpperCase())}s`
  if (type === 'bucket') return name
  if (type === 'service-account')
    return `projects/${project}/serviceAccounts/${name}@${project}.iam.gserviceaccount.com`
  if (type === 'role-binding') return `projects/${project}/roles/viewer/${name}`
  if (type === 'managed-zone') return `projects/${project}/managedZones/${infraID}-private-zone`
  if (type === 'dns-record') return `projects/${project}/managedZones/base/rrsets/${name}/CNAME`
  const isZonal = ['instance', 'disk', 'instance-group'].includes(type)
  const place = isZonal ? `zones/${region}-a` : regional.includes(type) ? `regions/${region}` : 'global'
  return `projects/${project}/${place}/${plural}/${name}`
}

function ibmCloudId(type: string, name: string): string {
  if (type === 'resource-group') return randomHex(32)
  if (type === 'service-instance')
    return `crn:v1:bluemix:public:cloud-object-storage:global:a/simulated:${randomUuid()}::`
  if (type === 'service-id') return `ServiceId-${randomUuid()}`
  if (type === 'dns-record') return `record/${name}`
  return type === 'iam-authorization' ? randomUuid() : `r006-${randomUuid()}`
}

function numbered(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n)
}
