/**
 * What still exists of a cluster in AWS, by owner tags, by the names that IAM and S3 know it under, and by its DNS names.
 * It only reads, and never takes silence for emptiness: a refusal, no answer in time, or an answer without its list
 * makes the whole "not verified".
 */
import { once } from 'node:events'
import type { Filter } from '@aws-sdk/client-ec2'
import type { ListResourceRecordSetsRequest, ResourceRecordSet } from '@aws-sdk/client-route-53'
import type { Inventory, InventoryAnswer, InventoryQuery, Resource } from '../inventory.ts'

export type AwsInventoryOptions = {
  /** Every service is asked there instead of at AWS. */
  endpoint?: string
  /** Default: as the AWS SDK finds them. */
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }
  /** For one whole answer, retries included. Default two minutes. */
  timeoutMs?: number
}

const CONNECT_TIMEOUT_MS = 5_000
const SILENCE_TIMEOUT_MS = 20_000
const MAX_ATTEMPTS = 8
/** Few, since the request limits belong to the account, and destroyers of other clusters need them too. */
const QUESTIONS_AT_ONCE = 4
const FILTER_VALUES = 200
const EC2_PAGE = 100 // more than DescribeRouteTables takes is refused
const TAGS_BATCH = 20
const SHOWN_ACTIONS = 3
/** The cloud credential operator cuts the infraID to this many characters in the names of its users. */
const USER_NAME_INFRA_ID = 20

type Tag = { Key?: string | undefined; Value?: string | undefined }
type Tagged = { Tags?: Tag[] | undefined }
type Arn = { text: string; service: string; region: string; type: string; resource: string }

type Search = {
  /** Whether this search can tell if the resource exists. */
  knows: (arn: Arn) => boolean
  /** What exists: the cluster's by the word of the service itself, and those candidates that the service still has. */
  run: (candidates: Arn[]) => Promise<Resource[]>
}

/** AWS was asked and did not tell; the cause is what the SDK threw. */
class NotAnswered extends Error {
  override readonly name = 'NotAnswered'
  /** The IAM action, which is also the name of the call. */
  readonly action: string

  constructor(action: string, why: string, cause?: unknown) {
    super(why, { cause })
    this.action = action
  }
}

export function openAwsInventory(options: AwsInventoryOptions = {}): Inventory {
  const inSession = async (query: InventoryQuery, look: (session: Session) => Promise<InventoryAnswer>) => {
    const session = await openSession(query, options)
    try {
      return await look(session)
    } finally {
      session.close()
    }
  }
  return {
    find: (query) => inSession(query, search),
    findRecords: (query) =>
      inSession({ ...query, infraIds: [], records: 'all' }, async (session) => {
        const { answers, refusals } = await askAll([() => dnsSearch(session).run([])])
        if (refusals.length > 0) return { verified: false, reason: explain(refusals) }
        return { verified: true, resources: answers.filter(({ type }) => type === 'dns-record') }
      }),
  }
}

async function search(session: Session): Promise<InventoryAnswer> {
  // Tags first: what a service says afterwards about a tagged resource is then the newer word.
  const tagged = await askAll(tagQuestions(session))
  const searches = [
    ...ec2Searches(session),
    ...balancerSearches(session),
    ...iamSearches(session),
    bucketSearch(session),
    dnsSearch(session),
  ]
  const told = await askAll(searches.map((each) => () => each.run(tagged.answers.filter(each.knows))))
  const refusals = [...tagged.refusals, ...told.refusals]
  if (refusals.length > 0) return { verified: false, reason: explain(refusals) }
  const untold = tagged.answers.filter((arn) => !searches.some((each) => each.knows(arn)))
  const found = [
    ...told.answers,
    ...untold.map(({ text, service, type, region }) => ({
      id: text,
      type: service ? `${service}:${type}` : 'unknown',
      name: text,
      region: region || 'global',
    })),
  ]
  const byKey = new Map(found.map((each) => [`${each.type} ${each.id} ${each.region}`, each]))
  return { verified: true, resources: [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each) }
}

