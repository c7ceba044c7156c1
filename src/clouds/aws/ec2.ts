// Machines, disks and networks.
import type { Filter } from '@aws-sdk/client-ec2'
import { chunksOf, onePage, type Search, type Session, type Tag, type Tagged } from './session.ts'

const FILTER_VALUES = 200
const EC2_PAGE = 100 // more than DescribeRouteTables takes is refused

type Ec2Item = Tagged & { TagSet?: Tag[] | undefined; State?: string | undefined }

type Ec2Kind = {
  type: string
  arnType: string
  idFilter: string
  list: (filters: Filter[]) => Promise<(Ec2Item & { id: string })[]>
}

export function ec2Searches(session: Session): Search[] {
  const { query, isOwned, owners } = session
  const [own, ...others] = owners
  return ec2Kinds(session).map(({ type, arnType, idFilter, list }) => ({
    knows: (arn) => arn.service === 'ec2' && arn.region === query.region && arn.type === arnType,
    async run(candidates) {
      const found = own ? await list([{ Name: `tag:${own.key}`, Values: [own.value] }]) : []
      if (others.length > 0)
        found.push(...(await list([{ Name: 'tag-key', Values: others.map(({ key }) => key) }])).filter(isOwned))
      const ids = candidates.map(({ resource }) => resource.slice(arnType.length + 1))
      // A filter, unlike a list of ids, gives no error when one of them is gone.
      for (const Values of chunksOf(FILTER_VALUES, ids)) found.push(...(await list([{ Name: idFilter, Values }])))
      return found
        .filter(({ State = '' }) => !['terminated', 'deleted', 'deregistered'].includes(State.toLowerCase()))
        .map((each) => ({
          id: each.id,
          type,
          name: each.Tags?.find(({ Key }) => Key === 'Name')?.Value ?? each.id,
          region: query.region,
        }))
    },
  }))
}

function ec2Kinds({ sdk: { ec2 }, clients, ask, stop }: Session): Ec2Kind[] {
  const at = { client: clients.ec2, pageSize: EC2_PAGE }

  /** For example, volumes are listed by DescribeVolumes, and VolumeId is filtered as volume-id. */
  const kind = <List extends string, Id extends string>(
    type: string,
    list: List,
    id: Id,
    pages: (Filters: Filter[]) => AsyncIterable<{ [list in List]?: (Ec2Item & { [id in Id]?: string })[] }>,
    arnType = type,
  ): Ec2Kind => ({
    type,
    arnType,
    idFilter: id.replace(/(?<=.)(?=[A-Z])/g, '-').toLowerCase(),
    list: (filters) =>
      ask(`ec2:Describe${list}`, pages(filters), (page) =>
        page[list]?.map((item) => ({ Tags: item.Tags ?? item.TagSet, State: item.State, id: item[id] ?? 'unknown' })),
      ),
  })
  async function* instancePages(Filters: Filter[]) {
    for await (const { Reservations } of ec2.paginateDescribeInstances(at, { Filters }, stop)) {
      const instances = Reservations?.flatMap(({ Instances = [] }) => Instances)
      yield { Instances: instances?.map((each) => ({ ...each, State: each.State?.Name })) }
    }
  }
  const addressPages = (Filters: Filter[]) =>
    onePage(() => clients.ec2.send(new ec2.DescribeAddressesCommand({ Filters }), stop))

  return [
    kind('instance', 'Instances', 'InstanceId', instancePages),
    kind('volume', 'Volumes', 'VolumeId', (Filters) => ec2.paginateDescribeVolumes(at, { Filters }, stop)),
    kind('snapshot', 'Snapshots', 'SnapshotId', (Filters) =>
      ec2.paginateDescribeSnapshots(at, { Filters, OwnerIds: ['self'] }, stop),
    ),
    kind('image', 'Images', 'ImageId', (Filters) =>
      ec2.paginateDescribeImages(at, { Filters, Owners: ['self'], IncludeDisabled: true }, stop),
    ),
    kind('elastic-ip', 'Addresses', 'AllocationId', addressPages),
    kind(
      'nat-gateway',
      'NatGateways',
      'NatGatewayId',
      (Filter) => ec2.paginateDescribeNatGateways(at, { Filter }, stop),
      'natgateway',
    ),
    kind('network-interface', 'NetworkInterfaces', 'NetworkInterfaceId', (Filters) =>
      ec2.paginateDescribeNetworkInterfaces(at, { Filters }, stop),
    ),
    kind('vpc-endpoint', 'VpcEndpoints', 'VpcEndpointId', (Filters) =>
      ec2.paginateDescribeVpcEndpoints(at, { Filters }, stop),
    ),
    kind('security-group', 'SecurityGroups', 'GroupId', (Filters) =>
      ec2.paginateDescribeSecurityGroups(at, { Filters }, stop),
    ),
    kind('internet-gateway', 'InternetGateways', 'InternetGatewayId', (Filters) =>
      ec2.paginateDescribeInternetGateways(at, { Filters }, stop),
    ),
    kind('route-table', 'RouteTables', 'RouteTableId', (Filters) =>
      ec2.paginateDescribeRouteTables(at, { Filters }, stop),
    ),
    kind('subnet', 'Subnets', 'SubnetId', (Filters) => ec2.paginateDescribeSubnets(at, { Filters }, stop)),
    kind('dhcp-options', 'DhcpOptions', 'DhcpOptionsId', (Filters) =>
      ec2.paginateDescribeDhcpOptions(at, { Filters }, stop),
    ),
    kind('vpc', 'Vpcs', 'VpcId', (Filters) => ec2.paginateDescribeVpcs(at, { Filters }, stop)),
  ]
}
