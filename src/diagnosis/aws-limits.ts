// The limits of an AWS account that were reached, by the codes of its APIs.
import { never, upTo, type Reason } from './entry.ts'

export const awsLimitReasons: Reason[] = [
  {
    reason: 'AWSInsufficientCapacity',
    category: 'capacity',
    actor: 'cloud-provider',
    retry: upTo(3, 900),
    infrastructureMayExist: true,
    remedy:
      'The availability zone has no machines of this type at the moment. Try again later, or choose another zone or machine type.',
    patterns: [
      /\bInsufficient(?:Instance|Host)Capacity\b/i,
      /do not have sufficient \S{1,40} capacity in the Availability Zone/i,
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
    patterns: [/\(MissingQuota\)[^\n]{0,400}?\bec2\/L-[0-9A-Z]{8}\b/i],
  },
  {
    reason: 'AWSNATGatewayLimitExceeded',
    category: 'quota',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy: 'The limit of NAT gateways of a zone is reached. Destroy clusters that are not needed, or have it raised.',
    patterns: [/\bNatGatewayLimitExceeded\b/i, /\(MissingQuota\)[^\n]{0,400}?\bvpc\/L-FE5A380F\b/i],
  },
  {
    reason: 'AWSVPCLimitExceeded',
    category: 'quota',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy: 'The limit of VPCs of the region is reached. Destroy clusters that are not needed, or have it raised.',
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
    patterns: [/\bTooManyLoadBalancers(?:Exception)?\b/i],
  },
  {
    reason: 'EIPAddressLimitExceeded',
    category: 'quota',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: true,
    remedy: 'The limit of elastic IP addresses of the region is reached. Release unused ones, or have it raised.',
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
    patterns: [/\bTagLimitExceeded\b/i],
  },
]
