// Clouds that cannot be asked what still exists. For them nobody claims emptiness, so nothing there is DESTROYED by
// proof.
import type { Platform } from '../vocabulary.ts'
import type { Inventory } from './inventory.ts'

const cloudNames: Record<Platform, string> = { aws: 'AWS', azure: 'Azure', gcp: 'Google Cloud', ibmcloud: 'IBM Cloud' }

export function openUnverifiedInventory(): Inventory {
  const refuse = async ({ platform }: { platform: Platform }) => ({
    verified: false as const,
    hasNoInventory: true as const,
    reason: `${cloudNames[platform]} is not verified: this service cannot ask it yet what still exists of a cluster, so somebody has to look`,
  })
  return { find: refuse, findRecords: refuse }
}

/**
 * The simulated cloud stands for every platform. Without it each platform has its own inventory, or is not verified.
 */
export function openInventory(inventories: {
  simulated?: Inventory | undefined
  aws?: Inventory | undefined
  gcp?: Inventory | undefined
}): Inventory {
  const { simulated, ...known } = inventories
  if (simulated) return simulated
  const unverified = openUnverifiedInventory()
  const of = (platform: Platform): Inventory =>
    Object.entries(known).find(([name]) => name === platform)?.[1] ?? unverified
  const listing = Object.entries(known).flatMap(([platform, inventory]) =>
    inventory?.findOwned ? [{ platform, findOwned: inventory.findOwned }] : [],
  )
  return {
    find: (query) => of(query.platform).find(query),
    findRecords: (place) => of(place.platform).findRecords(place),
    ...(listing.length === 0
      ? {}
      : {
          async *findOwned(owner) {
            const offered = listing.filter(({ platform }) => owner.offered.some((place) => place.platform === platform))
            // Where no profile offers any of them, the first says that it was not asked.
            for (const { findOwned } of offered.length > 0 ? offered : listing.slice(0, 1)) yield* findOwned(owner)
          },
        }),
  }
}
