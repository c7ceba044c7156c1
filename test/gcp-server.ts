/**
 * A server on loopback that speaks as much of Google Cloud as an inventory asks, for the projects that it is given. Paths,
 * parameters, the fields that a filter may name and the forms of answers are those of the API descriptions in the npm
 * packages googleapis 188.0.0 (dns, file, cloudresourcemanager), @googleapis/compute 42.0.0, @googleapis/storage 21.2.0 and
 * @googleapis/iam 38.0.1. Whatever else is asked is answered by 400. Pages hold two items, unless a test says otherwise.
 */
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { decodeJwt } from 'jose'
import { faultOfStart, setState, tellState, type Machine } from './machines.ts'

export type Thing = { name: string; scope?: string; labels?: Record<string, string> } & Machine &
  Record<string, unknown>
export type Zone = { name: string; dnsName: string; visibility?: string; labels?: Record<string, string>; records?: { name: string; type: string; rrdatas?: string[] }[] } // prettier-ignore
export type Project = {
  /** By list, such as `instances`. */
  compute: Record<string, Thing[]>
  zones: Zone[]
  accounts: { email: string; displayName?: string }[]
  members: string[]
  /** What the caller may do there; undefined: everything. */
  allowed?: string[]
  buckets: { name: string; labels?: Record<string, string> }[]
  shares: { name: string; labels?: Record<string, string>; networks?: { network: string }[] }[]
}
export type Fault = {
  /** `busy`: told by 403. `partial`, `scope`: a zone did not answer, told in either place. `form`: a list under another name. */
  how: 'throttle' | 'busy' | 'deny' | 'off' | 'reset' | 'partial' | 'scope' | 'form'
  permission: string
  times: number
}

const AGGREGATED = new Set('instances disks addresses forwardingRules targetPools instanceGroups backendServices healthChecks routers networkEndpointGroups targetTcpProxies resourcePolicies'.split(' ')) // prettier-ignore
const GLOBAL = new Set('firewalls networks images snapshots routes httpHealthChecks'.split(' '))
const FIELDS: Record<string, string[]> = {
  labels: ['instances', 'disks', 'addresses', 'forwardingRules', 'images', 'snapshots'],
  network: ['forwardingRules', 'instanceGroups', 'backendServices', 'routers', 'networkEndpointGroups', 'firewalls', 'routes'], // prettier-ignore
  sourceDisk: ['images', 'snapshots', 'disks'],
  name: [...AGGREGATED, ...GLOBAL],
}
/** Such as Google does not know at a project. */
const UNTESTABLE = ['serviceusage.quotas.get']
const ZONES = ['zones/us-central1-a', 'zones/us-central1-b', 'regions/us-central1', 'global']

export const emptyProject = (): Project => ({
  compute: {},
  zones: [{ name: 'base', dnsName: 'example.com.' }],
  accounts: [],
  members: [],
  buckets: [],
  shares: [],
})

class Refused extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

type Asked = { method: string; path: string; query: URLSearchParams & { most: number }; body: string }
/** `act`: what makes the answer, unless there is a fault. */
type Reply = { permission: string; body?: unknown; act?: () => unknown }

export type GcpServer = Awaited<ReturnType<typeof startGcpServer>>

