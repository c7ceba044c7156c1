// Machines, disks and networks.
import type { Filter } from '@aws-sdk/client-ec2'
import { timeOf, type Seen } from '../asking.ts'
import type { Resource } from '../inventory.ts'
import { chunksOf, idOf, onePage, type Search, type Session, type Tag, type Tagged } from './session.ts'

const FILTER_VALUES = 200
const EC2_PAGE = 100 // more than DescribeRouteTables takes is refused

type Ec2Item = Tagged & {
  TagSet?: Tag[] | undefined
  State?: string | undefined
  LaunchTime?: Date | undefined
  CreateTime?: Date | undefined
  StartTime?: Date | undefined
  CreationTimestamp?: Date | undefined
  CreationDate?: string | undefined
  InstanceType?: string | undefined
  Size?: number | undefined
  VolumeSize?: number | undefined
}
/** Of whatever kind, in one form. */
type Listed = Tagged & Pick<Seen, 'id' | 'madeAt' | 'size'> & { State?: string | undefined }

type Ec2Kind = {
  type: string
  /** How the resource part of its ARN begins. */
  form: RegExp
  idFilter: string
  list: (filters: Filter[]) => Promise<Listed[]>
}

const GONE = ['terminated', 'deleted', 'deregistered']

export const ec2Searches = (session: Session): Search[] =>
  ec2Kinds(session).map((kind) => askedById(session, kind, GONE))

/** What still exists of these kinds, of which the tagging service lists what has ended as well. */
export function endingSearches(session: Session): Search[] {
  return ec2Kinds(session)
    .filter(({ type }) => ['instance', 'nat-gateway'].includes(type))
    .map((kind) => askedById(session, kind, GONE))
}

/** Kinds that the tagging service goes on listing for hours after their deletion. */
export function lingeringSearches(session: Session): Search[] {
  const { sdk: { ec2 }, stop } = session // prettier-ignore
  const at = { client: session.clients.ec2, pageSize: EC2_PAGE }
  async function* peeringPages(Filters: Filter[]) {
    for await (const { VpcPeeringConnections } of ec2.paginateDescribeVpcPeeringConnections(at, { Filters }, stop))
      yield { VpcPeeringConnections: VpcPeeringConnections?.map((each) => ({ ...each, State: each.Status?.Code })) }
  }
  async function* prefixListPages(Filters: Filter[]) {
    for await (const { PrefixLists } of ec2.paginateDescribeManagedPrefixLists(at, { Filters }, stop))
      yield { ManagedPrefixLists: PrefixLists }
  }
  const kind = kindsOf(session)
  return [
    askedById(
      session,
      kind('vpc-peering-connection', 'VpcPeeringConnections', 'VpcPeeringConnectionId', peeringPages, /\/pcx-/),
      ['deleted', 'rejected', 'expired', 'failed'],
    ),
    askedById(session, kind('prefix-list', 'ManagedPrefixLists', 'PrefixListId', prefixListPages, /\/pl-/), [
      'delete-complete',
    ]),
    askedById(
      session,
      kind(
        'spot-instance-request',
        'SpotInstanceRequests',
        'SpotInstanceRequestId',
        (Filters) => ec2.paginateDescribeSpotInstanceRequests(at, { Filters }, stop),
        /\/sir-/,
      ),
      ['closed', 'cancelled', 'failed'],
    ),
  ]
}

/**
 * What others have in the cluster's own networks, which cannot be deleted meanwhile. `found`: what is the cluster's. An
 * interface says by its description what it belongs to.
 */
export function holderQuestions(session: Session, found: Resource[]): (() => Promise<Seen[]>)[] {
  const { query, sdk: { ec2 }, clients, ask, stop } = session // prettier-ignore
  const at = { client: clients.ec2, pageSize: EC2_PAGE }
  const vpcs = found.filter(({ type }) => type === 'vpc').map(({ id }) => id)
  const ids = new Set(found.map(({ id }) => id))
  const names = new Set(found.flatMap(({ id, name }) => [id, name]))
  const isOfFound = (text: string) => text.split(/[\s/]+/).some((word) => names.has(word))
  const kinds = ec2Kinds(session).filter(({ type }) => ['instance', 'vpc-endpoint'].includes(type))
  return chunksOf(FILTER_VALUES, vpcs).flatMap((Values) => {
    const Filters = [{ Name: 'vpc-id', Values }]
    return [
      ...kinds.map((kind) => async () => {
        const there = (await kind.list(Filters)).filter((each) => !ids.has(each.id) && !isIn(GONE, each))
        return there.map((each) => show(session, kind, each, 'relation'))
      }),
      async () => {
        const pages = ec2.paginateDescribeNetworkInterfaces(at, { Filters }, stop)
        const there = await ask('ec2:DescribeNetworkInterfaces', pages, ({ NetworkInterfaces }) => NetworkInterfaces)
        return there
          .filter(({ NetworkInterfaceId = '' }) => !ids.has(NetworkInterfaceId))
          .filter(({ Attachment, InterfaceType }) => !Attachment?.InstanceId && InterfaceType !== 'vpc_endpoint')
          .filter(({ Description = '' }) => !isOfFound(Description))
          .map(({ NetworkInterfaceId: id = 'unknown', Description: name = id }) => ({ id, type: 'network-interface', name, region: query.region, key: 'relation' as const })) // prettier-ignore
      },
    ]
  })
}

/** Of those that exist. */
export function listSubnets({ sdk: { ec2 }, clients, ask, stop }: Session, ids: string[]) {
  const Filters = [{ Name: 'subnet-id', Values: ids }]
  const pages = ec2.paginateDescribeSubnets({ client: clients.ec2, pageSize: EC2_PAGE }, { Filters }, stop)
  return ask('ec2:DescribeSubnets', pages, ({ Subnets }) =>
    Subnets?.map(({ SubnetId: id, VpcId: vpc }) => ({ id, vpc })),
  )
}

