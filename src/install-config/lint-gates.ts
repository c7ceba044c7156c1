// Fields that stand behind a feature gate: they are there to be tried, and the cluster can then never be upgraded. Pure.
import { blockOf, listOf, textOf, type Path, type Subject } from './finding.ts'

type Gate = {
  name: string
  path: string
  isUsed: (value: unknown) => boolean
  /** The last release in which the gate is closed by default. */
  until?: number
}

const isEnabled = (value: unknown) => value === 'Enabled'
const isDual = (value: unknown) => textOf(value)?.startsWith('DualStack') === true
const isThere = (value: unknown) => value !== undefined
const hasSome = (value: unknown) => listOf(value).length > 0

const ofCluster: Gate[] = [
  { name: 'AWSClusterHostedDNSInstall', path: 'platform.aws.userProvisionedDNS', isUsed: isEnabled, until: 19 },
  { name: 'AzureClusterHostedDNSInstall', path: 'platform.azure.userProvisionedDNS', isUsed: isEnabled, until: 19 },
  { name: 'GCPClusterHostedDNSInstall', path: 'platform.gcp.userProvisionedDNS', isUsed: isEnabled, until: 19 },
  { name: 'AWSDualStackInstall', path: 'platform.aws.ipFamily', isUsed: isDual },
  { name: 'AzureDualStackInstall', path: 'platform.azure.ipFamily', isUsed: isDual },
  {
    name: 'AWSEuropeanSovereignCloudInstall',
    path: 'platform.aws.region',
    isUsed: (region) => textOf(region)?.startsWith('eusc-') === true,
  },
  { name: 'OSStreams', path: 'osImageStream', isUsed: isThere },
]

const ofPools: Gate[] = [
  { name: 'MultiDiskSetup', path: 'diskSetup', isUsed: hasSome },
  { name: 'AzureMultiDisk', path: 'platform.azure.dataDisks', isUsed: hasSome },
  { name: 'AWSDedicatedHosts', path: 'platform.aws.hostPlacement', isUsed: isThere },
  {
    name: 'MachineAPIMigration',
    path: 'platform.azure.identity.userAssignedIdentities',
    isUsed: (identities) => listOf(identities).length > 1,
  },
]

export function lintGates({ config, minor, report }: Subject): void {
  const set = textOf(config['featureSet'])
  if (set === 'TechPreviewNoUpgrade' || set === 'DevPreviewNoUpgrade') return
  const open = listOf(config['featureGates']).flatMap((gate) => /^(.*)=(?:1|t|true)$/i.exec(String(gate))?.[1] ?? [])
  const lint = (gates: Gate[], place: unknown, at: Path) => {
    for (const { name, path, isUsed, until = Infinity } of gates) {
      const steps = path.split('.')
      const value = steps.reduce((inside, step) => blockOf(inside)[step], place)
      if (minor <= until && isUsed(value) && !open.includes(name))
        report(
          'error',
          'feature-gates',
          [...at, ...steps],
          `stands behind the feature gate ${name}: take featureSet TechPreviewNoUpgrade`,
        )
    }
  }
  lint(ofCluster, config, [])
  lint(ofPools, config['controlPlane'], ['controlPlane'])
  for (const [index, pool] of listOf(config['compute']).entries()) lint(ofPools, pool, ['compute', index])
}
