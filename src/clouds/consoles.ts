// Where the console of its cloud shows a resource. A kind without a page of its own has the page of its list, or none.
import type { Place, Resource } from './inventory.ts'

export function linkTo(
  place: Omit<Place, 'name'>,
  resource: Resource,
  account: string | undefined,
): string | undefined {
  switch (place.platform) {
    case 'aws':
      return linkToAws(place.region, resource)
    case 'azure':
      return resource.id.startsWith('/')
        ? `${azurePortal(place.azure?.cloud)}/#resource${encodeURI(resource.id)}`
        : undefined
    case 'gcp':
      return linkToGoogle(resource, account)
    case 'ibmcloud':
      return linkToIbm(resource)
  }
}

/** By type: the page of EC2 or of VPC, and what it calls the id. */
const awsPages: Record<string, [console: 'ec2' | 'vpcconsole', page: string, id: string]> = {
  instance: ['ec2', 'InstanceDetails', 'instanceId'],
  volume: ['ec2', 'VolumeDetails', 'volumeId'],
  snapshot: ['ec2', 'SnapshotDetails', 'snapshotId'],
  image: ['ec2', 'ImageDetails', 'imageId'],
  'elastic-ip': ['ec2', 'ElasticIpDetails', 'AllocationId'],
  'network-interface': ['ec2', 'NetworkInterface', 'networkInterfaceId'],
  'security-group': ['ec2', 'SecurityGroup', 'groupId'],
  vpc: ['vpcconsole', 'VpcDetails', 'VpcId'],
  subnet: ['vpcconsole', 'SubnetDetails', 'subnetId'],
  'route-table': ['vpcconsole', 'RouteTableDetails', 'RouteTableId'],
  'nat-gateway': ['vpcconsole', 'NatGatewayDetails', 'natGatewayId'],
  'internet-gateway': ['vpcconsole', 'InternetGateway', 'internetGatewayId'],
  'vpc-endpoint': ['vpcconsole', 'EndpointDetails', 'vpcEndpointId'],
  'dhcp-options': ['vpcconsole', 'DhcpOptionsDetails', 'DhcpOptionsId'],
}

/** GovCloud and China have consoles of their own. What is global is shown by the console of any region. */
function linkToAws(home: string, { id, type, region: at }: Resource): string | undefined {
  const region = at === 'global' ? home : at
  const host = region.startsWith('cn-')
    ? 'console.amazonaws.cn'
    : region.startsWith('us-gov-')
      ? 'console.amazonaws-us-gov.com'
      : 'console.aws.amazon.com'
  const inRegion = `?region=${encodeURIComponent(region)}`
  const part = encodeURIComponent(id)
  const page = awsPages[type]
  if (page) return `https://${host}/${page[0]}/home${inRegion}#${page[1]}:${page[2]}=${part}`
  if (id.startsWith('arn:')) return `https://${host}/go/view?arn=${part}`
  if (type === 's3-bucket') return `https://${host}/s3/buckets/${part}${inRegion}`
  if (type === 'kms-key') return `https://${host}/kms/home${inRegion}#/kms/keys/${part}`
  if (type === 'load-balancer') return `https://${host}/ec2/home${inRegion}#LoadBalancers:search=${part}`
  // A record's id begins with that of its zone.
  if (type === 'hosted-zone' || type === 'dns-record')
    return `https://${host}/route53/v2/hostedzones#ListRecordSets/${encodeURIComponent(id.split('/')[0] ?? id)}`
  return undefined
}

const azurePortals: Record<string, string> = {
  AzureUSGovernmentCloud: 'https://portal.azure.us',
  AzureChinaCloud: 'https://portal.azure.cn',
}
const azurePortal = (cloud = 'AzurePublicCloud') => azurePortals[cloud] ?? 'https://portal.azure.com'

/** By type: how the path of its page is made. */
const googlePages: Record<string, (name: string, place: string) => string> = {
  instance: (name, place) => `compute/instancesDetail/${place}/instances/${name}`,
  disk: (name, place) => `compute/disksDetail/${place}/disks/${name}`,
  image: (name) => `compute/images?q=${name}`,
  snapshot: (name) => `compute/snapshots?q=${name}`,
  network: (name) => `networking/networks/details/${name}`,
  subnetwork: (name, place) => `networking/subnetworks/details/${place.replace('regions/', '')}/${name}`,
  route: (name) => `networking/routes/details/${name}`,
  router: (name, place) => `hybrid/routers/details/${place.replace('regions/', '')}/${name}`,
  firewall: () => 'networking/firewalls/list',
  address: () => 'networking/addresses/list',
  'forwarding-rule': () => 'net-services/loadbalancing/list/loadBalancers',
  'backend-service': () => 'net-services/loadbalancing/list/backends',
  'managed-zone': (name) => `net-services/dns/zones/${name}/details`,
  bucket: (name) => `storage/browser/${name}`,
  filestore: () => 'filestore/instances',
  'service-account': () => 'iam-admin/serviceaccounts',
  'role-binding': () => 'iam-admin/iam',
}

function linkToGoogle({ id, type, name }: Resource, account: string | undefined): string | undefined {
  const [, project = account] = /^projects\/([^/]+)\//.exec(id) ?? []
  const [, zone] = /\/managedZones\/([^/]+)/.exec(id) ?? []
  const page = googlePages[type === 'dns-record' ? 'managed-zone' : type]
  if (!page || project === undefined) return undefined
  const [place = 'global'] = /(?:zones|regions)\/[^/]+/.exec(id) ?? []
  const path = page(encodeURIComponent(zone ?? name), place.split('/').map(encodeURIComponent).join('/'))
  return `https://console.cloud.google.com/${path}${path.includes('?') ? '&' : '?'}project=${encodeURIComponent(project)}`
}

const ibmPages: Record<string, string> = {
  instance: 'infrastructure/compute/vs',
  volume: 'infrastructure/storage/storageVolumes',
  snapshot: 'infrastructure/storage/snapshots',
  image: 'infrastructure/compute/images',
  key: 'infrastructure/compute/sshKeys',
  vpc: 'infrastructure/network/vpcs',
  subnet: 'infrastructure/network/subnets',
  'security-group': 'infrastructure/network/securityGroups',
  'network-acl': 'infrastructure/network/acl',
  'public-gateway': 'infrastructure/network/publicGateways',
  'floating-ip': 'infrastructure/network/floatingIPs',
  'load-balancer': 'infrastructure/network/loadBalancers',
  'endpoint-gateway': 'infrastructure/network/endpointGateways',
  'resource-group': 'account/resource-groups',
  'service-id': 'iam/serviceids',
  'iam-authorization': 'iam/authorizations',
  'dns-record': 'resources',
}

function linkToIbm({ id, type }: Resource): string | undefined {
  const page = ibmPages[type]
  if (page !== undefined) return `https://cloud.ibm.com/${page}`
  const [, , , , service = ''] = id.split(':')
  return id.startsWith('crn:') ? `https://cloud.ibm.com/services/${service}/${encodeURIComponent(id)}` : undefined
}
