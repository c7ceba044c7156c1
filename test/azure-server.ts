/**
 * A server on loopback that answers as Azure Resource Manager does, for one subscription. It is strict where a lenient
 * double would hide faults: paths, versions and parameters that the providers do not have are refused, lists come in
 * pages, and what the caller may not read is left out of them without a word. Paths, parameters and the forms of answers
 * are those of the packages @azure/arm-resources 8.0.0, arm-dns 5.1.0, arm-privatedns 4.0.0, arm-keyvault 5.0.0,
 * arm-authorization 9.0.0 and arm-network 39.0.0, and of
 * azure-mgmt-compute 34.1.0 on PyPI; ids and names are compared without case.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { faultOfStart, setState, tellState, type Machine } from './machines.ts'

export type Tags = Record<string, string>
export type AzureRecord = {
  /** Relative to the zone. */
  name: string
  type: string
  metadata?: Tags
  cname?: string
  /** The id of the resource that an alias leads to. */
  target?: string
}
export type AzureZone = { name: string; group: string; isPrivate: boolean; tags?: Tags; records: AzureRecord[] }
export type AzureThing = {
  name: string
  type: string
  group: string
  tags?: Tags
  managedBy?: string
  createdTime?: string
  /** Of a virtual machine: its power state. */
  machine?: Machine
}
export type Subscription = {
  /** isLate: the list does not have it yet. */
  groups: { name: string; tags?: Tags; state?: string; isLate?: boolean }[]
  things: AzureThing[]
  zones: AzureZone[]
  deletedVaults: { name: string; group: string; tags?: Tags }[]
  permissions: { actions: string[]; notActions: string[] }[]
}

export type AzureFault = {
  how: 'throttle' | 'deny' | 'cut' | 'form' | 'html' | '404' | 'stall'
  times: number
  /** A part of the path; default: all. */
  path?: string
}

export const SUBSCRIPTION = '11111111-2222-3333-4444-555555555555'
const VM = 'Microsoft.Compute/virtualMachines'
const HOME = `/subscriptions/${SUBSCRIPTION}`

export const emptySubscription = (): Subscription => ({
  groups: [],
  things: [],
  zones: [],
  deletedVaults: [],
  permissions: [{ actions: ['*/read'], notActions: [] }],
})

/** What a provider has at a path: its versions, the parameters that it knows, and its answer. */
type Route = {
  path: RegExp
  versions: string[]
  parameters?: string[]
  /** undefined: there is no such thing. `one`: it is no list. */
  answer: (parts: string[], query: URLSearchParams) => { list: unknown[] } | { one: unknown } | undefined
}

function takeOut<T>(all: T[], isMeant: (each: T) => boolean): boolean {
  const index = all.findIndex(isMeant)
  if (index !== -1) all.splice(index, 1)
  return index !== -1
}

const same = (a: string | undefined, b: string | undefined) => a?.toLowerCase() === b?.toLowerCase()

