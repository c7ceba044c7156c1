// A profile's file with all its mistakes: those of its form, and those that an installer would find in any cluster made
// from it.
import type { Path } from '../install-config/finding.ts'
import { buildInstallConfig, MASKED_PULL_SECRET } from '../install-config/install-config.ts'
import { minorOf } from '../install-config/installers.ts'
import { VPC_SUBNETS_SINCE } from '../install-config/schema-aws.ts'
import { lintInstallConfig } from '../install-config/lint.ts'
import { NAT_WORDS_SINCE } from '../install-config/schema-azure.ts'
import { effectiveTags } from '../install-config/tags.ts'
import { vcpuByName } from './footprint.ts'
import { type Profile, profileSchema } from './profile.ts'
import { parseYamlAs, pointerOf, type Problem } from './yaml-file.ts'

const PROBLEMS_SHOWN = 20
const SAMPLE = {
  id: 'clu_x',
  name: 'a',
  owner: 'a',
  team: 'a',
  costCenter: 'a',
  destroyAt: new Date(0),
  installationId: 'ins_x',
}

/** All problems of one file together; never throws for bad input. */
export function parseProfile(file: string, text: string): { profile?: Profile; problems: Problem[] } {
  const { value: profile, problems, lineOf } = parseYamlAs(file, text, profileSchema, 'a profile')
  if (!profile) return { problems: problems.slice(0, PROBLEMS_SHOWN) }
  const found = onceEach([...findUntoldSizes(profile), ...findTooNew(profile), ...findInstallerProblems(profile)])
  if (found.length === 0) return { profile, problems: [] }
  return {
    problems: found.map(({ path, detail }) => ({ file, line: lineOf(path), path: pointerOf(path), detail })),
  }
}

type Place = { path: Path; detail: string }

function findUntoldSizes({ platform, ...profile }: Profile): Place[] {
  return (['controlPlane', 'workers'] as const)
    .filter(
      (pool) => profile[pool].vcpu === undefined && vcpuByName(platform, profile[pool].instanceType) === undefined,
    )
    .map((pool) => ({
      path: [pool, 'instanceType'],
      detail: `the name ${profile[pool].instanceType} does not tell how many vCPU a node has: add ${pool}.vcpu`,
    }))
}

/** The first thing that is told of each place. */
function onceEach(places: Place[]): Place[] {
  return [...Map.groupBy(places, ({ path }) => pointerOf(path)).values()].flatMap((same) => same.slice(0, 1))
}

/** What a release that is offered does not know. Its installer would throw it away, and make something else. */
function findTooNew({ aws, azure, versions }: Profile): Place[] {
  const news: [Path, isUsed: boolean, since: number, instead: string][] = [
    ...(aws?.subnets ?? []).map(({ roles }, index): [Path, boolean, number, string] => [
      ['aws', 'subnets', index, 'roles'],
      roles.length > 0,
      VPC_SUBNETS_SINCE,
      'leave the roles out',
    ]),
    [
      ['azure', 'outboundType'],
      azure?.outboundType === 'NATGatewayMultiZone',
      NAT_WORDS_SINCE,
      'take NATGatewaySingleZone',
    ],
  ]
  return news.flatMap(([path, isUsed, since, instead]) => {
    const older = versions.allowed.filter((version) => minorOf(version) < since)
    if (!isUsed || older.length === 0) return []
    return [
      {
        path,
        detail: `means nothing before 4.${since}: ${instead}, or take ${older.join(', ')} out of versions.allowed`,
      },
    ]
  })
}

/** What the lint only warns of, though no cluster of the profile would come up. */
const refusedToo = new Set([
  'cluster-network-too-small',
  'credentials-mode',
  'host-prefix-without-room',
  'machine-network-too-small',
  'tag',
])

