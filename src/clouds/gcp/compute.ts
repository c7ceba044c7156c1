// What Compute Engine has of a cluster: a list for each kind, of all regions and zones at once.
import { z } from 'zod'
import { NotAnswered, askAll, timeOf, type Seen } from '../asking.ts'
import type { Resource } from '../inventory.ts'
import type { RestQuestion } from '../rest.ts'
import { anyOf, balancerOf, PROVIDER_PREFIXES, termsOfLabels, termsOfNames, type Owners } from './owners.ts'
import { nextPage, pageShape, requireWhole, unknownForm, warning, type Session } from './session.ts'

const text = z.string().optional()
const links = z.array(z.string()).optional()
const item = z.looseObject({
  name: z.string(),
  selfLink: z.string(),
  labels: z.record(z.string(), z.string()).optional(),
  network: text,
  subnetwork: text,
  subnetworks: links,
  networkInterfaces: z.array(z.looseObject({ network: text, networkIP: text })).optional(),
  users: links,
  instances: links,
  backends: z.array(z.looseObject({ group: text })).optional(),
  backendService: text,
  service: text,
  target: text,
  sourceDisk: text,
  targetTags: links,
  address: text,
  IPAddress: text,
  creationTimestamp: text,
  machineType: text,
  sizeGb: text,
  diskSizeGb: text,
})
type Item = z.infer<typeof item>
type Found = Item & { kind: Kind; key?: Resource['key'] }

/**
 * `labelled`, `networked`: it has such a field. `balancing`: the cloud provider in the cluster makes such things, under
 * names of its own.
 */
type Kind = {
  list: string
  type: string
  isAggregated?: true
  traits: ('labelled' | 'networked' | 'balancing')[]
}

const networks: Kind = { list: 'networks', type: 'network', traits: [] }
const instances: Kind = { list: 'instances', type: 'instance', isAggregated: true, traits: ['labelled'] }
const snapshots: Kind = { list: 'snapshots', type: 'snapshot', traits: ['labelled'] }
const firewalls: Kind = { list: 'firewalls', type: 'firewall', traits: ['networked', 'balancing'] }

/** Parts of a network that the installer makes. In a network that the profile brings it makes none. */
const networkParts: Kind[] = [
  { list: 'routers', type: 'router', isAggregated: true, traits: ['networked'] },
  { list: 'routes', type: 'route', traits: ['networked'] },
]

const disks: Kind = { list: 'disks', type: 'disk', isAggregated: true, traits: ['labelled'] }

const kinds: Kind[] = [
  disks,
  { list: 'addresses', type: 'address', isAggregated: true, traits: ['labelled', 'balancing'] },
  {
    list: 'forwardingRules',
    type: 'forwarding-rule',
    isAggregated: true,
    traits: ['labelled', 'networked', 'balancing'],
  },
  { list: 'targetPools', type: 'target-pool', isAggregated: true, traits: ['balancing'] },
  { list: 'instanceGroups', type: 'instance-group', isAggregated: true, traits: ['networked', 'balancing'] },
  { list: 'backendServices', type: 'backend-service', isAggregated: true, traits: ['networked', 'balancing'] },
  { list: 'healthChecks', type: 'health-check', isAggregated: true, traits: ['balancing'] },
  { list: 'networkEndpointGroups', type: 'network-endpoint-group', isAggregated: true, traits: ['networked'] },
  { list: 'targetTcpProxies', type: 'target-tcp-proxy', isAggregated: true, traits: ['balancing'] },
  { list: 'resourcePolicies', type: 'resource-policy', isAggregated: true, traits: [] },
  { list: 'images', type: 'image', traits: ['labelled'] },
  { list: 'httpHealthChecks', type: 'http-health-check', traits: ['balancing'] },
]

const labelledKinds = [instances, snapshots, ...kinds].filter(({ traits }) => traits.includes('labelled'))

type Computed = {
  found: Seen[]
  /** Firewall rules of others in the cluster's own network: the destroyer waits for them for ever. */
  holders: Seen[]
  /** The addresses that are the cluster's, by which its records are known. */
  ips: Set<string>
  refusals: NotAnswered[]
}

