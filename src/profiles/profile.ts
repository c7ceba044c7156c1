// What a platform team offers. The descriptions are the reference of docs/profiles.md and of the editors' JSON Schema.
import { RE2JS } from 're2js'
import { satisfies } from 'semver'
import { z } from 'zod'
import { platforms } from '../vocabulary.ts'
import { awsSubnetRoles, azureClouds, azureOutboundTypes } from '../install-config/lint-platform.ts'
import { architectures, featureSets } from '../install-config/schema.ts'

const word = z.string().min(1)
const dnsName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$/, {
    error: 'must be a DNS name in lower case, such as clusters.example.com',
  })
const cidr = z
  .string()
  .regex(/^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/, { error: 'must be an IPv4 range such as 10.0.0.0/16' })
const count = z.int().min(0).max(1000)
const hours = z.int().min(1).max(8760)
const usd = z.number().min(0)
const fullVersion = /^4\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/
const version = z.string().regex(fullVersion, { error: 'must be a full version such as 4.20.3' })
const versionRange = z
  .string()
  .regex(/^4\.\d+\.(x|\d+(-[0-9A-Za-z.-]+)?)$/, { error: 'must be a version such as 4.20.3 or a range such as 4.20.x' })
const url = z
  .string()
  .refine((text) => URL.canParse(text) && `${new URL(text).username}${new URL(text).password}` === '', {
    error: 'must be a URL without user and password: profiles are shown to everybody',
  })

export const versionMatches = (range: string, wanted: string): boolean =>
  fullVersion.test(wanted) && (range === wanted || (range.endsWith('x') && satisfies(wanted, range)))