/** Those of these that exist. */
export async function listVpcs({ sdk: { ec2 }, clients, ask, stop }: Session, ids: string[]): Promise<Set<string>> {
  const there = new Set<string>()
  for (const Values of chunksOf(FILTER_VALUES, ids)) {
    const Filters = [{ Name: 'vpc-id', Values }]
    const pages = ec2.paginateDescribeVpcs({ client: clients.ec2, pageSize: FILTER_VALUES }, { Filters }, stop)
    for (const { VpcId } of await ask('ec2:DescribeVpcs', pages, ({ Vpcs }) => Vpcs)) if (VpcId) there.add(VpcId)
  }
  return there
}

const isIn = (states: string[], { State = '' }: Listed) => states.includes(State.toLowerCase())

const nameOf = ({ Tags }: Tagged) => Tags?.find(({ Key }) => Key === 'Name')?.Value

/** `gone`: the states in which it is deleted and still told. */
function show(
  { query }: Session,
  { type }: Ec2Kind,
  listed: Listed,
  key: NonNullable<Seen['key']>,
  gone: string[] = [],
): Seen {
  const { id, madeAt, size } = listed
  const shown = { id, type, name: nameOf(listed) || id, region: query.region, key, ...(madeAt && { madeAt }), ...(size && { size }) } // prettier-ignore
  return isIn(gone, listed) ? { ...shown, billable: false } : shown
}

/** A filter, unlike a list of ids, gives no error when one of them is gone. */
function askedById(session: Session, kind: Ec2Kind, gone: string[]): Search {
  return {
    knows: (arn) => arn.service === 'ec2' && arn.region === session.query.region && kind.form.test(arn.resource),
    async run(candidates) {
      const { isOwned, isNamed, query } = session
      const byId = new Map(candidates.map((arn) => [idOf(arn), arn]))
      const keyOf = (each: Listed) => {
        if (byId.get(each.id)?.by !== 'name' || isOwned(each)) return 'tag'
        // Whoever administers the cluster may write any disk's id into an object, so that is no proof of whose it is.
        return isNamed(nameOf(each), each) || query.disks?.includes(each.id) ? 'name' : undefined
      }
      const found: Seen[] = []
      for (const Values of chunksOf(FILTER_VALUES, [...byId.keys()]))
        for (const each of await kind.list([{ Name: kind.idFilter, Values }])) {
          const key = Values.includes(each.id) ? keyOf(each) : undefined
          if (key) found.push(show(session, kind, each, key, gone))
        }
      return found
    },
  }
}

/** For example, volumes are listed by DescribeVolumes, and VolumeId is filtered as volume-id. */
function kindsOf({ ask }: Session) {
  return <List extends string, Id extends string>(
    type: string,
    list: List,
    id: Id,
    pages: (Filters: Filter[]) => AsyncIterable<{ [list in List]?: (Ec2Item & { [id in Id]?: string })[] }>,
    form = new RegExp(`^${type}/`),
  ): Ec2Kind => ({
    type,
    form,
    idFilter: id.replace(/(?<=.)(?=[A-Z])/g, '-').toLowerCase(),
    list: (filters) =>
      ask(`ec2:Describe${list}`, pages(filters), (page) =>
        page[list]?.map((item) => ({
          id: item[id] ?? 'unknown',
          Tags: item.Tags ?? item.TagSet,
          State: item.State,
          ...timeOf(
            item.LaunchTime ?? item.CreateTime ?? item.StartTime ?? item.CreationTimestamp ?? item.CreationDate,
          ),
          size: { machine: item.InstanceType, gib: item.Size ?? item.VolumeSize },
        })),
      ),
  })
}

function ec2Kinds(session: Session): Ec2Kind[] {
  const { sdk: { ec2 }, clients, stop } = session // prettier-ignore
  const at = { client: clients.ec2, pageSize: EC2_PAGE }
  const kind = kindsOf(session)
  const addressPages = (Filters: Filter[]) =>
    onePage(() => clients.ec2.send(new ec2.DescribeAddressesCommand({ Filters }), stop))

  return [
    kind('instance', 'Instances', 'InstanceId', (Filters) => instancePages(session, Filters)),
    kind('volume', 'Volumes', 'VolumeId', (Filters) => ec2.paginateDescribeVolumes(at, { Filters }, stop)),
    kind('snapshot', 'Snapshots', 'SnapshotId', (Filters) =>
      ec2.paginateDescribeSnapshots(at, { Filters, OwnerIds: ['self'] }, stop),
    ),
    kind('image', 'Images', 'ImageId', (Filters) =>
      ec2.paginateDescribeImages(at, { Filters, Owners: ['self'], IncludeDisabled: true }, stop),
    ),
    kind('elastic-ip', 'Addresses', 'AllocationId', addressPages, /\/eipalloc-|^elastic-ip\//),
    kind(
      'nat-gateway',
      'NatGateways',
      'NatGatewayId',
      (Filter) => ec2.paginateDescribeNatGateways(at, { Filter }, stop),
      /^nat-?gateway\//,
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

export async function* instancePages({ sdk: { ec2 }, clients, stop }: Session, Filters: Filter[]) {
  const at = { client: clients.ec2, pageSize: EC2_PAGE }
  for await (const { Reservations } of ec2.paginateDescribeInstances(at, { Filters }, stop)) {
    const instances = Reservations?.flatMap(({ Instances = [] }) => Instances)
    yield { Instances: instances?.map((each) => ({ ...each, State: each.State?.Name })) }
  }
}
