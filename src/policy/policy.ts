// Whether a request fits its profile and its team's quota. Pure: collects every violation, each with the place, what is
// allowed, and the nearest value that would do.
import { closest } from 'fastest-levenshtein'
import type { ClusterRequest } from '../clusters/request.ts'
import type { FieldError } from '../errors.ts'
import { domainProblem, nameProblem } from '../install-config/names.ts'
import { sshKeyProblem } from '../install-config/ssh-key.ts'
import { AWS_TAGS_WITHOUT_RISK, tagBudget, tagIdentity, tagProblem, toTagValue } from '../install-config/tags.ts'
import { footprintOf, usdPerHourOf, type Footprint } from '../profiles/footprint.ts'
import { isOwnTag, tagMatches, versionMatches, type Profile } from '../profiles/profile.ts'
import type { Quota } from '../profiles/quotas.ts'

export type Terms = {
  version: string
  region: string
  baseDomain: string
  ttlHours: number
  workerReplicas: number
  costCenter: string | null
}
export type Cost = { usdPerHour: number; usdUntilExpiry: number; usdThisMonth: number }
export type Warning = { pointer: string; detail: string }
export type Decision = {
  allowed: boolean
  violations: FieldError[]
  /** Whether only quotas stand against it, which time may change. */
  isOnlyQuota: boolean
  warnings: Warning[]
  terms: Terms
  footprint: Footprint
  cost: Cost
}

/** What a team and a profile hold at the time of a request. */
export type Usage = {
  clusters: number
  vcpu: number
  installs: number
  /** Of this calendar month, in UTC: spent, and promised until each cluster ends. */
  usdThisMonth: number
  profileUsdThisMonth: number
}
export type Holdings = { team: string; quota: Quota; usage: Usage; now: Date }

export function decide(request: ClusterRequest, profile: Profile, holdings: Holdings): Decision {
  const terms: Terms = {
    version: request.version ?? profile.versions.default,
    region: request.region ?? profile.regions.default,
    baseDomain: request.baseDomain ?? profile.baseDomains.default,
    ttlHours: request.ttlHours ?? profile.lifecycle.defaultTtlHours,
    workerReplicas: request.workerReplicas ?? profile.workers.replicas,
    costCenter: request.costCenter ?? holdings.quota.costCenters?.[0] ?? null,
  }
  const footprint = footprintOf(profile, terms.workerReplicas)
  const cost = costOf(profile, terms, holdings.now)
  const tags = tagViolations(request.tags ?? {}, profile)
  const policy = [
    ...profileViolations(request, profile, holdings.team),
    ...nameViolations(request, profile, terms),
    ...lifecycleViolations(request, profile, terms),
    ...choiceViolations(profile, terms),
    ...workerViolations(profile, terms),
    ...featureViolations(request, profile),
    ...costCenterViolations(request, holdings),
    ...tags,
  ]
  const quota = quotaViolations(profile, holdings, footprint, cost)
  const violations = [...policy, ...quota]
  return {
    allowed: violations.length === 0,
    violations,
    isOnlyQuota: policy.length === 0 && quota.length > 0,
    warnings: [...tagWarnings(request.tags ?? {}, profile), ...spendWarnings(profile, holdings, cost)],
    terms,
    footprint,
    cost,
  }
}

function profileViolations(request: ClusterRequest, profile: Profile, team: string): FieldError[] {
  const found: FieldError[] = []
  if (!profile.enabled) found.push({ pointer: '/profile', detail: `profile ${profile.name} is disabled` })
  if (request.platform !== profile.platform)
    found.push({
      pointer: '/platform',
      detail: `profile ${profile.name} is for ${profile.platform}, not ${request.platform}`,
      allowed: [profile.platform],
      nearest: profile.platform,
    })
  if (profile.access && !profile.access.teams.includes(team))
    found.push({
      pointer: '/profile',
      detail: `profile ${profile.name} is for ${profile.access.teams.join(', ')}, not for team "${team}"`,
    })
  return found
}

function costCenterViolations({ costCenter }: ClusterRequest, { team, quota }: Holdings): FieldError[] {
  const allowed = quota.costCenters
  if (costCenter === undefined || !allowed || allowed.includes(costCenter)) return []
  const detail = `team "${team}" does not spend on "${costCenter}"`
  return [{ pointer: '/costCenter', detail, allowed, nearest: closest(costCenter, allowed) }]
}

function nameViolations({ name }: ClusterRequest, profile: Profile, terms: Terms): FieldError[] {
  const found: FieldError[] = []
  const wrongName = nameProblem(profile.platform, name)
  if (wrongName) found.push({ pointer: '/name', detail: wrongName })
  const wrongDomain = domainProblem(name, terms.baseDomain)
  if (wrongDomain && profile.baseDomains.allowed.includes(terms.baseDomain))
    found.push({ pointer: '/name', detail: wrongDomain })
  return found
}

