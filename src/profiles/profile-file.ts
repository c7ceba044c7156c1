// A profile's file with all its mistakes: those of its form, and those that an installer would find in any cluster made
// from it.
import type { Path } from '../install-config/finding.ts'
import { buildInstallConfig, MASKED_PULL_SECRET } from '../install-config/install-config.ts'
import { lintInstallConfig } from '../install-config/lint.ts'
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
  const found = [...findUntoldSizes(profile), ...findInstallerProblems(profile)]
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

/** Tests the largest cluster that the profile allows, under the shortest of names. */
function findInstallerProblems(profile: Profile): Place[] {
  const longest = profile.baseDomains.allowed.toSorted((a, b) => b.length - a.length)[0]
  const config = buildInstallConfig({
    name: 'a',
    baseDomain: longest ?? '',
    region: profile.regions.default,
    workerReplicas: profile.workers.max,
    profile,
    tags: effectiveTags({ tags: {}, profile }, SAMPLE),
    pullSecret: MASKED_PULL_SECRET,
  })
  return lintInstallConfig(config)
    .filter(({ severity }) => severity === 'error')
    .map(({ path, detail }) => ({ path: placeInProfile(path, profile), detail }))
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
      if (third === 'vpc') return [profile.platform, 'subnets']
      return [profile.platform]
    case 'compute':
      return ['workers']
    default:
      return sameAs[first] ?? path
  }
}

function placeOfTag(key: string | number | undefined, { platform, tags }: Profile): Path {
  if (key === undefined) return ['tags', 'fixed']
  const name =
    platform === 'gcp'
      ? Object.keys(effectiveTags({ tags: {}, profile: { platform, tags } }, SAMPLE))[Number(key)]
      : String(key)
  return ['tags', name !== undefined && Object.hasOwn(tags.fixed, name) ? 'fixed' : 'defaults', name ?? '']
}
