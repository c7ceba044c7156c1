// The port that tells what still exists of a cluster, by ownership tags and DNS names. Nothing is DESTROYED without it.
import type { Platform } from '../vocabulary.ts'

export type Resource = { id: string; type: string; name: string; region: string }

export type InventoryQuery = {
  /** undefined: only what carries one of the infraIDs, since another infraID of the cluster must live on. */
  clusterId: string | undefined
  platform: Platform
  region: string
  /** Every infraID that the ledger has for the cluster. */
  infraIds: string[]
  name: string
  baseDomain: string
  /**
   * Which DNS records under its names count as its own. `all`: it holds the name, and no record existed before. `own`:
   * only those that point to what carries one of its infraIDs, since the name may be another cluster's by now.
   */
  records: 'all' | 'own'
}

/** unverified: this cloud cannot be asked, so nobody may claim that it is empty. */
export type InventoryAnswer = { verified: true; resources: Resource[] } | { verified: false; reason: string }

/** installationId is undefined for what an earlier release made. */
export type Owned = { clusterId: string; installationId: string | undefined; resource: Resource }

export type Inventory = {
  find: (query: InventoryQuery) => Promise<InventoryAnswer>
  /** The DNS records under the cluster's names, whoever made them. */
  findRecords: (query: Omit<InventoryQuery, 'infraIds' | 'records'>) => Promise<InventoryAnswer>
  /** Everything that carries the service's own tag, whatever its cluster. Throws when the cloud does not tell all. */
  findOwned?: () => AsyncIterable<Owned>
}

const SHOWN_RESOURCES = 20

/** Names the first of them, for a sentence. */
export function describeResources(resources: Resource[]): string {
  const shown = resources.slice(0, SHOWN_RESOURCES).map(({ type, id }) => `${type} ${id}`)
  return [...shown, ...(resources.length > SHOWN_RESOURCES ? ['…'] : [])].join(', ') || 'nothing'
}
