// The inventory of each platform, and its power over machines. Where there is none, nobody claims emptiness, so nothing
// there is DESTROYED by proof.
import { messageOf } from '../errors.ts'
import { platforms, type Platform } from '../vocabulary.ts'
import type { Instances, Order } from './instances.ts'
import type { Inventory, NotChecked } from './inventory.ts'

const EVERYTHING: NotChecked = {
  kind: 'everything',
  why: 'this service cannot ask it what still exists of a cluster, so somebody has to look',
}

export function openUnverifiedInventory(): Inventory {
  const nothing = { found: [], checked: [], notChecked: [EVERYTHING] }
  return {
    find: async () => nothing,
    findRecords: async () => ({ ...nothing, taken: [] }),
  }
}

/**
 * The simulated cloud stands for every platform. Without it each platform has its own inventory, or is not verified.
 */
export function openInventory(inventories: Partial<Record<Platform | 'simulated', Inventory | undefined>>): Inventory {
  if (inventories.simulated) return inventories.simulated
  const unverified = openUnverifiedInventory()
  const of = (platform: Platform) => inventories[platform] ?? unverified
  return {
    find: (query) => of(query.platform).find(query),
    findRecords: (place) => of(place.platform).findRecords(place),
    remove: async (place, resource) => inventories[place.platform]?.remove?.(place, resource),
    findMismatch: async (place) => of(place.platform).findMismatch?.(place),
    async *findOwned(owner) {
      const offered = new Set(owner.offered.map(({ platform }) => platform))
      const asked = platforms.flatMap((platform) => (offered.has(platform) && inventories[platform]?.findOwned) || [])
      if (asked.length === 0) throw new Error('no profile offers a cloud whose resources this service can list')
      // One that does not tell keeps nobody from what the others tell.
      const untold: unknown[] = []
      for (const findOwned of asked)
        try {
          yield* findOwned(owner)
        } catch (error) {
          untold.push(error)
        }
      if (untold.length > 0) throw new Error(untold.map(messageOf).join('; '))
    },
  }
}

/** As with inventories, the simulated cloud stands for every platform. */
export function openInstances(
  instances: { simulated: Instances } | (Record<Platform, Instances> & { simulated?: undefined }),
): Instances {
  if (instances.simulated) return instances.simulated
  const order =
    (verb: 'stop' | 'start' | 'terminate'): Order =>
    (query, machines) =>
      instances[query.platform][verb](query, machines)
  return {
    list: (query) => instances[query.platform].list(query),
    stop: order('stop'),
    start: order('start'),
    terminate: order('terminate'),
  }
}
