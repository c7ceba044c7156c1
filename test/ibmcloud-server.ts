/**
 * A server on loopback that speaks as much of IBM Cloud as an inventory asks: IAM, Resource Controller and Manager, Global
 * Search, VPC Infrastructure, Internet Services, DNS Services. Paths, parameters, and the forms of lists and pages are those
 * of @ibm-cloud/platform-services 0.83.1 on npm, and of ibm-vpc 0.36.0 and ibm-cloud-networking-services 0.36.1 on PyPI.
 * Whatever else is asked is refused, and pages are short. The links to next pages lack what a request needs.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Endpoints } from '../src/clouds/ibmcloud/session.ts'
import { faultOfStart, setState, tellState, type Machine } from './machines.ts'

export type Row = { id: string; name: string } & Machine & Record<string, unknown>
type Zone = { id: string; name: string; records: { name: string; type: string; target: string }[] }
type ServiceInstance = Omit<Row, 'state'> & {
  id: string
  name: string
  guid: string
  crn: string
  state: string
  resource_id: string
  resource_group_id: string
}

export type IbmCloudAccount = {
  groups: Row[]
  /** By the path of a list in the VPC API, such as `floating_ips`. */
  things: Record<string, Row[]>
  instances: ServiceInstance[]
  policies: (Record<string, unknown> & { type: string })[]
  serviceIds: Row[]
  indexed: { crn: string; name: string; type: string; region: string; tags: string[] }[]
  /** By the CRN of an instance of Internet Services, or the GUID of one of DNS Services. */
  zones: Record<string, Zone[]>
}

/** `hide`: an empty list, as where the caller may not see anything. `unknown`: an answer of another form. */
export type IbmCloudFault = {
  at: RegExp
  how: 'deny' | 'throttle' | 'reset' | 'hide' | 'unknown' | 'stall'
  times: number
}

export const REGION = 'eu-de'
const ACCOUNT = 'a1b2c3'
export const API_KEY = 'loopback-api-key'
export const ids = {
  storage: 'dff97f5c-bc5e-4455-b470-411c3edbe49c',
  internetServices: '75874a60-cb12-11e7-948e-37ac098eb1b9',
  dnsServices: 'b4ed8a30-936f-11e9-b289-1d079699cbe5',
}
export const paths = [
  'vpcs',
  'subnets',
  'security_groups',
  'network_acls',
  'public_gateways',
  'floating_ips',
  'endpoint_gateways',
  'load_balancers',
  'instances',
  'virtual_network_interfaces',
  'volumes',
  'snapshots',
  'images',
  'keys',
  'dedicated_hosts',
  'dedicated_host/groups',
]

export function service(name: string, guid: string, resource_id: string, more: Record<string, string> = {}) {
  const crn = `crn:v1:bluemix:public:some-service:global:a/${ACCOUNT}:${guid}::`
  return { id: crn, crn, guid, name, resource_id, state: 'active', resource_group_id: 'default', ...more }
}

export const INTERNET_SERVICES = service('our-cis', 'guid-cis', ids.internetServices)
export const DNS_SERVICES = service('our-dns', 'guid-dns', ids.dnsServices)

/** With what is there in every account, and a base domain of both kinds. */
export const emptyAccount = (): IbmCloudAccount => ({
  groups: [{ id: 'default', name: 'Default' }],
  things: Object.fromEntries(paths.map((path) => [path, []])),
  instances: [INTERNET_SERVICES, DNS_SERVICES],
  policies: [{ id: 'p0', type: 'access', subjects: [{ attributes: [] }], resources: [{ attributes: [] }] }],
  serviceIds: [],
  indexed: [],
  zones: {
    [INTERNET_SERVICES.crn]: [{ id: 'z1', name: 'example.com', records: [] }],
    [DNS_SERVICES.guid]: [{ id: 'example.com:z2', name: 'example.com', records: [] }],
  },
})

class Refused extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const TOKEN = `e30.${Buffer.from(JSON.stringify({ account: { valid: true, bss: ACCOUNT } })).toString('base64url')}.sig`

export type IbmCloudServer = Awaited<ReturnType<typeof startIbmCloudServer>>

