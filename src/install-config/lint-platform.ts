// The platform blocks of an install-config.
import type { Platform } from '../vocabulary.ts'
import { blockOf, listOf, textOf, type Block, type Report } from './finding.ts'
import { tagBudget, tagIdentity, tagProblem, AWS_TAGS_WITHOUT_RISK } from './tags.ts'

export const credentialsModes: Record<Platform, readonly string[]> = {
  aws: ['Mint', 'Passthrough', 'Manual'],
  gcp: ['Mint', 'Passthrough', 'Manual'],
  azure: ['Passthrough', 'Manual'],
  ibmcloud: ['Manual'],
}
export const awsSubnetRoles = [
  'ClusterNode',
  'EdgeNode',
  'BootstrapNode',
  'IngressControllerLB',
  'ControlPlaneExternalLB',
  'ControlPlaneInternalLB',
] as const
export const azureOutboundTypes = [
  'Loadbalancer',
  'NATGatewaySingleZone',
  'NATGatewayMultiZone',
  'UserDefinedRouting',
] as const
export const azureClouds = [
  'AzurePublicCloud',
  'AzureUSGovernmentCloud',
  'AzureChinaCloud',
  'AzureGermanCloud',
] as const

export function lintPlatform(config: Block, platform: Platform, report: Report): void {
  const settings = blockOf(blockOf(config['platform'])[platform])
  const required = (key: string, why = '') => {
    if (!textOf(settings[key])) report('error', 'platform-required', ['platform', platform], `${key} is missing${why}`)
  }
  const oneOf = (key: string, values: readonly string[]) => {
    const value = settings[key]
    if (value !== undefined && !values.some((allowed) => allowed === value))
      report('error', 'platform-value', ['platform', platform, key], `must be one of ${values.join(', ')}`)
  }
  required('region')
  lintTags(settings, platform, report)
  switch (platform) {
    case 'aws':
      oneOf('lbType', ['Classic', 'NLB'])
      return lintAws(config, settings, report)
    case 'azure':
      if (config['publish'] !== 'Internal')
        required('baseDomainResourceGroupName', ': the resource group of the public DNS zone')
      oneOf('outboundType', azureOutboundTypes)
      oneOf('cloudName', azureClouds)
      return lintAzure(settings, report)
    case 'gcp':
      required('projectID')
      return lintGcp(config, settings, report)
    case 'ibmcloud':
      return lintIbmCloud(settings, report)
  }
}

export function lintTags(settings: Block, platform: Platform, report: Report): void {
  const key = platform === 'gcp' ? 'userLabels' : 'userTags'
  const path = ['platform', platform, key]
  const pairs: [string, unknown, (string | number)[]][] =
    platform === 'gcp'
      ? listOf(settings[key]).map((entry, index) => {
          const label = blockOf(entry)
          return [String(label['key']), label['value'], [...path, index]]
        })
      : Object.entries(blockOf(settings[key])).map(([name, value]) => [name, value, [...path, name]])
  if (pairs.length > tagBudget[platform])
    report('error', 'tag-count', path, `${pairs.length} are too many; ${platform} has room for ${tagBudget[platform]}`)
  else if (platform === 'aws' && pairs.length > AWS_TAGS_WITHOUT_RISK)
    report(
      'warning',
      'tag-count',
      path,
      `${pairs.length} tags are more than the ${AWS_TAGS_WITHOUT_RISK} that an S3 object surely takes: the upload of the bootstrap ignition may be refused`,
    )
  const seen = new Set<string>()
  for (const [name, value, at] of pairs) {
    const problem = tagProblem(platform, name, String(value))
    if (problem) report('error', 'tag', at, problem)
    const identity = tagIdentity(platform, name)
    if (seen.has(identity)) report('error', 'tag', at, `the key "${name}" is there twice`)
    seen.add(identity)
  }
}

