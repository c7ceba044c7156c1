// Installs a cluster. The ledger and the artifact store know the infraID before the cloud is touched. An attempt that
// finds an earlier one's infraID finishes that install when its bootstrap was over, and destroys it otherwise:
// `create cluster` never runs twice in one directory.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describeResources } from '../clouds/inventory.ts'
import { listOpenEntries, markBootstrapped, openEntry, type LedgerEntry } from '../clusters/ledger.ts'
import { recordOutputs, sealOutputs } from '../clusters/outputs.ts'
import { writeRecord } from '../clusters/stored-state.ts'
import { messageOf } from '../errors.ts'
import { renderInstallConfig } from '../install-config/install-config.ts'
import type { InstallerCommand } from '../installer/installer.ts'
import { assertSafeMetadata, parseMetadata } from '../installer/metadata.ts'
import { diagnose } from '../diagnosis/diagnosis.ts'
import { readKubeadminPassword, readResults } from '../installer/results.ts'
import type { Stage } from '../installer/stages.ts'
import { countTries, type Outcome } from '../jobs/attempts.ts'
import { closeIfGone, DestroyFailed, destroyInfrastructure, recallEntries, restoreLatest } from './destroy.ts'
import { Stopped, type CommandResult, type Operation } from './operation.ts'
import { retrySeconds } from './retry.ts'

class InstallFailed extends Error {
  override readonly name = 'InstallFailed'
  readonly command: InstallerCommand
  readonly result: CommandResult
  constructor(command: InstallerCommand, result: CommandResult) {
    super(`openshift-install ${command} ended with ${result.exitCode}${result.timedOut ? ' after its deadline' : ''}`)
    this.command = command
    this.result = result
  }
}

/** Others have records under the cluster's names. Nothing was made, and another try would meet the same. */
class NameStands extends Error {
  override readonly name = 'NameStands'
}

const MINUTE_MS = 60_000
const SHORTEST_DEADLINE_MS = 60_000
/** Waited for API, bootstrap, initialization or stability in vain. */
const TIMEOUT_CODES = [5, 6, 7]
const RESCUES = 2
/** As `timeout` ends what it stops. */
const TIMED_OUT = 124
const CLEANUP_RETRY_SECONDS = 60