/** `refresh` is called before each answer, and may change the account. */
export async function startIbmCloudServer({ itemsPerPage = 2, refresh = () => {} } = {}) {
  const account = emptyAccount()
  const faults: IbmCloudFault[] = []
  const requests: string[] = []
  /** How many lists are late to tell a state. */
  const lag = { lists: 0 }
  const server = createServer((request, response) => {
    const respond = async () => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer) // no encoding is set
      const url = new URL(request.url ?? '', origin)
      requests.push(`${request.method} ${url.pathname}`)
      const fault = faults.find(({ at, times }) => times > 0 && at.test(url.pathname))
      if (fault) fault.times--
      const send = (status: number, body: unknown, headers = {}) =>
        response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
      if (fault?.how === 'stall') return
      if (fault?.how === 'throttle') return send(429, errorOf(url, 'Too many requests'), { 'retry-after': '0' })
      if (fault?.how === 'deny') return send(403, errorOf(url, 'The request is not authorized'))
      if (fault?.how === 'unknown') return send(200, { things: [] })
      refresh()
      const seen = fault?.how === 'hide' ? { ...account, groups: [], policies: [] } : account
      try {
        const answer = {
          request,
          url,
          origin,
          seen,
          itemsPerPage,
          lag: lag.lists,
          body: Buffer.concat(chunks).toString(),
        }
        const body = url.pathname === '/iam/identity/token' ? signIn(answer) : answerTo(answer)
        if (fault?.how !== 'reset') return send(200, body)
        response.writeHead(200, { 'content-length': '100000' }).write(JSON.stringify(body).slice(0, 20))
        response.socket?.destroy()
      } catch (error) {
        const { status, message } = error instanceof Refused ? error : { status: 500, message: String(error) }
        send(status, errorOf(url, message))
      }
    }
    void respond()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}` // listens on TCP
  const endpoints: Endpoints = {
    iam: `${origin}/iam`,
    resources: `${origin}/resources`,
    search: `${origin}/search`,
    internetServices: `${origin}/cis`,
    dnsServices: `${origin}/dns`,
    vpc: (region) => `${origin}/vpc/${region}`,
  }
  return {
    server,
    account,
    faults,
    requests,
    lag,
    endpoints,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

type Asked = {
  request: IncomingMessage
  url: URL
  origin: string
  seen: IbmCloudAccount
  itemsPerPage: number
  lag: number
  body: string
}

function signIn({ request: { method, headers }, body }: Asked): unknown {
  const form = new URLSearchParams(body)
  const isForm = headers['content-type'] === 'application/x-www-form-urlencoded'
  if (method !== 'POST' || !isForm || form.get('grant_type') !== 'urn:ibm:params:oauth:grant-type:apikey')
    throw new Refused(400, 'Bad grant')
  if (form.get('apikey') !== API_KEY) throw new Refused(400, 'Provided API key could not be found.')
  return { access_token: TOKEN, token_type: 'Bearer', expires_in: 3600 }
}

function answerTo({ request, url, origin, seen, itemsPerPage, lag, body }: Asked): unknown {
  if (request.headers.authorization !== `Bearer ${TOKEN}`) throw new Refused(401, 'no token')
  const params = Object.fromEntries(url.searchParams)
  const only = (...names: string[]) => {
    const unknown = Object.keys(params).filter((name) => !names.includes(name))
    if (unknown.length > 0) throw new Refused(400, `unknown parameters ${unknown.join(', ')}`)
  }
  /** `most`: what the service takes for the size of a page. */
  const cut = <T>(rows: T[], most: number, asked: string | undefined, start = Number(params['start'] ?? 0)) => {
    if (!(Number(asked) >= 1 && Number(asked) <= most) || Number.isNaN(start)) throw new Refused(400, 'bad page')
    const size = Math.min(itemsPerPage, Number(asked))
    return { page: rows.slice(start, start + size), next: start + size < rows.length ? start + size : undefined }
  }

  if (request.method === 'DELETE') return takeAway(url.pathname, seen)
  const [, machine] = /^\/vpc\/[^/]+\/v1\/instances\/([^/]+)\/actions$/.exec(url.pathname) ?? []
  if (machine !== undefined) {
    only('version', 'generation')
    if (request.method !== 'POST' || request.headers['content-type'] !== 'application/json')
      throw new Refused(400, 'bad action')
    return order(
      seen.things['instances']?.find(({ id }) => id === machine),
      body,
      lag,
    )
  }
  const [, one] = /^\/vpc\/[^/]+\/v1\/instances\/([^/]+)$/.exec(url.pathname) ?? []
  if (one !== undefined) {
    only('version', 'generation')
    const row = seen.things['instances']?.find(({ id }) => id === one)
    if (!row) throw new Refused(404, 'Instance not found')
    // What is asked for by itself is never late.
    return showMachine({ ...row, late: { state: '', times: 0 } })
  }
  const [, region, path] = /^\/vpc\/([^/]+)\/v1\/(.*)$/.exec(url.pathname) ?? []
  if (path !== undefined) {
    const filters = [
      ...(path === 'images' ? ['visibility'] : []),
      ...(['volumes', 'load_balancers'].includes(path) ? [] : ['resource_group.id']),
      ...(path === 'instances' ? ['vpc.name'] : []),
    ]
    only('version', 'generation', 'limit', 'start', ...filters)
    if (!/^20\d\d-\d\d-\d\d$/.test(params['version'] ?? '') || params['generation'] !== '2')
      throw new Refused(400, 'version and generation are required')
    const wanted = params['visibility']
    const group = params['resource_group.id']
    const network = params['vpc.name']
    const rows = seen.things[path]
      ?.filter(({ visibility = 'private' }) => visibility === (wanted ?? visibility))
      .filter(({ inRegion = REGION }) => inRegion === region)
      .filter(({ resource_group: of }) => group === undefined || (of as { id: string }).id === group) // as they are put
      .filter(({ vpc: of }) => network === undefined || (of as { name?: string } | undefined)?.name === network) // as they are put
    if (!rows) throw new Refused(404, 'no such list')
    const { page, next } = cut(rows, 100, params['limit'])
    const link = { href: `${origin}${url.pathname}?limit=${itemsPerPage}&start=${next}` }
    return {
      [path.split('/').at(-1) ?? '']: path === 'instances' ? page.map(showMachine) : page,
      total_count: rows.length,
      ...(next && { next: link }),
    }
  }

  const [, crn = '', zoneId] = /^\/cis\/v1\/([^/]+)\/zones(?:\/([^/]+)\/dns_records)?$/.exec(url.pathname) ?? []
  if (crn !== '') {
    only('page', 'per_page')
    const { per_page, page: number = '1' } = params
    const zones = seen.zones[decodeURIComponent(crn)] ?? []
    const shown = ({ name, type, target }: Zone['records'][number]) => ({ id: name, name, type, content: target })
    const rows: object[] = zoneId === undefined ? zones : zoneOf(zones, zoneId).records.map(shown)
    const { page } = cut(rows, 1000, per_page, (Number(number) - 1) * itemsPerPage)
    const pages = { page: Number(number), per_page: itemsPerPage, count: page.length, total_count: rows.length }
    return { success: true, errors: [], messages: [], result: page, result_info: pages }
  }

  const [, guid, privateZoneId] =
    /^\/dns\/v1\/instances\/([^/]+)\/dnszones(?:\/([^/]+)\/resource_records)?$/.exec(url.pathname) ?? []
  if (guid !== undefined) {
    only('limit', 'offset')
    const { limit, offset = '0' } = params
    const zones = seen.zones[guid] ?? []
    const shown = ({ name, type, target }: Zone['records'][number]) => {
      const rdata = type === 'CNAME' ? { cname: target } : { ip: target }
      return { id: `${type}:${name}`, name, type, ttl: 60, rdata }
    }
    const list = privateZoneId === undefined ? 'dnszones' : 'resource_records'
    const rows: object[] =
      privateZoneId === undefined ? zones : zoneOf(zones, decodeURIComponent(privateZoneId)).records.map(shown)
    const { page } = cut(rows, 200, limit, Number(offset))
    return { [list]: page, offset: Number(offset), limit: itemsPerPage, count: page.length, total_count: rows.length }
  }

  switch (`${request.method} ${url.pathname}`) {
    case 'GET /resources/v2/resource_groups':
      only()
      return { resources: seen.groups }
    case 'GET /resources/v2/resource_instances': {
      only('limit', 'start', 'resource_id', 'resource_group_id', 'state')
      const rows = seen.instances.filter(
        ({ resource_id: id, resource_group_id: group, state }) =>
          id === (params['resource_id'] ?? id) &&
          group === (params['resource_group_id'] ?? group) &&
          // Without a state, those in use alone.
          (params['state'] === undefined ? ['active', 'provisioning'] : [params['state']]).includes(state),
      )
      const { page, next } = cut(rows, 100, params['limit'])
      const link = next === undefined ? null : `/v2/resource_instances?limit=${itemsPerPage}&start=${next}`
      return { rows_count: page.length, resources: page, next_url: link }
    }
    case 'GET /iam/v1/policies': {
      only('account_id', 'type', 'limit', 'start')
      if (params['account_id'] !== ACCOUNT) throw new Refused(400, 'another account')
      const rows = seen.policies.filter(({ type }) => type === (params['type'] ?? type))
      const { page, next } = cut(rows, 100, params['limit'])
      return { policies: page, limit: itemsPerPage, ...(next && { next: { start: String(next) } }) }
    }
    case 'GET /iam/v1/serviceids/': {
      only('account_id', 'pagesize', 'pagetoken')
      if (params['account_id'] !== ACCOUNT) throw new Refused(400, 'another account')
      const { page, next } = cut(seen.serviceIds, 100, params['pagesize'], Number(params['pagetoken'] ?? 0))
      const link = `${origin}${url.pathname}?pagetoken=${next}`
      return { limit: itemsPerPage, serviceids: page, ...(next && { next: link }) }
    }
    case 'POST /search/v3/resources/search': {
      only('limit')
      // What has another form is refused below.
      const { query, fields, search_cursor = '0', ...others } = JSON.parse(body) as Record<string, unknown>
      if (typeof query !== 'string' || !Array.isArray(fields) || Object.keys(others).length > 0)
        throw new Refused(400, 'bad body')
      const rows = seen.indexed.filter((each) => matches(each, query))
      const { page } = cut(rows, 1000, params['limit'], Number(search_cursor))
      return { items: page, limit: itemsPerPage, search_cursor: String(Number(search_cursor) + page.length) }
    }
    default:
      throw new Refused(400, `unknown: ${request.method} ${url.pathname}`)
  }
}

function showMachine(row: Row) {
  const { state: _, late: __, start: ___, lacksCapacity, zone, machineType, isSpot, ...rest } = row
  return {
    ...rest,
    status: tellState(row, 'running'),
    status_reasons: lacksCapacity ? [{ code: 'cannot_start_capacity', message: 'no capacity' }] : [],
    availability: { class: isSpot ? 'spot' : 'standard' },
    ...(zone === undefined ? {} : { zone: { name: zone } }),
    ...(machineType === undefined ? {} : { profile: { name: machineType } }),
  }
}

/** That there is no machine to give is told afterwards, in its status. */
function order(machine: Row | undefined, body: string, lag: number): unknown {
  if (machine === undefined || machine.isGone) throw new Refused(404, 'Instance not found')
  const { type, ...others } = JSON.parse(body) as Record<string, unknown>
  if (!['start', 'stop'].includes(String(type)) || Object.keys(others).length > 0) throw new Refused(400, 'bad action')
  const { state = 'running', isProtected } = machine
  if (isProtected) throw new Refused(400, 'it is protected')
  // An action is for one state alone.
  if (state !== (type === 'start' ? 'stopped' : 'running')) throw new Refused(409, 'The instance is not in a state for this action') // prettier-ignore
  if (type === 'stop' || faultOfStart(machine) === undefined)
    setState(machine, type === 'stop' ? 'stopped' : 'running', 'running', lag)
  return { id: 'action', type, status: 'pending' }
}

function takeAway(path: string, seen: IbmCloudAccount): unknown {
  const [, list, thing] = /^\/vpc\/[^/]+\/v1\/(.+)\/([^/]+)$/.exec(path) ?? []
  const [, crn = '', zone = '', record] = /^\/cis\/v1\/([^/]+)\/zones\/([^/]+)\/dns_records\/([^/]+)$/.exec(path) ?? []
  const [, beside, id] = /^\/iam\/v1\/(serviceids|policies)\/([^/]+)$/.exec(path) ?? []
  const takeOut = <T>(all: T[], isMeant: (each: T) => boolean) => {
    const index = all.findIndex(isMeant)
    if (index === -1) throw new Refused(404, `nothing at ${path}`)
    all.splice(index, 1)
    return {}
  }
  if (list !== undefined) return takeOut(seen.things[list] ?? [], (each) => each.id === thing)
  if (crn !== '') {
    const { records } = zoneOf(seen.zones[decodeURIComponent(crn)] ?? [], zone)
    return takeOut(records, ({ name }) => name === decodeURIComponent(record ?? ''))
  }
  if (beside === 'serviceids') return takeOut(seen.serviceIds, (each) => each.id === id)
  return takeOut(seen.policies, (each) => each['id'] === id)
}

function zoneOf(zones: Zone[], wanted: string): Zone {
  const zone = zones.find(({ id }) => id === wanted)
  if (!zone) throw new Refused(404, 'no such zone')
  return zone
}

/** In the form of the service. */
function errorOf({ pathname }: URL, message: string): unknown {
  if (pathname.startsWith('/iam/identity')) return { errorCode: 'BXNIM0415E', errorMessage: message }
  if (pathname.startsWith('/resources')) return { error_code: 'RC-IamError', message, status_code: 403 }
  if (pathname.startsWith('/cis')) return { success: false, errors: [{ code: 10000, message }], result: null }
  return { errors: [{ code: 'not_authorized', message }], trace: 't' }
}

/** Of the query language: names, with an asterisk at the end, and tags in quotes, joined by OR. */
function matches({ name, tags }: { name: string; tags: string[] }, query: string): boolean {
  return query.split(' OR ').some((term) => {
    const [, field, value = ''] = /^(name|tags):(.+)$/.exec(term) ?? []
    if (field === undefined) throw new Refused(400, `unknown term ${term}`)
    if (field === 'tags') return tags.includes(value.replaceAll('"', ''))
    return value.endsWith('*') ? name.startsWith(value.slice(0, -1)) : name === value
  })
}