function lintAws(config: Block, settings: Block, report: Report): void {
  const path = ['platform', 'aws']
  const vpc = blockOf(settings['vpc'])
  const subnets = listOf(vpc['subnets']).map(blockOf)
  if (listOf(settings['subnets']).length > 0)
    report('warning', 'deprecated', [...path, 'subnets'], 'is deprecated: name them in vpc.subnets')
  const withRoles = subnets.filter((subnet) => listOf(subnet['roles']).length > 0)
  if (withRoles.length > 0 && withRoles.length < subnets.length)
    report('error', 'aws-subnet-roles', [...path, 'vpc', 'subnets'], 'either every subnet has roles or none has')
  for (const [index, subnet] of subnets.entries())
    for (const [place, role] of listOf(subnet['roles']).map(blockOf).entries())
      if (!awsSubnetRoles.some((known) => known === role['type']))
        report(
          'error',
          'aws-subnet-roles',
          [...path, 'vpc', 'subnets', index, 'roles', place],
          `must be one of ${awsSubnetRoles.join(', ')}`,
        )
  const ids = subnets.map((subnet) => subnet['id'])
  if (new Set(ids).size < ids.length)
    report('error', 'aws-subnets', [...path, 'vpc', 'subnets'], 'a subnet is named twice')
  if (settings['hostedZone'] !== undefined && subnets.length === 0 && listOf(settings['subnets']).length === 0)
    report(
      'error',
      'aws-hosted-zone',
      [...path, 'hostedZone'],
      'a private zone of your own needs vpc.subnets of your own',
    )
  if (settings['hostedZoneRole'] !== undefined) {
    if (settings['hostedZone'] === undefined)
      report('error', 'aws-hosted-zone', [...path, 'hostedZoneRole'], 'hostedZoneRole needs hostedZone')
    if (config['credentialsMode'] !== 'Passthrough' && config['credentialsMode'] !== 'Manual')
      report(
        'error',
        'aws-hosted-zone',
        [...path, 'hostedZoneRole'],
        'hostedZoneRole needs credentialsMode Passthrough or Manual',
      )
  }
}

function lintAzure(settings: Block, report: Report): void {
  const network = ['networkResourceGroupName', 'virtualNetwork', 'controlPlaneSubnet', 'computeSubnet']
  const given = network.filter((key) => settings[key] !== undefined)
  if (given.length > 0 && given.length < network.length)
    report(
      'error',
      'azure-network',
      ['platform', 'azure'],
      `a network of your own needs ${network.join(', ')}; there is only ${given.join(', ')}`,
    )
  if (settings['outboundType'] === 'UserDefinedRouting' && given.length === 0)
    report(
      'error',
      'azure-network',
      ['platform', 'azure', 'outboundType'],
      'UserDefinedRouting needs a network of your own, where the route is',
    )
}

function lintGcp(config: Block, settings: Block, report: Report): void {
  const path = ['platform', 'gcp']
  const subnets = ['controlPlaneSubnet', 'computeSubnet']
  const missing = subnets.filter((key) => settings[key] === undefined)
  if (settings['network'] !== undefined && missing.length > 0)
    report('error', 'gcp-network', [...path, 'network'], `a network of your own needs ${missing.join(' and ')} too`)
  if (settings['network'] === undefined && missing.length < subnets.length)
    report('error', 'gcp-network', path, 'subnets of your own need their network')
  if (settings['networkProjectID'] !== undefined) {
    if (settings['network'] === undefined)
      report(
        'error',
        'gcp-network',
        [...path, 'networkProjectID'],
        "another project's network needs its name in network",
      )
    if (config['credentialsMode'] !== 'Passthrough' && config['credentialsMode'] !== 'Manual')
      report(
        'error',
        'gcp-network',
        [...path, 'networkProjectID'],
        "another project's network needs credentialsMode Passthrough or Manual",
      )
  }
}

function lintIbmCloud(settings: Block, report: Report): void {
  const keys = ['controlPlaneSubnets', 'computeSubnets']
  const withSubnets = keys.filter((key) => listOf(settings[key]).length > 0)
  const hasVpc = settings['vpcName'] !== undefined
  if (hasVpc !== (withSubnets.length === keys.length) || (!hasVpc && withSubnets.length > 0))
    report(
      'error',
      'ibmcloud-network',
      ['platform', 'ibmcloud'],
      `vpcName, ${keys.join(' and ')} go together or not at all`,
    )
}
