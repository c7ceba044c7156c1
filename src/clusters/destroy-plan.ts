// What a destroy would take away, asked of the cloud. Nothing is changed.
import type { App } from '../app.ts'
import type { Caller } from '../auth/principal.ts'
import { countTypes, type InventoryAnswer, type InventoryQuery, type Resource } from '../clouds/inventory.ts'
import { usdPerHourOfAll } from '../clouds/prices.ts'
import { inTheWay, knownResidue } from '../clouds/residue.ts'
import { judgeDestroy, listDestroysUnderWay } from './commands.ts'
import { timeFor } from './end.ts'
import { queryOfWhole } from './inventory-query.ts'
import { clusterFor } from './queries.ts'

const MOST_SHOWN = 500

export type DestroyPlan = {
  outcome: ReturnType<typeof judgeDestroy>
  takenAt: Date
  /** What will go. */
  total: number
  types: Record<string, number>
  resources: Resource[]
  usdPerHour: number
  /** What the cloud did not tell. Where a kind is here, there may be more. */
  notChecked: InventoryAnswer['notChecked']
  /** What stays, since it is not the cluster's. `holders` stand in the cluster's own networks and hold the destroy up. */
  notOurs: { stoodBefore: string[]; holders: Resource[] }
  /** What the installer is known to leave on this cloud, and whether the workers take it away then. */
  knownToStay: { types: string[]; why: string }[]
  residue: 'show' | 'remove'
}

type Taken = { takenAt: Date; answer: InventoryAnswer }

/** A look takes many questions, so all who ask at about the same time share one. */
const SHARED_MS = 10_000
const looks = new Map<string, Promise<Taken>>()

function look(inventory: App['inventory'], id: string, query: InventoryQuery): Promise<Taken> {
  const begun = looks.get(id)
  if (begun) return begun
  const forget = () => looks.delete(id)
  const taken = inventory.find(query).then((answer) => ({ takenAt: new Date(), answer }))
  looks.set(id, taken)
  taken.then(() => setTimeout(forget, SHARED_MS).unref(), forget)
  return taken
}

/** Throws NOT_FOUND, FORBIDDEN, and what destroyCluster would throw. */
export async function planDestroy(
  { db, inventory, config }: Pick<App, 'db' | 'inventory' | 'config'>,
  by: Caller,
  id: string,
): Promise<DestroyPlan> {
  const { cluster, outcome, query } = await db.transaction(async (tx) => {
    const found = await clusterFor(tx, by, 'cluster.destroy', id)
    const [underWay] = found.status === 'DESTROYING' ? await listDestroysUnderWay(tx, [id]) : []
    return {
      cluster: found,
      outcome: judgeDestroy(found, await timeFor(tx, found), underWay !== undefined),
      query: await queryOfWhole(tx, found),
    }
  })
  const { takenAt, answer } = await look(inventory, id, query)
  const { holders = [], notChecked } = answer
  const goFirst = new Set(inTheWay(query, holders))
  const found = [...answer.found, ...goFirst]
  return {
    outcome,
    takenAt,
    total: found.length,
    types: countTypes(found),
    resources: found.slice(0, MOST_SHOWN),
    usdPerHour: usdPerHourOfAll(found) ?? 0,
    notChecked,
    notOurs: { stoodBefore: query.stoodBefore ?? [], holders: holders.filter((each) => !goFirst.has(each)) },
    knownToStay: knownResidue(cluster.platform),
    residue: config.removesResidue ? 'remove' : 'show',
  }
}
