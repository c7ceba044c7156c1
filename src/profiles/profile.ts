// What a platform team offers. The descriptions are the reference of docs/profiles.md and of the editors' JSON Schema.
import { RE2JS } from 're2js'
import { z } from 'zod'
import { featureSets } from '../install-config/schema.ts'
import { platforms } from '../vocabulary.ts'
import {
  aws,
  azure,
  choice,
  count,
  credentialsName,
  dnsName,
  gcp,
  hours,
  ibmcloud,
  isRegExp,
  networking,
  poolShape,
  tags,
  url,
  usd,
  version,
  versionMatches,
  versionRange,
  word,
} from './parts.ts'

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
    credentials: credentialsName
      .optional()
      .describe(
        "The entry of the workers' OCPCTL_CLOUD_CREDENTIALS that leads to the account; the workers' environment when left out. Clusters keep the one that they were made with.",
      ),
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
        maxLifetimeHours: hours
          .optional()
          .describe(
            'How long a cluster may live at most, counted from its request, however often it is extended; maxTtlHours when left out.',
          ),
        maxExtensionHours: hours
          .optional()
          .describe('How far from now an extension may move the end; maxTtlHours when left out.'),
        warnHours: z
          .array(z.number().min(0.25).max(8760))
          .default([24, 2, 0.5])
          .describe('How many hours before the end its owner is warned; 0.5 is half an hour.'),
        graceHours: z
          .int()
          .min(0)
          .max(168)
          .default(0)
          .describe('What a cluster lives on after the time that was asked for; its end has it in it.'),
        idleHours: z
          .int()
          .min(1)
          .max(23)
          .optional()
          .describe(
            'After so many whole hours without a request to its API but from its own parts, a cluster is announced and put to sleep. Left out: never.',
          ),
      })
      .refine((l) => (l.maxLifetimeHours ?? l.maxTtlHours) >= l.maxTtlHours, {
        error: 'must not be below maxTtlHours',
        path: ['maxLifetimeHours'],
      })
      .refine((l) => l.defaultTtlHours <= l.maxTtlHours, {
        error: 'must not be above maxTtlHours',
        path: ['defaultTtlHours'],
      }),
    networking: networking.prefault({}),
    tags: tags.prefault({}).describe('Tags on the cloud resources (labels on gcp; ibmcloud has none).'),
    features: z
      .strictObject({
        fips: z
          .boolean()
          .default(false)
          .describe(
            'FIPS 140 mode. Ed25519 SSH keys are then refused, and the workers need the FIPS build of the installer, on a host in FIPS mode.',
          ),
        private: z.boolean().default(false).describe('API and applications on internal load balancers only.'),
        offHours: z.boolean().default(false).describe('Whether a cluster may have off-hours, at which it sleeps.'),
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
        usdPerHourHibernated: usd.default(0).describe('Of a hibernated one: disks, addresses, load balancers.'),
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
    retention: z
      .int()
      .min(1)
      .max(3650)
      .default(30)
      .describe('Days after its destruction for which the snapshots and logs of a cluster are kept.'),
    retry: z
      .strictObject({
        maxAttempts: z.int().min(1).max(10).default(3).describe('Tries of an installation, the first included.'),
      })
      .prefault({}),
    deadlines: z
      .strictObject({
        installMinutes: z.int().min(30).max(720).default(180).describe('After which an installation is stopped.'),
        destroyMinutes: z.int().min(10).max(720).default(45).describe('After which a try to destroy is stopped.'),
        scaleMinutes: z
          .int()
          .min(5)
          .max(720)
          .default(30)
          .describe('After which the wait for machines and nodes of another size ends.'),
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

/** Whether the key is reserved for the tags by which a cluster's resources are found. */
export const isOwnTag = (key: string): boolean => /^ocpctl[-:/.]/i.test(key)

/** Whether the whole value matches the pattern of its key. Where there is no pattern, any value does. */
export function tagMatches(patterns: Record<string, string>, key: string, value: string): boolean {
  const pattern = Object.hasOwn(patterns, key) ? patterns[key] : undefined
  return pattern === undefined || RE2JS.matches(pattern, value)
}
