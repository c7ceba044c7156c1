import { emptyAccount, type Account, type Zone } from '../aws-server.ts'
import { isUnder, machineOf, plain, recordsOfCluster, type Base, type Mapped, type Thing } from './world.ts'

const OWNER = '000000000000'
/** Our types, and what EC2 calls them in its answers. */
const ec2Kinds: Record<string, string> = {
  instance: 'instance',
  volume: 'volume',
  snapshot: 'snapshot',
  image: 'image',
  'elastic-ip': 'address',
  'nat-gateway': 'natGateway',
  'network-interface': 'networkInterface',
  'vpc-endpoint': 'vpcEndpoint',
  'security-group': 'securityGroup',
  'internet-gateway': 'internetGateway',
  'route-table': 'routeTable',
  subnet: 'subnet',
  'dhcp-options': 'dhcpOptions',
  vpc: 'vpc',
}

export function mapAws(things: Thing[], { domain }: Base): Mapped<Account> {
  const state = emptyAccount()
  const sources = new Map<unknown, string>()
  const machines: Mapped<unknown>['machines'] = []
  const from = <T>(part: T, { file }: Thing): T => {
    sources.set(part, file)
    return part
  }
  const base: Zone = { id: 'ZBASE', name: domain, isPrivate: false, records: [] }
  state.zones.push(base)
  const networks = new Map(things.flatMap(({ type, infraID, id }) => (type === 'vpc' ? [[infraID, id]] : [])))
  for (const thing of things) {
    const { id, type, name, tags, region, infraID } = thing
    const kind = ec2Kinds[type]
    let arn = id
    const vpc = networks.get(infraID)
    const inNetwork = vpc === undefined ? {} : { vpc }
    if (kind !== undefined) {
      const named: Record<string, string> = type === 'instance' ? { Name: name } : {}
      const part = from({ id, tags: { ...named, ...tags }, region, ...inNetwork }, thing)
      ;(state.ec2[kind] ??= []).push(part)
      if (type === 'instance') {
        const { machine, ...mapped } = machineOf(thing, 'stopped')
        machines.push({ ...mapped, machine: Object.assign(part, machine) })
      }
      arn = `arn:aws:ec2:${region}:${OWNER}:${type.replace('nat-', 'nat')}/${id}`
    } else if (type === 'load-balancer') state.balancers.push(from({ arn: id, tags, ...inNetwork }, thing))
    else if (type === 'target-group') state.targetGroups.push(from({ arn: id, tags, ...inNetwork }, thing))
    else if (type === 'iam-role') state.roles.push(from({ name, tags }, thing))
    else if (type === 'iam-user') state.users.push(from({ name, tags }, thing))
    else if (type === 'instance-profile') state.instanceProfiles.push(from(name, thing))
    else if (type === 's3-bucket') state.buckets.push(from(name, thing))
    else if (type === 'hosted-zone') {
      const records = recordsOfCluster(plain(name), infraID).map((each) => ({ ...each, type: 'CNAME' }))
      state.zones.push(from({ id, name: plain(name), isPrivate: true, records }, thing))
      arn = `arn:aws:route53:::hostedzone/${id}`
    } else if (type === 'dns-record') {
      const target = thing.target === undefined ? {} : { target: thing.target }
      if (isUnder(name, domain)) base.records.push(from({ name: plain(name), type: 'CNAME', ...target }, thing))
    } else throw new Error(`${thing.file}: AWS has no ${type}`)
    const place = type === 'hosted-zone' ? 'us-east-1' : region
    // IAM and S3 are found by their own lists, and records have no tags.
    if (kind !== undefined || ['load-balancer', 'target-group', 'hosted-zone'].includes(type))
      state.tagged.push({ arn, tags, region: place })
  }
  return { state, sources, machines }
}
