// The installer's metadata.json, and the guard before every destroy. A wrong file is dangerous: an empty AWS map
// selects the whole account, an empty IBM infraID every name in the region, a shared Azure group all that is in it.
import { z } from 'zod'
import type { Platform } from '../vocabulary.ts'

const serviceEndpoints = z.array(z.unknown()).nullish()

const metadataSchema = z.looseObject({
  clusterName: z.string(),
  clusterID: z.string(),
  infraID: z.string(),
  aws: z
    .looseObject({ region: z.string(), identifier: z.array(z.record(z.string(), z.string())), serviceEndpoints })
    .optional(),
  azure: z.looseObject({ resourceGroupName: z.string().optional() }).optional(),
  gcp: z
    .looseObject({
      region: z.string(),
      projectID: z.string(),
      networkProjectID: z.string().optional(),
      privateZoneProjectID: z.string().optional(),
      privateZoneDomain: z.string().optional(),
      serviceEndpoints,
      endpoint: z.unknown().optional(),
    })
    .optional(),
  ibmcloud: z.looseObject({ accountID: z.string(), serviceEndpoints }).optional(),
})

export type InstallerMetadata = z.infer<typeof metadataSchema>

/** A name of at most 21 characters and five random ones, as the installer builds it. */
export const infraIdPattern = /^[a-z0-9-]{1,21}-[a-z0-9]{5}$/

export class UnsafeMetadata extends Error {
  override readonly name = 'UnsafeMetadata'
}

/** Throws UnsafeMetadata. Credentials that some installers write into the file are left out. */
export function parseMetadata(text: string): InstallerMetadata {
  let value: unknown
  try {
    value = JSON.parse(text, (key, inner: unknown) => (/^(username|password)$/i.test(key) ? undefined : inner))
  } catch {
    throw new UnsafeMetadata('metadata.json is not JSON')
  }
  const parsed = metadataSchema.safeParse(value)
  if (!parsed.success)
    throw new UnsafeMetadata(
      `metadata.json lacks ${parsed.error.issues.map((issue) => issue.path.join('.')).join(', ')}`,
    )
  return parsed.data
}

/** Throws UnsafeMetadata unless the metadata names this cluster and nothing else. */
export function assertSafeMetadata(
  metadata: InstallerMetadata,
  expected: { clusterName: string; platform: Platform; region?: string },
): void {
  const { infraID } = metadata
  const refuse = (why: string) => {
    throw new UnsafeMetadata(`refused: ${why}`)
  }
  if (!infraIdPattern.test(infraID)) refuse(`infraID "${infraID}" has not the form of one`)
  if (metadata.clusterName !== expected.clusterName)
    refuse(`metadata is of cluster "${metadata.clusterName}", not "${expected.clusterName}"`)
  if (!infraID.startsWith(`${expected.clusterName}-`))
    refuse(`infraID "${infraID}" is not of cluster "${expected.clusterName}"`)
  const block = metadata[expected.platform]
  if (block === undefined) refuse(`metadata has no ${expected.platform} block`)
  // The destroyer works in this region, and the inventory proves the row's.
  if (expected.region !== undefined && typeof block?.['region'] === 'string' && block['region'] !== expected.region)
    refuse(`metadata is of the region "${block['region']}", and the cluster of "${expected.region}"`)
  const others = (['aws', 'azure', 'gcp', 'ibmcloud'] as const).filter(
    (p) => p !== expected.platform && metadata[p] !== undefined,
  )
  if (others.length > 0) refuse(`metadata has a block of ${others.join(', ')} too`)
  if (expected.platform === 'aws') {
    const maps = metadata.aws?.identifier ?? []
    if (maps.length === 0) refuse('metadata has no AWS identifier')
    for (const map of maps) {
      const entries = Object.entries(map)
      const [key, value] = entries[0] ?? ['', '']
      const named =
        (/^(kubernetes\.io|sigs\.k8s\.io\/cluster-api-provider-aws)\/cluster\//.test(key) &&
          key.endsWith(`/${infraID}`) &&
          value === 'owned') ||
        (key === 'openshiftClusterID' && value === metadata.clusterID && value !== '')
      if (entries.length !== 1 || !named) refuse(`AWS identifier ${JSON.stringify(map)} does not name ${infraID} alone`)
    }
  }
  // No profile names endpoints. At any other one the destroyer would see an empty cloud.
  const elsewhere = [...endpointsOf(metadata), ...(metadata.gcp?.endpoint == null ? [] : [metadata.gcp.endpoint])]
  if (elsewhere.length > 0) refuse(`metadata sends the destroyer to endpoints of its own: ${JSON.stringify(elsewhere)}`)
  if (expected.platform === 'gcp') {
    const { projectID, networkProjectID, privateZoneProjectID, privateZoneDomain } = metadata.gcp ?? {}
    if (privateZoneProjectID && privateZoneProjectID !== projectID && privateZoneProjectID !== networkProjectID)
      refuse(`its private zone is in project "${privateZoneProjectID}", which is not one of the cluster's`)
    if (privateZoneDomain && !privateZoneDomain.startsWith(`${expected.clusterName}.`))
      refuse(`its private zone "${privateZoneDomain}" is not of cluster "${expected.clusterName}"`)
  }
  if (expected.platform === 'azure') {
    const group = metadata.azure?.resourceGroupName ?? ''
    if (group !== '' && group !== `${infraID}-rg`) refuse(`Azure resource group "${group}" is not this cluster's own`)
  }
}

const endpointsOf = ({ aws, gcp, ibmcloud }: InstallerMetadata): unknown[] =>
  [aws, gcp, ibmcloud].flatMap((block) => block?.serviceEndpoints ?? [])

/** Throws UnsafeMetadata unless the stored file says the same as the ledger. */
export function assertSameMetadata(stored: InstallerMetadata, ledger: InstallerMetadata): void {
  const [a, b] = [stored, ledger].map((metadata) => JSON.stringify(sortKeys(metadata)))
  if (a !== b) throw new UnsafeMetadata(`refused: metadata.json of ${ledger.infraID} differs from the ledger`)
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sortKeys(inner)]),
  )
}
