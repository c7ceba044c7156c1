// Takes away what the ledger names, and proves that it is gone. Nothing is found or deleted by name, and no metadata
// but our own is used.
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { restoreSnapshot } from '../artifacts/snapshot.ts'
import { StoreUnavailable } from '../artifacts/store.ts'
import {
  closeEntry,
  forgetBootstrap,
  listEntries,
  listInfraIds,
  listOpenEntries,
  listSnapshots,
  nameInfra,
  reopenEntry,
  type LedgerEntry,
} from '../clusters/ledger.ts'
import { assertStoredIsOf, keepStored, readStoredState } from '../clusters/stored-state.ts'
import { describeResources, type InventoryAnswer, type Resource } from '../clouds/inventory.ts'
import { messageOf } from '../errors.ts'
import { assertSafeMetadata, assertSameMetadata, parseMetadata, UnsafeMetadata } from '../installer/metadata.ts'
import { diagnose } from '../diagnosis/diagnosis.ts'
import { countTries, type Outcome } from '../jobs/attempts.ts'
import { firstLookAt } from '../reconcile/leftovers.ts'
import type { Operation } from './operation.ts'
import { retrySeconds } from './retry.ts'

const MINUTE_MS = 60 * 1000
/** The destroyers of some clouds try for ever. */
const SHORTEST_DEADLINE_MS = 30_000
/** As long as the inventory may stand still while the destroyer runs; the largest clouds delete slowly. */
const STILL_MS = 15 * MINUTE_MS
const SHORTEST_STILL_MS = 10_000
const LOOK_MS = MINUTE_MS
const SHORTEST_LOOK_MS = 1_000
const RETRY_SECONDS = 60
/** In the place of a minute, where the cloud is simulated. */
const SHORTEST_SECOND_LOOK_MS = 1_000

/** What stands in the way of DESTROYED. */
export class DestroyFailed extends Error {
  override readonly name = 'DestroyFailed'
  readonly reason: string
  readonly worthRetrying: boolean
  readonly exitCode: number | undefined
  readonly resources: Resource[]
  /** The destroyer says so; the cloud has not been asked yet. */
  readonly isOfDestroyer: boolean
  constructor(
    reason: string,
    message: string,
    options: {
      worthRetrying?: boolean
      exitCode?: number | undefined
      resources?: Resource[]
      isOfDestroyer?: boolean
    } = {},
  ) {
    super(message)
    this.reason = reason
    this.worthRetrying = options.worthRetrying ?? true
    this.exitCode = options.exitCode
    this.resources = options.resources ?? []
    this.isOfDestroyer = options.isOfDestroyer ?? false
  }
}

export async function runDestroy(operation: Operation): Promise<Outcome> {
  const { app, claim } = operation
  operation.reached('destroy:claimed')
  try {
    await recallEntries(operation)
    const entries = await listOpenEntries(app.db, claim.cluster.id)
    const message =
      entries.length > 0 ? await destroyInfrastructure(operation, entries) : await proveEmptyAgain(operation)
    return { kind: 'succeeded', message, changes: { destroyedAt: new Date(), lookAt: firstLookAt(app.config) } }
  } catch (error) {
    if (!(error instanceof DestroyFailed)) throw error
    operation.log('error', error.message)
    const tries = await countTries(app.db, claim.job.id)
    return {
      kind: 'failed',
      reason: error.reason,
      message: error.message,
      ...(error.worthRetrying ? { retryInSeconds: retrySeconds(operation, RETRY_SECONDS, tries) } : {}),
      ...(error.exitCode === undefined ? {} : { exitCode: error.exitCode }),
    }
  }
}

/**
 * Puts back into the ledger what the artifact store knows of the cluster and the database has lost. Whatever was ever
 * stored of an attempt without an entry may have been the last thing that was heard of it.
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
    // The inventory has the last word: what it does not see need not be recalled, and what it sees comes up again.
    if (error instanceof StoreUnavailable)
      return operation.log('warning', `the store could not be asked what the ledger may have lost: ${error.message}`)
    if (error instanceof UnsafeMetadata)
      throw new DestroyFailed('UnsafeMetadata', messageOf(error), { worthRetrying: false })
    throw error
  }
}

/**
 * Destroys these infraIDs, proves that nothing of the cluster is left, and closes their entries. Returns what is worth
 * knowing of it. Throws DestroyFailed, Stopped.
 */
