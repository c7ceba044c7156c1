// Whose something is in Azure: by its tag, by its name, or by the group that it is in. What another cluster has tagged
// is never ours for its name alone.
import type { InventoryQuery } from '../inventory.ts'
import type { Tags } from './session.ts'

export type Group = { id: string; name: string; location: string; tags: Tags }
/** Parts of a resource have the names of both, with a slash between. */
export type Thing = { id: string; name: string; type: string; group: string; holder: string; tags: Tags }

const OWNER_KEYS = ['kubernetes.io_cluster.', 'sigs.k8s.io_cluster-api-provider-azure_cluster_']
const CLUSTER_KEY = 'ocpctl-cluster-id'

export type Ownership = ReturnType<typeof readOwnership>

export function readOwnership({ infraIds, clusterId }: InventoryQuery, groups: Group[]) {
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
  const isNamed = (name: string) => infraIds.some((infraId) => name.startsWith(`${infraId}-`))

  const namedGroups = infraIds.map((infraId) => `${infraId}-rg`)
  const hasGroup = ({ name, tags }: Group) =>
    isTagged(tags) || namedGroups.includes(name) || (isNamed(name) && !isOfAnother(tags))
  const ownGroups = new Set([...namedGroups, ...groups.filter(hasGroup).map(({ name }) => name)])
  const groupsOfOthers = new Set(groups.filter(({ tags }) => isOfAnother(tags)).map(({ name }) => name))

  return {
    namedGroups,
    hasGroup,
    isTagged,
    isOfAnother,
    isNamed,
    isInOwnGroup: (group: string) => ownGroups.has(group),
    has: ({ name, type, group, holder, tags }: Thing) =>
      isTagged(tags) ||
      ownGroups.has(group) ||
      ownGroups.has(holder) ||
      (!isOfAnother(tags) &&
        !groupsOfOthers.has(group) &&
        (name.split('/').some(isNamed) || (type === 'microsoft.storage/storageaccounts' && isAccount(name, infraIds)))),
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