export async function searchCompute(session: Session, owners: Owners): Promise<Computed> {
  const { query, project, projects, networkProject, linkTo } = session
  const isBrought = query.network !== undefined
  const ownNetworks = query.infraIds.map((infraId) => linkTo(networkProject, `global/networks/${infraId}-network`))
  const broughtNetwork = isBrought ? [linkTo(networkProject, `global/networks/${query.network}`)] : []

  const filterOf = ({ list, traits }: Kind): string => {
    const prefixes = [...owners.prefixes, ...(traits.includes('balancing') ? PROVIDER_PREFIXES : [])]
    // Rules are known by the tags of the machines that they are for, and no filter looks into these.
    const network = list === 'firewalls' ? [...ownNetworks, ...broughtNetwork] : ownNetworks
    return anyOf([
      ...termsOfNames(owners.prefixes.length > 0 ? prefixes : []),
      ...(traits.includes('labelled') ? termsOfLabels(owners.labels) : []),
      ...(traits.includes('networked') && owners.prefixes.length > 0
        ? network.map((link) => `network = "${link}"`)
        : []),
    ])
  }
  const ask = async (kind: Kind, owner = project, filter = filterOf(kind)): Promise<Found[]> =>
    filter === '' ? [] : (await listKind(session, kind, owner, filter)).map((each) => ({ ...each, kind }))
  const askNetworks = () =>
    ask(
      networks,
      networkProject,
      anyOf([...termsOfNames(owners.prefixes), ...(isBrought ? [`name = "${query.network}"`] : [])]),
    ).then((all) => {
      if (isBrought && !all.some(({ name }) => name === query.network))
        throw new NotAnswered(permissionOf(networks), `the project ${networkProject} has not the network ${query.network} of the profile`) // prettier-ignore
      return all.filter(({ name }) => owners.isName(name))
    })
  // Machines refer to their network in a list, into which no filter looks. So while the network stands, all are listed.
  const askInstances = (all: boolean) => ask(instances, project, all ? 'all' : filterOf(instances))
  const askSnapshotsOfDisks = () =>
    owners.prefixes.length === 0
      ? Promise.resolve([])
      : ask(snapshots, project, `sourceDisk eq ".*/disks/(${owners.prefixes.join('|')}).*"`)

  const askDisks = diskNames(owners).map((names) => () => ask(disks, project, anyOf(names.map((name) => `name = "${name}"`)))) // prettier-ignore

  const network = await askAll([askNetworks])
  // What is part of a network goes before it.
  const mayStand = network.answers.length > 0 || network.refusals.length > 0
  const told = await askAll<Found>([
    () => askInstances(network.answers.length > 0),
    ...kinds.map((kind) => () => ask(kind)),
    ...(mayStand && !isBrought ? networkParts.map((kind) => () => ask(kind, networkProject)) : []),
    ...(mayStand || isBrought ? projects.map((owner) => () => ask(firewalls, owner)) : []),
    () => ask(snapshots),
    askSnapshotsOfDisks,
    ...askDisks,
  ])
  const { ours, held } = sort([...network.answers, ...told.answers], owners)
  return {
    found: [...ours.map(show), ...network.answers.flatMap(({ subnetworks = [] }) => subnetworks.map(showSubnetwork))],
    holders: held.map(show),
    ips: new Set(ours.flatMap(ipsOf)),
    refusals: [...network.refusals, ...told.refusals],
  }
}

const DISKS_AT_ONCE = 40

/** Of as many as fit into a question. */
function diskNames(owners: Owners): string[][] {
  const names = owners.disks.filter((name) => /^[a-z][-a-z0-9]{0,62}$/.test(name))
  return Array.from({ length: Math.ceil(names.length / DISKS_AT_ONCE) }, (_, index) =>
    names.slice(index * DISKS_AT_ONCE, (index + 1) * DISKS_AT_ONCE),
  )
}

