// What the artifact store gives back: the directory of an attempt that is gone, and entries that the ledger has lost.
import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { restoreSnapshot } from '../artifacts/snapshot.ts'
import { StoreUnavailable } from '../artifacts/store.ts'
import { listEntries, listSnapshots, nameInfra, type LedgerEntry } from '../clusters/ledger.ts'
import { assertStoredIsOf, keepStored, readStoredState } from '../clusters/stored-state.ts'
import { messageOf } from '../errors.ts'
import { UnsafeMetadata } from '../installer/metadata.ts'
import { DestroyFailed } from './failures.ts'
import type { Operation } from './operation.ts'

/**
 * Restores the newest snapshot that verifies and has a metadata.json; false when none does. Throws StoreUnavailable only
 * when asked to wait for the store.
 */
export async function restoreLatest(
  operation: Operation,
  entry: LedgerEntry,
  dir: string,
  options: { waitForStore?: boolean } = {},
): Promise<boolean> {
  const { app } = operation
  for (const { key, sha256 } of await listSnapshots(app.db, entry)) {
    try {
      await restoreSnapshot(app.store, app.box, { key, sha256, dir, context: key })
      if (existsSync(join(dir, 'metadata.json'))) return true
      operation.log('warning', `snapshot ${key} has no metadata.json`)
    } catch (error) {
      if (options.waitForStore && error instanceof StoreUnavailable) throw error
      operation.log('warning', `snapshot ${key} cannot be restored: ${messageOf(error)}`)
    }
    await rm(dir, { recursive: true, force: true })
  }
  return false
}

/** A destroy needs only the metadata, and the ledger has it. */
export async function writeLedgerMetadata(operation: Operation, entry: LedgerEntry, dir: string): Promise<void> {
  operation.log('warning', 'No snapshot can be restored; the ledger still knows what to destroy')
  await mkdir(dir, { recursive: true, mode: 0o700 })
  await writeFile(join(dir, 'metadata.json'), JSON.stringify(entry.metadata), { mode: 0o600 })
}

/**
 * Puts back into the ledger what the artifact store knows of the cluster and the database has lost. For an attempt
 * without an entry, any stored snapshot may be the last news of it. Throws DestroyFailed.
 */
export async function recallEntries(operation: Operation): Promise<void> {
  const { app, claim } = operation
  const { cluster } = claim
  const known = new Set((await listEntries(app.db, cluster.id)).map((entry) => entry.attemptId))
  try {
    await readStoredState(
      app,
      cluster.id,
      (attemptId) => known.has(attemptId),
      async (infra) => {
        assertStoredIsOf(infra, cluster)
        const isBack = await operation.fencedWithCluster(async (tx) => {
          if (!(await keepStored(tx, cluster.id, infra))) return false
          await nameInfra(tx, cluster.id, infra.metadata.infraID)
          return true
        })
        if (isBack)
          operation.log('warning', `The ledger had lost ${infra.metadata.infraID}; the artifact store knows it`)
      },
    )
  } catch (error) {
    // The inventory has the last word. What it does not see need not be recalled, and what it sees comes up again.
    if (error instanceof StoreUnavailable)
      return operation.log('warning', `the store could not be asked what the ledger may have lost: ${error.message}`)
    if (error instanceof UnsafeMetadata)
      throw new DestroyFailed('UnsafeMetadata', messageOf(error), { worthRetrying: false })
    throw error
  }
}
