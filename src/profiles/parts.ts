// The parts of a profile: words, pools, networking, tags, and what belongs only to one cloud.
import { RE2JS } from 're2js'
import { satisfies } from 'semver'
import { z } from 'zod'
import { awsSubnetRoles } from '../install-config/schema-aws.ts'
import { azureClouds, azureOutboundTypes } from '../install-config/schema-azure.ts'
import { architectures } from '../install-config/schema.ts'

export const word = z.string().min(1)

export const credentialsName = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, {
    error: 'must be lower-case words joined by dashes, as the entry is called',
  })

export const dnsName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$/, {
    error: 'must be a DNS name in lower case, such as clusters.example.com',
  })

const cidr = z
  .string()
  .regex(/^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/, { error: 'must be an IPv4 range such as 10.0.0.0/16' })

export const count = z.int().min(0).max(1000)

export const hours = z.int().min(1).max(8760)

export const usd = z.number().min(0)

const fullVersion = /^4\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/

export const version = z.string().regex(fullVersion, { error: 'must be a full version such as 4.20.3' })

export const versionRange = z
  .string()
  .regex(/^4\.\d+\.(x|\d+(-[0-9A-Za-z.-]+)?)$/, { error: 'must be a version such as 4.20.3 or a range such as 4.20.x' })

export const url = z
  .string()
  .refine((text) => URL.canParse(text) && `${new URL(text).username}${new URL(text).password}` === '', {
    error: 'must be a URL without user and password: profiles are shown to everybody',
  })

export const versionMatches = (range: string, wanted: string): boolean =>
  fullVersion.test(wanted) && (range === wanted || (range.endsWith('x') && satisfies(wanted, range)))

/** A list of allowed values, and the value that is taken when the request names none. */
export function choice<T extends z.ZodString>(
  item: T,
  usual: z.ZodString = item,
  matches = (allowed: string, wanted: string) => allowed === wanted,
) {
  return z
    .strictObject({
      allowed: z.array(item).min(1).describe('What a request may name.'),
      default: usual.describe('What is taken when the request names none.'),
    })
    .refine((c) => c.allowed.some((allowed) => matches(allowed, c.default)), {
      error: 'must be one of the allowed values',
      path: ['default'],
    })
}

export const poolShape = {
  replicas: count.describe('How many nodes.'),
  instanceType: word.describe("The cloud's name of the machine type, such as m6i.xlarge."),
  vcpu: z
    .int()
    .min(1)
    .optional()
    .describe('Of one node; needed only when the name of the instance type does not tell it.'),
  zones: z
    .array(word)
    .min(1)
    .optional()
    .describe('Availability zones; the installer takes all of the region otherwise.'),
  rootVolume: z
    .strictObject({
      sizeGiB: z.int().min(100, { error: 'must be at least 100: RHCOS and its images need them' }).max(16_384),
      type: word.optional().describe('Such as gp3 on aws, Premium_LRS on azure, pd-ssd on gcp.'),
      iops: z.int().min(100).optional().describe('aws only.'),
    })
    .optional()
    .describe('The disk of each node; not on ibmcloud.'),
  architecture: z.enum(architectures).default('amd64').describe('Of the nodes; the release must have it.'),
}

export const networking = z.strictObject({
  clusterNetwork: z
    .array(
      z.strictObject({
        cidr,
        hostPrefix: z.int().min(1).max(32).describe('The mask of the range that each node gets for its pods.'),
      }),
    )
    .min(1)
    .default([{ cidr: '10.128.0.0/14', hostPrefix: 23 }])
    .describe('Where pods get their addresses from.'),
  serviceNetwork: cidr.default('172.30.0.0/16').describe('Where services get theirs from.'),
  machineNetwork: z.array(cidr).min(1).default(['10.0.0.0/16']).describe('Where nodes get theirs from.'),
  mtu: z.int().min(1000).max(8901).optional().describe('Of the cluster network; aws only.'),
})

