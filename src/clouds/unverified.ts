// Clouds that cannot be asked what still exists. For them nobody claims emptiness, so nothing there is DESTROYED by
// proof.
import type { Platform } from '../vocabulary.ts'
import { messageOf } from '../errors.ts'
import type { Inventory, Owned, Owner } from './inventory.ts'

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
  ibmcloud?: Inventory | undefined
}): Inventory {
  const { simulated, ...byPlatform } = inventories
  if (simulated) return simulated
  const unverified = openUnverifiedInventory()
  const of = (platform: Platform) =>
    (platform in byPlatform && byPlatform[platform as keyof typeof byPlatform]) || unverified
  return {
    find: (query) => of(query.platform).find(query),
    findRecords: (place) => of(place.platform).findRecords(place),
    ...(Object.values(byPlatform).some((each) => each?.findOwned)
      ? { findOwned: (owner: Owner) => findOwned(byPlatform, owner) }
      : {}),
  }
}

/** Of every cloud that the profiles offer. One that cannot tell does not keep the others from being told. */
async function* findOwned(
  byPlatform: Partial<Record<Platform, Inventory | undefined>>,
  owner: Owner,
): AsyncIterable<Owned> {
  const offered = new Set(owner.offered.map(({ platform }) => platform))
  const asked = Object.entries(byPlatform).filter(([platform]) => offered.has(platform as Platform)) // its keys
  const failures: string[] = asked.length === 0 ? ['no profile offers a cloud that can be asked'] : []
  for (const [, inventory] of asked)
    try {
      yield* inventory?.findOwned?.(owner) ?? []
    } catch (error) {
      failures.push(messageOf(error))
    }
  if (failures.length > 0) throw new Error(failures.join('; '))
}
