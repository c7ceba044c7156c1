// An inventory of one cloud, and its power over machines, for each entry of credentials. Each is opened when it is first
// asked for, and anew when its entry leads elsewhere. A place whose entry is missing is not verified.
import { messageOf } from '../errors.ts'
import type { Platform } from '../vocabulary.ts'
import type { Access, CloudCredentials } from './access.ts'
import { NotAnswered, refuseAll, untold } from './asking.ts'
import { EntryProblem } from './entry-forms.ts'
import type { Instances, Order } from './instances.ts'
import type { Inventory } from './inventory.ts'
import { refuseList, refuseOrders } from './power.ts'

/** What is opened with an entry's credentials. Throws NotAnswered for an entry that is missing. */
function openByEntry<T>(credentials: CloudCredentials, platform: Platform, open: (access: Access) => T) {
  const known = new Map<string | undefined, { key: string; opened: T }>()
  return async (name: string | undefined): Promise<T> => {
    const access = await credentials.open(platform, name).catch((error: unknown) => {
      known.delete(name)
      if (!(error instanceof EntryProblem)) throw error
      throw new NotAnswered('credentials', error.message, { cause: error })
    })
    const { environment, secrets, entry } = access
    // A file may hold another account's by now, under the same path.
    const key = JSON.stringify([environment, secrets, entry?.subscription])
    const before = known.get(name)
    if (before?.key === key) return before.opened
    const opened = open(access)
    known.set(name, { key, opened })
    return opened
  }
}

export function openInstancesByEntry(
  credentials: CloudCredentials,
  platform: Platform,
  open: (access: Access) => Instances,
): Instances {
  const instancesFor = openByEntry(credentials, platform, open)
  const order =
    (verb: 'stop' | 'start' | 'terminate'): Order =>
    (query, machines) =>
      instancesFor(query.credentials).then(
        (instances) => instances[verb](query, machines),
        (error: unknown) => refuseOrders(machines, error),
      )
  return {
    list: (query) => instancesFor(query.credentials).then((instances) => instances.list(query), refuseList),
    stop: order('stop'),
    start: order('start'),
    terminate: order('terminate'),
  }
}

export function openInventoryByEntry(
  credentials: CloudCredentials,
  platform: Platform,
  open: (access: Access) => Inventory,
): Inventory {
  const inventoryFor = openByEntry(credentials, platform, open)
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
