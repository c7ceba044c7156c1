// The blocks for Azure. Pure.
import { blockOf, listOf, numberOf, requireWord, textOf, type Block, type Path, type Report, type Subject } from './finding.ts' // prettier-ignore
import { lintAzureMachine } from './lint-azure-machine.ts'
import { lintTags } from './lint-tags.ts'
import { eachMachine } from './machines.ts'
import { azureClouds, azureOutboundTypes, NAT_WORDS_SINCE, OLD_NAT_GATEWAY } from './schema-azure.ts'

const path = ['platform', 'azure']
const STACK = 'AzureStackCloud'
const PUBLIC = 'AzurePublicCloud'
const subnetRoles = ['control-plane', 'node']
const MOST_LUN = 63

export function lintAzure(subject: Subject): void {
  const { config, report } = subject
  const settings = blockOf(blockOf(config['platform'])['azure'])
  const cloud = textOf(settings['cloudName']) || PUBLIC
  if (!textOf(settings['region'])) report('error', 'platform-required', [...path, 'region'], 'is missing')
  if (['', 'External'].includes(textOf(config['publish']) ?? '') && !textOf(settings['baseDomainResourceGroupName']))
    report(
      'error',
      'platform-required',
      [...path, 'baseDomainResourceGroupName'],
      'is missing: the resource group of the public DNS zone',
    )
  requireWord(report, 'platform-value', [...path, 'cloudName'], cloud, [...azureClouds, STACK])
  requireWord(report, 'ip-family', [...path, 'ipFamily'], settings['ipFamily'], ['IPv4', 'DualStackIPv4Primary', 'DualStackIPv6Primary']) // prettier-ignore
  lintNetwork(settings, report)
  lintOutbound(settings, cloud, subject)
  lintTags(settings, 'azure', report)
  if (cloud !== PUBLIC && Object.keys(blockOf(settings['userTags'])).length > 0)
    report('error', 'tag', [...path, 'userTags'], `are for ${PUBLIC} only`)
  lintStack(settings, cloud, report)
  lintKey(settings, report)
  for (const machine of eachMachine(config, 'azure')) {
    lintAzureMachine(machine, cloud === STACK, report)
    lintDataDisks(machine.machine, machine.pool, machine.at, machine.isDefault, report)
  }
}

/** The names of the subnets may stand alone, or in a list with their roles. */
function lintNetwork(settings: Block, report: Report): void {
  const given = listOf(settings['subnets']).map(blockOf)
  const old: Block[] = [
    { name: settings['controlPlaneSubnet'], role: 'control-plane' },
    { name: settings['computeSubnet'], role: 'node' },
  ]
  const subnets = [...given, ...old].filter(({ name }) => textOf(name))
  const missing = (key: string, why: string) => report('error', 'azure-network', [...path, key], `is missing: ${why}`)
  const hasRole = (role: string) => subnets.some((subnet) => subnet['role'] === role)
  if (textOf(settings['virtualNetwork'])) {
    if (!hasRole('control-plane')) missing('controlPlaneSubnet', 'a network of your own needs its subnets')
    if (!hasRole('node')) missing('computeSubnet', 'a network of your own needs its subnets')
  } else if (subnets.length > 0) missing('virtualNetwork', 'subnets of your own need their network')
  if ((textOf(settings['virtualNetwork']) || subnets.length > 0) && !textOf(settings['networkResourceGroupName']))
    missing('networkResourceGroupName', 'a network of your own needs its resource group')
  const names = subnets.map(({ name }) => textOf(name))
  if (new Set(names).size < names.length)
    report(
      'error',
      'azure-network',
      [...path, given.length > 0 ? 'subnets' : 'computeSubnet'],
      'a subnet is named twice',
    )
  for (const [index, { role }] of given.entries())
    requireWord(report, 'azure-network', [...path, 'subnets', index, 'role'], role, subnetRoles)
}

function lintOutbound(settings: Block, cloud: string, { minor, report }: Subject): void {
  const type = textOf(settings['outboundType'])
  const at = [...path, 'outboundType']
  const older = ['Loadbalancer', OLD_NAT_GATEWAY, 'UserDefinedRouting']
  requireWord(report, 'platform-value', at, type, minor < NAT_WORDS_SINCE ? older : azureOutboundTypes)
  const hasNetwork = textOf(settings['virtualNetwork'])
  if (type === 'UserDefinedRouting' && !hasNetwork)
    report('error', 'azure-network', at, 'UserDefinedRouting needs a network of your own, where the route is')
  if (type === 'UserDefinedRouting' && cloud === STACK)
    report('error', 'azure-network', at, 'UserDefinedRouting is not for Azure Stack')
  if (type === OLD_NAT_GATEWAY && hasNetwork)
    report('error', 'azure-network', at, `${OLD_NAT_GATEWAY} is not for a network of your own`)
}

function lintStack(settings: Block, cloud: string, report: Report): void {
  if (cloud === STACK && !textOf(settings['armEndpoint']))
    report('error', 'platform-required', [...path, 'armEndpoint'], 'is missing: the address of your Azure Stack')
  for (const key of cloud === STACK ? [] : ['armEndpoint', 'clusterOSImage'])
    if (textOf(settings[key])) report('error', 'platform-value', [...path, key], `is for ${STACK} only`)
}

/** The key that encrypts the storage account. */
function lintKey(settings: Block, report: Report): void {
  if (settings['customerManagedKey'] === undefined) return
  const key = blockOf(settings['customerManagedKey'])
  const vault = blockOf(key['keyVault'])
  const parts: [Path, unknown, RegExp][] = [
    [['keyVault', 'name'], vault['name'], /^[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]$/],
    [['keyVault', 'keyName'], vault['keyName'], /^[A-Za-z0-9-]{1,127}$/],
    [['keyVault', 'resourceGroup'], vault['resourceGroup'], /^[\w().-]{0,89}[\w()-]$/],
    [['userAssignedIdentityKey'], key['userAssignedIdentityKey'], /^[A-Za-z0-9][\w-]{2,127}$/],
  ]
  for (const [at, value, form] of parts)
    if (!form.test(textOf(value) ?? ''))
      report('error', 'azure-key', [...path, 'customerManagedKey', ...at], textOf(value) ? 'is no such name' : 'is missing') // prettier-ignore
}

function lintDataDisks(machine: Block, pool: Block, at: Path, isDefault: boolean, report: Report): void {
  const disks = listOf(machine['dataDisks']).map(blockOf)
  const setups = listOf(pool['diskSetup'])
  if (isDefault && disks.length > 0) return report('error', 'disk', [...at, 'dataDisks'], 'are for pools only')
  if (disks.length === 0 || setups.length === 0) return
  if (disks.length < setups.length) report('error', 'disk', [...at, 'dataDisks'], 'are fewer than diskSetup has')
  const numbers = new Set<number>()
  for (const [index, disk] of disks.entries()) {
    const lun = numberOf(disk['lun'])
    if (lun === undefined || lun < 0 || lun > MOST_LUN || numbers.has(lun))
      report('error', 'disk', [...at, 'dataDisks', index, 'lun'], `must be a number of its own from 0 to ${MOST_LUN}`)
    else numbers.add(lun)
    if ((numberOf(disk['diskSizeGB']) ?? 0) <= 0)
      report('error', 'disk', [...at, 'dataDisks', index, 'diskSizeGB'], 'must be a positive number')
  }
}
