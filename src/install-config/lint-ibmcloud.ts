// The blocks for IBM Cloud. Pure.
import { blockOf, listOf, textOf, type Block, type Path, type Report, type Subject } from './finding.ts'
import { lintEndpoints } from './lint-endpoints.ts'
import { eachMachine, lintZones } from './machines.ts'

const path = ['platform', 'ibmcloud']

export function lintIbmCloud({ config, report }: Subject): void {
  const settings = blockOf(blockOf(config['platform'])['ibmcloud'])
  if (!textOf(settings['region'])) report('error', 'platform-required', [...path, 'region'], 'is missing')
  lintNetwork(settings, report)
  lintEndpoints(settings, 'ibmcloud', report)
  for (const { at, machine } of eachMachine(config, 'ibmcloud')) {
    lintZones(machine, at, textOf(settings['region']) ?? '', report)
    lintHosts(machine, at, report)
    const key = textOf(blockOf(machine['bootVolume'])['encryptionKey'])
    if (key && !isCrn(key))
      report('error', 'ibmcloud-key', [...at, 'bootVolume', 'encryptionKey'], 'is no CRN: its ten parts are joined by colons, and the first is crn') // prettier-ignore
  }
}

function lintNetwork(settings: Block, report: Report): void {
  const keys = ['controlPlaneSubnets', 'computeSubnets']
  const missing = keys.filter((key) => settings[key] === undefined)
  const hasVpc = Boolean(textOf(settings['vpcName']))
  for (const key of hasVpc ? missing : [])
    report('error', 'ibmcloud-network', [...path, key], 'is missing: a VPC of your own needs the subnets of both kinds')
  if (!hasVpc && missing.length < keys.length)
    report('error', 'ibmcloud-network', [...path, 'vpcName'], 'is missing: subnets of your own need their VPC')
}

function lintHosts(machine: Block, at: Path, report: Report): void {
  if (machine['dedicatedHosts'] === undefined) return
  const hosts = listOf(machine['dedicatedHosts']).map(blockOf)
  const zones = listOf(machine['zones'])
  const type = textOf(machine['type'])
  const place = [...at, 'dedicatedHosts']
  if (hosts.length !== zones.length)
    report('error', 'ibmcloud-hosts', place, `there must be one a zone: ${hosts.length} for ${zones.length}`)
  if (!type) report('error', 'ibmcloud-hosts', [...at, 'type'], 'is missing: dedicated hosts need it')
  for (const [index, host] of hosts.entries()) {
    const profile = textOf(host['profile'])
    if (!textOf(host['name']) && !profile)
      report('error', 'ibmcloud-hosts', [...place, index], 'needs a name or a profile')
    if (profile && type && profile.split('-')[0] !== type.split('-')[0])
      report('error', 'ibmcloud-hosts', [...place, index, 'profile'], `${profile} does not hold machines of ${type}`)
  }
}

function isCrn(text: string): boolean {
  const parts = text.split(':')
  const scope = parts[6] ?? ''
  return parts.length === 10 && parts[0] === 'crn' && (['', 'global'].includes(scope) || scope.split('/').length === 2)
}
