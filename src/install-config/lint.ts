// All that can be found wrong with an install-config without asking a cloud. Pure. Most rules are those of the
// installer's own static validation, by its release. A few, marked as ours, find what it lets through and what fails
// half an hour later.
import { type Platform, platforms } from '../vocabulary.ts'
import { blockOf, type Block, type Finding, type Report, type Subject } from './finding.ts'
import { knownMinors, minorOf, tellReleases } from './installers.ts'
import { lintAws } from './lint-aws.ts'
import { lintAzure } from './lint-azure.ts'
import { lintCapabilities, lintFeatures } from './lint-features.ts'
import { lintGates } from './lint-gates.ts'
import { lintGcp } from './lint-gcp.ts'
import { lintApiVersion, lintCredentials, lintNames, lintPublish, lintPullSecret, lintSsh } from './lint-general.ts'
import { lintIbmCloud } from './lint-ibmcloud.ts'
import { lintNetworking } from './lint-networking.ts'
import { lintPools } from './lint-pools.ts'
import { lintImages, lintProxy, lintTrust } from './lint-supply.ts'
import { installConfigShape, otherPlatforms } from './schema.ts'
import { conform } from './shape.ts'

export type { Finding } from './finding.ts'

const lintPlatform: Record<Platform, (subject: Subject) => void> = {
  aws: lintAws,
  azure: lintAzure,
  gcp: lintGcp,
  ibmcloud: lintIbmCloud,
}

/**
 * Every finding, errors and warnings, in the order of the rules; a place is told of once. Without a version, what only
 * some installers refuse is a warning.
 */
export function lintInstallConfig(given: unknown, version?: string): Finding[] {
  if (version !== undefined) return lintFor(given, minorOf(version))
  return mergeReleases(knownMinors.map((minor) => ({ minor, findings: lintFor(given, minor) })))
}

function lintFor(given: unknown, minor: number): Finding[] {
  const findings = new Map<string, Finding>()
  const report: Report = (severity, rule, path, detail, ours) => {
    const place = JSON.stringify(path)
    const told = findings.get(place)
    if (told === undefined || (told.severity === 'warning' && severity === 'error'))
      findings.set(place, { severity, rule, path, detail, ours: ours !== undefined, installers: `4.${minor}` })
  }
  const config = blockOf(conform(given ?? {}, installConfigShape, [], { minor, report }))
  const platform = lintPlatformChoice(blockOf(given), config, report)
  const subject: Subject = { config, platform, minor, report }
  lintApiVersion(subject)
  lintNames(subject)
  lintPullSecret(subject)
  const nodes = lintPools(subject)
  lintNetworking(subject, nodes)
  lintPublish(subject)
  lintCredentials(subject)
  lintCapabilities(subject)
  lintFeatures(subject)
  lintGates(subject)
  lintSsh(subject)
  lintProxy(subject)
  lintImages(subject)
  lintTrust(subject)
  if (platform) lintPlatform[platform](subject)
  return [...findings.values()]
}

function lintPlatformChoice(given: Block, config: Block, report: Report): Platform | undefined {
  const named = Object.keys(blockOf(config['platform']))
  const known = named.filter((name) => platforms.some((each) => each === name) || otherPlatforms.includes(name))
  const [only] = known
  const there = platforms.join(', ')
  if (known.length > 1)
    report('error', 'platform', ['platform'], `names ${known.join(' and ')}; one platform is allowed`)
  if (only === undefined) {
    const strange = Object.keys(blockOf(given['platform']))
    for (const name of strange)
      report('error', 'platform', ['platform', name], `is no platform, or has no settings; there are ${there}`)
    if (strange.length === 0) report('error', 'platform', ['platform'], `must name one of ${there}`)
  }
  return platforms.find((each) => each === only)
}

/** What every release refuses stays an error. What some refuse becomes a warning that names them. */
function mergeReleases(releases: { minor: number; findings: Finding[] }[]): Finding[] {
  const all = releases.flatMap(({ minor, findings }) => findings.map((finding) => ({ minor, finding })))
  return [...Map.groupBy(all, ({ finding }) => JSON.stringify(finding.path)).values()].flatMap((told) => {
    const errors = told.filter(({ finding }) => finding.severity === 'error')
    const decisive = errors.length > 0 ? errors : told
    const newest = decisive.at(-1)?.finding
    if (!newest) return []
    const installers = tellReleases(decisive.map(({ minor }) => minor))
    return [{ ...newest, installers, severity: errors.length === releases.length ? 'error' : 'warning' }]
  })
}