function lifecycleViolations(request: ClusterRequest, profile: Profile, { ttlHours }: Terms): FieldError[] {
  const { maxTtlHours, defaultTtlHours, requesterMayChoose } = profile.lifecycle
  if (!requesterMayChoose && request.ttlHours !== undefined && ttlHours !== defaultTtlHours)
    return [
      {
        pointer: '/ttlHours',
        detail: `clusters of ${profile.name} live ${defaultTtlHours} hours: leave it out`,
        allowed: [defaultTtlHours],
        nearest: defaultTtlHours,
      },
    ]
  if (ttlHours > maxTtlHours)
    return [
      {
        pointer: '/ttlHours',
        detail: `${ttlHours} hours is longer than ${profile.name} allows; at most ${maxTtlHours}`,
        allowed: { min: 1, max: maxTtlHours },
        nearest: maxTtlHours,
      },
    ]
  return []
}

function choiceViolations(profile: Profile, terms: Terms): FieldError[] {
  const isOffered = {
    version: () => profile.versions.allowed.some((allowed) => versionMatches(allowed, terms.version)),
    region: () => profile.regions.allowed.includes(terms.region),
    baseDomain: () => profile.baseDomains.allowed.includes(terms.baseDomain),
  }
  return (
    [
      ['version', profile.versions],
      ['region', profile.regions],
      ['baseDomain', profile.baseDomains],
    ] as const
  )
    .filter(([field]) => !isOffered[field]())
    .map(([field, { allowed, default: usual }]) => ({
      pointer: `/${field}`,
      detail: `${terms[field]} is not offered by ${profile.name}; it offers ${allowed.join(', ')}`,
      allowed,
      nearest: closest(terms[field], [usual, ...allowed.filter((value) => !value.endsWith('.x'))]),
    }))
}

function workerViolations({ name, workers: { min, max } }: Profile, { workerReplicas }: Terms): FieldError[] {
  if (min <= workerReplicas && workerReplicas <= max) return []
  return [
    {
      pointer: '/workerReplicas',
      detail:
        min === max
          ? `${name} has ${min} workers, not ${workerReplicas}`
          : `${workerReplicas} workers are not what ${name} allows; from ${min} to ${max}`,
      allowed: { min, max },
      nearest: Math.min(max, Math.max(min, workerReplicas)),
    },
  ]
}

function featureViolations(request: ClusterRequest, profile: Profile): FieldError[] {
  const found: FieldError[] = []
  if (request.offHours && !profile.features.offHours)
    found.push({
      pointer: '/offHours',
      detail: `${profile.name} has no off-hours scaling: leave it out, or take a profile that has`,
    })
  if (request.sshPublicKey !== undefined) {
    const wrong = sshKeyProblem(request.sshPublicKey, { fips: profile.features.fips })
    if (wrong) found.push({ pointer: '/sshPublicKey', detail: wrong })
  }
  return found
}

/** Of our own tags; a cost centre may be among them. */
const OWN_TAGS = 7

function tagViolations(given: Record<string, string>, profile: Profile): FieldError[] {
  const { platform, tags } = profile
  const found: FieldError[] = []
  const merged = Object.keys({ ...tags.defaults, ...tags.fixed, ...given })
  const room = tagBudget[platform] - OWN_TAGS - Object.keys({ ...tags.defaults, ...tags.fixed }).length
  if (merged.length > tagBudget[platform] - OWN_TAGS)
    found.push({
      pointer: '/tags',
      detail: `${Object.keys(given).length} tags are too many; at most ${Math.max(0, room)} with ${profile.name}`,
      allowed: { max: Math.max(0, room) },
    })
  const identities = Map.groupBy(merged, (key) => tagIdentity(platform, key))
  for (const [key, value] of Object.entries(given)) {
    const detail = tagViolation(profile, key, value, identities)
    if (detail) found.push({ pointer: `/tags/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`, ...detail })
  }
  for (const key of tags.required)
    if (!Object.hasOwn(given, key) && !Object.hasOwn(tags.defaults, key) && !Object.hasOwn(tags.fixed, key))
      found.push({ pointer: '/tags', detail: `the tag "${key}" is required by ${profile.name}` })
  return found
}

function tagViolation(
  { name, platform, tags }: Profile,
  key: string,
  value: string,
  identities: Map<string, string[]>,
): Omit<FieldError, 'pointer'> | undefined {
  if (isOwnTag(key)) return { detail: `the key "${key}" is reserved` }
  const problem = tagProblem(platform, key, value)
  if (problem) return { detail: problem }
  const fixed = Object.hasOwn(tags.fixed, key) ? tags.fixed[key] : undefined
  if (fixed !== undefined && fixed !== value)
    return { detail: `${name} sets this tag to "${fixed}"`, allowed: [fixed], nearest: fixed }
  if (tags.userKeys && fixed === undefined && !tags.userKeys.some((pattern) => keyMatches(pattern, key)))
    return {
      detail: `${name} takes the tags ${tags.userKeys.join(', ') || '(none)'} only`,
      allowed: tags.userKeys,
      ...(tags.userKeys.length > 0 ? { nearest: closest(key, tags.userKeys) } : {}),
    }
  if (!tagMatches(tags.patterns, key, value)) return { detail: `"${value}" does not match ${tags.patterns[key]}` }
  if ((identities.get(tagIdentity(platform, key))?.length ?? 0) > 1)
    return {
      detail: `${platform} takes this key for the same as another: ${identities.get(tagIdentity(platform, key))?.join(', ')}`,
    }
  return undefined
}

