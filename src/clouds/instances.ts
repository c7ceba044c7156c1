// The port to the power of a cluster's machines. It acts on no machine that is not the cluster's, whatever it is told to
// act on, and never takes silence for "there is none".
import type { InventoryQuery, NotChecked } from './inventory.ts'

/**
 * Alike on all clouds. `pending`: it is being made or started. `stopped`: only its disks have a price, and it can be
 * started. `terminated`: it is deleted, or on its way there. `other`: none of these, such as a machine of Azure that is
 * off and not deallocated, which costs as before.
 */
export type InstanceState = 'pending' | 'running' | 'stopping' | 'stopped' | 'terminated' | 'other'

export type Instance = {
  id: string
  name: string
  /** As nodes name it. undefined: it is in none. */
  zone: string | undefined
  machineType: string | undefined
  isSpot: boolean
  role: 'control-plane' | 'worker' | 'unknown'
  state: InstanceState
  /** Its state in the cloud's own words. */
  told: string
  /** Why it cannot be stopped: spot machines of AWS can only be terminated; what is on a local disk would be lost. */
  cannotStop?: 'spot' | 'local-disk'
  /** It is not running since the cloud had no machine for its last start. AWS and Google Cloud tell it of a start alone. */
  lacksCapacity?: true
}

export type InstancesQuery = Omit<InventoryQuery, 'records' | 'disks' | 'stoodBefore'>

/** Where something is in `notChecked`, there may be more machines than these. */
export type InstancesAnswer = { instances: Instance[]; notChecked: NotChecked[] }

/**
 * `accepted`: it was ordered, or is so already; a list tells when it is so. `gone`: the cluster has no such machine. `not-yet`:
 * its state does not allow it now. `refused`: for all else, such as a missing permission.
 */
export type Outcome = 'accepted' | 'gone' | 'no-capacity' | 'not-yet' | 'cannot-stop' | 'refused'

export type Ordered = { id: string; outcome: Outcome; why?: string; isDenied?: true }

/** None throws for what a cloud refuses. Orders have one outcome for each machine, and may be given again at any time. */
export type Instances = {
  list: (query: InstancesQuery) => Promise<InstancesAnswer>
  stop: Order
  start: Order
  terminate: Order
}
export type Order = (query: InstancesQuery, machines: Pick<Instance, 'id'>[]) => Promise<Ordered[]>

/** A word of infraIDs: five letters without vowels, and what machines are called after it. */
const OF_ANOTHER = /(?:^|-)[bcdfghjklmnpqrstvwxz2456789]{5}-(?:master|worker|bootstrap)(?:-|$)/

/** A cluster that is called as the infraID of another one has names that begin as the other's do. */
export const isNamedBy = (infraIds: string[], name: string): boolean =>
  infraIds.some((infraId) => name.startsWith(`${infraId}-`) && !OF_ANOTHER.test(name.slice(infraId.length + 1)))

/** By how the installer and the machine sets that it makes call machines. */
export function roleOf(infraIds: string[], name: string): Instance['role'] {
  const rest = infraIds.flatMap((infraId) => (name.startsWith(`${infraId}-`) ? [name.slice(infraId.length)] : []))
  if (rest.some((each) => each.startsWith('-master-'))) return 'control-plane'
  return rest.some((each) => each.startsWith('-worker-')) ? 'worker' : 'unknown'
}