/** `refresh` is called before each answer, and may change the projects. */
export async function startGcpServer({ refresh = () => {} } = {}) {
  const projects: Record<string, Project> = {}
  const faults: Fault[] = []
  const requests: string[] = []
  const pages = { size: 2 }
  const power: Power = { lag: 0, operations: new Map() }
  const signIns: URLSearchParams[] = []
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer) // without an encoding
    const { pathname, searchParams } = new URL(request.url ?? '', endpoint)
    const query = Object.assign(searchParams, { most: pages.size })
    const asked = {
      method: request.method ?? '',
      path: pathname,
      query,
      body: Buffer.concat(chunks).toString(),
    }
    const send = (status: number, body: unknown, headers = {}) =>
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
    const refuse = (code: number, message: string, reason: string, more: object = {}, headers = {}) =>
      send(code, { error: { code, message, errors: [{ message, domain: 'global', reason }], ...more } }, headers)
    try {
      if (asked.path === '/token') return send(200, signIn(asked))
      if (request.headers.authorization !== 'Bearer the-token') return refuse(401, 'no valid credential', 'authError')
      requests.push(`${asked.path}${searchParams.has('pageToken') ? ' (more)' : ''}`)
      refresh()
      const { permission, body, act } = reply(asked, projects, power)
      const fault = faults.find((each) => each.permission === permission && each.times > 0)
      if (!fault) return send(200, act ? act() : body)
      fault.times--
      if (fault.how === 'throttle') return refuse(429, 'slow down', 'rateLimitExceeded', {}, { 'retry-after': '0' })
      if (fault.how === 'busy') return refuse(403, 'slow down', 'rateLimitExceeded', {}, { 'retry-after': '0' })
      if (fault.how === 'deny') return refuse(403, `Required '${permission}' permission for 'projects/p1'`, 'forbidden')
      if (fault.how === 'off')
        return refuse(
          403,
          'The API has not been used in the project before or it is disabled.',
          'accessNotConfigured',
          {
            status: 'PERMISSION_DENIED',
            details: [{ reason: 'SERVICE_DISABLED', metadata: { service: 'file.googleapis.com' } }],
          },
        )
      if (fault.how === 'form') return send(200, { things: [], kind: 'compute#thingList' })
      if (fault.how === 'scope')
        return send(200, { items: { 'zones/us-central1-f': { warning: { code: 'UNREACHABLE' } } } })
      if (fault.how === 'partial') return send(200, { ...(body as object), unreachables: ['zones/us-central1-f'] })
      const text = JSON.stringify(body)
      response.writeHead(200, { 'content-length': text.length }).write(text.slice(0, text.length / 2))
      response.socket?.destroy()
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      refuse(error.status, error.message, error.status === 404 ? 'notFound' : 'invalid')
    }
  }

  const signIn = ({ method, body }: Asked) => {
    const form = new URLSearchParams(body)
    const token = { access_token: 'the-token', expires_in: 3599, token_type: 'Bearer' }
    if (form.get('subject_token') === 'from-the-issuer')
      return { ...token, issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' }
    if (form.get('refresh_token') === 'r1' && form.get('client_secret') === 's1') return token
    if (method !== 'POST' || form.get('grant_type') !== 'urn:ietf:params:oauth:grant-type:jwt-bearer')
      throw new Refused(400, 'unsupported_grant_type')
    const { aud, iss } = decodeJwt(form.get('assertion') ?? '')
    if (aud !== `${endpoint}/token` || iss !== 'worker@p1.iam.gserviceaccount.com')
      throw new Refused(400, 'invalid_grant')
    signIns.push(form)
    return token
  }

  const server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}` // listens on TCP
  const key = { type: 'service_account', client_email: 'worker@p1.iam.gserviceaccount.com', private_key_id: 'k1', private_key: pem, token_uri: `${endpoint}/token` } // prettier-ignore
  return {
    endpoint,
    server,
    key,
    environment: { GOOGLE_CREDENTIALS: JSON.stringify(key), HOME: '/nonexistent' },
    projects,
    faults,
    pages,
    power,
    requests,
    signIns,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** `lag`: how many lists are late to tell a state. */
type Power = { lag: number; operations: Map<string, { reads: number; error?: object }> }

function reply(asked: Asked, projects: Record<string, Project>, power: Power): Reply {
  const { method, path, query, body } = asked
  const of = (name = ''): Project => {
    const project = projects[name]
    if (!project) throw new Refused(404, `The resource 'projects/${name}' was not found`)
    return project
  }
  const allow = (...names: string[]) => {
    for (const name of query.keys()) if (!names.includes(name)) throw new Refused(400, `Unknown name "${name}"`)
  }
  const policy = /^\/v1\/projects\/([^/]+):getIamPolicy$/.exec(path)
  if (policy) {
    if (method !== 'POST' || body !== '{"options":{"requestedPolicyVersion":3}}') throw new Refused(400, 'bad body')
    const { members } = of(policy[1])
    return {
      permission: 'resourcemanager.projects.getIamPolicy',
      body: { version: 1, etag: 'x', ...(members.length > 0 ? { bindings: [{ role: 'roles/viewer', members }] } : {}) },
    }
  }
  const testing = /^\/v1\/projects\/([^/]+):testIamPermissions$/.exec(path)
  if (testing) {
    const { permissions = [], ...more } = JSON.parse(body) as { permissions?: string[] }
    if (method !== 'POST' || Object.keys(more).length > 0 || permissions.length === 0 || permissions.length > 100)
      throw new Refused(400, 'bad body')
    const unknown = permissions.find((name) => UNTESTABLE.includes(name))
    if (unknown) throw new Refused(400, `Permission ${unknown} is not valid for this resource.`)
    const { allowed = permissions } = of(testing[1])
    const given = permissions.filter((name) => allowed.includes(name))
    return { permission: 'nothing', body: given.length > 0 ? { permissions: given } : {} }
  }
  if (method === 'DELETE') return takeAway(path, of)
  const order = /^\/compute\/v1\/projects\/([^/]+)\/(zones\/[^/]+)\/instances\/([^/]+)\/(stop|start)$/.exec(path)
  if (order) return replyOrder(asked, of(order[1]), order.slice(2), power)
  if (method !== 'GET') throw new Refused(400, `${method} is not for reading`)
  const itself = /^\/v1\/projects\/([^/:]+)$/.exec(path)
  if (itself && of(itself[1]))
    return { permission: 'resourcemanager.projects.get', body: { projectId: itself[1], lifecycleState: 'ACTIVE' } }
  const [, operation] = /^\/compute\/v1\/projects\/[^/]+\/zones\/[^/]+\/operations\/([^/]+)$/.exec(path) ?? []
  if (operation !== undefined) {
    const known = power.operations.get(operation)
    if (!known) throw new Refused(404, 'no such operation')
    const status = known.reads++ === 0 ? 'RUNNING' : 'DONE'
    const told = { kind: 'compute#operation', name: operation, status }
    return { permission: 'compute.zoneOperations.get', body: status === 'DONE' && known.error ? { ...told, error: known.error } : told } // prettier-ignore
  }
  const [, owner = '', scope, list = ''] =
    /^\/compute\/v1\/projects\/([^/]+)\/(aggregated|global)\/(\w+)$/.exec(path) ?? []
  if (list) {
    allow('filter', 'maxResults', 'pageToken')
    if (!(scope === 'aggregated' ? AGGREGATED : GLOBAL).has(list)) throw new Refused(400, `no ${scope} ${list}`)
    if (query.get('maxResults') !== '500') throw new Refused(400, 'maxResults')
    const things = (of(owner).compute[list] ?? []).map((thing): Thing => linked(owner, list, thing))
    const { page: found, more } = paged(things.filter(filterOf(query.get('filter'), list)), query)
    const page = list === 'instances' ? found.map(({ origin, ...each }) => ({ ...each, status: tellState(origin as Machine, 'RUNNING') })) : found // prettier-ignore
    return {
      permission: `compute.${list}.list`,
      body: scope === 'aggregated' ? { kind: 'compute#xAggregatedList', items: scoped(list, page), ...more } : { kind: 'compute#xList', ...(page.length > 0 ? { items: page } : {}), ...more }, // prettier-ignore
    }
  }
  const zones = /^\/dns\/v1\/projects\/([^/]+)\/managedZones$/.exec(path)
  if (zones) {
    allow('maxResults', 'pageToken')
    const { page, more } = paged(of(zones[1]).zones, query)
    return {
      permission: 'dns.managedZones.list',
      body: { kind: 'dns#managedZonesListResponse', managedZones: page.map((zone) => ({ visibility: 'public', labels: {}, ...zone, records: undefined })), ...more }, // prettier-ignore
    }
  }
  const records = /^\/dns\/v1\/projects\/([^/]+)\/managedZones\/([^/]+)\/rrsets$/.exec(path)
  if (records) {
    allow('maxResults', 'pageToken', 'filter')
    const [, suffix] = /^name=has_suffix\("([^"]+)"\)$/.exec(query.get('filter') ?? '') ?? []
    const zone = of(records[1]).zones.find(({ name }) => name === records[2])
    if (suffix === undefined || !zone) throw new Refused(400, 'filter or zone')
    const { page, more } = paged((zone.records ?? []).filter(({ name }) => name.endsWith(suffix)), query) // prettier-ignore
    return {
      permission: 'dns.resourceRecordSets.list',
      body: { kind: 'dns#resourceRecordSetsListResponse', rrsets: page.map((each) => ({ ttl: 60, rrdatas: [], ...each })), ...more }, // prettier-ignore
    }
  }
  if (path === '/storage/v1/b') {
    allow('project', 'maxResults', 'pageToken')
    const { page, more } = paged(of(query.get('project') ?? '').buckets, query)
    const items = page.map((each) => ({ kind: 'storage#bucket', location: 'US-CENTRAL1', ...each }))
    return { permission: 'storage.buckets.list', body: { kind: 'storage#buckets', ...(items.length > 0 ? { items } : {}), ...more } } // prettier-ignore
  }
  const accounts = /^\/v1\/projects\/([^/]+)\/serviceAccounts$/.exec(path)
  if (accounts) {
    allow('pageSize', 'pageToken')
    const { page, more } = paged(of(accounts[1]).accounts, query)
    const listed = page.map((each) => ({ name: `projects/${accounts[1]}/serviceAccounts/${each.email}`, ...each }))
    return { permission: 'iam.serviceAccounts.list', body: { ...(listed.length > 0 ? { accounts: listed } : {}), ...more } } // prettier-ignore
  }
  const shares = /^\/v1\/projects\/([^/]+)\/locations\/-\/instances$/.exec(path)
  if (shares) {
    allow('pageSize', 'pageToken')
    const { page, more } = paged(of(shares[1]).shares, query)
    const instances = page.map((each) => ({ ...each, name: `projects/${shares[1]}/locations/us-central1-a/instances/${each.name}` })) // prettier-ignore
    return { permission: 'file.instances.list', body: { ...(instances.length > 0 ? { instances } : {}), ...more } }
  }
  throw new Refused(400, `nobody asks for ${path}`)
}

function takeAway(path: string, of: (name?: string) => Project): Reply {
  const [, project, zone, record = '', type] = /^\/dns\/v1\/projects\/([^/]+)\/managedZones\/([^/]+)\/rrsets\/([^/]+)\/(\w+)$/.exec(path) ?? [] // prettier-ignore
  if (project !== undefined) {
    const records = of(project).zones.find((each) => each.name === zone)?.records ?? []
    const index = records.findIndex((each) => each.name === decodeURIComponent(record) && each.type === type)
    if (index === -1) throw new Refused(404, `The 'parameters.name' resource named '${record}' does not exist.`)
    records.splice(index, 1)
    return { permission: 'dns.resourceRecordSets.delete', body: {} }
  }
  const [, owner, scope, list = '', name] =
    /^\/compute\/v1\/projects\/([^/]+)\/(global|zones\/[^/]+|regions\/[^/]+)\/(\w+)\/([^/]+)$/.exec(path) ?? []
  const things = of(owner).compute[list] ?? []
  const thing = things.findIndex((each) => each.name === name && each.scope === scope)
  if (thing === -1) throw new Refused(404, `The resource '${path}' was not found`)
  things.splice(thing, 1)
  return { permission: `compute.${list}.delete`, body: { kind: 'compute#operation', status: 'PENDING' } }
}

function linked(owner: string, list: string, thing: Thing): Thing {
  const scope = thing.scope ?? (GLOBAL.has(list) ? 'global' : 'zones/us-central1-a')
  return { ...thing, scope, ...(list === 'instances' ? shapeOf(thing, scope) : {}), selfLink: `https://www.googleapis.com/compute/v1/projects/${owner}/${scope}/${list}/${thing.name}` } // prettier-ignore
}