async function askAll<T>(questions: (() => Promise<T[]>)[]): Promise<{ answers: T[]; refusals: NotAnswered[] }> {
  const waiting = [...questions]
  const answers: T[] = []
  const refusals: NotAnswered[] = []
  const askNext = async () => {
    for (let question = waiting.shift(); question; question = waiting.shift())
      try {
        answers.push(...(await question()))
      } catch (error) {
        if (!(error instanceof NotAnswered)) throw error
        refusals.push(error)
      }
  }
  await Promise.all(Array.from({ length: QUESTIONS_AT_ONCE }, askNext))
  return { answers, refusals }
}

type Session = Awaited<ReturnType<typeof openSession>>

async function openSession(query: InventoryQuery, options: AwsInventoryOptions) {
  const [tagging, ec2, elb, elbv2, iam, s3, route53] = await Promise.all([
    import('@aws-sdk/client-resource-groups-tagging-api'),
    import('@aws-sdk/client-ec2'),
    import('@aws-sdk/client-elastic-load-balancing'),
    import('@aws-sdk/client-elastic-load-balancing-v2'),
    import('@aws-sdk/client-iam'),
    import('@aws-sdk/client-s3'),
    import('@aws-sdk/client-route-53'),
  ])
  const timeoutMs = options.timeoutMs ?? 120_000
  const stopping = new AbortController()
  const { signal: abortSignal } = stopping
  const timer = setTimeout(() => stopping.abort(), timeoutMs)
  const stopped = once(abortSignal, 'abort').then(() => Promise.reject(abortSignal.reason))
  stopped.catch(() => undefined) // Nobody may be asking when it stops.

  const config = {
    region: query.region,
    ...(options.endpoint && { endpoint: options.endpoint }),
    ...(options.credentials && { credentials: options.credentials }),
    maxAttempts: MAX_ATTEMPTS,
    retryMode: 'standard',
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: SILENCE_TIMEOUT_MS },
  }
  const first = new tagging.ResourceGroupsTaggingAPIClient(config)
  const shared = { ...config, credentials: first.config.credentials } // so that they are fetched once
  const global = { ...shared, region: globalRegionOf(query.region) }
  const clients = {
    tagging: first,
    globalTagging: new tagging.ResourceGroupsTaggingAPIClient(global),
    ec2: new ec2.EC2Client(shared),
    elb: new elb.ElasticLoadBalancingClient(shared),
    elbv2: new elbv2.ElasticLoadBalancingV2Client(shared),
    iam: new iam.IAMClient(global),
    s3: new s3.S3Client(shared),
    route53: new route53.Route53Client(global),
  }
  const owners = [
    ...(query.clusterId === undefined ? [] : [{ key: 'ocpctl-cluster-id', value: query.clusterId }]),
    ...query.infraIds.flatMap((infraId) => [
      { key: `kubernetes.io/cluster/${infraId}`, value: 'owned' },
      { key: `sigs.k8s.io/cluster-api-provider-aws/cluster/${infraId}`, value: 'owned' },
    ]),
  ]

  return {
    query,
    owners,
    clients,
    sdk: { tagging, ec2, elb, elbv2, iam, s3, route53 },
    stop: { abortSignal },

    isOwned: ({ Tags = [] }: Tagged) =>
      Tags.some(({ Key, Value }) => owners.some(({ key, value }) => Key === key && Value === value)),

    /** Every item of every page. A page without a list is no answer. */
    ask: async <Page, Item>(
      action: string,
      pages: AsyncIterable<Page>,
      listOf: (page: Page) => Item[] | undefined,
    ): Promise<Item[]> => {
      const readPages = async () => {
        const items: Item[] = []
        for await (const page of pages) {
          const list = listOf(page)
          if (!list) throw new Error('the answer has no list')
          items.push(...list)
        }
        return items
      }
      try {
        abortSignal.throwIfAborted()
        return await Promise.race([readPages(), stopped])
      } catch (error) {
        const why = abortSignal.aborted ? `no answer within ${timeoutMs / 1000} s` : reasonOf(error)
        throw new NotAnswered(missingAction(error) ?? action, why, error)
      }
    },

    close() {
      clearTimeout(timer)
      stopping.abort()
      for (const client of Object.values(clients)) client.destroy()
    },
  }
}

