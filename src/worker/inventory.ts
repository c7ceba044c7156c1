// The inventory of the cluster that an operation works on.
import type { InventoryAnswer } from '../clouds/inventory.ts'
import { queryOf, queryOfWhole } from '../clusters/inventory-query.ts'
import type { Operation } from './operation.ts'

/** Of the whole cluster, or of these infraIDs alone. */
export async function takeInventory({ app, claim }: Operation, only?: string[]): Promise<InventoryAnswer> {
  const { cluster } = claim
  return app.inventory.find(only ? queryOf(cluster, undefined, only) : await queryOfWhole(app.db, cluster))
}
