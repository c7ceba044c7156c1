// What an install begins with: a free name, the installer's input, and the metadata that it makes of it.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describeTaken, describeUnanswered } from '../clouds/inventory.ts'
import { placeOf } from '../clusters/inventory-query.ts'
import { listOverlapping } from '../clusters/ledger.ts'
import { writeRecord } from '../clusters/stored-state.ts'
import { renderInstallConfig } from '../install-config/install-config.ts'
import { parseLine, tellsUnknownField } from '../installer/log.ts'
import { assertSafeMetadata, parseMetadata, type InstallerMetadata } from '../installer/metadata.ts'
import { readKubeadminPassword } from '../installer/results.ts'
import { Unfit } from './failures.ts'
import type { Operation } from './operation.ts'

/** What requireFreeName returns, once the credentials are known to be of the account that the profile names. Throws Unfit. */
export async function requireFreePlace(operation: Operation): Promise<string[] | undefined> {
  const { app, claim } = operation
  const why = await app.inventory.findMismatch?.(placeOf(claim.cluster))
  if (why !== undefined) throw new Unfit('WrongCloudAccount', `${why}. Nothing was made`)
  return requireFreeName(operation)
}

/**
 * Public records carry no tags, so the destroy of a second cluster with the same names would take the records of the
 * first. The installers refuse such a name too, but only midway. When the cloud cannot be asked, the check is left to
 * them. Returns the ids of what stands under the domain and is not in the way, or undefined when nobody knows.
 */
async function requireFreeName({ app, claim, log }: Operation): Promise<string[] | undefined> {
  const { name, baseDomain, platform } = claim.cluster
  const answer = await app.inventory.findRecords(placeOf(claim.cluster))
  const unanswered = describeUnanswered(platform, answer)
  if (answer.taken.length === 0) {
    if (unanswered === undefined) return answer.found.map(({ id }) => id)
    log('warning', `It is not known whether the name ${name}.${baseDomain} is free: ${unanswered}`)
    return undefined
  }
  throw new Unfit(
    'DNSAlreadyExists',
    `DNS records of ${name}.${baseDomain} stand already, though no cluster of this service has the name: ` +
      `${describeTaken(answer.taken)}. Take another name, or have whoever made them remove them`,
  )
}

export async function writeInputs(
  { app, claim: { cluster } }: Operation,
  dir: string,
  stoodBefore: string[] | undefined,
): Promise<void> {
  const config = renderInstallConfig({
    name: cluster.name,
    version: cluster.version,
    baseDomain: cluster.baseDomain,
    region: cluster.region,
    workerReplicas: cluster.workerReplicas,
    profile: cluster.profileSnapshot,
    tags: cluster.effectiveTags,
    sshPublicKey: cluster.request.sshPublicKey,
    pullSecret: await app.installer.pullSecret(),
  })
  await writeFile(join(dir, 'install-config.yaml'), config, { mode: 0o600 })
  await writeRecord(dir, cluster, stoodBefore)
}

/**
 * An installer throws away what its version does not know, and goes on: a private cluster would get a VPC of its own.
 * Throws Unfit.
 */
export function requireKnownFields(log: string): void {
  const told = log.split('\n').map(parseLine).find(tellsUnknownField)
  if (!told) return
  throw new Unfit(
    'UnknownInstallConfigField',
    `the installer of this version would throw a field of install-config.yaml away: ${told.message}`,
  )
}

/** Throws UnsafeMetadata; Unfit where one of two destroyers would take what the other cluster has. */
export async function readMetadata(operation: Operation, dir: string): Promise<InstallerMetadata> {
  const { cluster } = operation.claim
  operation.learnSecret(await readKubeadminPassword(dir))
  const metadata = parseMetadata(await readFile(join(dir, 'metadata.json'), 'utf8'))
  assertSafeMetadata(metadata, { clusterName: cluster.name, platform: cluster.platform, region: cluster.region })
  const { infraID } = metadata
  const [other] = await listOverlapping(operation.app.db, infraID, cluster.platform)
  if (other)
    throw new Unfit(
      'InfraIdOverlaps',
      `the infraID ${infraID} and ${other.infraId} of the cluster ${other.clusterName} contain one another, so the destroy of one ` +
        `could take the other. Take a name in which ${other.clusterName} does not occur, or wait until that cluster is destroyed`,
    )
  return metadata
}
