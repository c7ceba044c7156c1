// What an AWS account or zone does not give: limits that were reached, and machines that a zone has not, by the codes of its
// APIs.
import { never, upTo, type Reason } from './entry.ts'

export const awsLimitReasons: Reason[] = [
  {
    reason: 'AWSInstanceTypeNotOffered',
    category: 'capacity',
    actor: 'requester',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'The zone or region does not offer this machine type, or not with what was asked of it. Choose another type, or name zones that have it; the evidence often lists them.',
    source: 'AWS',
    patterns: [
      /\bUnsupported: (?:Your requested|The requested|The instance)|instance type \([^)\n]{1,40}\) is not supported in your requested Availability Zone/i,
      /\bInvalidInstanceType\b|\bInvalidParameterValue: Invalid value '[^'\n]{1,40}' for InstanceType/i,
    ],
  },
  {
    reason: 'AWSInsufficientCapacity',
    category: 'capacity',
    actor: 'cloud-provider',
    retry: upTo(3, 900),
    infrastructureMayExist: true,
    remedy:
      'The availability zone has no machines of this type at the moment. Try again later, or choose another zone or machine type.',
    source: 'Hive',
    patterns: [
      /\bInsufficient(?:Instance|Host)Capacity\b/i,
      /do not have sufficient \S{1,40} capacity in the Availability Zone|\bInsufficientCapacity(?:OnHost)?\b/i,
    ],
  },
  {
    reason: 'AWSEC2QuotaExceeded',
    category: 'quota',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: false,
    remedy:
      "The installer's own check found an EC2 quota too small, before anything was made. Free instances or addresses, or have the quota raised.",
    source: 'Hive',
    patterns: [/\(MissingQuota\)[^\n]{0,400}?\bec2\/L-[0-9A-Z]{8}\b/i],
  },
  {
    reason: 'AWSNATGatewayLimitExceeded',
    category: 'quota',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy: 'The limit of NAT gateways of a zone is reached. Destroy clusters that are not needed, or have it raised.',
    source: 'Hive',
    patterns: [/\bNatGatewayLimitExceeded\b/i, /\(MissingQuota\)[^\n]{0,400}?\bvpc\/L-FE5A380F\b/i],
  },
  {
    reason: 'AWSVPCLimitExceeded',
    category: 'quota',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy: 'The limit of VPCs of the region is reached. Destroy clusters that are not needed, or have it raised.',
    source: 'Hive',
    patterns: [/\bVpcLimitExceeded\b/i, /\(MissingQuota\)[^\n]{0,400}?\bvpc\/L-F678F1CE\b/i],
  },
  {
    reason: 'S3BucketsLimitExceeded',
    category: 'quota',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'The account holds as many S3 buckets as it may. Delete buckets of clusters that are gone, or have it raised.',
    source: 'Hive',
    patterns: [/\bTooManyBuckets\b/i],
  },
  {
    reason: 'LoadBalancerLimitExceeded',
    category: 'quota',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: true,
    remedy:
      'The limit of load balancers of the region is reached. Delete those of clusters that are gone, or have it raised.',
    source: 'Hive',
    patterns: [/\bTooManyLoadBalancers(?:Exception)?\b/i],
  },
  {
    reason: 'EIPAddressLimitExceeded',
    category: 'quota',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: true,
    remedy: 'The limit of elastic IP addresses of the region is reached. Release unused ones, or have it raised.',
    source: 'Hive',
    patterns: [/\bAddressLimitExceeded\b/i],
  },
  {
    reason: 'VcpuLimitExceeded',
    category: 'quota',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: true,
    remedy:
      'The cluster needs more vCPUs than the account may run. Destroy clusters that are not needed, use smaller machines, or have the limit raised.',
    source: 'Hive',
    patterns: [/\bVcpuLimitExceeded\b|requested more vCPU capacity than your current vCPU limit/i],
  },
  {
    reason: 'Gp3VolumeLimitExceeded',
    category: 'quota',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: true,
    remedy:
      'The gp3 storage of the region is used up (quota L-7A658B76). Delete volumes that are not needed, or have it raised.',
    source: 'Hive',
    patterns: [/\bVolumeLimitExceeded\b[^\n]{0,300}(?:gp3|L-7A658B76)|exceeded your maximum gp3 storage limit/i],
  },
  {
    reason: 'TooManyRoute53Zones',
    category: 'quota',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: true,
    remedy:
      'The account holds as many hosted zones as it may. Delete the zones of clusters that are gone, or have it raised.',
    source: 'Hive',
    patterns: [/\bTooManyHostedZones\b|\bMAX_HOSTED_ZONES_BY_OWNER\b/i],
  },
  {
    reason: 'AWSIAMRoleTagLimitExceeded',
    category: 'quota',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'A shared IAM role carries 50 tags, one for each cluster that ever used it. Remove the tags of clusters that are gone.',
    source: 'Hive',
    patterns: [
      /\bTagsPerRole\b/i,
      /\b(?:role|TagRole)\b[^\n]{0,400}LimitExceeded: The number of tags has reached the maximum limit/i,
    ],
  },
  {
    reason: 'AWSSubnetTagLimitExceeded',
    category: 'quota',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'A shared subnet carries 50 tags, one for each cluster that ever used it. Remove the tags of clusters that are gone.',
    source: 'Hive',
    patterns: [/\bTagLimitExceeded\b/i],
  },
]
