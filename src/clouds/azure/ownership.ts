// Whose something is in Azure: by its tag, by its name, or by the group that it is in. What another cluster has tagged
// is never ours for its name alone.
import type { InventoryQuery } from '../inventory.ts'
import type { Tags } from './session.ts'

export type Group = { id: string; name: string; location: string; tags: Tags; isDeleting: boolean }
/** Parts of a resource have the names of both, with a slash between. */
export type Thing = { id: string; name: string; type: string; group: string; holder: string; tags: Tags }

/** By what it is known as ours; undefined: it is not. */
type Key = 'tag' | 'name' | 'relation' | undefined

const OWNER_KEYS = ['kubernetes.io_cluster.', 'sigs.k8s.io_cluster-api-provider-azure_cluster_']
const CLUSTER_KEY = 'ocpctl-cluster-id'

export type Ownership = ReturnType<typeof readOwnership>

export function readOwnership({ infraIds, clusterId, disks = [] }: InventoryQuery, groups: Group[]) {
  const ownKeys = infraIds.flatMap((infraId) => OWNER_KEYS.map((key) => `${key}${infraId}`))
  const isTagged = (tags: Tags) =>
    entriesOf(tags).some(
      ([key, value]) =>
        (ownKeys.includes(key) && value === 'owned') ||
        (key === CLUSTER_KEY && clusterId !== undefined && value === clusterId),
    )
  const isOfAnother = (tags: Tags) =>
    !isTagged(tags) &&
    entriesOf(tags).some(
      ([key, value]) =>
        (OWNER_KEYS.some((prefix) => key.startsWith(prefix)) && value === 'owned') ||
        (key === CLUSTER_KEY && clusterId !== undefined),
    )
  const ownDisks = new Set(disks.map((disk) => disk.toLowerCase()))
  const isNamed = (name: string) => infraIds.some((infraId) => name.startsWith(`${infraId}-`))

  const namedGroups = infraIds.map((infraId) => `${infraId}-rg`)
  const keyOfGroup = ({ name, tags }: Group): Key => {
    if (isTagged(tags)) return 'tag'
    return namedGroups.includes(name) || (isNamed(name) && !isOfAnother(tags)) ? 'name' : undefined
  }
  const ownGroups = new Set([...namedGroups, ...groups.filter(keyOfGroup).map(({ name }) => name)])
  const groupsOfOthers = new Set(groups.filter(({ tags }) => isOfAnother(tags)).map(({ name }) => name))

  return {
    namedGroups,
    keyOfGroup,
    isTagged,
    isOfAnother,
    isNamed,
    isInOwnGroup: (group: string) => ownGroups.has(group),
    keyOf: ({ name, type, group, holder, tags }: Thing): Key => {
      if (isTagged(tags)) return 'tag'
      if (ownGroups.has(group) || ownGroups.has(holder)) return 'relation'
      if (type === 'microsoft.compute/disks' && ownDisks.has(name) && !isOfAnother(tags)) return 'name'
      if (isOfAnother(tags) || groupsOfOthers.has(group)) return undefined
      const isAccountOfOurs = type === 'microsoft.storage/storageaccounts' && isAccount(name, infraIds)
      return name.split('/').some(isNamed) || isAccountOfOurs ? 'name' : undefined
    },
  }
}

/** Azure does not distinguish upper and lower case in keys. */
export const entriesOf = (tags: Tags): [string, string | null][] =>
  Object.entries(tags).map(([key, value]) => [key.toLowerCase(), value])

/** Names of storage accounts have no dashes, and 24 characters at most. One that is cut off does not tell whose it is. */
const isAccount = (name: string, infraIds: string[]) =>
  infraIds
    .map((infraId) => infraId.replaceAll('-', ''))
    .some((plain) => [plain, `cluster${plain}`, `imageregistry${plain}`].some((prefix) => name.startsWith(prefix)))