/** Where IAM, Route 53 and the tags of what has no region are answered for. */
function globalRegionOf(region: string): string {
  if (region.startsWith('cn-')) return 'cn-northwest-1'
  if (region.startsWith('us-gov-')) return 'us-gov-west-1'
  return 'us-east-1'
}

/** A tag each: filters of one query are ANDed. Deleted resources stay listed for a while, so these are candidates. */
function tagQuestions({ sdk, clients, owners, ask, stop, query }: Session) {
  const isGlobal = query.region === globalRegionOf(query.region)
  return [clients.tagging, ...(isGlobal ? [] : [clients.globalTagging])].flatMap((client) =>
    owners.map(
      ({ key, value }) =>
        () =>
          ask(
            'tag:GetResources',
            sdk.tagging.paginateGetResources({ client }, { TagFilters: [{ Key: key, Values: [value] }] }, stop),
            (page) => page.ResourceTagMappingList?.map(({ ResourceARN = 'unknown' }) => parseArn(ResourceARN)),
          ),
    ),
  )
}

function parseArn(text: string): Arn {
  const [, , service = '', region = '', , ...rest] = text.split(':')
  const resource = rest.join(':')
  return { text, service, region, type: resource.split(/[/:]/)[0] ?? '', resource }
}

type Ec2Item = Tagged & { TagSet?: Tag[] | undefined; State?: string | undefined }
type Ec2Kind = {
  type: string
  arnType: string
  idFilter: string
  list: (filters: Filter[]) => Promise<(Ec2Item & { id: string })[]>
}

