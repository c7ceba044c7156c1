// The port that tells what still exists of a cluster, by ownership tags and DNS names. Nothing is DESTROYED without it.
import type { Platform } from '../vocabulary.ts'

/** billable false: it is deleted, and lingers for a while without a price. */
export type Resource = { id: string; type: string; name: string; region: string; billable?: false }

/** Where a cluster is. */
export type Place = {
  platform: Platform
  region: string
  name: string
  baseDomain: string
  /** It is reached from within its network alone, and has no public records. */
  isPrivate?: boolean | undefined
  /** Subnets that the profile brings. They are in the right account, and in no other. */
  subnets?: string[] | undefined
  /** A private zone that the profile brings: never the cluster's own, but the records under its domain are. */
  hostedZone?: string | undefined
  /** The role by which that zone can be read, where it is another account's. */
  hostedZoneRole?: string | undefined
  /** What the profile says of where in Azure it is. */
  azure?:
    | {
        cloud: string
        subscription?: string | undefined
        baseDomainResourceGroup?: string | undefined
        network?: { resourceGroup: string; virtualNetwork: string } | undefined
      }
    | undefined
  /** On Google Cloud, where it is made. */
  project?: string | undefined
  /** On Google Cloud, a network that the profile brings, and the project that shares it. */
  network?: string | undefined
  networkProject?: string | undefined
}

export type InventoryQuery = Place & {
  /** undefined: only what carries one of the infraIDs, since another infraID of the cluster must live on. */
  clusterId: string | undefined
  /** Every infraID that the ledger has for the cluster. */
  infraIds: string[]
  /**
   * Which DNS records under its domain count as its own. `all`: it holds the name, so all that did not stand before.
   * `own`: only those that point to what carries one of its infraIDs, since the name may be another cluster's by now.
   * `unclear`: it holds the name, and nobody knows what stood before. Then any other record means "not verified".
   */
  records: 'all' | 'own' | 'unclear'
  /** The ids of the records and zones that stood there before anything of the cluster did. */
  stoodBefore?: string[] | undefined
}

/**
 * verified false: nobody may claim that it is empty. hasNoInventory: this service cannot ask that cloud at all. lingering: what is deleted and will go
 * by itself. holders: what others have in the cluster's own networks, which holds up their deletion.
 */
export type InventoryAnswer =
  | { verified: true; resources: Resource[]; lingering?: Resource[]; holders?: Resource[] }
  | { verified: false; reason: string; hasNoInventory?: true }

/** taken: those of the resources that are under the names which the installer is about to make. */
export type RecordsAnswer =
  | { verified: true; resources: Resource[]; taken: Resource[] }
  | { verified: false; reason: string }

/** installationId is undefined for what an earlier release made. */
export type Owned = { clusterId: string; installationId: string | undefined; resource: Resource }

/** Whose resources are looked for, and where clusters of its profiles may be. */
export type Owner = { installationId: string; offered: Omit<Place, 'name'>[] }

export type Inventory = {
  find: (query: InventoryQuery) => Promise<InventoryAnswer>
  /** The DNS records and zones under the cluster's domain, whoever made them. */
  findRecords: (place: Place) => Promise<RecordsAnswer>
  /** Everything that carries the service's own tag, whatever its cluster. Throws when the cloud does not tell all. */
  findOwned?: (owner: Owner) => AsyncIterable<Owned>
}

/** How late a cloud may be to tell what exists. Where it is asked by an index, that is behind for longer. */
export const lagSecondsOf: Record<Platform, number> = { aws: 60, azure: 120, gcp: 60, ibmcloud: 120 }

const SHOWN_RESOURCES = 20

/** Names the first of them, for a sentence. */
export function describeResources(resources: Resource[]): string {
  const shown = resources.slice(0, SHOWN_RESOURCES).map(({ type, id }) => `${type} ${id}`)
  return [...shown, ...(resources.length > SHOWN_RESOURCES ? ['…'] : [])].join(', ') || 'nothing'
}

export function describeAnswer(answer: InventoryAnswer): string {
  if (!answer.verified) return `not known (${answer.reason})`
  const { resources, holders = [] } = answer
  if (holders.length === 0) return describeResources(resources)
  const named = holders.map((each) => (each.name === each.id ? each : { ...each, id: `${each.id} (${each.name})` }))
  return `${describeResources(resources)}; its network is held by what has no tag of the cluster: ${describeResources(named)}`
}

/** Why `unclear` is not verified: these stand, and do not point to anything of the cluster. */
export function unclearReason(resources: Resource[]): string {
  return `${describeResources(resources)} stands under the cluster's domain, and it is not known whether it stood before the cluster; whoever knows whose it is must look`
}
