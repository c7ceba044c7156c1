// An inventory of one cloud for each entry of credentials. Each is opened when it is first asked for, and anew when its
// entry leads elsewhere. A place whose entry is missing is not verified.
import { messageOf } from '../errors.ts'
import type { Platform } from '../vocabulary.ts'
import type { Access, CloudCredentials } from './access.ts'
import { NotAnswered, refuseAll, untold } from './asking.ts'
import { EntryProblem } from './entry-forms.ts'
import type { Inventory } from './inventory.ts'

export function openInventoryByEntry(
  credentials: CloudCredentials,
  platform: Platform,
  open: (access: Access) => Inventory,
): Inventory {
  const opened = new Map<string | undefined, { key: string; inventory: Inventory }>()
  const inventoryFor = async (name: string | undefined): Promise<Inventory> => {
    const access = await credentials.open(platform, name).catch((error: unknown) => {
      opened.delete(name)
      if (!(error instanceof EntryProblem)) throw error
      throw new NotAnswered('credentials', error.message, { cause: error })
    })
    const { environment, secrets, entry } = access
    // A file may hold another account's by now, under the same path.
    const key = JSON.stringify([environment, secrets, entry?.subscription])
    const known = opened.get(name)
    if (known?.key === key) return known.inventory
    const inventory = open(access)
    opened.set(name, { key, inventory })
    return inventory
  }
  return {
    find: (query) => inventoryFor(query.credentials).then((inventory) => inventory.find(query), refuseAll),
    findRecords: (place) =>
      inventoryFor(place.credentials).then((inventory) => inventory.findRecords(place), refuseAll),
    remove: async (place, resource) => (await inventoryFor(place.credentials)).remove?.(place, resource),
    findMismatch: (place) =>
      inventoryFor(place.credentials).then((inventory) => inventory.findMismatch?.(place), untold),
    async *findOwned({ installationId, offered }) {
      const places = Map.groupBy(
        offered.filter((place) => place.platform === platform),
        (place) => place.credentials,
      )
      // One that does not tell keeps nobody from what the others tell.
      const silent: unknown[] = []
      for (const [name, here] of places)
        try {
          const { findOwned } = await inventoryFor(name)
          if (findOwned) yield* findOwned({ installationId, offered: here })
        } catch (error) {
          silent.push(error)
        }
      if (silent.length > 0) throw new Error(silent.map(messageOf).join('; '))
    },
  }
}
