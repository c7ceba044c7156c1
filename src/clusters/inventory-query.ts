// What the inventory is asked of a cluster. All who ask build the question here.
import type { InventoryQuery, Place } from '../clouds/inventory.ts'
import type { Reader } from '../db/client.ts'
import { listEntries } from './ledger.ts'
import type { ClusterRow } from './tables.ts'

type Located = Pick<ClusterRow, 'platform' | 'region' | 'name' | 'baseDomain' | 'profileSnapshot'>

/** Where the cluster is, as its profile was when it was asked for. */
export function placeOf({ platform, region, name, baseDomain, profileSnapshot }: Located): Place {
  const { features, aws } = profileSnapshot
  return {
    platform,
    region,
    name,
    baseDomain,
    isPrivate: features.private,
    subnets: aws?.subnets?.map(({ id }) => id),
    hostedZone: aws?.hostedZone,
    hostedZoneRole: aws?.hostedZoneRole,
  }
}

/** For what these infraIDs have, whoever has the cluster's name by now. */
export function queryOf(cluster: Located, clusterId: string | undefined, infraIds: string[]): InventoryQuery {
  return { ...placeOf(cluster), clusterId, infraIds, records: 'own' }
}

/** For all that a cluster has which still holds its name. */
export async function queryOfWhole(db: Reader, cluster: ClusterRow): Promise<InventoryQuery> {
  const entries = await listEntries(db, cluster.id)
  const query = queryOf(cluster, cluster.id, entries.map(({ infraId }) => infraId)) // prettier-ignore
  // When nothing was ever made, records under its names belong to others.
  if (entries.length === 0) return query
  const known = entries.flatMap(({ stoodBefore }) => (stoodBefore === null ? [] : [stoodBefore]))
  return known.length === 0 ? { ...query, records: 'unclear' } : { ...query, records: 'all', stoodBefore: known.flat() }
}
