// What the inventory is asked of a cluster. All who ask build the question here.
import type { InventoryQuery, Place } from '../clouds/inventory.ts'
import type { Reader } from '../db/client.ts'
import { listDisks } from './disks.ts'
import { listEntries } from './ledger.ts'
import type { Profile } from '../profiles/profile.ts'
import type { ClusterRow } from './tables.ts'

type Located = Pick<ClusterRow, 'region' | 'name' | 'baseDomain' | 'profileSnapshot'>

/** Where the cluster is, as its profile was when it was asked for. */
export function placeOf({ region, name, baseDomain, profileSnapshot }: Located): Place {
  return { name, ...placeIn(profileSnapshot, region, baseDomain) }
}

/** Where clusters of the profile may be. */
export const placesOf = (profile: Profile): Omit<Place, 'name'>[] =>
  profile.regions.allowed.flatMap((region) =>
    profile.baseDomains.allowed.map((baseDomain) => placeIn(profile, region, baseDomain)),
  )

function placeIn(
  { platform, credentials, features, aws, azure, gcp, ibmcloud }: Profile,
  region: string,
  baseDomain: string,
): Omit<Place, 'name'> {
  return {
    platform,
    region,
    baseDomain,
    credentials,
    isPrivate: features.private,
    subnets: aws?.subnets?.map(({ id }) => id),
    hostedZone: aws?.hostedZone,
    hostedZoneRole: aws?.hostedZoneRole,
    azure,
    project: gcp?.project,
    network: gcp?.network,
    networkProject: gcp?.networkProject,
    ibmcloud,
  }
}

/** For what these infraIDs have, whoever has the cluster's name by now. */
export function queryOf(cluster: Located, clusterId: string | undefined, infraIds: string[]): InventoryQuery {
  return { ...placeOf(cluster), clusterId, infraIds, records: 'own' }
}

/** For all that a cluster has which still holds its name. */
export async function queryOfWhole(db: Reader, cluster: ClusterRow): Promise<InventoryQuery> {
  const entries = await listEntries(db, cluster.id)
  const disks = cluster.readyAt ? await listDisks(db, cluster.id) : []
  const query = { ...queryOf(cluster, cluster.id, entries.map(({ infraId }) => infraId)), disks } // prettier-ignore
  // When nothing was ever made, records under its names belong to others.
  if (entries.length === 0) return query
  const known = entries.flatMap(({ stoodBefore }) => (stoodBefore === null ? [] : [stoodBefore]))
  return known.length === 0 ? { ...query, records: 'unclear' } : { ...query, records: 'all', stoodBefore: known.flat() }
}
