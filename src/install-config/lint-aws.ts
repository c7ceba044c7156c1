// The blocks for AWS. Pure.
import { blockOf, listOf, numberOf, requireWord, textOf, type Block, type Path, type Subject } from './finding.ts'
import { lintSubnets } from './lint-aws-subnets.ts'
import { lintEndpoints } from './lint-endpoints.ts'
import { lintTags } from './lint-tags.ts'
import { eachMachine, lintZones, type Machine } from './machines.ts'

const path = ['platform', 'aws']
const MOST_SECURITY_GROUPS = 10
/** No image of RHCOS is published there. */
const regionsWithoutImages = ['us-iso-east-1', 'us-isob-east-1', 'us-iso-west-1', 'cn-north-1', 'cn-northwest-1']
const families = ['IPv4', 'DualStackIPv4Primary', 'DualStackIPv6Primary']
const encryptions = ['Disabled', 'AMDEncryptedVirtualizationNestedPaging']
/** Of gp3, in MiB/s. */
const THROUGHPUT = { least: 125, most: 2000 }
const USUAL_IOPS = 3000
const MOST_MIB_PER_IOPS = 0.25
/** Since then, a type, a size or a speed that is left out is the installer's choice. */
const VOLUME_DEFAULTS_SINCE = 20

export function lintAws(subject: Subject): void {
  const { config, report } = subject
  const settings = blockOf(blockOf(config['platform'])['aws'])
  if (!textOf(settings['region'])) report('error', 'platform-required', [...path, 'region'], 'is missing')
  const hasSubnets = lintSubnets(settings, subject)
  lintZone(settings, hasSubnets, subject)
  lintTags(settings, 'aws', report)
  lintEndpoints(settings, 'aws', report)
  requireWord(report, 'ip-family', [...path, 'ipFamily'], settings['ipFamily'], families)
  const lbType = textOf(settings['lbType'])
  if (lbType && lbType !== 'Classic' && lbType !== 'NLB')
    report('warning', 'platform-value', [...path, 'lbType'], 'must be one of Classic, NLB', 'ours')
  lintImages(settings, subject)
  for (const machine of eachMachine(config, 'aws')) lintMachine(machine, settings, hasSubnets, subject)
}

function lintZone(settings: Block, hasSubnets: boolean, { config, report }: Subject): void {
  const at = (key: string): Path => [...path, key]
  if (textOf(settings['hostedZone']) && !hasSubnets)
    report('error', 'aws-hosted-zone', at('hostedZone'), 'a private zone of your own needs subnets of your own')
  if (!textOf(settings['hostedZoneRole'])) return
  if (!textOf(settings['hostedZone']))
    report('error', 'aws-hosted-zone', at('hostedZoneRole'), 'hostedZoneRole needs hostedZone')
  const mode = config['credentialsMode']
  if (mode !== 'Passthrough' && mode !== 'Manual')
    report('error', 'aws-hosted-zone', at('hostedZoneRole'), 'hostedZoneRole needs credentialsMode Passthrough or Manual') // prettier-ignore
}

function lintImages(settings: Block, { config, report }: Subject): void {
  const region = textOf(settings['region']) ?? ''
  if (!regionsWithoutImages.includes(region) || textOf(settings['amiID'])) return
  if (textOf(blockOf(settings['defaultMachinePlatform'])['amiID'])) return
  const machines = eachMachine(config, 'aws', 'with those that say nothing').filter(({ isDefault }) => !isDefault)
  for (const { at, machine } of machines)
    if (!textOf(machine['amiID']))
      report('error', 'aws-image', [...at, 'amiID'], `is missing: no image is published in ${region}`)
}

