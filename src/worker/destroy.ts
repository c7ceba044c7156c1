// Takes away what the ledger names, and proves that it is gone. Nothing is found or deleted by name, and no metadata
// but our own is used.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { restoreSnapshot } from '../artifacts/snapshot.ts'
import { closeEntry, findOpenEntry, listInfraIds, listSnapshots, type LedgerEntry } from '../clusters/ledger.ts'
import type { Resource } from '../clouds/inventory.ts'
import { messageOf } from '../errors.ts'
import { assertSafeMetadata, assertSameMetadata, parseMetadata } from '../installer/metadata.ts'
import type { Outcome } from '../jobs/attempts.ts'
import type { Operation } from './operation.ts'

const DEADLINE_MS = 45 * 60 * 1000
const SHORTEST_DEADLINE_MS = 60_000
const RETRY_SECONDS = 60
const SHOWN_RESOURCES = 20

/** What stands in the way of DESTROYED. */
export class DestroyFailed extends Error {
  override readonly name = 'DestroyFailed'
  readonly reason: string
  readonly exitCode: number | undefined
  constructor(reason: string, message: string, exitCode?: number) {
    super(message)
    this.reason = reason
    this.exitCode = exitCode
  }
}

export async function runDestroy(operation: Operation): Promise<Outcome> {
  const { app, claim } = operation
  try {
    const entry = await findOpenEntry(app.db, claim.cluster.id)
    if (entry) await destroyInfrastructure(operation, entry)
    else await proveEmpty(operation)
    return { kind: 'succeeded', changes: { destroyedAt: new Date() } }
  } catch (error) {
    if (!(error instanceof DestroyFailed)) throw error
    const delay = app.installer.simulated ? Math.ceil(RETRY_SECONDS / app.config.simulator.speed) : RETRY_SECONDS
    return {
      kind: 'failed',
      reason: error.reason,
      message: error.message,
      retryInSeconds: delay,
      ...(error.exitCode === undefined ? {} : { exitCode: error.exitCode }),
    }
  }
}

/** Destroys one infraID and closes its ledger entry. Throws DestroyFailed or Stopped. */
export async function destroyInfrastructure(operation: Operation, entry: LedgerEntry): Promise<void> {
  const { app, claim } = operation
  operation.log('info', `Destroying what ${entry.infraId} owns`)
  const dir = join(await operation.makeDir('destroy'), entry.infraId)
  await restoreState(operation, entry, dir)
  try {
    const stored = parseMetadata(await readFile(join(dir, 'metadata.json'), 'utf8'))
    assertSameMetadata(stored, entry.metadata)
    assertSafeMetadata(stored, { clusterName: claim.cluster.name, platform: claim.cluster.platform })
    if (stored.infraID !== entry.infraId)
      throw new Error(`metadata is of ${stored.infraID}, the ledger says ${entry.infraId}`)
  } catch (error) {
    throw new DestroyFailed('UnsafeMetadata', messageOf(error))
  }
  await operation.enter('destroy')
  const { speed } = app.config.simulator
  const deadlineMs = app.installer.simulated ? Math.max(SHORTEST_DEADLINE_MS, DEADLINE_MS / speed) : DEADLINE_MS
  const { exitCode, timedOut } = await operation.run('destroy cluster', dir, { deadlineMs })
  if (timedOut) {
    const left = await findResources(operation)
    throw new DestroyFailed(
      'DestroyDeadlineExceeded',
      `the destroy did not end in time; left: ${describe(left)}`,
      exitCode,
    )
  }
  if (exitCode !== 0)
    throw new DestroyFailed(
      'InstallerFailedToDestroyResources',
      `openshift-install destroy ended with ${exitCode}`,
      exitCode,
    )
  await proveEmpty(operation)
  await operation.fenced((tx) => closeEntry(tx, entry.infraId))
}

/** Throws DestroyFailed with what is left. */
async function proveEmpty(operation: Operation): Promise<void> {
  await operation.enter('verify')
  const left = await findResources(operation)
  if (left.length > 0) throw new DestroyFailed('ResourcesLeft', `${left.length} resources are left: ${describe(left)}`)
  operation.log('info', 'The inventory is empty: 0 resources left')
}

async function findResources(operation: Operation): Promise<Resource[]> {
  const { app, claim } = operation
  const { id, platform, region, name, baseDomain } = claim.cluster
  const infraIds = await listInfraIds(app.db, id)
  const answer = await app.inventory.find({ clusterId: id, platform, region, name, baseDomain, infraIds })
  if (!answer.verified) throw new DestroyFailed('InventoryNotVerified', answer.reason)
  return answer.resources
}

const describe = (resources: Resource[]) =>
  resources
    .slice(0, SHOWN_RESOURCES)
    .map(({ type, id }) => `${type} ${id}`)
    .join(', ') + (resources.length > SHOWN_RESOURCES ? ', …' : '')

/** The newest snapshot that verifies; the ledger's own metadata, which destroy needs and no more, when none does. */
async function restoreState(operation: Operation, entry: LedgerEntry, dir: string): Promise<void> {
  const { app } = operation
  for (const { key, sha256 } of await listSnapshots(app.db, entry)) {
    try {
      await restoreSnapshot(app.store, app.box, { key, sha256, dir, context: key })
      return
    } catch (error) {
      operation.log('warning', `snapshot ${key} cannot be restored: ${messageOf(error)}`)
    }
  }
  operation.log('warning', 'no snapshot can be restored; the ledger still knows what to destroy')
  const fresh = await operation.makeDir(join('destroy', entry.infraId))
  await writeFile(join(fresh, 'metadata.json'), JSON.stringify(entry.metadata), { mode: 0o600 })
}
