// Which of all that was listed is the cluster's. Pure.
import { timeOf, type Seen } from '../asking.ts'
import type { InventoryQuery, Resource } from '../inventory.ts'
import type { Group, Instance, Policy, ServiceId } from './account.ts'
import type { Indexed } from './search.ts'
import { kinds, type Thing } from './vpc.ts'

export type Facts = {
  groups: Group[]
  things: Thing[]
  instances: Instance[]
  policies: Policy[]
  serviceIds: ServiceId[]
  indexed: Indexed[]
}

export const CLUSTER_TAG = 'ocpctl-cluster-id'

export const ownTags = ({ clusterId, infraIds }: InventoryQuery): string[] => [
  ...(clusterId === undefined ? [] : [`${CLUSTER_TAG}:${clusterId}`]),
  ...infraIds.map((infraId) => `kubernetes-io-cluster-${infraId}:owned`),
]

/** The resource group has the infraID alone for a name. The load balancers of services are called `kube-INFRAID-…`. */
export const isNamed = ({ infraIds }: InventoryQuery, name: string): boolean =>
  infraIds.some(
    (infraId) => name === infraId || [`${infraId}-`, `kube-${infraId}-`].some((start) => name.startsWith(start)),
  )

function keyOf(
  query: InventoryQuery,
  { name, tags }: { name: string; tags?: string[] | null | undefined },
): 'tag' | 'name' | undefined {
  if (ownTags(query).some((tag) => tags?.includes(tag))) return 'tag'
  return isNamed(query, name) ? 'name' : undefined
}

/** What it belongs to, whose end it may have outlived. A network that the profile brings is nobody's. */
const ownersOf = ({
  resource_group,
  vpc,
  subnets,
  target,
  source_volume,
  volume_attachments,
}: Thing): (string | undefined)[] => [
  resource_group?.id,
  vpc?.id,
  target?.id,
  source_volume?.id,
  ...(subnets ?? []).map(({ id }) => id),
  ...(volume_attachments ?? []).map(({ instance }) => instance?.id),
]

/** A disk that the cluster's own objects named. */
const isNamedDisk = ({ disks = [] }: InventoryQuery, { type, id, name }: Thing) =>
  type === 'volume' && (disks.includes(id) || disks.includes(name))

export type FoundThing = Thing & { key: NonNullable<Resource['key']> }

export function findThings(query: InventoryQuery, { things, groups }: Facts): FoundThing[] {
  const ids = new Set(groups.filter(({ name }) => isNamed(query, name)).map(({ id }) => id))
  const ours = new Set<FoundThing>()
  const rest = new Set(things)
  for (let before = -1; before !== ours.size;) {
    before = ours.size
    for (const thing of rest) {
      const key =
        keyOf(query, { name: thing.name, tags: thing.user_tags }) ??
        (ownersOf(thing).some((id) => id !== undefined && ids.has(id)) ? 'relation' : undefined)
      if (!key) continue
      ours.add({ ...thing, key })
      rest.delete(thing)
      for (const id of [thing.id, ...(thing.network_interfaces ?? []).map((each) => each.id)]) ids.add(id)
    }
  }
  const isRelated = (thing: Thing) => ownersOf(thing).some((id) => id !== undefined && ids.has(id))
  // Whoever administers the cluster may write any disk's name into an object. That is no proof of whose it is, nor of what belongs to it.
  for (const thing of rest) if (isNamedDisk(query, thing)) ours.add({ ...thing, key: 'name' })
  // What it belongs to says more than its name.
  return [...ours].map((each) => (each.key === 'name' && isRelated(each) ? { ...each, key: 'relation' } : each))
}

export const showThing = (
  { id, type, name, key, created_at, profile, capacity }: FoundThing,
  region: string,
): Seen => ({
  id,
  type,
  name,
  region,
  key,
  ...timeOf(created_at),
  size: { machine: type === 'instance' ? profile?.name : undefined, gib: capacity },
})

export function findBeside(query: InventoryQuery, facts: Facts): Resource[] {
  const keyOfName = (name: string) => (isNamed(query, name) ? ('name' as const) : ('relation' as const))
  const groups = facts.groups.filter(({ name }) => isNamed(query, name))
  const groupIds = new Set(groups.map(({ id }) => id))
  const instances = facts.instances.filter(
    ({ name, resource_group_id: group }) => isNamed(query, name) || groupIds.has(group ?? ''),
  )
  const guids = new Set(instances.map(({ guid }) => guid))
  const belongs = ({ name, value }: { name: string; value: string }) =>
    (name === 'serviceInstance' && guids.has(value)) || (name === 'resourceGroupId' && groupIds.has(value))
  const policies = facts.policies.filter(
    ({ description = '', subjects, resources }) =>
      description.split(/[\s"'(),.:;]+/).some((word) => isNamed(query, word)) ||
      [...subjects, ...resources].some(({ attributes }) => attributes.some(belongs)),
  )
  return [
    ...groups.map(({ id, name, created_at }): Resource => ({ id, type: 'resource-group', name, region: 'global', key: 'name', ...timeOf(created_at) })), // prettier-ignore
    ...instances.map(({ crn, name, state, created_at }) => ({
      id: crn,
      type: 'service-instance',
      name,
      region: 'global',
      key: keyOfName(name),
      ...timeOf(created_at),
      ...(state === 'pending_reclamation' ? { billable: false as const } : {}),
    })),
    ...policies.map(({ id, created_at }): Resource => ({ id, type: 'iam-authorization', name: id, region: 'global', key: 'relation', ...timeOf(created_at) })), // prettier-ignore
    ...facts.serviceIds
      .filter(({ name }) => isNamed(query, name))
      .map(({ id, name, created_at }): Resource => ({ id, type: 'service-id', name, region: 'global', key: 'name', ...timeOf(created_at) })), // prettier-ignore
  ]
}

/** Of VPC Infrastructure in its region. */
export const indexedTypes = (query: InventoryQuery, { indexed }: Pick<Facts, 'indexed'>): Set<string> =>
  new Set(
    indexed.flatMap((each) => {
      const { service, region, type } = partsOf(each.crn)
      return service === 'is' && region === query.region && keyOf(query, each) ? [type] : []
    }),
  )

/** What only the index knows. Of what is listed elsewhere, the list is right and the index late. */
export function findIndexed(query: InventoryQuery, { indexed, instances }: Facts): Resource[] {
  const guids = new Set(instances.map(({ guid }) => guid))
  return indexed.flatMap((each) => {
    const { crn, name } = each
    const key = keyOf(query, each)
    if (!key) return []
    const { service, region, instance, type } = partsOf(crn)
    const isListed =
      (service === 'is' && region === query.region && listedTypes.has(type)) ||
      (service === 'cloud-object-storage' && (type === '' || !guids.has(instance))) ||
      ['resource-controller', 'iam-identity'].includes(service)
    return isListed ? [] : [{ id: crn, type: type || service, name, region: region || 'global', key }]
  })
}

const listedTypes = new Set(kinds.map(({ type }) => type))

/** Of a CRN. Where a thing is in one zone, the CRN has the zone in place of its region. */
export function partsOf(crn: string) {
  const [, , , , service = '', place = '', , instance = '', type = ''] = crn.split(':')
  return { service, region: place.replace(/-\d$/, ''), instance, type }
}
