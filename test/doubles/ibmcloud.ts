import {
  DNS_SERVICES,
  emptyAccount,
  ids,
  INTERNET_SERVICES,
  service,
  type IbmCloudAccount,
} from '../ibmcloud-server.ts'
import { isUnder, machineOf, plain, type Base, type Mapped, type Thing } from './world.ts'

/** Our types, and their lists in the VPC API. */
const pathOf: Record<string, string> = {
  vpc: 'vpcs',
  subnet: 'subnets',
  'security-group': 'security_groups',
  'network-acl': 'network_acls',
  'public-gateway': 'public_gateways',
  'floating-ip': 'floating_ips',
  'endpoint-gateway': 'endpoint_gateways',
  'load-balancer': 'load_balancers',
  instance: 'instances',
  'virtual-network-interface': 'virtual_network_interfaces',
  volume: 'volumes',
  snapshot: 'snapshots',
  image: 'images',
}
const IN_VPC = ['subnet', 'security-group', 'network-acl', 'public-gateway', 'endpoint-gateway', 'instance']

export function mapIbmCloud(things: Thing[], { domain }: Base): Mapped<IbmCloudAccount> {
  const state = emptyAccount()
  const sources = new Map<unknown, string>()
  const machines: Mapped<unknown>['machines'] = []
  const from = <T>(part: T, { file }: Thing): T => {
    sources.set(part, file)
    return part
  }
  const records: { name: string; type: string; target: string }[] = []
  state.zones = {
    [INTERNET_SERVICES.crn]: [{ id: 'z1', name: domain, records }],
    [DNS_SERVICES.guid]: [{ id: `${domain}:z2`, name: domain, records: [] }],
  }
  for (const thing of things) {
    const { id, type, name, region, infraID, target = '', of } = thing
    const idOf = (wanted: string) => things.find((each) => each.infraID === infraID && each.type === wanted)?.id
    const path = pathOf[type]
    const vpc = idOf('vpc')
    const network = vpc === undefined ? undefined : { id: vpc, name: `${infraID}-vpc` }
    const group = idOf('resource-group') ?? 'default'
    if (path !== undefined) {
      state.indexed.push({ crn: `crn:v1:bluemix:public:is:${region}:a/1::${type}:${id}`, name, type, region, tags: [] })
      const part = from(
        {
          id,
          name,
          inRegion: region,
          resource_group: { id: group },
          ...(IN_VPC.includes(type) && network ? { vpc: network } : {}),
          ...(type === 'load-balancer' ? { hostname: `${name}.lb.simulated.example` } : {}),
          ...(type === 'snapshot' && of !== undefined ? { source_volume: { id: of } } : {}),
        },
        thing,
      )
      state.things[path]?.push(part)
      if (type === 'instance') {
        const { machine, ...mapped } = machineOf(thing, 'stopped')
        machines.push({ ...mapped, machine: Object.assign(part, machine) })
      }
    } else if (type === 'resource-group') state.groups.push(from({ id, name }, thing))
    else if (type === 'service-id') state.serviceIds.push(from({ id, name, created_at: thing.createdAt }, thing))
    else if (type === 'service-instance')
      state.instances.push(
        from({ ...service(name, guidOf(id), ids.storage), id, crn: id, resource_group_id: group }, thing),
      )
    else if (type === 'iam-authorization') {
      const guid = guidOf(idOf('service-instance') ?? '')
      const attributes = [{ name: 'serviceInstance', value: guid }]
      const subjects = [{ attributes: [{ name: 'serviceName', value: 'is' }] }]
      state.policies.push(from({ id, type: 'authorization', subjects, resources: [{ attributes }] }, thing))
    } else if (type === 'dns-record') {
      if (isUnder(name, domain)) records.push(from({ name: plain(name), type: 'CNAME', target }, thing))
    } else throw new Error(`${thing.file}: IBM Cloud has no ${type}`)
  }
  return { state, sources, machines }
}

const guidOf = (crn: string) => crn.split(':')[7] ?? ''