export async function destroyInfrastructure(operation: Operation, entries: LedgerEntry[]): Promise<string | undefined> {
  let failure: DestroyFailed | undefined
  for (const entry of entries)
    try {
      await destroyOne(operation, entry)
    } catch (error) {
      if (!(error instanceof DestroyFailed) || !error.isOfDestroyer) throw error
      failure ??= error
    }
  const told = failure ? await proveEmptyTwice(operation, failure) : await proveEmpty(operation)
  operation.reached('destroy:proved-empty')
  await closeEntries(operation, entries)
  operation.reached('destroy:entry-closed')
  return told
}

/**
 * Closes entries of which nothing is left, though another infraID of the cluster lives on; false when something is. To
 * destroy it would take the public records of the one that lives, whose names are the same.
 */
export async function closeIfGone(operation: Operation, entries: LedgerEntry[]): Promise<boolean> {
  if (entries.length === 0) return true
  const answer = await find(
    operation,
    entries.map((entry) => entry.infraId),
  )
  if (!answer.verified || answer.resources.length > 0) return false
  await closeEntries(operation, entries)
  return true
}

const closeEntries = (operation: Operation, entries: LedgerEntry[]): Promise<void> =>
  operation.fenced(async (tx) => {
    for (const { infraId } of entries) await closeEntry(tx, infraId)
  })

async function destroyOne(operation: Operation, entry: LedgerEntry): Promise<void> {
  operation.log('info', `Destroying what ${entry.infraId} owns`)
  const dir = join(await operation.makeDir('destroy'), entry.infraId)
  if (!(await restoreLatest(operation, entry, dir))) await writeLedgerMetadata(operation, entry, dir)
  operation.reached('destroy:restored')
  await guard(operation, entry, dir)
  if (entry.bootstrappedAt) await operation.fenced((tx) => forgetBootstrap(tx, entry.infraId))

  await operation.enter('destroy')
  const watch = watchProgress(operation)
  try {
    const { exitCode, timedOut, log } = await operation.run('destroy cluster', dir, {
      deadlineMs: operation.realMs(
        operation.claim.cluster.profileSnapshot.deadlines.destroyMinutes * MINUTE_MS,
        SHORTEST_DEADLINE_MS,
      ),
      giveUp: watch.standsStill,
    })
    operation.reached('destroy:installer-ended')
    const options = { exitCode, isOfDestroyer: true }
    if (timedOut) {
      const reason = watch.standsStill.aborted ? 'DestroyStandsStill' : 'DestroyDeadlineExceeded'
      const why = watch.standsStill.aborted ? 'the destroy made no progress' : 'the destroy did not end in time'
      throw new DestroyFailed(reason, why, options)
    }
    if (exitCode !== 0) {
      const { reason, remedy } = diagnose({ log, exitCode, command: 'destroy cluster' })
      throw new DestroyFailed(
        reason === 'UnknownError' ? 'InstallerFailedToDestroyResources' : reason,
        `openshift-install destroy ended with ${exitCode}. ${remedy}`,
        options,
      )
    }
  } finally {
    watch.stop()
  }
}

/**
 * A destroyer may fail or hang over a cloud that has nothing left. Two inventories that are verified and empty, a minute
 * apart, count for more than its word. Throws the destroyer's failure, with what is left.
 */
async function proveEmptyTwice(operation: Operation, failure: DestroyFailed): Promise<string> {
  await operation.enter('verify')
  for (const waitMs of [0, operation.realMs(MINUTE_MS, SHORTEST_SECOND_LOOK_MS)]) {
    await operation.pause(waitMs)
    const answer = await find(operation)
    if (!answer.verified || answer.resources.length > 0)
      throw new DestroyFailed(failure.reason, `${failure.message}; left: ${describe(answer)}`, {
        exitCode: failure.exitCode,
      })
  }
  const told = `${failure.message}; but the inventory was verified and empty, twice: 0 resources left`
  operation.log('warning', told)
  return told
}