/** `refresh` is called before each answer, and may change the subscription. */
export async function startAzureServer({ itemsPerPage = 2, refresh = () => {} } = {}) {
  const subscription = emptySubscription()
  const requests: string[] = []
  const faults: AzureFault[] = []
  let pages = 0
  const lag = { lists: 0 }
  const next = new Map<string, { list: unknown[]; path: string }>()

  const groupId = (group: string) => `${HOME}/resourceGroups/${group}`
  const zoneId = ({ group, name, isPrivate }: AzureZone) =>
    `${groupId(group)}/providers/Microsoft.Network/${isPrivate ? 'privateDnsZones' : 'dnszones'}/${name}`
  const showGroup = ({ name, tags, state = 'Succeeded' }: Subscription['groups'][number]) => ({
    id: groupId(name),
    name,
    type: 'Microsoft.Resources/resourceGroups',
    location: 'westeurope',
    ...(tags && { tags }),
    properties: { provisioningState: state },
  })
  const idOf = ({ group, name, type }: AzureThing) => {
    const [provider, ...kinds] = type.split('/')
    const names = name.split('/')
    return `${groupId(group)}/providers/${provider}/${kinds.map((kind, n) => `${kind}/${names[n]}`).join('/')}`
  }
  const covers = (pattern: string, action: string) => new RegExp(`^${pattern.replaceAll('*', '.*')}$`, 'i').test(action)
  const mayRead = (type: string) =>
    subscription.permissions.some(
      ({ actions, notActions }) =>
        actions.some((each) => covers(each, `${type}/read`)) &&
        !notActions.some((each) => covers(each, `${type}/read`)),
    )
  const zoneThings = (): AzureThing[] =>
    subscription.zones.map(({ name, group, isPrivate, tags }) => ({
      name,
      group,
      type: isPrivate ? 'Microsoft.Network/privateDnsZones' : 'Microsoft.Network/dnszones',
      ...(tags && { tags }),
    }))
  const showThing = (thing: AzureThing, isExpanded = false) => ({
    id: idOf(thing),
    name: thing.name,
    type: thing.type,
    location: thing.type.includes('nsZones') ? 'global' : 'westeurope',
    ...(thing.tags && { tags: thing.tags }),
    ...(thing.managedBy && { managedBy: thing.managedBy }),
    ...(thing.createdTime && isExpanded && { createdTime: thing.createdTime }),
  })
  const showZone = (zone: AzureZone) => ({
    id: zoneId(zone),
    name: zone.name,
    type: zone.isPrivate ? 'Microsoft.Network/privateDnsZones' : 'Microsoft.Network/dnszones',
    location: 'global',
    tags: zone.tags ?? {},
    properties: zone.isPrivate ? { provisioningState: 'Succeeded' } : { zoneType: 'Public' },
  })
  const showRecord = (zone: AzureZone, { name, type, metadata, cname, target }: AzureRecord) => ({
    id: `${zoneId(zone)}/${type}/${name}`,
    name,
    type: `Microsoft.Network/${zone.isPrivate ? 'privateDnsZones' : 'dnszones'}/${type}`,
    properties: {
      ...(metadata && { metadata }),
      ...(cname && { [zone.isPrivate ? 'cnameRecord' : 'CNAMERecord']: { cname } }),
      ...(!zone.isPrivate && { targetResource: target === undefined ? {} : { id: target } }),
    },
  })
  const records =
    (isPrivate: boolean): Route['answer'] =>
    ([group, name], query) => {
      const zone = subscription.zones.find(
        (each) => each.isPrivate === isPrivate && same(each.name, name) && same(each.group, group),
      )
      const suffix = query.get('$recordsetnamesuffix')
      const own = [{ name: '@', type: 'SOA' }, ...(isPrivate ? [] : [{ name: '@', type: 'NS' }])]
      return (
        zone && {
          list: [...own, ...zone.records]
            .filter((each) => suffix === null || each.name.endsWith(`.${suffix}`))
            .map((each) => showRecord(zone, each)),
        }
      )
    }
  const zones = (isPrivate: boolean) => ({
    list: subscription.zones.filter((each) => each.isPrivate === isPrivate).map(showZone),
  })

  const machines = () => subscription.things.filter(({ type }) => type === VM && mayRead(type))
  const machineOf = (group: string | undefined, name: string | undefined) =>
    machines().find((each) => same(each.group, group) && same(each.name, name))
  const viewOf = (machine: Machine) => ({
    statuses: [
      machine.lacksCapacity
        ? { code: 'ProvisioningState/failed/AllocationFailed', level: 'Error', message: 'Allocation failed.' }
        : { code: 'ProvisioningState/succeeded', level: 'Info' },
      { code: `PowerState/${tellState(machine, 'running')}`, level: 'Info' },
    ],
  })
  const VM_VERSION = '2021-07-01'

  const routes: Route[] = [
    {
      path: /^\/providers\/Microsoft.Compute\/virtualMachines$/i,
      versions: [VM_VERSION],
      parameters: ['statusOnly'],
      answer: (_, query) => ({
        list: machines()
          .filter(({ machine }) => query.get('statusOnly') !== 'true' || !machine?.isNew)
          .map((each) => {
            const { machine = {} } = each
            // What is left out is what the real one leaves out.
            if (query.get('statusOnly') === 'true')
            return { id: idOf(each), name: each.name, type: VM, location: 'westeurope', properties: { instanceView: viewOf(machine) } } // prettier-ignore
            const { machineType = 'Standard_D4s_v5', isSpot = false, zone = '1' } = machine
            const properties = { hardwareProfile: { vmSize: machineType }, provisioningState: 'Succeeded', ...(isSpot && { priority: 'Spot' }) } // prettier-ignore
            return {
              ...showThing(each),
              location: zone.replace(/-?\d$/, '') || 'westeurope',
              zones: [zone.split('-').at(-1)],
              properties,
            }
          }),
      }),
    },
    {
      path: /^\/resourceGroups\/([^/]+)\/providers\/Microsoft.Compute\/virtualMachines\/([^/]+)\/instanceView$/i,
      versions: [VM_VERSION],
      answer([group, name]) {
        const found = machineOf(group, name)
        return found && { one: viewOf(found.machine ?? {}) }
      },
    },
    {
      path: /^\/resourcegroups$/i,
      versions: ['2021-04-01'],
      answer: () => ({ list: subscription.groups.filter(({ isLate }) => !isLate).map(showGroup) }),
    },
    {
      path: /^\/resourcegroups\/([^/]+)$/i,
      versions: ['2021-04-01'],
      answer([name]) {
        const group = subscription.groups.find((each) => same(each.name, name))
        return group && { one: showGroup(group) }
      },
    },
    {
      path: /^\/resources$/i,
      parameters: ['$expand'],
      versions: ['2021-04-01'],
      answer: (_, query) => ({
        list: [...subscription.things, ...zoneThings()]
          .filter(({ type }) => mayRead(type))
          .map((each) => showThing(each, query.get('$expand') === 'createdTime')),
      }),
    },
    {
      path: /^\/providers\/Microsoft.Authorization\/permissions$/i,
      versions: ['2022-04-01'],
      answer: () => ({ list: subscription.permissions }),
    },
    { path: /^\/providers\/Microsoft.Network\/dnsZones$/i, versions: ['2018-05-01'], answer: () => zones(false) },
    { path: /^\/providers\/Microsoft.Network\/privateDnsZones$/i, versions: ['2020-06-01'], answer: () => zones(true) },
    {
      path: /^\/resourceGroups\/([^/]+)\/providers\/Microsoft.Network\/dnsZones\/([^/]+)\/all$/i,
      versions: ['2018-05-01'],
      parameters: ['$recordsetnamesuffix'],
      answer: records(false),
    },
    {
      path: /^\/resourceGroups\/([^/]+)\/providers\/Microsoft.Network\/privateDnsZones\/([^/]+)\/ALL$/i,
      versions: ['2020-06-01'],
      parameters: ['$recordsetnamesuffix'],
      answer: records(true),
    },
    ...[false, true].map((isPrivate) => ({
      path: isPrivate
        ? /^\/resourceGroups\/([^/]+)\/providers\/Microsoft.Network\/privateDnsZones\/([^/]+)$/i
        : /^\/resourceGroups\/([^/]+)\/providers\/Microsoft.Network\/dnsZones\/([^/]+)$/i,
      versions: [isPrivate ? '2020-06-01' : '2018-05-01'],
      answer([group, name]: string[]) {
        const zone = subscription.zones.find(
          (each) => each.isPrivate === isPrivate && same(each.name, name) && same(each.group, group),
        )
        return zone && { one: showZone(zone) }
      },
    })),
    {
      path: /^\/resourceGroups\/([^/]+)\/providers\/Microsoft.Network\/virtualNetworks\/([^/]+)$/i,
      versions: ['2023-09-01'],
      answer([group, name]) {
        const network = subscription.things.find(
          (each) =>
            each.type === 'Microsoft.Network/virtualNetworks' && same(each.group, group) && same(each.name, name),
        )
        return network && { one: showThing(network) }
      },
    },
    {
      path: /^\/providers\/Microsoft.KeyVault\/deletedVaults$/i,
      versions: ['2022-07-01'],
      answer: () => ({
        list: subscription.deletedVaults.map(({ name, group, tags }) => ({
          id: `${HOME}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/${name}`,
          name,
          type: 'Microsoft.KeyVault/deletedVaults',
          properties: {
            vaultId: `${groupId(group)}/providers/Microsoft.KeyVault/vaults/${name}`,
            location: 'westeurope',
            deletionDate: '2026-01-01T00:00:00Z',
            scheduledPurgeDate: '2026-04-01T00:00:00Z',
            ...(tags && { tags }),
          },
        })),
      }),
    },
  ]

  const server = createServer(respond).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}` // it listens on TCP

  function respond(request: IncomingMessage, response: ServerResponse): void {
    refresh()
    const url = new URL(request.url ?? '/', endpoint)
    const fail = (status: number, code: string, message: string, headers = {}) =>
      send(status, { error: { code, message } }, headers)
    const send = (status: number, body: unknown, headers = {}) =>
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
    requests.push(`${request.method} ${decodeURIComponent(url.pathname)}${decodeURIComponent(url.search)}`)
    if (!['GET', 'DELETE', 'POST'].includes(request.method ?? ''))
      return void fail(405, 'MethodNotAllowed', 'this only reads, deletes and switches')
    if (request.headers.authorization !== 'Bearer loopback') return void fail(401, 'InvalidAuthenticationToken', 'no')
    const path = decodeURIComponent(url.pathname)
    if (!path.toLowerCase().startsWith(`${HOME}/`))
      return void fail(404, 'SubscriptionNotFound', `The subscription at '${path}' could not be found.`)
    const inside = path.slice(HOME.length)
    if (request.method === 'DELETE') {
      if (!takeAway(inside, url.searchParams.get('api-version'))) return void fail(404, 'ResourceNotFound', inside)
      return void response.writeHead(204).end()
    }
    if (request.method === 'POST') {
      const fault = takeFault(inside)
      if (fault === 'throttle') return void fail(429, 'TooManyRequests', 'slow down', { 'retry-after': '0' })
      const action = inside.split('/').at(-1)
      if (fault === 'deny')
        return void fail(403, 'AuthorizationFailed', `The client 'ocpctl' does not have authorization to perform action 'Microsoft.Compute/virtualMachines/${action}/action' over scope '${path}'`) // prettier-ignore
      const { status, code } = takeOrder(inside, url.searchParams)
      // Azure says nothing more when it has accepted something.
      if (code === undefined) return void response.writeHead(status).end()
      return void fail(status, code, inside)
    }
    const token = url.searchParams.get('$skiptoken')
    const route = routes.find((each) => each.path.test(inside))
    if (!route) return void fail(400, 'InvalidResourceType', `no resource type at '${inside}'`)
    const version = url.searchParams.get('api-version') ?? ''
    if (!route.versions.includes(version)) return void fail(400, 'InvalidApiVersionParameter', `'${version}'`)
    for (const name of url.searchParams.keys())
      if (!['api-version', '$skiptoken', ...(route.parameters ?? [])].includes(name))
        return void fail(400, 'InvalidParameter', `no parameter '${name}'`)

    const fault = takeFault(inside)
    if (fault === 'stall') return
    if (fault === 'throttle') return void fail(429, 'TooManyRequests', 'slow down', { 'retry-after': '0' })
    if (fault === '404') return void fail(404, 'NotFound', 'not here')
    if (fault === 'form') return void send(200, { value: [{ surprise: true }], items: [] })
    if (fault === 'html') return void response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Welcome</h1>')
    if (fault === 'deny')
      return void fail(
        403,
        'AuthorizationFailed',
        `The client 'ocpctl' with object id 'o' does not have authorization to perform action 'Microsoft.Loopback${inside}/read' over scope '${HOME}' or the scope is invalid.`,
      )
    if (token !== null && !next.has(token)) return void fail(400, 'InvalidSkipToken', 'made up')
    const answer =
      token === null ? route.answer(route.path.exec(inside)?.slice(1) ?? [], url.searchParams) : next.get(token)
    if (!answer) return void fail(404, 'ResourceNotFound', `'${inside}' was not found.`)
    if ('one' in answer) return void send(200, answer.one)
    const body: { value: unknown[]; nextLink?: string } = { value: answer.list.slice(0, itemsPerPage) }
    const rest = answer.list.slice(itemsPerPage)
    if (rest.length > 0) {
      const key = `p${pages++}`
      next.set(key, { list: rest, path: inside })
      body.nextLink = `${endpointOf(request)}${path}?api-version=${version}&$skiptoken=${key}`
    }
    if (fault === 'cut') {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 10_000 })
      response.write('{"value":[{"id"', () => response.socket?.destroy())
      return
    }
    send(200, body)
  }

  function takeOrder(path: string, query: URLSearchParams): { status: number; code?: string } {
    const [, group, name, action] = /^\/resourceGroups\/([^/]+)\/providers\/Microsoft.Compute\/virtualMachines\/([^/]+)\/(deallocate|start)$/i.exec(path) ?? [] // prettier-ignore
    if (query.size !== 1 || query.get('api-version') !== VM_VERSION) return { status: 400, code: 'InvalidParameter' }
    const found = machineOf(group, name)
    if (!found || found.machine?.isGone) return { status: 404, code: 'ResourceNotFound' }
    const machine = (found.machine ??= {})
    if (machine.isProtected) return { status: 409, code: 'ScopeLocked' }
    if (action === 'deallocate' || faultOfStart(machine) === undefined)
      setState(machine, action === 'deallocate' ? 'deallocated' : 'running', 'running', lag.lists)
    return { status: 202 }
  }

  /** False: there is nothing at the path, or it has no such version. */
  function takeAway(path: string, version: string | null): boolean {
    const [, group, kind, name, part, relative] = /^\/resourceGroups\/([^/]+)\/providers\/([^/]+\/[^/]+)\/([^/]+)(?:\/([^/]+)\/([^/]+))?$/i.exec(path) ?? [] // prettier-ignore
    const isZone = same(kind, 'Microsoft.Network/dnsZones')
    if (version !== (isZone ? '2018-05-01' : same(`${kind}`, VM) ? VM_VERSION : '2023-04-02')) return false
    const records = subscription.zones.find((each) => same(each.name, name) && same(each.group, group))?.records ?? []
    return isZone
      ? takeOut(records, (each) => same(each.name, relative) && same(each.type, part))
      : takeOut(subscription.things, (each) => same(idOf(each), `${HOME}${path}`))
  }

  /** Where it was asked, which may be below a path of another server. */
  const endpointOf = ({ headers }: IncomingMessage) => `http://${headers.host}${String(headers['x-forwarded-prefix'] ?? '')}` // prettier-ignore

  function takeFault(path: string): AzureFault['how'] | undefined {
    const fault = faults.find((each) => each.times > 0 && (!each.path || path.includes(each.path)))
    if (fault) fault.times--
    return fault?.how
  }

  return {
    endpoint,
    server,
    subscription,
    requests,
    faults,
    lag,
    groupId,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

export type AzureServer = Awaited<ReturnType<typeof startAzureServer>>
