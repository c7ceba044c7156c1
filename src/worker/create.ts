// Installs a cluster. The ledger and the artifact store know the infraID before the cloud is touched. When an attempt
// finds the infraID of an earlier one, it finishes that install if its bootstrap was over, and destroys it otherwise.
// `create cluster` never runs twice in one directory.
import { join } from 'node:path'
import { listOpenEntries, markBootstrapped, openEntry, type LedgerEntry } from '../clusters/ledger.ts'
import { changesAtReady } from '../clusters/end.ts'
import { recordOutputs, sealOutputs } from '../clusters/outputs.ts'
import { diagnose } from '../diagnosis/diagnosis.ts'
import type { CommandResult, InstallerCommand } from '../installer/installer.ts'
import type { InstallerMetadata } from '../installer/metadata.ts'
import { readKubeadminPassword, readResults } from '../installer/results.ts'
import { countTries } from '../jobs/attempts.ts'
import type { Outcome } from '../jobs/settle.ts'
import { readMetadata, requireFreePlace, requireKnownFields, writeInputs } from './assets.ts'
import { DestroyFailed, InstallFailed, Stopped, Unfit } from './failures.ts'
import type { Operation } from './operation.ts'
import { recallEntries, restoreLatest } from './restore.ts'
import { retrySeconds } from './retry.ts'
import { openStateKeeper, type StateKeeper } from './state-keeper.ts'
import { pointsOf, takeSteps, undoSteps, type OperationPlan, type Step } from './steps.ts'
import { snapshotForSure } from './store-wait.ts'
import { closeIfGone, destroyInfrastructure, takeAwayUnlessKept } from './take-away.ts'

/** The installer waited in vain for API, bootstrap, initialization or stability. */
const TIMEOUT_CODES = [5, 6, 7]
const RESCUES = 2
const WAIT = 'wait-for install-complete' as const
/** The exit code that `timeout` gives to what it stops. */
const TIMED_OUT = 124
const CLEANUP_RETRY_SECONDS = 60

type State = {
  /** The ledger entries of earlier attempts. */
  entries: LedgerEntry[]
  dir: string
  /** Whether the directory is that of an earlier attempt. */
  isAdopted: boolean
  metadata: InstallerMetadata | undefined
  /** What stood under the cluster's domain before; undefined: nobody knows. */
  stoodBefore?: string[] | undefined
  snapshotId: string
  /** The installer's last run and its result. */
  ran: { command: InstallerCommand; result: CommandResult } | undefined
  keeper: StateKeeper | undefined
}

const isNew = ({ isAdopted }: State) => !isAdopted
const installBudget: Step<State>['budget'] = { minutes: ({ installMinutes }) => installMinutes, leastMs: 60_000 }

const steps: readonly Step<State>[] = [
  {
    name: 'adopted',
    leaves: 'what the step after the bootstrap left',
    budget: installBudget,
    isNeeded: ({ entries }) => entries.at(-1)?.bootstrappedAt != null,
    take: adoptInstall,
  },
  {
    name: 'earlier-destroyed',
    leaves: 'closed entries of the earlier attempts',
    isNeeded: ({ isAdopted, entries }) => !isAdopted && entries.length > 0,
    take: destroyEarlier,
  },
  {
    name: 'manifests-made',
    leaves: 'nothing: they are on this host alone',
    stage: 'manifests',
    budget: installBudget,
    isNeeded: isNew,
    async take(operation, state, deadlineMs) {
      state.stoodBefore = await requireFreePlace(operation)
      await writeInputs(operation, state.dir, state.stoodBefore)
      await run(operation, 'create manifests', state.dir, deadlineMs)
    },
  },
  {
    name: 'ignition-made',
    leaves: 'nothing: infraID and metadata are on this host alone',
    stage: 'ignition-configs',
    budget: installBudget,
    isNeeded: isNew,
    async take(operation, state, deadlineMs) {
      await run(operation, 'create ignition-configs', state.dir, deadlineMs)
      state.metadata = await readMetadata(operation, state.dir)
    },
  },
  {
    name: 'state-stored',
    leaves: 'a snapshot of the directory from before the cloud was touched',
    isNeeded: isNew,
    async take(operation, state) {
      state.snapshotId = await snapshotForSure(operation, state.dir, 'ignition-configs', infraIdOf(state))
    },
  },
  {
    name: 'ledgered',
    leaves: 'the infraID with its metadata in the ledger',
    isNeeded: isNew,
    async take(operation, { metadata, snapshotId, stoodBefore }) {
      if (!metadata) throw new Error('there is no metadata to enter into the ledger')
      const { cluster, attempt } = operation.claim
      const facts = { clusterId: cluster.id, attemptId: attempt.id, metadata, snapshotId, stoodBefore }
      await operation.fencedWithCluster((tx) => openEntry(tx, facts))
      operation.infra = facts
    },
    undo: takeAwayUnlessKept,
  },
  {
    name: 'installed',
    leaves: 'the cluster in the cloud, and a snapshot of each stage',
    within: ['infrastructure-begun', 'bootstrapped'],
    budget: installBudget,
    isNeeded: isNew,
    take: installCluster,
  },
  {
    name: 'end-stored',
    leaves: 'the last state of the directory',
    async take(operation, state) {
      const infraId = infraIdOf(state)
      const { ran, keeper, dir } = state
      const exitCode = ran?.result.exitCode ?? 1
      const unfinished = state.isAdopted ? 'initialize' : 'infrastructure'
      await keeper?.stop()
      await snapshotForSure(operation, dir, exitCode === 0 ? 'complete' : unfinished, infraId)
      // An install that ended well was past its bootstrap, also where its log came so fast that no stage was seen.
      if (keeper && (exitCode === 0 || keeper.isBootstrapped())) {
        await operation.fenced((tx) => markBootstrapped(tx, infraId))
        operation.reached('create:bootstrapped')
      }
      if (ran && exitCode !== 0) throw new InstallFailed(ran.command, ran.result)
    },
  },
]

