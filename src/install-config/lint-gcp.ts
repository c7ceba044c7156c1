// The blocks for Google Cloud. Pure.
import { blockOf, listOf, numberOf, requireWord, textOf, type Block, type Path, type Report, type Subject } from './finding.ts' // prettier-ignore
import { parseGoUrl } from './go-url.ts'
import { lintEndpoints } from './lint-endpoints.ts'
import { lintTags } from './lint-tags.ts'
import { eachMachine, lintZones, type Machine } from './machines.ts'

const path = ['platform', 'gcp']
const MOST_TAGS = 50
const DISK_GB = { least: 16, most: 65_536 }
const controlPlaneDisks = ['hyperdisk-balanced', 'pd-balanced', 'pd-ssd']
const tagForms = {
  parentID: /^[1-9]\d{0,31}$|^[a-z][a-z0-9-]{4,28}[a-z0-9]$/,
  key: /^[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/,
  value: /^[A-Za-z0-9]([\w.@%=+:,*#&()[\]{}\-\s]{0,61}[A-Za-z0-9])?$/,
}
/** What of each kind of confidential computing a machine type may begin with. */
const confidentialTypes: Record<string, string[]> = {
  Enabled: ['c2d', 'n2d', 'c3d'],
  AMDEncryptedVirtualization: ['c2d', 'n2d', 'c3d'],
  AMDEncryptedVirtualizationNestedPaging: ['n2d'],
  IntelTrustedDomainExtensions: ['c3'],
}

export function lintGcp(subject: Subject): void {
  const { config, report } = subject
  const settings = blockOf(blockOf(config['platform'])['gcp'])
  if (!textOf(settings['region'])) report('error', 'platform-required', [...path, 'region'], 'is missing')
  if (!textOf(settings['projectID']))
    report('warning', 'platform-required', [...path, 'projectID'], 'is missing: the credentials decide', 'ours')
  lintNetwork(settings, subject)
  lintTags(settings, 'gcp', report)
  lintUserTags(settings, report)
  lintEndpoints(settings, 'gcp', report)
  lintLicenses(settings, report)
  for (const machine of eachMachine(config, 'gcp')) lintMachine(machine, settings, subject)
}

function lintNetwork(settings: Block, { config, report }: Subject): void {
  const has = (key: string) => Boolean(textOf(settings[key]))
  const at = (key: string): Path => [...path, key]
  if (has('network'))
    for (const key of ['controlPlaneSubnet', 'computeSubnet'])
      if (!has(key)) report('error', 'gcp-network', at(key), 'is missing: a network of your own needs both subnets')
  if (!has('network') && (has('controlPlaneSubnet') || has('computeSubnet')))
    report('error', 'gcp-network', at('network'), 'is missing: subnets of your own need their network')
  if (!has('networkProjectID')) return
  if (!has('network'))
    report('error', 'gcp-network', at('networkProjectID'), "another project's network needs its name in network")
  const mode = config['credentialsMode']
  if (mode !== 'Passthrough' && mode !== 'Manual')
    report('error', 'gcp-network', at('networkProjectID'), "another project's network needs credentialsMode Passthrough or Manual") // prettier-ignore
}

/** The form is looked at only when the cloud is asked. */
function lintUserTags(settings: Block, report: Report): void {
  const tags = listOf(settings['userTags']).map(blockOf)
  if (tags.length > MOST_TAGS)
    report('warning', 'tag-count', [...path, 'userTags'], `${tags.length} are too many; at most ${MOST_TAGS}`, 'ours')
  for (const [index, tag] of tags.entries())
    for (const [key, form] of Object.entries(tagForms))
      if (!form.test(textOf(tag[key]) ?? ''))
        report('warning', 'tag', [...path, 'userTags', index, key], textOf(tag[key]) ? 'has not the form of one' : 'is missing', 'ours') // prettier-ignore
}

function lintLicenses(settings: Block, report: Report): void {
  for (const [index, license] of listOf(settings['licenses']).entries())
    if (parseGoUrl(String(license))?.scheme !== 'https')
      report('error', 'service-endpoint', [...path, 'licenses', index], 'must begin with https://')
}

function lintMachine({ at, machine, role, isDefault }: Machine, settings: Block, { report }: Subject): void {
  lintZones(machine, at, textOf(settings['region']) ?? '', report)
  const disk = blockOf(machine['osDisk'])
  const size = numberOf(disk['diskSizeGB']) ?? 0
  const { least, most } = DISK_GB
  if (size !== 0 && (size < least || size > most))
    report('error', 'gcp-disk', [...at, 'osDisk', 'diskSizeGB'], `must be from ${least} to ${most}`)
  const types = isDefault || role === 'master' ? controlPlaneDisks : [...controlPlaneDisks, 'pd-standard']
  requireWord(report, 'gcp-disk', [...at, 'osDisk', 'diskType'], disk['diskType'], types)
  for (const [index, tag] of listOf(machine['tags']).entries())
    if (!/^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/.test(String(tag)))
      report('error', 'tag', [...at, 'tags', index], 'is no network tag: at most 63 lower-case letters, digits and dashes, beginning with a letter') // prettier-ignore
  lintConfidential(machine, at, report)
}

/** The installer finds these too, but only with its credentials. */
function lintConfidential(machine: Block, at: Path, report: Report): void {
  const kind = textOf(machine['confidentialCompute'])
  if (!kind || kind === 'Disabled') return
  const types = Object.hasOwn(confidentialTypes, kind) ? confidentialTypes[kind] : undefined
  const tell = (key: string, detail: string) => report('warning', 'gcp-confidential', [...at, key], detail, 'ours')
  if (!types)
    return tell('confidentialCompute', `should be one of Disabled, ${Object.keys(confidentialTypes).join(', ')}`)
  if (machine['onHostMaintenance'] !== 'Terminate')
    tell('onHostMaintenance', `must be Terminate with confidentialCompute: ${kind}`)
  const type = textOf(machine['type'])
  if (type && !types.includes(type.split('-')[0] ?? ''))
    tell('type', `${type} has no ${kind}; machines of ${types.join(', ')} have`)
}