const keyMatches = (pattern: string, key: string) =>
  pattern.endsWith('*') ? key.startsWith(pattern.slice(0, -1)) : pattern === key

function tagWarnings(given: Record<string, string>, { platform, tags }: Profile): Warning[] {
  const total = Object.keys({ ...tags.defaults, ...tags.fixed, ...given }).length + OWN_TAGS
  if (platform !== 'aws' || total <= AWS_TAGS_WITHOUT_RISK || Object.keys(given).length === 0) return []
  return [
    {
      pointer: '/tags',
      detail: `with ours and the profile's, ${total} tags are more than the ${AWS_TAGS_WITHOUT_RISK} that an S3 object surely takes`,
    },
  ]
}

function costOf(profile: Profile, { ttlHours, workerReplicas }: Terms, now: Date): Cost {
  const usdPerHour = usdPerHourOf(profile, workerReplicas)
  const monthEnd = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1)
  const hoursThisMonth = Math.min(ttlHours + profile.lifecycle.graceHours, (monthEnd - now.getTime()) / 3_600_000)
  return {
    usdPerHour,
    usdUntilExpiry: cents(usdPerHour * ttlHours),
    usdThisMonth: cents(usdPerHour * hoursThisMonth),
  }
}

const cents = (usd: number) => Math.round(usd * 100) / 100

function quotaViolations(
  profile: Profile,
  { team, quota, usage }: Holdings,
  { vcpu }: Footprint,
  { usdThisMonth }: Cost,
): FieldError[] {
  const found: FieldError[] = []
  const check = (
    has: number,
    adds: number,
    limit: number | undefined,
    what: string,
    pointer: string,
    whose: string,
  ) => {
    if (limit !== undefined && has + adds > limit)
      found.push({
        pointer,
        detail: `${whose} holds ${cents(has)} of ${limit} ${what}, and this cluster needs ${cents(adds)}: destroy what is no longer used, or ask an administrator for more`,
        allowed: { max: cents(Math.max(0, limit - has)) },
      })
  }
  const whose = `team "${team}"`
  check(usage.clusters, 1, quota.clusters, 'clusters', '/team', whose)
  check(usage.vcpu, vcpu, quota.vcpu, 'vCPU', '/team', whose)
  check(usage.installs, 1, quota.concurrentInstalls, 'installations at once', '/team', whose)
  check(usage.usdThisMonth, usdThisMonth, quota.usdPerMonth, 'USD of this month', '/team', whose)
  const ceiling = profile.cost.monthlyCeilingUsd
  check(usage.profileUsdThisMonth, usdThisMonth, ceiling, 'USD of this month', '/profile', `profile ${profile.name}`)
  return found
}

function spendWarnings(profile: Profile, { team, quota, usage }: Holdings, { usdThisMonth }: Cost): Warning[] {
  const percent = profile.cost.alertAtPercent
  return (
    [
      ['/team', `team "${team}"`, usage.usdThisMonth, quota.usdPerMonth],
      ['/profile', `profile ${profile.name}`, usage.profileUsdThisMonth, profile.cost.monthlyCeilingUsd],
    ] as const
  ).flatMap(([pointer, whose, has, limit]) =>
    limit !== undefined && (has + usdThisMonth) * 100 >= limit * percent
      ? [{ pointer, detail: `${whose} comes to ${cents(has + usdThisMonth)} of ${limit} USD this month` }]
      : [],
  )
}

/** The tags that every resource of the cluster carries, as its cloud takes them; ours win, then the profile's. */
export function effectiveTags(
  { tags: requestTags, profile }: { tags: Record<string, string>; profile: Pick<Profile, 'platform' | 'tags'> },
  cluster: {
    id: string
    name: string
    owner: string
    team: string
    costCenter: string | null
    destroyAt: Date
    installationId: string
  },
): Record<string, string> {
  const { platform, tags } = profile
  const own = {
    'ocpctl-cluster-id': cluster.id,
    'ocpctl-cluster-name': cluster.name,
    'ocpctl-owner': cluster.owner,
    'ocpctl-team': cluster.team,
    ...(cluster.costCenter ? { 'ocpctl-cost-center': cluster.costCenter } : {}),
    'ocpctl-expires': cluster.destroyAt.toISOString(),
    'ocpctl-installation-id': cluster.installationId,
  }
  return {
    ...tags.defaults,
    ...requestTags,
    ...tags.fixed,
    ...Object.fromEntries(Object.entries(own).map(([key, value]) => [key, toTagValue(platform, value)])),
  }
}
