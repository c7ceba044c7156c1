// Whether a request fits its profile and its team's quota. Pure. It collects every violation, each with the place, what
// is allowed, and the nearest value that would be accepted.
import { closest } from 'fastest-levenshtein'
import type { ClusterRequest } from '../clusters/request.ts'
import type { FieldError } from '../errors.ts'
import { domainProblem, nameProblem } from '../install-config/names.ts'
import { sshKeyProblem } from '../install-config/ssh-key.ts'
import { footprintOf } from '../profiles/footprint.ts'
import { versionMatches } from '../profiles/parts.ts'
import type { Profile } from '../profiles/profile.ts'
import type { Decision, Holdings, Terms } from './decision.ts'
import { costOf, quotaViolations, spendWarnings } from './spend.ts'
import { tagViolations } from './tags.ts'

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
    ...fipsViolations(profile, terms, holdings),
    ...costCenterViolations(request, holdings),
    ...tags,
  ]
  const quota = quotaViolations(profile, holdings, footprint, cost)
  const violations = [...policy, ...quota]
  return {
    allowed: violations.length === 0,
    violations,
    isOnlyQuota: policy.length === 0 && quota.length > 0,
    warnings: spendWarnings(profile, holdings, cost),
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

const workerViolations = (profile: Profile, { workerReplicas }: Terms): FieldError[] => {
  const outside = outsideBounds(profile, workerReplicas, '/workerReplicas')
  return outside ? [outside] : []
}

/** undefined: the profile lets a cluster have so many workers. */
export function outsideBounds(
  { name, workers: { min, max } }: Profile,
  workerReplicas: number,
  pointer: string,
): FieldError | undefined {
  if (min <= workerReplicas && workerReplicas <= max) return undefined
  const detail =
    min === max
      ? `${name} has ${min} workers, not ${workerReplicas}`
      : `${workerReplicas} workers are not what ${name} allows; from ${min} to ${max}`
  return { pointer, detail, allowed: { min, max }, nearest: Math.min(max, Math.max(min, workerReplicas)) }
}

function fipsViolations(profile: Profile, { version }: Terms, { fipsVersions }: Holdings): FieldError[] {
  if (!profile.features.fips || fipsVersions === undefined || fipsVersions.includes(version)) return []
  return [
    {
      pointer: '/version',
      detail:
        `${profile.name} installs in FIPS mode, and no worker can do that with ${version}: it takes ` +
        `openshift-install-fips-${version} on a host in FIPS mode. Ask the platform team for one`,
      allowed: [...fipsVersions],
      ...(fipsVersions.length > 0 ? { nearest: closest(version, fipsVersions) } : {}),
    },
  ]
}

/** undefined: the profile lets a cluster have off-hours. */
export const outsideFeatures = ({ name, features }: Profile, pointer: string): FieldError | undefined =>
  features.offHours
    ? undefined
    : { pointer, detail: `${name} lets no cluster have off-hours: leave them out, or take a profile that does` }

function featureViolations(request: ClusterRequest, profile: Profile): FieldError[] {
  const found: FieldError[] = []
  const outside = request.offHours && outsideFeatures(profile, '/offHours')
  if (outside) found.push(outside)
  if (request.sshPublicKey !== undefined) {
    const wrong = sshKeyProblem(request.sshPublicKey, { fips: profile.features.fips })
    if (wrong) found.push({ pointer: '/sshPublicKey', detail: wrong })
  }
  return found
}
