// The port that tells what still exists of a cluster, by ownership tags and DNS names. Nothing is DESTROYED without it.
import type { Platform } from '../clusters/cluster.ts'

export type Resource = { id: string; type: string; name: string; region: string }

export type InventoryQuery = {
  clusterId: string
  platform: Platform
  region: string
  /** Every infraID that the ledger has for the cluster. */
  infraIds: string[]
  name: string
  baseDomain: string
}

/** unverified: this cloud cannot be asked, so emptiness cannot be claimed. */
export type InventoryAnswer = { verified: true; resources: Resource[] } | { verified: false; reason: string }

export type Inventory = {
  find: (query: InventoryQuery) => Promise<InventoryAnswer>
  /** Everything that carries the service's own tag, whatever its cluster; throws when the cloud does not tell all. */
  findOwned?: () => AsyncIterable<{ clusterId: string; resource: Resource }>
}