function sort(all: Found[], owners: Owners): { ours: Found[]; held: Found[] } {
  const isOnOurs = ({ network, subnetwork, networkInterfaces = [] }: Found) =>
    [network, subnetwork, ...networkInterfaces.map((each) => each.network)].some(owners.isLink)
  const refersToOurs = ({ users, instances: machines, backends, backendService, service, target, sourceDisk }: Found) =>
    [...(users ?? []), ...(machines ?? []), ...(backends ?? []).map(({ group }) => group)]
      .concat([backendService, service, target, sourceDisk])
      .some(owners.isLink)
  const isForOurs = ({ targetTags = [] }: Found) => targetTags.some(owners.isName)
  /** It is made with its network, and goes with it. */
  const isPartOfNetwork = ({ kind, name }: Found) => kind.type === 'route' && !owners.isName(name)
  const keyOf = (each: Found): Resource['key'] => {
    if (owners.isLabelled(each.labels)) return 'tag'
    const isHeld = isOnOurs(each) && !isPartOfNetwork(each) && (each.kind !== firewalls || isOfProvider(each.name))
    if (isForOurs(each) || refersToOurs(each) || isHeld) return 'relation'
    // Whoever administers the cluster may write any disk's name into an object, so that is no proof of whose it is.
    return owners.isName(each.name) || (each.kind === disks && owners.disks.includes(each.name)) ? 'name' : undefined
  }
  const keys = new Map(all.map((each) => [each, keyOf(each)]))
  // A disk that an object named says nothing of anything else.
  const balancers = new Set(
    all.flatMap((each) => (keys.get(each) && each.kind !== disks && balancerOf(each.name)) || []),
  )
  for (const [each, key] of keys) if (!key && balancers.has(balancerOf(each.name) ?? '')) keys.set(each, 'relation')
  return {
    ours: all.flatMap((each) => (keys.get(each) ? [{ ...each, key: keys.get(each) }] : [])),
    held: all.filter((each) => each.kind === firewalls && isOnOurs(each) && !keys.get(each)),
  }
}

const isOfProvider = (name: string) => name.startsWith('k8s-') || balancerOf(name) !== undefined

const ipsOf = ({ address, IPAddress, networkInterfaces = [] }: Item): string[] =>
  [address, IPAddress, ...networkInterfaces.map(({ networkIP }) => networkIP)].flatMap((ip) => ip ?? [])

/** What has one of these by its labels, of all kinds that can. */
export const labelledSearches = (session: Session, terms: string[]) =>
  labelledKinds.map(
    (kind) => async () =>
      (await listKind(session, kind, session.project, anyOf(terms))).map(({ labels = {}, ...each }) => ({
        labels,
        resource: show({ ...each, kind, key: 'tag' }),
      })),
  )

export const listInstances = (session: Session, filter: string): Promise<Item[]> =>
  listKind(session, instances, session.project, filter)

const permissionOf = ({ list }: Kind) => `compute.${list}.list`

async function listKind(session: Session, kind: Kind, owner: string, filter: string): Promise<Item[]> {
  const { at } = session
  const path = `/compute/v1/projects/${owner}/${kind.isAggregated ? 'aggregated' : 'global'}/${kind.list}`
  const parameters = { maxResults: '500', ...(filter === 'all' ? {} : { filter }) }
  const question = { permission: permissionOf(kind), url: at('compute', path, parameters) }
  return kind.isAggregated ? listScopes(session, question, kind) : session.list(question, 'items', item)
}

/** A list for each zone and region. One without its list says why. */
async function listScopes(session: Session, question: RestQuestion, { list }: Kind): Promise<Item[]> {
  const page = z.strictObject({
    ...pageShape,
    items: z.record(z.string(), z.strictObject({ [list]: z.array(item).optional(), warning })).default({}),
  })
  return session.listBy(
    question,
    (body) => {
      if (body === undefined) return undefined
      const { data, error } = page.safeParse(body)
      if (!data) throw unknownForm(question, error)
      requireWhole(question, data)
      return Object.entries(data.items).flatMap(([scope, entry]) => {
        const found = entry[list] as Item[] | undefined // as parsed
        requireWhole(question, { warning: entry.warning as z.infer<typeof warning> }) // as parsed
        if (!found && !entry.warning) throw new NotAnswered(question.permission, `the answer has no list for ${scope}`)
        return found ?? []
      })
    },
    (body) => nextPage(question, body),
  )
}

function show({ kind, name, selfLink, key, creationTimestamp, machineType, sizeGb, diskSizeGb }: Found): Seen {
  const gib = Number(sizeGb ?? diskSizeGb)
  return {
    id: pathOf(selfLink),
    type: kind.type,
    name,
    region: regionOf(selfLink),
    ...(key === undefined ? {} : { key }),
    ...timeOf(creationTimestamp),
    size: { machine: machineType?.split('/').at(-1), gib: gib > 0 ? gib : undefined },
  }
}

function showSubnetwork(link: string): Resource {
  return {
    id: pathOf(link),
    type: 'subnetwork',
    name: link.split('/').at(-1) ?? link,
    region: regionOf(link),
    key: 'relation',
  }
}

export const pathOf = (link: string) => link.slice(Math.max(0, link.indexOf('projects/')))

function regionOf(link: string): string {
  const [, kind, name = ''] = /\/(zones|regions)\/([^/]+)\//.exec(link) ?? []
  return kind === undefined ? 'global' : kind === 'zones' ? name.replace(/-[a-z]+$/, '') : name
}
