// Whether the profile and the cloud accept the tags of a request. Pure.
import { closest } from 'fastest-levenshtein'
import type { FieldError } from '../errors.ts'
import { tagBudget, tagIdentity, tagProblem } from '../install-config/tags.ts'
import { isOwnTag, type Profile, tagMatches } from '../profiles/profile.ts'

/** How many tags are our own; a cost centre may be among them. */
const OWN_TAGS = 7

export function tagViolations(given: Record<string, string>, profile: Profile): FieldError[] {
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
