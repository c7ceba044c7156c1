// The form of install-config.yaml, version 1: its keys and their types, as far as the releases differ in them.
import { awsMachine, awsPlatform } from './schema-aws.ts'
import { azureMachine, azurePlatform } from './schema-azure.ts'
import { any, block, flag, list, since, text, unsigned, whole } from './shape.ts'

const gcpMachine = block({
  type: text,
  zones: list(text),
  osDisk: block({ diskSizeGB: whole, diskType: text, encryptionKey: any }),
  osImage: block({ name: text, project: text }),
  tags: list(text),
  secureBoot: text,
  onHostMaintenance: text,
  confidentialCompute: text,
  serviceAccount: text,
})

const ibmcloudMachine = block({
  type: text,
  zones: list(text),
  bootVolume: block({ encryptionKey: text }),
  dedicatedHosts: list(block({ name: text, profile: text })),
})

const machinePlatform = block({
  aws: awsMachine,
  azure: azureMachine,
  gcp: gcpMachine,
  ibmcloud: ibmcloudMachine,
  baremetal: any,
  nutanix: any,
  openstack: any,
  ovirt: any,
  powervc: any,
  powervs: any,
  vsphere: any,
})

const disk = block({ platformDiskID: text, mountPath: text })
const pool = block({
  name: text,
  replicas: whole,
  architecture: text,
  hyperthreading: text,
  management: text,
  fencing: since(19, block({ credentials: list(any) })),
  diskSetup: since(20, list(block({ type: text, userDefined: disk, etcd: disk, swap: disk }))),
  platform: machinePlatform,
})

const platform = block({
  aws: awsPlatform,
  azure: azurePlatform,
  gcp: block({
    region: text,
    projectID: text,
    network: text,
    networkProjectID: text,
    controlPlaneSubnet: text,
    computeSubnet: text,
    defaultMachinePlatform: gcpMachine,
    licenses: list(text),
    userLabels: list(block({ key: text, value: text })),
    userTags: list(block({ parentID: text, key: text, value: text })),
    userProvisionedDNS: text,
    serviceEndpoints: list(block({ name: text, url: text })),
    endpoint: block({ name: text, region: text, clusterUseOnly: flag }),
    dns: block({ privateZone: block({ projectID: text, name: text }) }),
    firewallRulesManagement: text,
  }),
  ibmcloud: block({
    region: text,
    resourceGroupName: text,
    networkResourceGroupName: text,
    vpcName: text,
    controlPlaneSubnets: list(text),
    computeSubnets: list(text),
    defaultMachinePlatform: ibmcloudMachine,
    serviceEndpoints: list(block({ name: text, url: text })),
  }),
  baremetal: any,
  external: any,
  none: any,
  nutanix: any,
  openstack: any,
  ovirt: any,
  powervc: any,
  powervs: any,
  vsphere: any,
})

/** The platforms that the installer knows and this service does not. */
export const otherPlatforms = ['baremetal', 'external', 'none', 'nutanix', 'openstack', 'ovirt', 'powervc', 'powervs', 'vsphere'] // prettier-ignore

const clusterNetwork = list(block({ cidr: text, hostPrefix: whole, hostSubnetLength: whole }))

export const installConfigShape = block({
  apiVersion: text,
  kind: text,
  metadata: block({ name: text, annotations: any, creationTimestamp: any, labels: any, namespace: text }),
  baseDomain: text,
  platform,
  pullSecret: text,
  sshKey: text,
  controlPlane: pool,
  arbiter: since(19, pool),
  compute: list(pool),
  networking: block({
    networkType: text,
    machineNetwork: list(block({ cidr: text })),
    clusterNetwork,
    serviceNetwork: list(text),
    clusterNetworkMTU: unsigned,
    ovnKubernetesConfig: block({ ipv4: block({ internalJoinSubnet: text }) }),
    machineCIDR: text,
    serviceCIDR: text,
    clusterNetworks: clusterNetwork,
    type: text,
  }),
  proxy: block({ httpProxy: text, httpsProxy: text, noProxy: text }),
  imageDigestSources: list(block({ source: text, mirrors: list(text), sourcePolicy: text })),
  imageContentSources: list(block({ source: text, mirrors: list(text) })),
  additionalTrustBundle: text,
  additionalTrustBundlePolicy: text,
  publish: text,
  operatorPublishingStrategy: block({ apiserver: text, ingress: text }),
  fips: flag,
  cpuPartitioningMode: text,
  credentialsMode: text,
  bootstrapInPlace: block({ installationDisk: text }),
  capabilities: block({ baselineCapabilitySet: text, additionalEnabledCapabilities: list(text) }),
  featureSet: text,
  featureGates: list(text),
  osImageStream: text,
  pki: any,
})

export const architectures = ['amd64', 'arm64'] as const
export const featureSets = ['TechPreviewNoUpgrade', 'DevPreviewNoUpgrade', 'CustomNoUpgrade'] as const