/** Throws DestroyFailed unless the directory's metadata is the ledger's and names this one cluster alone. */
async function guard(operation: Operation, entry: LedgerEntry, dir: string): Promise<void> {
  const { cluster } = operation.claim
  const text = await readFile(join(dir, 'metadata.json'), 'utf8')
  try {
    const stored = parseMetadata(text)
    assertSameMetadata(stored, entry.metadata)
    assertSafeMetadata(stored, { clusterName: cluster.name, platform: cluster.platform })
    if (stored.infraID !== entry.infraId)
      throw new Error(`metadata is of ${stored.infraID}, the ledger says ${entry.infraId}`)
  } catch (error) {
    throw new DestroyFailed('UnsafeMetadata', messageOf(error), { worthRetrying: false })
  }
}

/** Throws DestroyFailed with what is left, or with why it cannot be known. */
async function proveEmpty(operation: Operation): Promise<undefined> {
  await operation.enter('verify')
  const answer = await find(operation)
  if (!answer.verified) throw new DestroyFailed('InventoryNotVerified', answer.reason)
  if (answer.resources.length > 0)
    throw new DestroyFailed('ResourcesLeft', `${answer.resources.length} resources are left: ${describe(answer)}`, {
      resources: answer.resources,
    })
  operation.log('info', 'The inventory is empty: 0 resources left')
}

/**
 * Of a cluster whose ledger is closed. An inventory may have been taken too early, or a cloud may have been slow to tell:
 * what still answers is destroyed by the ledger entry that it belongs to, opened again.
 */
async function proveEmptyAgain(operation: Operation): Promise<string | undefined> {
  try {
    return await proveEmpty(operation)
  } catch (error) {
    if (!(error instanceof DestroyFailed) || error.resources.length === 0) throw error
    const { id } = operation.claim.cluster
    const names = error.resources.map((resource) => `${resource.id} ${resource.name}`).join('\n')
    const entry = await operation.fenced((tx) => reopenEntry(tx, id, (infraId) => names.includes(infraId)))
    if (!entry) throw error
    operation.log('warning', `${entry.infraId} was thought to be gone; its ledger entry is opened again`)
    return await destroyInfrastructure(operation, [entry])
  }
}

/** Aborts when the inventory has not become smaller for a while. A cloud that cannot be asked is not said to stand still. */
function watchProgress(operation: Operation): { standsStill: AbortSignal; stop: () => void } {
  const controller = new AbortController()
  const stillMs = operation.realMs(STILL_MS, SHORTEST_STILL_MS)
  let fewest = Number.POSITIVE_INFINITY
  let changedAt = Date.now()
  let looking = false
  const look = async () => {
    if (looking) return
    looking = true
    try {
      const answer = await find(operation)
      const count = answer.verified ? answer.resources.length : Number.NaN
      if (!(count >= fewest)) changedAt = Date.now()
      if (count < fewest) fewest = count
      if (Date.now() - changedAt > stillMs) controller.abort()
    } catch (error) {
      operation.log('debug', `the inventory could not be taken: ${messageOf(error)}`)
    } finally {
      looking = false
    }
  }
  const timer = setInterval(() => void look(), operation.realMs(LOOK_MS, SHORTEST_LOOK_MS))
  return { standsStill: controller.signal, stop: () => clearInterval(timer) }
}

/** Of the whole cluster, or of these infraIDs alone. */
async function find({ app, claim }: Operation, only?: string[]): Promise<InventoryAnswer> {
  const { id, platform, region, name, baseDomain } = claim.cluster
  const place = { platform, region, name, baseDomain }
  if (only) return app.inventory.find({ ...place, clusterId: undefined, infraIds: only, records: 'own' })
  const infraIds = await listInfraIds(app.db, id)
  // Where nothing was ever made, records of its names are others'.
  const records = infraIds.length === 0 ? 'own' : 'all'
  return app.inventory.find({ ...place, clusterId: id, infraIds, records })
}

const describe = (answer: InventoryAnswer): string =>
  answer.verified ? describeResources(answer.resources) : `not known (${answer.reason})`

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

/** A destroy needs the metadata and no more, and the ledger has it. */
async function writeLedgerMetadata(operation: Operation, entry: LedgerEntry, dir: string): Promise<void> {
  operation.log('warning', 'No snapshot can be restored; the ledger still knows what to destroy')
  await mkdir(dir, { recursive: true, mode: 0o700 })
  await writeFile(join(dir, 'metadata.json'), JSON.stringify(entry.metadata), { mode: 0o600 })
}