function shapeOf(thing: Thing, scope: string) {
  const { state: _, late: __, start: ___, isSpot, machineType, hasLocalDisk } = thing
  return {
    origin: thing,
    ...(machineType === undefined ? {} : { machineType: `https://www.googleapis.com/compute/v1/projects/p/${scope}/machineTypes/${machineType}` }), // prettier-ignore
    scheduling: { preemptible: false, provisioningModel: isSpot ? 'SPOT' : 'STANDARD' },
    disks: [{ type: 'PERSISTENT' }, ...(hasLocalDisk ? [{ type: 'SCRATCH' }] : [])],
  }
}

/** The operation is not done at once. */
function replyOrder({ method, query, body }: Asked, project: Project, parts: string[], power: Power): Reply {
  const [scope, name, verb = ''] = parts
  if (method !== 'POST' || body !== '' || [...query.keys()].length > 0) throw new Refused(400, 'bad order')
  const machine = (project.compute['instances'] ?? []).find((each) => each.name === name && (each.scope ?? ZONES[0]) === scope) // prettier-ignore
  if (!machine || machine.isGone) throw new Refused(404, `The resource '${scope}/instances/${name}' was not found`)
  const permission = `compute.instances.${verb}`
  if (verb === 'stop' && machine.hasLocalDisk) throw new Refused(400, 'VM has a Local SSD attached but an undefined value for `discard-local-ssd`.') // prettier-ignore
  if (machine.isProtected) throw new Refused(400, 'it is protected')
  const operation = `operation-${power.operations.size}`
  const act = () => {
    const fault = verb === 'start' ? faultOfStart(machine) : undefined
    const error = { errors: [{ code: 'ZONE_RESOURCE_POOL_EXHAUSTED', message: 'The zone does not have enough resources' }] } // prettier-ignore
    power.operations.set(operation, { reads: 0, ...(fault === 'no-capacity' ? { error } : {}) })
    if (fault === undefined) setState(machine, verb === 'stop' ? 'TERMINATED' : 'RUNNING', 'RUNNING', power.lag)
    return { kind: 'compute#operation', name: operation, status: 'PENDING' }
  }
  return { permission, act }
}