/** A list of allowed values and the one taken when the request names none. */
function choice<T extends z.ZodString>(
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

const poolShape = {
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

const networking = z.strictObject({
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

const tags = z.strictObject({
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

const aws = z.strictObject({
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
    .describe('Subnets of a VPC of your own; roles either on all or on none. The profile then offers one region.'),
  hostedZone: word.optional().describe('The private zone of your own VPC.'),
  hostedZoneRole: word.optional().describe("The ARN of the role that may change it, when it is another account's."),
  lbType: z.enum(['Classic', 'NLB']).default('NLB').describe('Of the ingress load balancer.'),
  propagateUserTags: z.boolean().default(true).describe('Whether operators in the cluster tag what they make as well.'),
})
const azure = z.strictObject({
  baseDomainResourceGroup: word.optional().describe('Of the public DNS zone; needed unless the cluster is private.'),
  outboundType: z.enum(azureOutboundTypes).default('Loadbalancer').describe('How nodes reach the internet.'),
  cloud: z.enum(azureClouds).default('AzurePublicCloud'),
  subscription: z
    .uuid({ error: 'must be the id of the subscription' })
    .optional()
    .describe(
      "For people: of which subscription the worker's credentials are to be. The installer takes it from them, and nothing compares it.",
    ),
  network: z
    .strictObject({ resourceGroup: word, virtualNetwork: word, controlPlaneSubnet: word, computeSubnet: word })
    .optional()
    .describe('A network of your own.'),
})
const gcp = z.strictObject({
  project: word.describe('The project that the cluster is made in.'),
  network: word.optional().describe('A network of your own, with both subnets.'),
  controlPlaneSubnet: word.optional(),
  computeSubnet: word.optional(),
  networkProject: word
    .optional()
    .describe('The host project of a shared VPC; needs credentialsMode Passthrough or Manual.'),
})
const ibmcloud = z.strictObject({
  resourceGroup: word.optional().describe('An existing resource group; the installer makes one otherwise.'),
  networkResourceGroup: word.optional(),
  vpc: word.optional().describe('A VPC of your own, with the subnets of both kinds.'),
  controlPlaneSubnets: z.array(word).min(1).optional(),
  computeSubnets: z.array(word).min(1).optional(),
})

export const profileSchema = z
  .strictObject({
    name: z
      .string()
      .max(63)
      .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, { error: 'must be lower-case words joined by dashes' })
      .describe('What requests name; it never changes its meaning for the clusters that exist.'),
    displayName: word.describe('What people read.'),
    description: word.describe('What it is for, in a sentence or two.'),
    platform: z.enum(platforms),
    enabled: z.boolean().default(true).describe('Whether new clusters may be asked for; those that exist do not care.'),
    access: z
      .strictObject({ teams: z.array(word).min(1).describe('The teams that may use it.') })
      .optional()
      .describe('Who may use it; every team when left out.'),
    credentialsMode: z
      .enum(['Mint', 'Passthrough', 'Manual'])
      .optional()
      .describe(
        'How operators in the cluster get their cloud credentials: aws and gcp take all three, azure Passthrough and Manual, ibmcloud Manual. Left out, the installer probes.',
      ),
    versions: choice(versionRange, version, versionMatches).describe(
      'OpenShift versions: full ones, and ranges such as 4.20.x.',
    ),
    regions: choice(z.string().regex(/^[a-z0-9-]+$/, { error: 'must be a region such as us-east-1' })),
    baseDomains: choice(dnsName).describe('The DNS zones that clusters are named in.'),
    controlPlane: z.strictObject({
      ...poolShape,
      replicas: z
        .union([z.literal(1), z.literal(3), z.literal(5)], { error: 'must be 1, 3 or 5' })
        .describe('1, 3 or 5.'),
    }),
    workers: z
      .strictObject({
        ...poolShape,
        min: count.describe('The fewest that a request may ask for.'),
        max: count.describe('The most.'),
      })
      .refine((w) => w.min <= w.replicas && w.replicas <= w.max, {
        error: 'must lie between min and max',
        path: ['replicas'],
      }),
    lifecycle: z
      .strictObject({
        defaultTtlHours: hours.describe('How long a cluster lives when the request does not say.'),
        maxTtlHours: hours.describe('The longest that a request may ask for.'),
        requesterMayChoose: z.boolean().default(true).describe('Whether a request may name a time at all.'),
        maxExtensionHours: hours
          .optional()
          .describe(
            'How far from now an extension may move the end; maxTtlHours when left out. Kept with the cluster; nothing extends yet.',
          ),
        warnHours: z
          .array(hours)
          .default([24, 2])
          .describe('How long before the end its owner is to be warned. Kept with the cluster; nothing warns yet.'),
        graceHours: z
          .int()
          .min(0)
          .max(168)
          .default(0)
          .describe('How long after its end a cluster is still left alone.'),
      })
      .refine((l) => l.defaultTtlHours <= l.maxTtlHours, {
        error: 'must not be above maxTtlHours',
        path: ['defaultTtlHours'],
      }),
    networking: networking.prefault({}),
    tags: tags.prefault({}).describe('Tags on the cloud resources (labels on gcp; ibmcloud has none).'),
    features: z
      .strictObject({
        fips: z.boolean().default(false).describe('FIPS 140 mode; Ed25519 SSH keys are then refused.'),
        private: z.boolean().default(false).describe('API and applications on internal load balancers only.'),
        offHours: z
          .boolean()
          .default(false)
          .describe('Whether a request may ask for off-hours scaling. The wish is kept; nothing scales yet.'),
        featureSet: z.enum(featureSets).optional().describe('Such clusters can never be upgraded.'),
        capabilities: z
          .strictObject({
            baseline: z.string().default('vCurrent').describe('None, vCurrent or a version such as v4.18.'),
            additional: z.array(word).default([]),
          })
          .optional()
          .describe('Which optional operators there are.'),
      })
      .prefault({}),
    proxy: z
      .strictObject({ http: url.optional(), https: url.optional(), noProxy: z.string().optional() })
      .optional()
      .describe('For clusters that reach the internet through a proxy.'),
    imageMirrors: z
      .array(z.strictObject({ source: word, mirrors: z.array(word).min(1) }))
      .optional()
      .describe('Where images are pulled from instead; imageDigestSources of install-config.yaml.'),
    trustBundle: z.string().optional().describe('Certificates in PEM form that the cluster trusts in addition.'),
    cost: z
      .strictObject({
        usdPerHour: usd.describe('Of a running cluster with its usual workers.'),
        usdPerWorkerHour: usd.default(0).describe('What each worker more or less changes.'),
        usdPerHourHibernated: usd
          .default(0)
          .describe('Of a hibernated one: disks, addresses, load balancers. Shown; nothing hibernates yet.'),
        reckoned: word.describe('How, so that somebody can do it again.'),
        pricedAt: z.iso
          .date({ error: 'must be a date such as 2026-01-31' })
          .optional()
          .describe('When the prices were read.'),
        monthlyCeilingUsd: usd
          .optional()
          .describe('What all clusters of this profile together may come to in a calendar month (UTC).'),
        alertAtPercent: z
          .int()
          .min(1)
          .max(100)
          .default(80)
          .describe("Of the ceiling, or of a team's usdPerMonth, from which requests are warned."),
      })
      .describe('What it costs, by which requests are shown their price and quotas are held.'),
    retry: z
      .strictObject({
        maxAttempts: z.int().min(1).max(10).default(3).describe('Tries of an installation, the first included.'),
      })
      .prefault({}),
    deadlines: z
      .strictObject({
        installMinutes: z.int().min(30).max(720).default(180).describe('After which an installation is stopped.'),
        destroyMinutes: z.int().min(10).max(720).default(45).describe('After which a try to destroy is stopped.'),
      })
      .prefault({}),
    aws: aws.optional(),
    azure: azure.optional(),
    gcp: gcp.optional(),
    ibmcloud: ibmcloud.optional(),
  })
  .superRefine((profile, context) => {
    const issue = (path: PropertyKey[], message: string) => context.addIssue({ code: 'custom', path, message })
    for (const platform of platforms)
      if (platform !== profile.platform && profile[platform] !== undefined)
        issue([platform], `is for profiles of ${platform}; this one is of ${profile.platform}`)
    if (profile.platform === 'gcp' && profile.gcp === undefined) issue(['gcp'], 'is missing: gcp.project at least')
    const { requesterMayChoose, defaultTtlHours, maxTtlHours } = profile.lifecycle
    if (!requesterMayChoose && defaultTtlHours < maxTtlHours)
      issue(['lifecycle', 'maxTtlHours'], 'must be defaultTtlHours when the requester may not choose')
    if (profile.platform !== 'aws' && profile.controlPlane.rootVolume?.iops !== undefined)
      issue(['controlPlane', 'rootVolume', 'iops'], 'is for aws only')
    if (profile.platform !== 'aws' && profile.workers.rootVolume?.iops !== undefined)
      issue(['workers', 'rootVolume', 'iops'], 'is for aws only')
    for (const pool of ['controlPlane', 'workers'] as const) {
      if (profile.platform === 'ibmcloud' && profile[pool].rootVolume)
        issue([pool, 'rootVolume'], 'is not for ibmcloud')
      if (profile[pool].zones && profile.regions.allowed.length > 1)
        issue([pool, 'zones'], 'belong to one region: let the profile offer one region only')
    }
    const ownNetwork =
      profile.aws?.subnets ?? profile.azure?.network ?? profile.gcp?.controlPlaneSubnet ?? profile.ibmcloud?.vpc
    if (ownNetwork !== undefined && profile.regions.allowed.length > 1)
      issue(['regions', 'allowed'], 'a network of your own is in one region: let the profile offer one region only')
    const { fixed, defaults, patterns } = profile.tags
    for (const [place, keys] of [
      ['fixed', fixed],
      ['defaults', defaults],
    ] as const)
      for (const key of Object.keys(keys))
        if (isOwnTag(key)) issue(['tags', place, key], 'is one of ours, which every cluster carries')
    for (const key of Object.keys(fixed))
      if (Object.hasOwn(defaults, key)) issue(['tags', 'defaults', key], 'is fixed already')
    for (const [key, value] of Object.entries(defaults))
      if (isRegExp(patterns[key] ?? '') && !tagMatches(patterns, key, value))
        issue(['tags', 'defaults', key], `does not match ${patterns[key]}`)
  })

export type Profile = z.infer<typeof profileSchema>

/** Whether the key is kept for the tags by which a cluster's resources are found. */
export const isOwnTag = (key: string): boolean => /^ocpctl[-:/.]/i.test(key)

/** Whether the whole value is what the pattern of its key wants; any value is, where there is none. */
export function tagMatches(patterns: Record<string, string>, key: string, value: string): boolean {
  const pattern = Object.hasOwn(patterns, key) ? patterns[key] : undefined
  return pattern === undefined || RE2JS.matches(pattern, value)
}

function isRegExp(text: string): boolean {
  try {
    return RE2JS.compile(text).pattern() === text
  } catch {
    return false
  }
}