export async function runCreate(operation: Operation): Promise<Outcome> {
  const { app, claim } = operation
  operation.reached('create:claimed')
  const tries = await countTries(app.db, claim.job.id)
  if (tries > claim.job.maxAttempts) return giveUp(operation)
  try {
    if (claim.attempt.number > 1) await recallEntries(operation)
    const dir = (await adoptInstall(operation)) ?? (await installAfresh(operation))
    operation.reached('create:end-stored')
    // Read and sealed before the settle, which must not fail for a reason of the installer's.
    const outputs = sealOutputs(app.box, claim.cluster.id, await readResults(dir))
    // With its ledger entry the cluster may have lost this too.
    const shown = operation.infra ? { infraId: operation.infra.metadata.infraID } : {}
    return { kind: 'succeeded', changes: { readyAt: new Date(), ...shown }, record: (tx) => recordOutputs(tx, outputs) }
  } catch (error) {
    if (error instanceof Stopped && error.kind === 'cancelled') return cleanUpAfterCancel(operation, error)
    if (error instanceof InstallFailed) return cleanUpAfterFailure(operation, error, tries)
    if (error instanceof NameStands) {
      operation.log('error', error.message)
      return { kind: 'failed', reason: 'DNSAlreadyExists', message: error.message }
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

/** Finishes what an earlier attempt began, if its bootstrap was over; undefined when there is nothing to finish. */
async function adoptInstall(operation: Operation): Promise<string | undefined> {
  const entries = await listOpenEntries(operation.app.db, operation.claim.cluster.id)
  const entry = entries.at(-1)
  if (!entry?.bootstrappedAt) return undefined
  if (!(await closeIfGone(operation, entries.slice(0, -1)))) return undefined
  const dir = join(await operation.makeDir('adopted'), entry.infraId)
  if (!(await restoreLatest(operation, entry, dir, { waitForStore: true }))) return undefined
  operation.log(
    'info',
    `An earlier attempt left ${entry.infraId} with its bootstrap complete; its installation is finished`,
  )
  operation.learnSecret(await readKubeadminPassword(dir).catch(() => ''))
  await operation.enter('initialize')
  let result = await waitForInstall(operation, dir)
  for (let rescue = 1; rescue <= RESCUES && TIMEOUT_CODES.includes(result.exitCode); rescue++)
    result = await waitForInstall(operation, dir)
  await operation.snapshotForSure(dir, result.exitCode === 0 ? 'complete' : 'initialize', entry.infraId)
  if (result.exitCode !== 0) throw new InstallFailed('wait-for install-complete', result)
  return dir
}

async function installAfresh(operation: Operation): Promise<string> {
  const { app, claim } = operation
  await destroyEarlier(operation, await listOpenEntries(app.db, claim.cluster.id))
  await requireFreeName(operation)
  const dir = await operation.makeDir('assets')
  const infraId = await prepareAssets(operation, dir)
  await installCluster(operation, dir, infraId)
  return dir
}

async function destroyEarlier(operation: Operation, entries: LedgerEntry[]): Promise<void> {
  for (const { infraId } of entries)
    operation.log('warning', `An earlier attempt left ${infraId}; it is destroyed before a new one begins`)
  if (entries.length === 0) return
  await operation.enter('cleanup')
  await destroyInfrastructure(operation, entries)
  operation.reached('create:earlier-destroyed')
}

/**
 * Public records carry no tags: the destroy of a second cluster with the same names would take those of the first. The
 * installers refuse such a name too, but only on the way. A cloud that cannot be asked is left to them.
 */
async function requireFreeName(operation: Operation): Promise<void> {
  const { app, claim } = operation
  const { id: clusterId, platform, region, name, baseDomain } = claim.cluster
  const answer = await app.inventory.findRecords({ clusterId, platform, region, name, baseDomain })
  if (!answer.verified || answer.resources.length === 0) return
  throw new NameStands(
    `DNS records of ${name}.${baseDomain} stand already, though no cluster of this service has the name: ` +
      `${describeResources(answer.resources)}. Take another name, or have whoever made them remove them`,
  )
}

/** Manifests and ignition configs make infraID and metadata without the cloud; both are durable when this returns. */
async function prepareAssets(operation: Operation, dir: string): Promise<string> {
  const { app, claim } = operation
  const { cluster } = claim
  const config = renderInstallConfig({
    name: cluster.name,
    baseDomain: cluster.baseDomain,
    region: cluster.region,
    workerReplicas: cluster.workerReplicas,
    profile: cluster.profileSnapshot,
    tags: cluster.effectiveTags,
    sshPublicKey: cluster.request.sshPublicKey,
    pullSecret: await app.installer.pullSecret(),
  })
  await writeFile(join(dir, 'install-config.yaml'), config, { mode: 0o600 })
  await writeRecord(dir, cluster)
  for (const stage of ['manifests', 'ignition-configs'] as const) {
    await operation.enter(stage)
    const result = await operation.run(`create ${stage}`, dir, { deadlineMs: deadlineOf(operation) })
    if (result.exitCode !== 0) throw new InstallFailed(`create ${stage}`, result)
  }
  operation.reached('create:ignition-made')
  operation.learnSecret(await readKubeadminPassword(dir))
  const metadata = parseMetadata(await readFile(join(dir, 'metadata.json'), 'utf8'))
  assertSafeMetadata(metadata, { clusterName: cluster.name, platform: cluster.platform })
  const snapshotId = await operation.snapshotForSure(dir, 'ignition-configs', metadata.infraID)
  operation.reached('create:state-stored')
  const facts = { clusterId: cluster.id, attemptId: claim.attempt.id, metadata, snapshotId }
  await operation.fencedWithCluster((tx) => openEntry(tx, facts))
  operation.infra = facts
  operation.reached('create:ledgered')
  return metadata.infraID
}

async function installCluster(operation: Operation, dir: string, infraId: string): Promise<void> {
  const { app, claim } = operation
  const entries = await listOpenEntries(app.db, claim.cluster.id)
  if (entries.length !== 1 || entries[0]?.infraId !== infraId)
    throw new Error(`the ledger does not name ${infraId} alone`)
  // One snapshot at a time; of the stages that pass meanwhile only the newest is worth another.
  let bootstrapped = false
  let waiting: Stage | undefined
  let storing = Promise.resolve()
  const storeNewest = async () => {
    const stage = waiting
    // As it was when the snapshot began: whoever adopts the install must find a directory from after the bootstrap.
    const isPastBootstrap = bootstrapped
    waiting = undefined
    if (!stage) return
    try {
      await operation.snapshot(dir, stage, infraId)
      operation.reached('create:infrastructure-begun')
      if (!isPastBootstrap) return
      await operation.fenced((tx) => markBootstrapped(tx, infraId))
      operation.reached('create:bootstrapped')
    } catch (error) {
      operation.log('warning', `the state at ${stage} was not stored: ${messageOf(error)}`)
    }
  }
  const onStage = (stage: Stage) => {
    // The stage after the bootstrap's own resources are gone: nothing else would remove them.
    bootstrapped ||= stage === 'initialize'
    waiting = stage
    storing = storing.then(storeNewest)
  }
  let result: CommandResult
  try {
    result = await operation.run('create cluster', dir, { deadlineMs: deadlineOf(operation), onStage })
    if (bootstrapped && !result.timedOut && TIMEOUT_CODES.includes(result.exitCode))
      result = await rescueInstall(operation, dir, result)
  } catch (error) {
    // At every kind of exit the state leaves the host; an operation that was stopped tries once.
    onStage('infrastructure')
    await storing
    throw error
  }
  operation.reached('create:installed')
  waiting = undefined
  await storing
  await operation.snapshotForSure(dir, result.exitCode === 0 ? 'complete' : 'infrastructure', infraId)
  if (bootstrapped) {
    await operation.fenced((tx) => markBootstrapped(tx, infraId))
    operation.reached('create:bootstrapped')
  }
  if (result.exitCode !== 0) throw new InstallFailed('create cluster', result)
}

/** A cluster that was not ready in the installer's own time often is a little later. */
async function rescueInstall(operation: Operation, dir: string, failed: CommandResult): Promise<CommandResult> {
  for (let rescue = 1; rescue <= RESCUES; rescue++) {
    operation.log(
      'warning',
      `The installer waited in vain (exit ${failed.exitCode}); waiting once more, ${rescue} of ${RESCUES}`,
    )
    const result = await waitForInstall(operation, dir)
    if (result.exitCode === 0) return result
  }
  return failed
}

const waitForInstall = (operation: Operation, dir: string) =>
  operation.run('wait-for install-complete', dir, { deadlineMs: deadlineOf(operation) })

async function cleanUpAfterFailure(operation: Operation, failure: InstallFailed, tries: number): Promise<Outcome> {
  const { claim } = operation
  const { result, command } = failure
  const exitCode = result.timedOut ? TIMED_OUT : result.exitCode
  const { reason, remedy, retry, fingerprint } = diagnose({ log: result.log, exitCode, command })
  operation.log('error', `${failure.message}. ${reason}: ${remedy}`)
  const retriable =
    retry.worthwhile && tries < Math.min(claim.job.maxAttempts, retry.maxAttempts ?? claim.job.maxAttempts)
  const cleaned = await cleanUp(operation, { last: !retriable })
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
  const cleaned = await cleanUp(operation, { last: true })
  return { kind: 'cancelled', message: stopped.message, statusReason: `Cancelled. ${cleaned}` }
}

/** The job has killed its workers too often: what it made is taken away, and it ends. */
async function giveUp(operation: Operation): Promise<Outcome> {
  const message = 'the workers of this job died each time they ran it'
  const cleaned = await cleanUp(operation, { last: true })
  return { kind: 'failed', reason: 'WORKER_LOST', message, statusReason: `WORKER_LOST: ${message}. ${cleaned}` }
}

/** Takes away what was made, and tells in a sentence what became of it. */
async function cleanUp(operation: Operation, { last }: { last: boolean }): Promise<string> {
  const { app, claim } = operation
  const entries = await listOpenEntries(app.db, claim.cluster.id)
  if (entries.length === 0) return 'Nothing is left in the cloud.'
  if (last && claim.cluster.preserveOnFailure)
    return `What ${entries.map(({ infraId }) => infraId).join(' and ')} owns was kept, as asked; destroy the cluster to take it away.`
  try {
    await operation.enter('cleanup')
    await destroyInfrastructure(operation, entries)
    return 'What it made was destroyed.'
  } catch (error) {
    if (!(error instanceof DestroyFailed)) throw error
    operation.log('error', error.message)
    return `What it made could not be destroyed yet and will be tried again (${error.message}).`
  }
}

const deadlineOf = ({ realMs, claim }: Operation) =>
  realMs(claim.cluster.profileSnapshot.deadlines.installMinutes * MINUTE_MS, SHORTEST_DEADLINE_MS)