function lintMachine(
  { machine, at, role }: Machine,
  settings: Block,
  hasSubnets: boolean,
  { minor, report }: Subject,
): void {
  lintZones(machine, at, textOf(settings['region']) ?? '', report)
  const hasDefaults = minor >= VOLUME_DEFAULTS_SINCE
  const usualType = hasDefaults && role !== undefined ? (role === 'edge' ? 'gp2' : 'gp3') : ''
  const volume = blockOf(machine['rootVolume'])
  lintVolume(volume, textOf(volume['type']) || usualType, [...at, 'rootVolume'], hasDefaults, report)
  const authentication = [...at, 'metadataService', 'authentication']
  requireWord(report, 'form', authentication, blockOf(machine['metadataService'])['authentication'], ['Required', 'Optional']) // prettier-ignore
  const groups = listOf(machine['additionalSecurityGroupIDs'])
  if (groups.length > 0 && !hasSubnets)
    report('error', 'aws-security-groups', [...at, 'additionalSecurityGroupIDs'], 'need subnets of your own')
  if (groups.length > MOST_SECURITY_GROUPS)
    report('error', 'aws-security-groups', [...at, 'additionalSecurityGroupIDs'], `${groups.length} are too many; at most ${MOST_SECURITY_GROUPS}`) // prettier-ignore
  lintCpuOptions(machine, at, report)
  lintPlacement(machine, [...at, 'hostPlacement'], report)
}

function lintVolume(volume: Block, named: string, at: Path, hasDefaults: boolean, report: Subject['report']): void {
  const type = named.toLowerCase()
  if (type === '') return
  const [size, iops] = [numberOf(volume['size']) ?? 0, numberOf(volume['iops']) ?? 0]
  const tell = (key: string, detail: string) => report('error', 'aws-volume', [...at, key], detail)
  if (size < 0 || (size === 0 && !hasDefaults)) tell('size', 'must be a positive number of GiB')
  if (['io1', 'io2'].includes(type)) {
    if (iops < 0 || (iops === 0 && !hasDefaults)) tell('iops', `must be a positive number with ${type}`)
  } else if (type === 'gp3') {
    if (iops < 0) tell('iops', 'must be a positive number')
  } else if (['gp2', 'st1', 'sc1', 'standard'].includes(type)) {
    if (iops !== 0) tell('iops', `cannot be chosen with ${type}`)
  } else tell('type', 'must be one of gp3, gp2, io1, io2, st1, sc1, standard')
  const throughput = numberOf(volume['throughput'])
  if (throughput === undefined) return
  if (type !== 'gp3') return tell('throughput', `cannot be chosen with ${type}`)
  const { least, most } = THROUGHPUT
  if (throughput < least || throughput > most) return tell('throughput', `must be from ${least} to ${most} MiB/s`)
  const wanted = Math.ceil(throughput / MOST_MIB_PER_IOPS)
  if ((iops || USUAL_IOPS) < wanted) tell('throughput', `${throughput} MiB/s need iops of ${wanted} or more`)
}

function lintCpuOptions(machine: Block, at: Path, report: Subject['report']): void {
  if (machine['cpuOptions'] === undefined) return
  const choice = blockOf(machine['cpuOptions'])['confidentialCompute']
  if (choice === undefined) report('error', 'form', [...at, 'cpuOptions'], 'must hold something')
  else if (!encryptions.some((known) => known === choice))
    report('error', 'form', [...at, 'cpuOptions', 'confidentialCompute'], `must be one of ${encryptions.join(', ')}`)
}

function lintPlacement(machine: Block, at: Path, report: Subject['report']): void {
  if (machine['hostPlacement'] === undefined) return
  const { affinity, dedicatedHost } = blockOf(machine['hostPlacement'])
  const hosts = listOf(dedicatedHost).map(blockOf)
  const affinities = ['AnyAvailable', 'DedicatedHost']
  if (!affinities.some((known) => known === affinity))
    return report('error', 'form', [...at, 'affinity'], `must be one of ${affinities.join(', ')}`)
  if ((affinity === 'DedicatedHost') !== hosts.length > 0)
    report('error', 'form', [...at, 'dedicatedHost'], 'goes with affinity DedicatedHost, and with it alone')
  for (const [index, { id }] of hosts.entries())
    if (!/^h-[0-9a-f]{17}$/.test(String(id)))
      report('error', 'form', [...at, 'dedicatedHost', index, 'id'], 'must be an id such as h-0123456789abcdef0')
}