function scoped(list: string, things: Thing[]) {
  const warning = { code: 'NO_RESULTS_ON_PAGE', message: 'There are no results for this scope on this page.' }
  return Object.fromEntries(
    [...new Set([...ZONES, ...things.flatMap(({ scope = 'global' }) => scope)])].map((scope) => {
      const here = things.filter((each) => each.scope === scope)
      return [scope, here.length > 0 ? { [list]: here } : { warning }]
    }),
  )
}

function paged<T>(
  all: T[],
  query: URLSearchParams & { most: number },
): { page: T[]; more: { nextPageToken?: string } } {
  const token = query.get('pageToken')
  if (token !== null && !/^page-\d+$/.test(token)) throw new Refused(400, 'pageToken')
  const start = Number(token?.slice('page-'.length) ?? 0)
  // Nobody gets more than was asked for.
  const end = start + Math.min(query.most, Number(query.get('maxResults') ?? query.get('pageSize') ?? query.most))
  return { page: all.slice(start, end), more: end < all.length ? { nextPageToken: `page-${end}` } : {} }
}

/** Terms with OR between them, or one regular expression. */
function filterOf(filter: string | null, list: string): (thing: Thing) => boolean {
  if (filter === null) return () => true
  const terms = filter.startsWith('(') ? filter.slice(1, -1).split(') OR (') : [filter]
  const tests = terms.map((term): ((thing: Thing) => boolean) => {
    const [, field = '', key, operator = '', value = ''] = /^(\w+)(?:\.([\w-]+))? (:|=|eq) "([^"]*)"$/.exec(term) ?? []
    if (!FIELDS[field]?.includes(list)) throw new Refused(400, `Invalid value for field 'filter': '${filter}'`)
    if (operator === 'eq' && terms.length > 1) throw new Refused(400, 'kinds of expressions cannot be mixed')
    const read = (thing: Thing) =>
      (key === undefined ? (thing[field] as string | undefined) : thing.labels?.[key]) ?? '' // fields are texts
    if (operator === 'eq') return (thing) => new RegExp(`^(?:${value})$`).test(read(thing))
    if (operator === '=') return (thing) => read(thing) === value
    if (!/^[^*]+\*$/.test(value)) throw new Refused(400, `no prefix: ${value}`)
    return (thing) => read(thing).startsWith(value.slice(0, -1))
  })
  return (thing) => tests.some((test) => test(thing))
}
