/**
 * A server on loopback that speaks as much of nine AWS services as an inventory asks, in their own wire protocols, for
 * one account and for the zones of another. It is strict where a lenient double would hide faults: unsigned requests, unknown filters and made-up page
 * tokens are refused, and pages are short.
 */
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { faultOfStart, setState, tellState, type Machine } from './machines.ts'

export type Tags = Record<string, string>

export type Ec2Thing = {
  id: string
  tags: Tags
  state?: string
  region?: string
  vpc?: string
  made?: string
  /** The type of an instance, or the GiB of a volume. */
  size?: string
  /** Of a network interface. */
  description?: string
  instance?: string
  interfaceType?: string
} & Machine

export type Zone = {
  id: string
  name: string
  isPrivate: boolean
  isGone?: boolean
  records: { name: string; type: string; target?: string }[]
}

/** What isGone is still listed, but asked for by its name it does not exist any more. */
export type Account = {
  /** By what EC2 calls them in its answers, such as `volume`. */
  ec2: Record<string, Ec2Thing[]>
  classicBalancers: { name: string; tags: Tags; vpc?: string; isGone?: boolean }[]
  balancers: { arn: string; tags: Tags; vpc?: string; isGone?: boolean }[]
  targetGroups: { arn: string; tags: Tags; vpc?: string; isGone?: boolean }[]
  roles: { name: string; tags: Tags }[]
  instanceProfiles: string[]
  users: { name: string; tags: Tags }[]
  keys: { id: string; state: string; isGone?: boolean }[]
  buckets: string[]
  zones: Zone[]
  /** By the ARN of the role that may see them. */
  zonesOfOthers: Record<string, Zone[]>
  /** The ARN of who asks, and the actions that IAM does not allow him; in one region alone, with `action@region`. */
  caller: string
  refused: string[]
  /** What the tagging API says, which may be of resources that are gone. */
  tagged: { arn: string; tags: Tags; region: string }[]
}

export type AwsRequest = { service: string; action: string; region: string }

export type AwsFault = {
  /**
   * `stall` never answers, `empty` is a success without a body, `html` and `404` are from something that is not AWS.
   */
  how: 'throttle' | 'deny' | 'deny-by-policy' | 'expired' | 'stall' | 'empty' | 'html' | '404' | '501'
  times: number
  /** Such as `ec2:DescribeVolumes`; default: all. */
  action?: string
}

export type AwsServer = {
  endpoint: string
  server: Server
  credentials: { accessKeyId: string; secretAccessKey: string }
  account: Account
  requests: AwsRequest[]
  faults: AwsFault[]
  /** Actions whose filters are passed over, as by a server that does not know them. */
  unfiltered: Set<string>
  /** How many lists are late to tell that a machine was stopped or started. */
  lag: { lists: number }
  close(): Promise<void>
}

type Question = AwsRequest & { params: URLSearchParams; zoneId?: string; body: string; role?: string | undefined }
type Reply = { status: number; type: string; body: string }

const CALLER = 'arn:aws:iam::000000000000:user/ocpctl'
const OWNER = '000000000000'
const ROLE_KEY_ID = 'ASIALOOPBACK'

