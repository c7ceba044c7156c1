// Subnets of a VPC of one's own, and what each of them is for. Pure.
import { blockOf, listOf, textOf, type Block, type Path, type Subject } from './finding.ts'
import { awsSubnetRoles, VPC_SUBNETS_SINCE } from './schema-aws.ts'

const path = ['platform', 'aws', 'vpc', 'subnets']
/** The ingress operator takes no more. */
const MOST_FOR_INGRESS = 10

/** @returns whether there are any, in either form. */
export function lintSubnets(settings: Block, { config, minor, report }: Subject): boolean {
  const old = listOf(settings['subnets'])
  const subnets = listOf(blockOf(settings['vpc'])['subnets']).map(blockOf)
  const oldPath = ['platform', 'aws', 'subnets']
  if (old.length > 0 && subnets.length > 0)
    report('error', 'aws-subnets', oldPath, 'cannot stand beside vpc.subnets: take vpc.subnets alone')
  else if (old.length > 0 && minor >= VPC_SUBNETS_SINCE)
    report('warning', 'deprecated', oldPath, 'is deprecated: name them in vpc.subnets')
  const ids = subnets.length > 0 ? subnets.map(({ id }) => textOf(id) ?? '') : old.map(String)
  for (const [index, id] of ids.entries())
    if (ids.indexOf(id) < index && (subnets.length > 0 || minor >= VPC_SUBNETS_SINCE))
      report('error', 'aws-subnets', subnets.length > 0 ? [...path, index, 'id'] : [...oldPath, index], `the subnet ${id} is named twice`) // prettier-ignore
  if (subnets.length > 0) lintRoles(subnets, config['publish'] === 'Internal', report)
  return ids.length > 0
}

function lintRoles(subnets: Block[], isPrivate: boolean, report: Subject['report']): void {
  const rolesOf = subnets.map((subnet) => listOf(subnet['roles']).map((role) => String(blockOf(role)['type'])))
  const withRoles = rolesOf.filter((roles) => roles.length > 0).length
  if (withRoles === 0) return
  if (withRoles < subnets.length) report('error', 'aws-subnet-roles', path, 'either every subnet has roles or none has')
  for (const [index, roles] of rolesOf.entries()) lintRolesOfOne(roles, [...path, index, 'roles'], report)
  const all = rolesOf.flat()
  const forIngress = all.filter((role) => role === 'IngressControllerLB').length
  if (forIngress > MOST_FOR_INGRESS)
    report('error', 'aws-subnet-roles', path, `${forIngress} subnets are for the ingress; at most ${MOST_FOR_INGRESS}`)
  if (isPrivate && all.includes('ControlPlaneExternalLB'))
    report('error', 'aws-subnet-roles', path, 'a private cluster has no ControlPlaneExternalLB')
  const optional = ['EdgeNode', ...(isPrivate ? ['ControlPlaneExternalLB'] : [])]
  const missing = awsSubnetRoles.filter((role) => !optional.includes(role) && !all.includes(role))
  if (missing.length > 0) report('error', 'aws-subnet-roles', path, `no subnet has the role ${missing.join(', ')}`)
}

function lintRolesOfOne(roles: string[], at: Path, report: Subject['report']): void {
  for (const [index, role] of roles.entries()) {
    const place = [...at, index, 'type']
    if (!awsSubnetRoles.some((known) => known === role))
      report('error', 'aws-subnet-roles', place, `must be one of ${awsSubnetRoles.join(', ')}`)
    else if (roles.indexOf(role) < index) report('error', 'aws-subnet-roles', place, `has the role ${role} twice`)
  }
  if (roles.includes('ControlPlaneExternalLB') && roles.includes('ControlPlaneInternalLB'))
    report('error', 'aws-subnet-roles', at, 'may not have both roles of a control plane load balancer')
  if (roles.includes('EdgeNode') && new Set(roles).size > 1)
    report('error', 'aws-subnet-roles', at, 'EdgeNode cannot be combined with other roles')
}
