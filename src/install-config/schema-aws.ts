// The form of the blocks for AWS, and the words in them.
import { any, block, flag, list, map, since, text, whole } from './shape.ts'

export const awsSubnetRoles = [
  'ClusterNode',
  'EdgeNode',
  'BootstrapNode',
  'IngressControllerLB',
  'ControlPlaneExternalLB',
  'ControlPlaneInternalLB',
] as const

/** The first release that has vpc.subnets, and roles in it. */
export const VPC_SUBNETS_SINCE = 19

export const awsMachine = block({
  type: text,
  zones: list(text),
  amiID: text,
  iamRole: text,
  iamProfile: text,
  additionalSecurityGroupIDs: list(text),
  rootVolume: block({ size: whole, type: text, iops: whole, kmsKeyARN: text, throughput: since(20, whole) }),
  metadataService: block({ authentication: text }),
  cpuOptions: since(20, block({ confidentialCompute: text })),
  hostPlacement: since(20, block({ affinity: text, dedicatedHost: list(block({ id: text, zone: text })) })),
})

export const awsPlatform = block({
  region: text,
  amiID: text,
  userTags: map(text),
  propagateUserTags: flag,
  lbType: text,
  hostedZone: text,
  hostedZoneRole: text,
  subnets: list(text),
  vpc: since(
    VPC_SUBNETS_SINCE,
    block({ subnets: list(block({ id: text, roles: list(block({ type: text })) })) }),
    'the cluster would get a new VPC instead of yours. Name the ids in platform.aws.subnets',
  ),
  defaultMachinePlatform: awsMachine,
  serviceEndpoints: list(block({ name: text, url: text })),
  experimentalPropagateUserTags: any,
  preserveBootstrapIgnition: flag,
  bestEffortDeleteIgnition: flag,
  publicIpv4Pool: text,
  userProvisionedDNS: text,
  ipFamily: since(20, text),
})