class AwsError extends Error {
  readonly status: number
  readonly code: string
  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

/** `refresh` is called before each answer, and may change the account. */
export async function startAwsServer({ itemsPerPage = 2, refresh = () => {} } = {}): Promise<AwsServer> {
  const credentials = { accessKeyId: 'AKIALOOPBACK', secretAccessKey: 'loopback-secret' }
  const requests: AwsRequest[] = []
  const faults: AwsFault[] = []
  const unfiltered = new Set<string>()
  const lag = { lists: 0 }
  const account = emptyAccount()

  const server = createServer((request, response) => {
    void respond(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // It listens on a port, so the address is not a pipe's name.
  const { port } = server.address() as AddressInfo

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const reply = answer(request, await read(request))
    if (!reply) return // stalled
    response.writeHead(reply.status, { 'content-type': reply.type })
    response.end(reply.body)
  }

  function answer(request: IncomingMessage, body: string): Reply | undefined {
    const question = questionOf(request, body)
    const { service, action, region } = question
    requests.push({ service, action, region })
    refresh()
    try {
      checkSignature(request)
      const fault = takeFault(question)
      if (fault === 'stall') return undefined
      if (fault === 'empty') return { status: 200, type: 'text/xml', body: '' }
      if (fault === 'html') return { status: 200, type: 'text/html', body: '<html><body>Welcome</body></html>' }
      if (fault === '404') return { status: 404, type: 'text/html', body: '<html><body>Not found</body></html>' }
      if (fault) throw errorFor(fault, question)
      if (service === 'ec2' && action in newStates) return replyOrder(question, account, lag.lists)
      return reply(question, account, sizeOf(question, itemsPerPage), unfiltered.has(`${service}:${action}`))
    } catch (error) {
      if (error instanceof AwsError) return errorReply(question, error)
      return errorReply(question, new AwsError(400, 'InvalidParameterValue', String(error)))
    }
  }

  function takeFault({ service, action }: Question): AwsFault['how'] | undefined {
    const fault = faults.find(
      (each) => each.times > 0 && (each.action ?? `${service}:${action}`) === `${service}:${action}`,
    )
    if (fault) fault.times--
    return fault?.how
  }

  function checkSignature({ headers }: IncomingMessage): void {
    const signed =
      /^AWS4-HMAC-SHA256 Credential=([^/]+)\/\d{8}\/[a-z0-9-]+\/\w+\/aws4_request, SignedHeaders=[^,]+, Signature=[0-9a-f]{64}$/
    const [, keyId] = signed.exec(headers.authorization ?? '') ?? []
    const isKnown = keyId === credentials.accessKeyId || (keyId === ROLE_KEY_ID && headers['x-amz-security-token'])
    if (!isKnown || !headers['x-amz-date'])
      throw new AwsError(403, 'MissingAuthenticationToken', 'Missing Authentication Token')
  }

  return {
    endpoint: `http://127.0.0.1:${port}`,
    server,
    credentials,
    account,
    requests,
    faults,
    unfiltered,
    lag,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export function emptyAccount(): Account {
  return {
    ec2: {},
    classicBalancers: [],
    balancers: [],
    targetGroups: [],
    roles: [],
    instanceProfiles: [],
    users: [],
    keys: [],
    buckets: [],
    zones: [],
    zonesOfOthers: {},
    caller: CALLER,
    refused: [],
    tagged: [],
  }
}

const DEFAULT_PAGE = 100

/** Nobody gets more than was asked for. */
const sizeOf = ({ params }: Question, most: number): number =>
  Math.min(
    most,
    Number(params.get('MaxResults') ?? params.get('MaxItems') ?? params.get('max-buckets') ?? DEFAULT_PAGE),
  )

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer) // no encoding is set, so they are buffers
  return Buffer.concat(chunks).toString('utf8')
}

/** The service and the region are those of the signature, as AWS has it. */
function questionOf(request: IncomingMessage, body: string): Question {
  const [, region = '', service = ''] =
    /Credential=[^/]+\/\d+\/([^/]+)\/([^/]+)\//.exec(request.headers.authorization ?? '') ?? []
  const url = new URL(request.url ?? '/', 'http://loopback')
  const role = decodeURIComponent(String(request.headers['x-amz-security-token'] ?? '')) || undefined
  const common = { region, body, role }
  if (service === 'tagging') {
    const target = String(request.headers['x-amz-target'])
    return {
      ...common,
      service: 'tag',
      action: target.replace('ResourceGroupsTaggingAPI_20170126.', ''),
      params: new URLSearchParams(),
    }
  }
  if (service === 'kms') {
    const action = String(request.headers['x-amz-target']).replace('TrentService.', '')
    return { ...common, service, action, params: new URLSearchParams() }
  }
  if (service === 's3') return { ...common, service, action: 'ListAllMyBuckets', params: url.searchParams }
  if (service === 'route53') {
    const [, zoneId] = /^\/2013-04-01\/hostedzone\/([^/]+)\/rrset\/?$/.exec(url.pathname) ?? []
    const action = request.method === 'POST' ? 'ChangeResourceRecordSets' : 'ListResourceRecordSets'
    if (zoneId) return { ...common, service, action, params: url.searchParams, zoneId }
    const isList = url.pathname === '/2013-04-01/hostedzone'
    return { ...common, service, action: isList ? 'ListHostedZones' : url.pathname, params: url.searchParams }
  }
  const params = new URLSearchParams(body)
  return { ...common, service, action: params.get('Action') ?? '', params }
}

function errorFor(how: AwsFault['how'], { service, action }: Question): AwsError {
  if (how === '501') return new AwsError(501, 'NotImplemented', 'told to fail')
  if (how === 'expired') {
    if (service === 'ec2') return new AwsError(400, 'RequestExpired', 'Request has expired.')
    if (service === 's3') return new AwsError(400, 'ExpiredToken', 'The provided token has expired.')
    const code = service === 'tag' ? 'ExpiredTokenException' : 'ExpiredToken'
    return new AwsError(service === 'tag' ? 400 : 403, code, 'The security token included in the request is expired')
  }
  if (how === 'throttle') {
    if (service === 'ec2') return new AwsError(503, 'RequestLimitExceeded', 'Request limit exceeded.')
    if (service === 's3') return new AwsError(503, 'SlowDown', 'Please reduce your request rate.')
    return new AwsError(400, service === 'tag' ? 'ThrottlingException' : 'Throttling', 'Rate exceeded')
  }
  const because =
    how === 'deny'
      ? `because no identity-based policy allows the ${service}:${action} action`
      : 'with an explicit deny in a service control policy'
  const message = `User: ${CALLER} is not authorized to perform: ${service}:${action} ${because}`
  if (service === 'ec2')
    return new AwsError(403, 'UnauthorizedOperation', `You are not authorized to perform this operation. ${message}`)
  return new AwsError(
    service === 'tag' ? 400 : 403,
    service === 'tag' ? 'AccessDeniedException' : 'AccessDenied',
    message,
  )
}

function errorReply({ service }: Question, { status, code, message }: AwsError): Reply {
  const id = '<RequestID>11111111-2222-3333-4444-555555555555</RequestID>'
  const inner = `<Code>${code}</Code><Message>${escape(message)}</Message>`
  if (service === 'tag' || service === 'kms')
    return { status, type: 'application/x-amz-json-1.1', body: JSON.stringify({ __type: code, Message: message }) }
  if (service === 'ec2') return xml(`<Response><Errors><Error>${inner}</Error></Errors>${id}</Response>`, status)
  if (service === 's3') return xml(`<Error>${inner}<RequestId>1</RequestId><HostId>2</HostId></Error>`, status)
  return xml(
    `<ErrorResponse xmlns="https://${service}.amazonaws.com/"><Error><Type>Sender</Type>${inner}</Error>${id.replaceAll('ID', 'Id')}</ErrorResponse>`,
    status,
  )
}

const xml = (body: string, status = 200): Reply => ({
  status,
  type: 'text/xml;charset=UTF-8',
  body: `<?xml version="1.0" encoding="UTF-8"?>\n${body}`,
})
const escape = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
const element = (name: string, text: string) => `<${name}>${escape(text)}</${name}>`
const tagItems = (tags: Tags, item: string, key: string, value: string) =>
  Object.entries(tags)
    .map(([name, text]) => `<${item}>${element(key, name)}${element(value, text)}</${item}>`)
    .join('')

/** A token is the place of the next item, in a dress that nobody would make up. */
function pageOf<T>(items: T[], size: number, token: string | null): { page: T[]; next: string | undefined } {
  const [, place] = token ? (/^token-(\d+)-loopback$/.exec(token) ?? []) : ['', '0']
  if (place === undefined) throw new AwsError(400, 'InvalidNextToken', 'the token was not given by this server')
  const end = Number(place) + size
  return { page: items.slice(Number(place), end), next: end < items.length ? `token-${end}-loopback` : undefined }
}

function reply(question: Question, account: Account, size: number, isUnfiltered: boolean): Reply {
  const { service, params } = question
  const deletion = replyDeletion(question, account)
  if (deletion) return deletion
  if (service === 'tag') return replyTags(question, account, size, isUnfiltered)
  if (service === 'ec2') return replyEc2(question, account, size, isUnfiltered)
  if (service === 'sts') return replySts(question, account)
  if (service === 'kms') return replyKms(question, account)
  if (service === 'iam') return replyIam(question, account, size)
  if (service === 's3') return replyBuckets(params, account, size)
  if (service === 'route53') return replyDns(question, account, size)
  if (service === 'elasticloadbalancing') return replyBalancers(question, account, size)
  throw new AwsError(400, 'UnknownOperationException', `there is no ${service}`)
}

const newStates: Record<string, string> = { StopInstances: 'stopped', StartInstances: 'running', TerminateInstances: 'terminated' } // prettier-ignore

/** All are looked at before anything is done, so one that cannot be is enough to refuse all. */
function replyOrder({ action, params, region }: Question, { ec2 }: Account, lag: number): Reply {
  const ids = valuesOf(params, 'InstanceId')
  if (ids.length === 0) throw new AwsError(400, 'MissingParameter', 'InstanceId')
  const machines = ids.map((id) => {
    const machine = ec2['instance']?.find((each) => each.id === id && (each.region ?? region) === region)
    if (!machine || machine.isGone)
      throw new AwsError(400, 'InvalidInstanceID.NotFound', `The instance ID '${id}' does not exist`)
    const { state = 'running', isSpot, isProtected } = machine
    const allowed = { StopInstances: ['running', 'stopped', 'stopping'], StartInstances: ['running', 'stopped', 'pending'] }[action] // prettier-ignore
    if (allowed && !allowed.includes(state))
      throw new AwsError(400, 'IncorrectInstanceState', `The instance '${id}' is not in a state from which it can be ${action}`) // prettier-ignore
    if (action === 'StopInstances' && isSpot)
      throw new AwsError(400, 'UnsupportedOperation', `You can't stop the Spot Instance '${id}'`)
    if (action === 'StopInstances' && isProtected)
      throw new AwsError(400, 'OperationNotPermitted', `The instance '${id}' may not be stopped`)
    return machine
  })
  const scarce = machines.find(({ start }) => action === 'StartInstances' && start?.fault === 'no-capacity' && start.times > 0) // prettier-ignore
  if (scarce) {
    // Beside others it has not been asked for itself.
    if (machines.length === 1) faultOfStart(scarce)
    throw new AwsError(500, 'InsufficientInstanceCapacity', 'We currently do not have sufficient capacity')
  }
  for (const machine of machines)
    if (action !== 'StartInstances' || faultOfStart(machine) === undefined)
      setState(machine, newStates[action] ?? '', 'running', lag)
  const items = ids.map((id) => `<item>${element('instanceId', id)}</item>`)
  return xml(
    `<${action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>1</requestId>${list('instancesSet', items)}</${action}Response>`,
  )
}

/** undefined: the action deletes nothing. */
function replyDeletion({ action, params, zoneId, body }: Question, account: Account): Reply | undefined {
  const takeOut = <T>(all: T[] = [], code: string, isMeant: (each: T) => boolean) => {
    const index = all.findIndex(isMeant)
    if (index === -1) throw new AwsError(400, code, 'there is none')
    all.splice(index, 1)
  }
  const { ec2, roles, zones } = account
  if (action === 'DeleteVolume')
    takeOut(ec2['volume'], 'InvalidVolume.NotFound', ({ id }) => id === params.get('VolumeId')) // prettier-ignore
  else if (action === 'DeleteSnapshot')
    takeOut(ec2['snapshot'], 'InvalidSnapshot.NotFound', ({ id }) => id === params.get('SnapshotId')) // prettier-ignore
  else if (action === 'DeleteRole') takeOut(roles, 'NoSuchEntity', ({ name }) => name === params.get('RoleName'))
  else if (action === 'ChangeResourceRecordSets') {
    const of = (change: string, name: string) => new RegExp(`<${name}>([^<]+)</${name}>`).exec(change)?.[1] ?? ''
    for (const [change] of body.matchAll(/<Change>.*?<\/Change>/gs)) {
      if (of(change, 'Action') !== 'DELETE') throw new AwsError(400, 'InvalidInput', 'this only deletes')
      const wanted = sortKey(of(change, 'Name'))
      const records = zones.find(({ id }) => id === zoneId)?.records
      takeOut(
        records,
        'InvalidChangeBatch',
        ({ name, type }) => sortKey(name) === wanted && type === of(change, 'Type'),
      )
    }
    const info = '<ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status><SubmittedAt>2026-01-01T00:00:00Z</SubmittedAt></ChangeInfo>' // prettier-ignore
    return route53Xml('ChangeResourceRecordSetsResponse', info)
  } else return undefined
  return action === 'DeleteRole' ? queryReply(action, '') : xml(`<${action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><return>true</return></${action}Response>`) // prettier-ignore
}

function replyTags(
  { body, region, action }: Question,
  { tagged }: Account,
  size: number,
  isUnfiltered: boolean,
): Reply {
  const asked = JSON.parse(body) as { TagFilters: { Key: string; Values?: string[] }[]; PaginationToken?: string }
  if (action !== 'GetResources' || asked.TagFilters.length === 0)
    throw new AwsError(400, 'InvalidParameterException', action)
  const all = tagged.filter(
    (each) =>
      each.region === region &&
      (isUnfiltered ||
        asked.TagFilters.every(
          ({ Key, Values = [each.tags[Key] ?? ''] }) => Key in each.tags && Values.includes(each.tags[Key] ?? ''),
        )),
  )
  const { page, next = '' } = pageOf(all, size, asked.PaginationToken ?? null)
  const list = page.map(({ arn, tags }) => ({
    ResourceARN: arn,
    Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
  }))
  const answer = { PaginationToken: next, ResourceTagMappingList: list }
  return { status: 200, type: 'application/x-amz-json-1.1', body: JSON.stringify(answer) }
}

type Ec2Shape = {
  kind: string
  set: string
  id: string
  filter?: string
  state?: string
  tagSet?: string
  isWhole?: true
}
const ec2Shapes: Record<string, Ec2Shape> = {
  DescribeInstances: { kind: 'instance', set: 'reservationSet', id: 'instanceId' },
  DescribeVolumes: { kind: 'volume', set: 'volumeSet', id: 'volumeId', state: 'status' },
  DescribeSnapshots: { kind: 'snapshot', set: 'snapshotSet', id: 'snapshotId' },
  DescribeImages: { kind: 'image', set: 'imagesSet', id: 'imageId', state: 'imageState' },
  DescribeAddresses: { kind: 'address', set: 'addressesSet', id: 'allocationId', isWhole: true },
  DescribeNatGateways: { kind: 'natGateway', set: 'natGatewaySet', id: 'natGatewayId', state: 'state' },
  DescribeNetworkInterfaces: { kind: 'networkInterface', set: 'networkInterfaceSet', id: 'networkInterfaceId' },
  DescribeVpcEndpoints: { kind: 'vpcEndpoint', set: 'vpcEndpointSet', id: 'vpcEndpointId', state: 'state' },
  DescribeSecurityGroups: { kind: 'securityGroup', set: 'securityGroupInfo', id: 'groupId' },
  DescribeInternetGateways: { kind: 'internetGateway', set: 'internetGatewaySet', id: 'internetGatewayId' },
  DescribeRouteTables: { kind: 'routeTable', set: 'routeTableSet', id: 'routeTableId' },
  DescribeSubnets: { kind: 'subnet', set: 'subnetSet', id: 'subnetId' },
  DescribeDhcpOptions: { kind: 'dhcpOptions', set: 'dhcpOptionsSet', id: 'dhcpOptionsId' },
  DescribeVpcs: { kind: 'vpc', set: 'vpcSet', id: 'vpcId' },
  DescribeVpcPeeringConnections: { kind: 'peering', set: 'vpcPeeringConnectionSet', id: 'vpcPeeringConnectionId' },
  DescribeManagedPrefixLists: { kind: 'prefixList', set: 'prefixListSet', id: 'prefixListId', state: 'state' },
  DescribeSpotInstanceRequests: { kind: 'spotRequest', set: 'spotInstanceRequestSet', id: 'spotInstanceRequestId', state: 'state' }, // prettier-ignore
}

/** Those whose documented filters have one by VPC. */
const inVpc = ['DescribeInstances', 'DescribeNetworkInterfaces', 'DescribeVpcEndpoints']

function replyEc2({ action, params, region }: Question, { ec2 }: Account, most: number, isUnfiltered: boolean): Reply {
  if (action === 'DescribeTags') return replyEc2Tags(params, region, ec2, most, isUnfiltered)
  const shape = ec2Shapes[action]
  if (!shape) throw new AwsError(400, 'InvalidAction', `The action ${action} is not valid for this web service.`)
  const idFilter = shape.id.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  const filters = filtersOf(params)
  for (const { name } of filters)
    if (
      !(name === 'vpc-id' && inVpc.includes(action)) &&
      (shape.kind === 'prefixList' || (name !== 'tag-key' && !name.startsWith('tag:'))) &&
      name !== idFilter
    )
      throw new AwsError(400, 'InvalidParameterValue', `The filter '${name}' is invalid`)
  if (filters.length === 0) throw new AwsError(400, 'InvalidParameterValue', 'nobody lists a whole account here')
  if (Number(params.get('MaxResults') ?? 0) > 100 && action === 'DescribeRouteTables')
    throw new AwsError(
      400,
      'InvalidParameterValue',
      'Value for parameter maxResults is invalid. Expecting at most 100.',
    )
  const all = (ec2[shape.kind] ?? []).filter(
    (each) =>
      (each.region ?? region) === region &&
      (isUnfiltered || filters.every(({ name, values }) => matches(each, name, values, idFilter))),
  )
  const { page, next } = shape.isWhole ? { page: all, next: undefined } : pageOf(all, most, params.get('NextToken'))
  const items = page.map((thing) => {
    const { id, tags, state, description, instance, interfaceType, made, vpc, size, zone, isSpot, machineType } = thing
    const of = size ?? machineType
    const body =
      element(shape.id, id) +
      list('tagSet', [tagItems(tags, 'item', 'key', 'value')]) +
      (description === undefined ? '' : element('description', description)) +
      (made === undefined ? '' : element(shape.kind === 'instance' ? 'launchTime' : 'createTime', made)) +
      (of === undefined ? '' : element(shape.kind === 'instance' ? 'instanceType' : 'size', of)) +
      (interfaceType === undefined ? '' : element('interfaceType', interfaceType)) +
      (instance === undefined ? '' : `<attachment>${element('instanceId', instance)}</attachment>`) +
      (vpc === undefined || shape.kind === 'vpc' ? '' : element('vpcId', vpc)) +
      (shape.kind === 'peering' ? `<status>${element('code', state ?? 'active')}</status>` : '')
    if (action === 'DescribeInstances')
      return `<item><reservationId>r-1</reservationId><instancesSet><item>${body}${isSpot ? element('instanceLifecycle', 'spot') : ''}${zone === undefined ? '' : `<placement>${element('availabilityZone', zone)}</placement>`}<instanceState><code>16</code>${element('name', tellState(thing, 'running'))}</instanceState></item></instancesSet></item>`
    return `<item>${body}${shape.state && state ? element(shape.state, state) : ''}</item>`
  })
  return xml(
    `<${action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>1</requestId>${list(shape.set, items)}${next ? element('nextToken', next) : ''}</${action}Response>`,
  )
}

const resourceTypes: Record<string, string> = { address: 'elastic-ip', natGateway: 'natgateway', peering: 'vpc-peering-connection', spotRequest: 'spot-instances-request' } // prettier-ignore
const resourceTypeOf = (kind: string) =>
  resourceTypes[kind] ?? kind.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

/** One item for each tag, of all kinds. */
function replyEc2Tags(
  params: URLSearchParams,
  region: string,
  ec2: Account['ec2'],
  size: number,
  isUnfiltered: boolean,
): Reply {
  const filters = filtersOf(params)
  for (const { name } of filters)
    if (name !== 'key' && name !== 'value')
      throw new AwsError(400, 'InvalidParameterValue', `The filter '${name}' is invalid`)
  const all = Object.entries(ec2).flatMap(([kind, things]) =>
    things
      .filter((each) => (each.region ?? region) === region)
      .flatMap(({ id, tags }) => Object.entries(tags).map(([key, value]) => ({ kind, id, key, value }))),
  )
  const asked = all.filter(
    (each) =>
      isUnfiltered ||
      filters.every(({ name, values }) => values.some((value) => fits(value, each[name === 'key' ? 'key' : 'value']))),
  )
  const { page, next } = pageOf(asked, size, params.get('NextToken'))
  const items = page.map(
    ({ kind, id, key, value }) =>
      `<item>${element('resourceId', id)}${element('resourceType', resourceTypeOf(kind))}${element('key', key)}${element('value', value)}</item>`,
  )
  return xml(
    `<DescribeTagsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>1</requestId>${list('tagSet', items)}${next ? element('nextToken', next) : ''}</DescribeTagsResponse>`,
  )
}

const fits = (value: string, told: string) =>
  value.endsWith('*') ? told.startsWith(value.slice(0, -1)) : told === value

function matches({ id, tags, vpc }: Ec2Thing, filter: string, values: string[], idFilter: string): boolean {
  if (filter === 'tag-key') return values.some((key) => key in tags)
  if (filter === idFilter) return values.includes(id)
  const told = (filter === 'vpc-id' ? vpc : tags[filter.slice('tag:'.length)]) ?? ''
  return values.some((value) => fits(value, told))
}

/** AWS prints an empty list as an empty element. */
const list = (name: string, items: string[]) =>
  items.length === 0 ? `<${name}/>` : `<${name}>${items.join('')}</${name}>`

function filtersOf(params: URLSearchParams): { name: string; values: string[] }[] {
  return [...params]
    .filter(([key]) => /^Filter\.\d+\.Name$/.test(key))
    .map(([key, name]) => ({ name, values: valuesOf(params, key.replace('Name', 'Value')) }))
}

const valuesOf = (params: URLSearchParams, prefix: string) =>
  [...params].filter(([key]) => key.startsWith(`${prefix}.`)).map(([, value]) => value)

function queryReply(action: string, result: string): Reply {
  return xml(
    `<${action}Response><${action}Result>${result}</${action}Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></${action}Response>`,
  )
}

function replyIam({ action, params }: Question, account: Account, size: number): Reply {
  const marker = params.get('Marker')
  const ending = (next: string | undefined) =>
    `<IsTruncated>${next !== undefined}</IsTruncated>${next ? element('Marker', next) : ''}`
  const listNamed = (names: string[], set: string, nameOf: string, type: string) => {
    const { page, next } = pageOf(names, size, marker)
    const items = page.map(
      (name) => `<member><Path>/</Path>${element(nameOf, name)}${element('Arn', iamArn(type, name))}</member>`,
    )
    return queryReply(action, list(set, items) + ending(next))
  }
  // Of one role.
  if (action === 'ListAttachedRolePolicies') return listNamed([], 'AttachedPolicies', 'PolicyName', 'policy')
  if (action === 'ListRolePolicies') return listNamed([], 'PolicyNames', 'PolicyName', 'policy')
  if (action === 'ListInstanceProfilesForRole') return listNamed([], 'InstanceProfiles', 'InstanceProfileName', 'instance-profile') // prettier-ignore
  if (action === 'ListInstanceProfiles')
    return listNamed(account.instanceProfiles, 'InstanceProfiles', 'InstanceProfileName', 'instance-profile')
  if (action === 'GetRole') {
    const name = params.get('RoleName') ?? ''
    if (!account.roles.some((each) => each.name === name))
      throw new AwsError(404, 'NoSuchEntity', `The role with name ${name} cannot be found.`)
    return queryReply(
      action,
      `<Role><Path>/</Path>${element('RoleName', name)}${element('Arn', iamArn('role', name))}</Role>`,
    )
  }
  if (action === 'SimulatePrincipalPolicy') return replySimulation(params, account, size, ending)
  if (action !== 'GetAccountAuthorizationDetails')
    throw new AwsError(400, 'InvalidAction', `Could not find operation ${action}`)
  const wanted = valuesOf(params, 'Filter.member')
  const all = [
    ...account.users.map((each) => ({ ...each, kind: 'User' })),
    ...account.roles.map((each) => ({ ...each, kind: 'Role' })),
  ].filter(({ kind }) => wanted.includes(kind))
  const { page, next } = pageOf(all, size, marker)
  const members = (kind: string) =>
    list(
      `${kind}DetailList`,
      page
        .filter((each) => each.kind === kind)
        .map(({ name, tags }) => {
          const arn = iamArn(kind.toLowerCase(), name)
          const tagList = list('Tags', [tagItems(tags, 'member', 'Key', 'Value')])
          return `<member>${element(`${kind}Name`, name)}${element('Arn', arn)}${tagList}</member>`
        }),
    )
  return queryReply(action, `${members('User')}<GroupDetailList/>${members('Role')}<Policies/>${ending(next)}`)
}

/** Users and roles alone have policies. The region is the one that the context tells. */
function replySimulation(
  params: URLSearchParams,
  { caller, refused, roles }: Account,
  size: number,
  ending: (next: string | undefined) => string,
): Reply {
  const source = params.get('PolicySourceArn') ?? ''
  if (source !== caller && !roles.some(({ name }) => source === iamArn('role', name)))
    throw new AwsError(404, 'NoSuchEntity', `${source} does not exist`)
  const names = valuesOf(params, 'ActionNames.member')
  if (names.length === 0 || names.some((name) => !/^[a-z0-9]+:[A-Za-z0-9]+$/.test(name)))
    throw new AwsError(400, 'ValidationError', 'ActionNames')
  const isRegion = params.get('ContextEntries.member.1.ContextKeyName') === 'aws:RequestedRegion'
  const region = isRegion ? params.get('ContextEntries.member.1.ContextKeyValues.member.1') : ''
  const { page, next } = pageOf(names, size * 50, params.get('Marker'))
  const results = page.map((name) => {
    const isRefused = refused.includes(name) || refused.includes(`${name}@${region}`)
    return `<member>${element('EvalActionName', name)}${element('EvalDecision', isRefused ? 'implicitDeny' : 'allowed')}${element('EvalResourceName', '*')}</member>`
  })
  return queryReply('SimulatePrincipalPolicy', list('EvaluationResults', results) + ending(next))
}

/** The token of the session is the role itself. */
function replySts({ action, params }: Question, { zonesOfOthers, caller }: Account): Reply {
  if (action === 'GetCallerIdentity')
    return queryReply(action, element('Arn', caller) + element('UserId', 'AIDALOOPBACK') + element('Account', OWNER))
  const role = params.get('RoleArn') ?? ''
  if (action !== 'AssumeRole' || !(role in zonesOfOthers))
    throw new AwsError(403, 'AccessDenied', `User: ${CALLER} is not authorized to perform: sts:AssumeRole on ${role}`)
  return queryReply(
    action,
    `<Credentials>${element('AccessKeyId', ROLE_KEY_ID)}${element('SecretAccessKey', 'loopback-role')}${element('SessionToken', encodeURIComponent(role))}<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>`,
  )
}

function replyKms({ action, body }: Question, { keys }: Account): Reply {
  const { KeyId } = JSON.parse(body) as { KeyId: string }
  const key = keys.find(({ id }) => KeyId.endsWith(`/${id}`))
  if (action !== 'DescribeKey' || !key || key.isGone)
    throw new AwsError(400, 'NotFoundException', `Key '${KeyId}' does not exist`)
  const answer = { KeyMetadata: { KeyId: key.id, Arn: KeyId, KeyState: key.state } }
  return { status: 200, type: 'application/x-amz-json-1.1', body: JSON.stringify(answer) }
}

export const iamArn = (type: string, name: string) => `arn:aws:iam::${OWNER}:${type}/${name}`

function replyBuckets(params: URLSearchParams, { buckets }: Account, size: number): Reply {
  const prefix = params.get('prefix') ?? ''
  const { page, next } = pageOf(
    buckets.filter((name) => name.startsWith(prefix)),
    size,
    params.get('continuation-token'),
  )
  const items = page.map(
    (name) =>
      `<Bucket><BucketRegion>eu-west-1</BucketRegion><CreationDate>2026-01-01T00:00:00.000Z</CreationDate>${element('Name', name)}</Bucket>`,
  )
  return xml(
    `<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>1</ID></Owner>${list('Buckets', items)}${next ? element('ContinuationToken', next) : ''}</ListAllMyBucketsResult>`,
  )
}

function replyDns({ action, params, zoneId, role }: Question, account: Account, size: number): Reply {
  const zones = role === undefined ? account.zones : (account.zonesOfOthers[role] ?? [])
  if (action === 'ListHostedZones') {
    const { page, next } = pageOf(zones, size, params.get('marker'))
    const items = page.map(
      ({ id, name, isPrivate }) =>
        `<HostedZone><Id>/hostedzone/${id}</Id>${element('Name', name)}<CallerReference>1</CallerReference><Config><PrivateZone>${isPrivate}</PrivateZone></Config></HostedZone>`,
    )
    return route53Xml(
      'ListHostedZonesResponse',
      `${list('HostedZones', items)}<IsTruncated>${next !== undefined}</IsTruncated>${next ? element('NextMarker', next) : ''}<MaxItems>${size}</MaxItems>`,
    )
  }
  if (action !== 'ListResourceRecordSets') throw new AwsError(400, 'InvalidInput', action)
  const zone = zones.find(({ id }) => id === zoneId)
  if (!zone || zone.isGone) throw new AwsError(404, 'NoSuchHostedZone', `No hosted zone found with ID: ${zoneId}`)
  const start = [sortKey(params.get('name') ?? ''), params.get('type') ?? ''].join(' ')
  const keyOf = ({ name, type }: { name: string; type: string }) => `${sortKey(name)} ${type}`
  const rest = zone.records.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)).filter((each) => keyOf(each) >= start)
  const next = rest[size]
  const items = rest
    .slice(0, size)
    .map(
      ({ name, type, target = '192.0.2.1' }) =>
        `<ResourceRecordSet>${element('Name', printed(name))}${element('Type', type)}<TTL>60</TTL><ResourceRecords><ResourceRecord>${element('Value', target)}</ResourceRecord></ResourceRecords></ResourceRecordSet>`,
    )
  return route53Xml(
    'ListResourceRecordSetsResponse',
    `${list('ResourceRecordSets', items)}<IsTruncated>${next !== undefined}</IsTruncated>${next ? element('NextRecordName', printed(next.name)) + element('NextRecordType', next.type) : ''}<MaxItems>${size}</MaxItems>`,
  )
}

const printed = (name: string) => name.replace('*', '\\052')
/** Route 53 sorts by labels from the right, with the dot at the end. */
const sortKey = (name: string) => `${name.replace('\\052', '*').replace(/\.$/, '').split('.').toReversed().join('.')}.`
const route53Xml = (name: string, inner: string) =>
  xml(`<${name} xmlns="https://route53.amazonaws.com/doc/2013-04-01/">${inner}</${name}>`)

function replyBalancers({ action, params }: Question, account: Account, size: number): Reply {
  const isClassic = params.get('Version') === '2012-06-01'
  const marker = params.get('Marker')
  const ending = (next: string | undefined) => (next ? element('NextMarker', next) : '')
  if (isClassic && action === 'DescribeLoadBalancers') {
    const { page, next } = pageOf(account.classicBalancers, size, marker)
    const items = page.map(
      ({ name, vpc }) => `<member>${element('LoadBalancerName', name)}${vpc ? element('VPCId', vpc) : ''}</member>`,
    )
    return queryReply(action, list('LoadBalancerDescriptions', items) + ending(next))
  }
  if (action === 'DescribeLoadBalancers' || (action === 'DescribeTargetGroups' && !isClassic)) {
    const isGroup = action === 'DescribeTargetGroups'
    const { page, next } = pageOf(isGroup ? account.targetGroups : account.balancers, size, marker)
    const items = page.map(
      ({ arn, vpc }) =>
        `<member>${element(isGroup ? 'TargetGroupArn' : 'LoadBalancerArn', arn)}${vpc ? element('VpcId', vpc) : ''}</member>`,
    )
    return queryReply(action, list(isGroup ? 'TargetGroups' : 'LoadBalancers', items) + ending(next))
  }
  if (action !== 'DescribeTags') throw new AwsError(400, 'InvalidAction', `Could not find operation ${action}`)
  const asked = valuesOf(params, isClassic ? 'LoadBalancerNames.member' : 'ResourceArns.member')
  if (asked.length === 0 || asked.length > 20) throw new AwsError(400, 'ValidationError', 'from 1 to 20 at a time')
  const known = isClassic
    ? account.classicBalancers.map((each) => ({ ...each, id: each.name }))
    : [...account.balancers, ...account.targetGroups].map((each) => ({ ...each, id: each.arn }))
  const items = asked.map((id) => {
    const found = known.find((each) => each.id === id)
    const code = id.includes(':targetgroup/') ? 'TargetGroupNotFound' : 'LoadBalancerNotFound'
    if (!found || found.isGone) throw new AwsError(400, code, `There is no ${id}`)
    const tags = list('Tags', [tagItems(found.tags, 'member', 'Key', 'Value')])
    return `<member>${element(isClassic ? 'LoadBalancerName' : 'ResourceArn', id)}${tags}</member>`
  })
  return queryReply(action, list('TagDescriptions', items))
}