export const createPlan: OperationPlan = {
  name: 'create',
  types: ['CREATE'],
  points: pointsOf('create', steps),
  run: runCreate,
}

async function runCreate(operation: Operation): Promise<Outcome> {
  const { app, claim } = operation
  const tries = await countTries(app.db, claim.job.id)
  if (tries > claim.job.maxAttempts) return giveUp(operation)
  try {
    await recallEntries(operation) // a first attempt too: a restored database has forgotten those before
    const state: State = {
      entries: await listOpenEntries(app.db, claim.cluster.id),
      dir: await operation.makeDir('assets'),
      isAdopted: false,
      metadata: undefined,
      snapshotId: '',
      ran: undefined,
      keeper: undefined,
    }
    await takeSteps('create', steps, operation, state)
    // Read and sealed before the settle, because the settle must not fail for a reason of the installer's.
    const outputs = sealOutputs(app.box, claim.cluster.id, await readResults(state.dir))
    // A database that lost the ledger entry may have lost this from the cluster's row too.
    const shown = operation.infra ? { infraId: operation.infra.metadata.infraID } : {}
    const readyAt = new Date()
    return {
      kind: 'succeeded',
      changes: (cluster) => ({ ...changesAtReady(cluster, readyAt), ...shown }),
      record: (tx) => recordOutputs(tx, outputs),
    }
  } catch (error) {
    if (error instanceof Stopped && error.kind === 'cancelled') return cleanUpAfterCancel(operation, error)
    if (error instanceof InstallFailed) return cleanUpAfterFailure(operation, error, tries)
    if (error instanceof Unfit) {
      operation.log('error', error.message)
      return { kind: 'failed', reason: error.reason, message: operation.mask(error.message) }
    }
    if (!(error instanceof DestroyFailed)) throw error
    return {
      kind: 'failed',
      reason: error.reason,
      message: error.message,
      retryInSeconds: retrySeconds(operation, CLEANUP_RETRY_SECONDS, tries),
    }
  }
}

/**
 * Finishes what an earlier attempt began, if its bootstrap was over. If its state cannot be restored, it is destroyed
 * like any other.
 */
async function adoptInstall(operation: Operation, state: State, deadlineMs: number | undefined): Promise<void> {
  const { entries } = state
  const entry = entries.at(-1)
  if (!entry || !(await closeIfGone(operation, entries.slice(0, -1)))) return
  const dir = join(await operation.makeDir('adopted'), entry.infraId)
  if (!(await restoreLatest(operation, entry, dir, { waitForStore: true }))) return
  Object.assign(state, { dir, isAdopted: true, metadata: entry.metadata })
  operation.log(
    'info',
    `An earlier attempt left ${entry.infraId} with its bootstrap complete; its installation is finished`,
  )
  operation.learnSecret(await readKubeadminPassword(dir).catch(() => ''))
  await operation.enter('initialize')
  state.ran = await waitForInstall(operation, dir, deadlineMs)
  if (TIMEOUT_CODES.includes(state.ran.result.exitCode)) await rescueInstall(operation, state, deadlineMs)
}