/** Tests the largest cluster that the profile allows, under the shortest of names, with every release that it offers. */
function findInstallerProblems(profile: Profile): Place[] {
  const offered = new Map(profile.versions.allowed.map((version) => [minorOf(version), version]))
  const found = [...offered].flatMap(([minor, version]) =>
    lintInstallConfig(largestCluster(profile, version), version)
      .filter(({ severity, rule }) => severity === 'error' || refusedToo.has(rule))
      .map(({ path, detail }) => ({ path: placeInProfile(path, profile), detail, minor })),
  )
  return [...Map.groupBy(found, ({ path, detail }) => `${pointerOf(path)} ${detail}`).values()].flatMap((same) => {
    const [first] = same
    if (!first) return []
    const minors = [...new Set(same.map(({ minor }) => minor))]
    const { path, detail } = first
    if (minors.length === offered.size) return [{ path, detail }]
    const versions = profile.versions.allowed.filter((version) => minors.includes(minorOf(version)))
    return [
      { path, detail: `${detail}; or take ${versions.join(', ')} out of versions.allowed, which alone refuse it` },
    ]
  })
}

function largestCluster(profile: Profile, version: string) {
  const longest = profile.baseDomains.allowed.toSorted((a, b) => b.length - a.length)[0]
  return buildInstallConfig({
    name: 'a',
    version,
    baseDomain: longest ?? '',
    region: profile.regions.default,
    workerReplicas: profile.workers.max,
    profile,
    tags: effectiveTags({ tags: {}, profile }, SAMPLE),
    pullSecret: MASKED_PULL_SECRET,
  })
}

const sameAs: Record<string, Path> = {
  baseDomain: ['baseDomains', 'allowed'],
  imageDigestSources: ['imageMirrors'],
  additionalTrustBundle: ['trustBundle'],
  fips: ['features', 'fips'],
}

/** The place in the profile that determines a place of the install-config. */
function placeInProfile(path: Path, profile: Profile): Path {
  const [first = '', second, third, fourth] = path
  switch (first) {
    case 'networking':
      if (second === 'clusterNetworkMTU') return ['networking', 'mtu']
      if (second === 'serviceNetwork') return ['networking', 'serviceNetwork']
      if (second === 'machineNetwork') return ['networking', 'machineNetwork', ...(third === undefined ? [] : [third])]
      return path
    case 'proxy':
      return ['proxy', second === 'httpProxy' ? 'http' : second === 'httpsProxy' ? 'https' : (second ?? '')].filter(
        Boolean,
      )
    case 'capabilities':
      if (second === 'baselineCapabilitySet') return ['features', 'capabilities', 'baseline']
      return ['features', 'capabilities', 'additional', ...(third === undefined ? [] : [third])]
    case 'platform':
      if (third === 'userTags' || third === 'userLabels') return placeOfTag(fourth, profile)
      if (third === 'vpc' || third === 'subnets') return [profile.platform, 'subnets']
      return placeOfSetting(String(third), profile)
    case 'compute':
    case 'controlPlane':
      return placeInPool(first === 'compute' ? 'workers' : 'controlPlane', path)
    default:
      return sameAs[first] ?? path
  }
}

/** A setting of the platform that the profile has under the same name. */
function placeOfSetting(key: string, profile: Profile): Path {
  const settings = profile[profile.platform] ?? {}
  return Object.hasOwn(settings, key) ? [profile.platform, key] : [profile.platform]
}

function placeInPool(pool: 'controlPlane' | 'workers', path: Path): Path {
  const rest = path.slice(pool === 'workers' ? 2 : 1)
  if (rest.includes('zones')) return [pool, ...rest.slice(rest.indexOf('zones'))]
  if (rest.includes('rootVolume') || rest.includes('osDisk')) return [pool, 'rootVolume']
  return rest[0] === 'architecture' || rest[0] === 'replicas' ? [pool, rest[0]] : [pool]
}

function placeOfTag(key: string | number | undefined, { platform, tags }: Profile): Path {
  if (key === undefined) return ['tags', 'fixed']
  const name =
    platform === 'gcp'
      ? Object.keys(effectiveTags({ tags: {}, profile: { platform, tags } }, SAMPLE))[Number(key)]
      : String(key)
  return ['tags', name !== undefined && Object.hasOwn(tags.fixed, name) ? 'fixed' : 'defaults', name ?? '']
}