export const tags = z.strictObject({
  fixed: z.record(word, word).default({}).describe('On every cluster; a request cannot change them.'),
  defaults: z.record(word, word).default({}).describe('Taken when the request does not give them.'),
  required: z.array(word).default([]).describe('Keys that a request must give, unless there is a default.'),
  userKeys: z
    .array(word)
    .optional()
    .describe('Keys that a request may give, a * at the end standing for anything; any key when left out.'),
  patterns: z
    .record(
      word,
      z.string().refine((text) => isRegExp(text), {
        error: 'must be a regular expression as RE2 has them: no look-around, no back-references',
      }),
    )
    .default({})
    .describe('By key, the regular expression (RE2) that the whole value must match.'),
})

export const aws = z.strictObject({
  imdsv2: z.boolean().default(true).describe('Whether the metadata service of the nodes takes session tokens only.'),
  subnets: z
    .array(
      z.strictObject({
        id: z.string().regex(/^subnet-[0-9a-f]+$/, { error: 'must be an id such as subnet-0a1b2c3d' }),
        roles: z.array(z.enum(awsSubnetRoles)).default([]),
      }),
    )
    .min(1)
    .optional()
    .describe(
      'Subnets of a VPC of your own; roles either on all or on none, and from 4.19 on. The profile then offers one region.',
    ),
  hostedZone: word.optional().describe('The private zone of your own VPC.'),
  hostedZoneRole: word.optional().describe("The ARN of the role that may change it, when it is another account's."),
  lbType: z.enum(['Classic', 'NLB']).default('NLB').describe('Of the ingress load balancer.'),
  propagateUserTags: z.boolean().default(true).describe('Whether operators in the cluster tag what they make as well.'),
})

export const azure = z.strictObject({
  baseDomainResourceGroup: word.optional().describe('Of the public DNS zone; needed unless the cluster is private.'),
  outboundType: z
    .enum(azureOutboundTypes)
    .default('Loadbalancer')
    .describe('How nodes reach the internet; NATGatewayMultiZone from 4.20 on.'),
  cloud: z.enum(azureClouds).default('AzurePublicCloud'),
  subscription: z
    .uuid({ error: 'must be the id of the subscription' })
    .optional()
    .describe(
      "Of which subscription the credentials are to be. The installer takes it from them alone, so nothing is made while they are another's, and nothing is proved gone in any other.",
    ),
  network: z
    .strictObject({ resourceGroup: word, virtualNetwork: word, controlPlaneSubnet: word, computeSubnet: word })
    .optional()
    .describe('A network of your own.'),
})

export const gcp = z.strictObject({
  project: word.describe(
    'The project that the cluster is made in; nothing is made where the credentials do not see it.',
  ),
  network: word.optional().describe('A network of your own, with both subnets.'),
  controlPlaneSubnet: word.optional(),
  computeSubnet: word.optional(),
  networkProject: word
    .optional()
    .describe('The host project of a shared VPC; needs credentialsMode Passthrough or Manual.'),
})

export const ibmcloud = z.strictObject({
  account: z
    .string()
    .regex(/^[0-9a-f]{32}$/, { error: 'must be the id of the account, 32 characters of 0-9 and a-f' })
    .optional()
    .describe(
      "Of which account the API key is to be. Nothing is made while it is another's, and nothing is proved gone there.",
    ),
  resourceGroup: word
    .optional()
    .describe('An existing resource group of the account; the installer makes one otherwise.'),
  networkResourceGroup: word.optional(),
  vpc: word.optional().describe('A VPC of your own, with the subnets of both kinds.'),
  controlPlaneSubnets: z.array(word).min(1).optional(),
  computeSubnets: z.array(word).min(1).optional(),
})

export function isRegExp(text: string): boolean {
  try {
    return RE2JS.compile(text).pattern() === text
  } catch {
    return false
  }
}