function ec2Searches(session: Session): Search[] {
  const { query, isOwned, owners } = session
  const [own, ...others] = owners
  return ec2Kinds(session).map(({ type, arnType, idFilter, list }) => ({
    knows: (arn) => arn.service === 'ec2' && arn.region === query.region && arn.type === arnType,
    async run(candidates) {
      const found = own ? await list([{ Name: `tag:${own.key}`, Values: [own.value] }]) : []
      if (others.length > 0)
        found.push(...(await list([{ Name: 'tag-key', Values: others.map(({ key }) => key) }])).filter(isOwned))
      const ids = candidates.map(({ resource }) => resource.slice(arnType.length + 1))
      // A filter, unlike a list of ids, is no error when one of them is gone.
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

  /** Volumes are listed by DescribeVolumes; VolumeId is filtered as volume-id. */
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

type Balancing = {
  type: string
  /** What the resource part of its ARN begins with. */
  resource: RegExp
  idOf: (arn: Arn) => string
  list: () => Promise<string[]>
  tagsOf: (ids: string[]) => Promise<(Tagged & { id: string | undefined })[]>
}

function balancerSearches({ sdk: { elb, elbv2 }, clients, ask, stop, query, isOwned }: Session): Search[] {
  const searchFor = ({ type, resource, idOf, list, tagsOf }: Balancing): Search => {
    /** One that has gone meanwhile fails its whole batch, so then each is asked for alone. */
    const listTags = (ids: string[]): ReturnType<typeof tagsOf> =>
      tagsOf(ids).catch(async (error: unknown) => {
        if (!isMissing(error)) throw error
        return ids.length === 1 ? [] : (await Promise.all(ids.map((id) => listTags([id])))).flat()
      })
    return {
      knows: (arn) =>
        arn.service === 'elasticloadbalancing' && arn.region === query.region && resource.test(arn.resource),
      async run(candidates) {
        const ids = await list()
        const wanted = new Set<string | undefined>(candidates.map(idOf))
        for (const batch of chunksOf(TAGS_BATCH, ids))
          for (const each of await listTags(batch)) if (isOwned(each)) wanted.add(each.id)
        return ids
          .filter((id) => wanted.has(id))
          .map((id) => ({ id, type, name: id.split('/').at(-2) ?? id, region: query.region }))
      },
    }
  }
  const tagsByArn = (ResourceArns: string[]) =>
    ask(
      'elasticloadbalancing:DescribeTags',
      onePage(() => clients.elbv2.send(new elbv2.DescribeTagsCommand({ ResourceArns }), stop)),
      ({ TagDescriptions }) => TagDescriptions?.map(({ ResourceArn, Tags }) => ({ id: ResourceArn, Tags })),
    )
  return [
    searchFor({
      type: 'load-balancer',
      resource: /^loadbalancer\/[^/]+$/,
      idOf: (arn) => arn.resource.slice('loadbalancer/'.length),
      list: () =>
        ask(
          'elasticloadbalancing:DescribeLoadBalancers',
          elb.paginateDescribeLoadBalancers({ client: clients.elb }, {}, stop),
          (page) => page.LoadBalancerDescriptions?.map(({ LoadBalancerName = 'unknown' }) => LoadBalancerName),
        ),
      tagsOf: (LoadBalancerNames) =>
        ask(
          'elasticloadbalancing:DescribeTags',
          onePage(() => clients.elb.send(new elb.DescribeTagsCommand({ LoadBalancerNames }), stop)),
          (page) => page.TagDescriptions?.map(({ LoadBalancerName, Tags }) => ({ id: LoadBalancerName, Tags })),
        ),
    }),
    searchFor({
      type: 'load-balancer',
      resource: /^(loadbalancer|listener|listener-rule)\/(app|net|gwy)\//,
      // A listener goes with its load balancer, whose name is in its own.
      idOf: ({ text }) => text.replace(/:listener(?:-rule)?\/(\w+\/[^/]+\/[^/]+).*/, ':loadbalancer/$1'),
      list: () =>
        ask(
          'elasticloadbalancing:DescribeLoadBalancers',
          elbv2.paginateDescribeLoadBalancers({ client: clients.elbv2 }, {}, stop),
          (page) => page.LoadBalancers?.map(({ LoadBalancerArn = 'unknown' }) => LoadBalancerArn),
        ),
      tagsOf: tagsByArn,
    }),
    searchFor({
      type: 'target-group',
      resource: /^targetgroup\//,
      idOf: ({ text }) => text,
      list: () =>
        ask(
          'elasticloadbalancing:DescribeTargetGroups',
          elbv2.paginateDescribeTargetGroups({ client: clients.elbv2 }, {}, stop),
          (page) => page.TargetGroups?.map(({ TargetGroupArn = 'unknown' }) => TargetGroupArn),
        ),
      tagsOf: tagsByArn,
    }),
  ]
}

function iamSearches({ sdk: { iam }, clients, ask, stop, query, isOwned }: Session): Search[] {
  const at = { client: clients.iam }
  const isNamed = (name: string) => query.infraIds.some((infraId) => name.startsWith(`${infraId}-`))
  const isCutName = (name: string) =>
    query.infraIds.some((infraId) => name.startsWith(`${infraId.slice(0, USER_NAME_INFRA_ID)}-`))

  async function isUserTagged(UserName: string): Promise<boolean> {
    const pages = iam.paginateListUserTags(at, { UserName }, stop)
    const tags = await ask('iam:ListUserTags', pages, (page) => page.Tags).catch(unlessMissing)
    return isOwned({ Tags: tags })
  }

  /** Roles are listed by ListRoles. */
  const searchFor = <List extends string, Name extends string>(
    [type, arnType]: [type: string, arnType: string],
    list: List,
    nameKey: Name,
    pages: () => AsyncIterable<{ [list in List]?: ({ Arn?: string | undefined } & { [name in Name]?: string })[] }>,
    isOurs: (name: string) => boolean | Promise<boolean>,
  ): Search => ({
    knows: (arn) => arn.service === 'iam' && arn.type === arnType,
    async run(candidates) {
      const found: Resource[] = []
      for (const item of await ask(`iam:List${list}`, pages(), (page) => page[list])) {
        const name = item[nameKey] ?? 'unknown'
        if (candidates.some(({ text }) => text === item.Arn) || (await isOurs(name)))
          found.push({ id: item.Arn ?? name, type, name, region: 'global' })
      }
      return found
    },
  })
  return [
    searchFor(['iam-role', 'role'], 'Roles', 'RoleName', () => iam.paginateListRoles(at, {}, stop), isNamed),
    searchFor(
      ['instance-profile', 'instance-profile'],
      'InstanceProfiles',
      'InstanceProfileName',
      () => iam.paginateListInstanceProfiles(at, {}, stop),
      isNamed,
    ),
    searchFor(
      ['iam-user', 'user'],
      'Users',
      'UserName',
      () => iam.paginateListUsers(at, {}, stop),
      async (name) => isNamed(name) || (isCutName(name) && (await isUserTagged(name))),
    ),
  ]
}

function bucketSearch({ sdk: { s3 }, clients, ask, stop, query }: Session): Search {
  async function listFrom(Prefix: string): Promise<Resource[]> {
    const pages = s3.paginateListBuckets({ client: clients.s3, pageSize: 1000 }, { Prefix }, stop)
    const buckets = await ask('s3:ListAllMyBuckets', pages, ({ Buckets }) => Buckets)
    return buckets.map(({ Name = 'unknown', BucketRegion }) => ({
      id: Name,
      type: 's3-bucket',
      name: Name,
      region: BucketRegion ?? query.region,
    }))
  }

  return {
    knows: ({ service, resource }) => service === 's3' && !resource.includes('/'),
    async run(candidates) {
      const found: Resource[] = []
      for (const infraId of query.infraIds)
        for (const start of [infraId, `openshift-bootstrap-data-${infraId}`])
          found.push(...(await listFrom(start)).filter(({ name }) => name === start || name.startsWith(`${start}-`)))
      for (const { resource } of candidates)
        found.push(...(await listFrom(resource)).filter(({ name }) => name === resource))
      return found
    },
  }
}

type RecordsFrom = Omit<ListResourceRecordSetsRequest, 'HostedZoneId'>

function dnsSearch({ sdk: { route53 }, clients, ask, stop, query }: Session): Search {
  const domain = `${query.name}.${query.baseDomain}.`.toLowerCase()
  const names = [`api.${domain}`, `api-int.${domain}`, `*.apps.${domain}`]
  const isUnder = (name: string, parent: string) => name === parent || name.endsWith(`.${parent}`)

  const pointsToOurs = ({ AliasTarget, ResourceRecords }: ResourceRecordSet) =>
    [AliasTarget?.DNSName, ...(ResourceRecords ?? []).map(({ Value }) => Value)].some((target) =>
      query.infraIds.some((infraId) =>
        target
          ?.toLowerCase()
          .replace(/^dualstack\./, '')
          .startsWith(`${infraId}-`),
      ),
    )

  /** Names are sorted by reversed labels, so all that is under the cluster's domain comes in one piece. */
  async function* listFromDomain(HostedZoneId: string) {
    let start: RecordsFrom = { StartRecordName: domain }
    for (;;) {
      const page = await clients.route53.send(
        new route53.ListResourceRecordSetsCommand({ HostedZoneId, ...start }),
        stop,
      )
      yield page
      if (!page.IsTruncated) return
      if (!page.NextRecordName) throw new Error('the answer does not say where it goes on')
      if (!isUnder(page.NextRecordName, domain)) return
      start = {
        StartRecordName: page.NextRecordName,
        StartRecordType: page.NextRecordType,
        StartRecordIdentifier: page.NextRecordIdentifier,
      }
    }
  }

  async function listRecords(zoneId: string): Promise<Resource[]> {
    const records = await ask(
      'route53:ListResourceRecordSets',
      listFromDomain(zoneId),
      ({ ResourceRecordSets }) => ResourceRecordSets,
    ).catch(unlessMissing)
    return records
      .map((record) => ({ record, name: (record.Name ?? '').toLowerCase().replace('\\052', '*'), Type: record.Type }))
      .filter(({ record, name }) => names.includes(name) && (query.records === 'all' || pointsToOurs(record)))
      .map(({ name, Type }) => {
        const plain = name.slice(0, -1)
        return { id: `${zoneId}/${plain}/${Type}`, type: 'dns-record', name: plain, region: 'global' }
      })
  }

  return {
    knows: ({ service, type }) => service === 'route53' && type === 'hostedzone',
    async run(candidates) {
      const zones = await ask(
        'route53:ListHostedZones',
        route53.paginateListHostedZones({ client: clients.route53 }, {}, stop),
        ({ HostedZones }) =>
          HostedZones?.map(({ Id = '', Name = '', Config }) => ({
            id: Id.replace('/hostedzone/', ''),
            name: Name.toLowerCase(),
            isPrivate: Config?.PrivateZone === true,
          })),
      )
      // Its public records are there and nowhere else. In an account without it, all the rest would look empty too.
      if (!zones.some(({ name, isPrivate }) => !isPrivate && name === `${query.baseDomain}.`.toLowerCase()))
        throw new NotAnswered('route53:ListHostedZones', `this account has no public zone ${query.baseDomain}`)
      const tagged = new Set(candidates.map(({ resource }) => resource.replace('hostedzone/', '')))
      const found = zones
        .filter(
          ({ id, name, isPrivate }) => tagged.has(id) || (isPrivate && name === domain && query.records === 'all'),
        )
        .map(({ id, name }) => ({ id, type: 'hosted-zone', name: name.slice(0, -1), region: 'global' }))
      for (const { id, name } of zones) if (isUnder(domain, name)) found.push(...(await listRecords(id)))
      return found
    },
  }
}

async function* onePage<T>(send: () => Promise<T>): AsyncIterable<T> {
  yield await send()
}

function chunksOf<T>(size: number, items: T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, n) => items.slice(n * size, (n + 1) * size))
}

// Exact names, since any 404 without one is called NotFound. The first is of a classic load balancer.
const MISSING = /^((AccessPoint|LoadBalancer|TargetGroup)NotFound|NoSuchEntity)Exception$|^NoSuchHostedZone$/
const DENIED = /^(AccessDenied(Exception)?|Unauthorized(Operation|Exception))$/
const NOT_LET_IN =
  /^(AuthFailure|OptInRequired|(Credentials|Token)ProviderError|(Expired|Invalid)Token(Exception)?|RequestExpired|Invalid(AccessKeyId|ClientTokenId|SignatureException)|IncompleteSignature|SignatureDoesNotMatch|MissingAuthenticationToken(Exception)?|UnrecognizedClientException)$/

function unlessMissing(error: unknown): [] {
  if (isMissing(error)) return []
  throw error
}

function isMissing(error: unknown): boolean {
  return error instanceof NotAnswered && error.cause instanceof Error && MISSING.test(error.cause.name)
}

function missingAction(error: unknown): string | undefined {
  return /not authorized to perform: ([\w-]+:\w+)/.exec(error instanceof Error ? error.message : '')?.[1]
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { name, message } = error
  const [, who] = /User: (\S+) is not authorized/.exec(message) ?? []
  const [, by] = /explicit deny in (?:an? )?([\w -]+?)(?:$|[.:])/.exec(message) ?? []
  if (DENIED.test(name)) return `${who ?? 'the caller'} ${by ? `is denied by a ${by}` : 'lacks the permission'}`
  // A refused connection to a name with several addresses has no message of its own.
  const [text = ''] = (message || ('code' in error ? String(error.code) : '')).split('\n')
  const told = `${name === 'Error' ? '' : `${name}: `}${text.slice(0, 200)}`
  return NOT_LET_IN.test(name) ? `the credentials are not accepted, ${told}` : told
}

/** Every missing permission, so that one look is enough; of what else went wrong, a few places. */
function explain(refusals: NotAnswered[]): string {
  const lines = [...Map.groupBy(refusals, ({ message }) => message)].map(([why, alike]) => {
    const actions = [...new Set(alike.map(({ action }) => action))].sort()
    const isDenied = alike.some(({ cause }) => cause instanceof Error && DENIED.test(cause.name))
    const shown = isDenied ? actions : actions.slice(0, SHOWN_ACTIONS)
    return `${why} (${shown.join(', ')}${actions.length > shown.length ? ', …' : ''})`
  })
  return `AWS is not verified: ${lines.sort().join('; ')}`
}
