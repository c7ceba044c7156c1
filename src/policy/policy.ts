// Whether a request fits its profile. Pure: collects every violation, each with the place and what is allowed.
import type { FieldError } from '../errors.ts'
import type { Profile } from '../profiles/profile.ts'
import type { ClusterRequest } from '../clusters/cluster.ts'

export type Terms = { version: string; region: string; baseDomain: string; ttlHours: number }
export type Decision = { allowed: boolean; violations: FieldError[]; terms: Terms }

export function decide(request: ClusterRequest, profile: Profile): Decision {
  const violations: FieldError[] = []
  const violate = (pointer: string, detail: string) => violations.push({ pointer, detail })
  const terms: Terms = {
    version: request.version ?? profile.versions.default,
    region: request.region ?? profile.regions.default,
    baseDomain: request.baseDomain ?? profile.baseDomains.default,
    ttlHours: request.ttlHours ?? profile.lifecycle.defaultTtlHours,
  }
  const { maxTtlHours } = profile.lifecycle

  if (!profile.enabled) violate('/profile', `profile ${profile.name} is disabled`)
  if (request.platform !== profile.platform)
    violate('/platform', `profile ${profile.name} is for ${profile.platform}, not ${request.platform}`)
  if (terms.ttlHours > maxTtlHours)
    violate('/ttlHours', `${terms.ttlHours} hours is longer than ${profile.name} allows; at most ${maxTtlHours}`)
  if (/^[0-9]/.test(request.name) && (profile.platform === 'gcp' || profile.platform === 'azure'))
    violate('/name', `a name on ${profile.platform} begins with a letter`)
  for (const [field, choice] of [
    ['version', profile.versions],
    ['region', profile.regions],
    ['baseDomain', profile.baseDomains],
  ] as const)
    if (!choice.allowed.includes(terms[field]))
      violate(`/${field}`, `${terms[field]} is not offered by ${profile.name}; it offers ${choice.allowed.join(', ')}`)
  violations.push(...tagViolations(request.tags ?? {}, profile))
  return { allowed: violations.length === 0, violations, terms }
}

// AWS allows 25 user tags in an install-config; ours and the profile's take some of them.
const TAG_BUDGET = { aws: 25, azure: 10, gcp: 32, ibmcloud: 25 }
const OWN_TAGS = 7
const TAG_TEXT = /^[0-9A-Za-z_.:/=+@ -]*$/

function tagViolations(tags: Record<string, string>, profile: Profile): FieldError[] {
  const found: FieldError[] = []
  const budget = TAG_BUDGET[profile.platform] - OWN_TAGS - Object.keys(profile.tags).length
  const names = Object.keys(tags)
  if (names.length > budget)
    found.push({
      pointer: '/tags',
      detail: `${names.length} tags are too many; at most ${Math.max(0, budget)} with ${profile.name}`,
    })
  for (const [key, value] of Object.entries(tags)) {
    const pointer = `/tags/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
    if (
      /^(ocpctl|kubernetes\.io|openshift\.io|aws)[:/.-]|\.(kubernetes|openshift)\.io\//i.test(key) ||
      key.toLowerCase() === 'name'
    )
      found.push({ pointer, detail: `the key "${key}" is reserved` })
    if (key in profile.tags && profile.tags[key] !== value)
      found.push({ pointer, detail: `${profile.name} sets this tag to "${profile.tags[key]}"` })
    if (!TAG_TEXT.test(key) || !TAG_TEXT.test(value) || value.length === 0)
      found.push({
        pointer,
        detail: 'may hold letters, digits, spaces and _ . : / = + @ - and a value may not be empty',
      })
  }
  return found
}

/** The tags that every resource of the cluster carries; ours win, then the profile's. */
export function effectiveTags(
  request: { tags: Record<string, string>; profile: Profile },
  cluster: { id: string; name: string; owner: string; team: string; costCenter: string | null; destroyAt: Date },
): Record<string, string> {
  return {
    ...request.tags,
    ...request.profile.tags,
    'ocpctl-cluster-id': cluster.id,
    'ocpctl-cluster-name': cluster.name,
    'ocpctl-owner': tagText(cluster.owner),
    'ocpctl-team': tagText(cluster.team),
    ...(cluster.costCenter ? { 'ocpctl-cost-center': tagText(cluster.costCenter) } : {}),
    'ocpctl-expires': cluster.destroyAt.toISOString(),
    'ocpctl-service': 'ocpctl',
  }
}

const tagText = (text: string) => text.replace(/[^0-9A-Za-z_.:/=+@ -]/g, '-').slice(0, 256)