async function destroyEarlier(operation: Operation, { entries }: State): Promise<void> {
  for (const { infraId } of entries)
    operation.log('warning', `An earlier attempt left ${infraId}; it is destroyed before a new one begins`)
  await operation.enter('cleanup')
  // Looked up again: an adoption that failed may have closed some entries.
  await destroyInfrastructure(operation, await listOpenEntries(operation.app.db, operation.claim.cluster.id))
}

async function installCluster(operation: Operation, state: State, deadlineMs: number | undefined): Promise<void> {
  const infraId = infraIdOf(state)
  const entries = await listOpenEntries(operation.app.db, operation.claim.cluster.id)
  if (entries.length !== 1 || entries[0]?.infraId !== infraId)
    throw new Error(`the ledger does not name ${infraId} alone`)
  const keeper = openStateKeeper(operation, state.dir, infraId)
  state.keeper = keeper
  const { onStage } = keeper
  try {
    const command = 'create cluster'
    state.ran = { command, result: await operation.run(command, state.dir, { ...limitsOf(deadlineMs), onStage }) }
    const { exitCode, timedOut } = state.ran.result
    if (keeper.isBootstrapped() && !timedOut && TIMEOUT_CODES.includes(exitCode))
      await rescueInstall(operation, state, deadlineMs)
  } catch (error) {
    // At every kind of exit the state is stored away from this host. An operation that was stopped tries this once.
    await keeper.storeOnce()
    throw error
  }
}

/** A cluster that was not ready within the installer's own time is often ready a little later. */
async function rescueInstall(operation: Operation, state: State, deadlineMs: number | undefined): Promise<void> {
  for (let rescue = 1; rescue <= RESCUES; rescue++) {
    operation.log(
      'warning',
      `The installer waited in vain (exit ${state.ran?.result.exitCode}); waiting once more, ${rescue} of ${RESCUES}`,
    )
    const again = await waitForInstall(operation, state.dir, deadlineMs)
    const { exitCode } = again.result
    // The output of a new install's first run tells why it failed. A wait has only waited.
    if (exitCode === 0 || state.isAdopted) state.ran = again
    if (exitCode === 0 || (state.isAdopted && !TIMEOUT_CODES.includes(exitCode))) return
  }
}

async function waitForInstall(operation: Operation, dir: string, deadlineMs: number | undefined) {
  return { command: WAIT, result: await operation.run(WAIT, dir, limitsOf(deadlineMs)) }
}

/** Throws InstallFailed, Unfit. */
async function run(operation: Operation, command: InstallerCommand, dir: string, deadlineMs: number | undefined) {
  const result = await operation.run(command, dir, limitsOf(deadlineMs))
  if (result.exitCode !== 0) throw new InstallFailed(command, result)
  requireKnownFields(result.log)
}

const limitsOf = (deadlineMs: number | undefined) => (deadlineMs === undefined ? {} : { deadlineMs })

function infraIdOf({ metadata }: State): string {
  if (!metadata) throw new Error('this attempt has made no infraID')
  return metadata.infraID
}

async function cleanUpAfterFailure(operation: Operation, failure: InstallFailed, tries: number): Promise<Outcome> {
  const { claim } = operation
  const { result, command } = failure
  const exitCode = result.timedOut ? TIMED_OUT : result.exitCode
  const { reason, remedy, retry, fingerprint } = diagnose({ log: result.log, exitCode, command })
  operation.log('error', `${failure.message}. ${reason}: ${remedy}`)
  const retriable =
    retry.worthwhile && tries < Math.min(claim.job.maxAttempts, retry.maxAttempts ?? claim.job.maxAttempts)
  const cleaned = await undoSteps(steps, operation, { isLast: !retriable })
  return {
    kind: 'failed',
    reason,
    message: failure.message,
    exitCode: result.exitCode,
    fingerprint,
    statusReason: `${reason}: ${remedy} ${cleaned}`,
    ...(retriable ? { retryInSeconds: retrySeconds(operation, retry.delaySeconds, tries) } : {}),
  }
}

async function cleanUpAfterCancel(operation: Operation, stopped: Stopped): Promise<Outcome> {
  operation.goOnAfterCancel()
  const cleaned = await undoSteps(steps, operation, { isLast: true })
  return { kind: 'cancelled', message: stopped.message, statusReason: `Cancelled. ${cleaned}` }
}

/** Ends a job that has killed its workers too often, and takes away what it made. */
async function giveUp(operation: Operation): Promise<Outcome> {
  const message = 'the workers of this job died each time they ran it'
  const cleaned = await undoSteps(steps, operation, { isLast: true })
  return { kind: 'failed', reason: 'WORKER_LOST', message, statusReason: `WORKER_LOST: ${message}. ${cleaned}` }
}
