// Installs a cluster. The ledger and the artifact store know the infraID before the cloud is touched, and an attempt
// that finds an earlier one's infraID destroys it first: `create cluster` never runs twice in one directory.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findOpenEntry, markBootstrapped, openEntry } from '../clusters/ledger.ts'
import { recordOutputs } from '../clusters/outputs.ts'
import { messageOf } from '../errors.ts'
import type { InstallerCommand } from '../installer/installer.ts'
import { assertSafeMetadata, parseMetadata } from '../installer/metadata.ts'
import { diagnose } from '../installer/reasons.ts'
import type { Stage } from '../installer/stages.ts'
import type { Outcome } from '../jobs/attempts.ts'
import { renderInstallConfig } from '../profiles/install-config.ts'
import { DestroyFailed, destroyInfrastructure } from './destroy.ts'
import type { CommandResult, Operation } from './operation.ts'

class InstallFailed extends Error {
  override readonly name = 'InstallFailed'
  readonly command: InstallerCommand
  readonly result: CommandResult
  constructor(command: InstallerCommand, result: CommandResult) {
    super(`openshift-install ${command} ended with ${result.exitCode}`)
    this.command = command
    this.result = result
  }
}

const DEADLINE_MS = 3 * 3600 * 1000

export async function runCreate(operation: Operation): Promise<Outcome> {
  const { app, claim } = operation
  try {
    await destroyEarlierAttempt(operation)
    const dir = await operation.makeDir('assets')
    await prepareAssets(operation, dir)
    await installCluster(operation, dir)
    const outputs = await readOutputs(dir)
    return {
      kind: 'succeeded',
      changes: { readyAt: new Date() },
      record: (tx) => recordOutputs(tx, app.box, claim.cluster.id, outputs),
    }
  } catch (error) {
    if (error instanceof DestroyFailed)
      return { kind: 'failed', reason: error.reason, message: error.message, retryInSeconds: retryDelay(operation, 60) }
    if (!(error instanceof InstallFailed)) throw error
    return settleFailure(operation, error)
  }
}

async function destroyEarlierAttempt(operation: Operation): Promise<void> {
  const entry = await findOpenEntry(operation.app.db, operation.claim.cluster.id)
  if (!entry) return
  operation.log('warning', `An earlier attempt left ${entry.infraId}; it is destroyed before a new one begins`)
  await operation.enter('cleanup')
  await destroyInfrastructure(operation, entry)
}

/** Manifests and ignition configs make infraID and metadata without the cloud; both are durable when this returns. */
async function prepareAssets(operation: Operation, dir: string): Promise<void> {
  const { app, claim } = operation
  const { cluster } = claim
  await app.installer.check(cluster.version)
  const config = renderInstallConfig({
    name: cluster.name,
    baseDomain: cluster.baseDomain,
    region: cluster.region,
    profile: cluster.profileSnapshot,
    tags: cluster.effectiveTags,
    sshPublicKey: cluster.request.sshPublicKey,
    pullSecret: await app.installer.pullSecret(),
  })
  await writeFile(join(dir, 'install-config.yaml'), config, { mode: 0o600 })
  for (const command of ['create manifests', 'create ignition-configs'] as const) {
    await operation.enter(command === 'create manifests' ? 'manifests' : 'ignition-configs')
    await runToSuccess(operation, command, dir)
  }
  operation.learnSecret(await readFile(join(dir, 'auth/kubeadmin-password'), 'utf8'))
  const metadata = parseMetadata(await readFile(join(dir, 'metadata.json'), 'utf8'))
  assertSafeMetadata(metadata, { clusterName: cluster.name, platform: cluster.platform })
  const snapshotId = await operation.snapshotForSure(dir, 'ignition-configs')
  await operation.fenced((tx) =>
    openEntry(tx, { clusterId: cluster.id, attemptId: claim.attempt.id, metadata, snapshotId }),
  )
}

async function installCluster(operation: Operation, dir: string): Promise<void> {
  const { app, claim } = operation
  const entry = await findOpenEntry(app.db, claim.cluster.id)
  if (entry?.attemptId !== claim.attempt.id) throw new Error('the ledger does not name this attempt')
  // One snapshot at a time; of the stages that pass meanwhile only the newest is worth another.
  let bootstrapped = false
  let waiting: Stage | undefined
  let storing = Promise.resolve()
  const storeNewest = async () => {
    const stage = waiting
    waiting = undefined
    if (!stage) return
    try {
      if (bootstrapped) await operation.fenced((tx) => markBootstrapped(tx, entry.infraId))
      await operation.snapshot(dir, stage)
    } catch (error) {
      operation.log('warning', `the state at ${stage} was not stored: ${messageOf(error)}`)
    }
  }
  const onStage = (stage: Stage) => {
    bootstrapped ||= stage === 'bootstrap-destroy'
    waiting = stage
    storing = storing.then(storeNewest)
  }
  let result: CommandResult
  try {
    result = await operation.run('create cluster', dir, { deadlineMs: DEADLINE_MS, onStage })
  } catch (error) {
    // At every kind of exit the state leaves the host; an operation that was stopped tries once.
    onStage('infrastructure')
    await storing
    throw error
  }
  waiting = undefined
  await storing
  await operation.snapshotForSure(dir, result.exitCode === 0 ? 'complete' : 'infrastructure')
  if (result.exitCode !== 0) throw new InstallFailed('create cluster', result)
}

async function runToSuccess(operation: Operation, command: InstallerCommand, dir: string): Promise<void> {
  const result = await operation.run(command, dir, { deadlineMs: DEADLINE_MS })
  if (result.exitCode !== 0) throw new InstallFailed(command, result)
}

async function settleFailure(operation: Operation, failure: InstallFailed): Promise<Outcome> {
  const { app, claim } = operation
  const diagnosis = diagnose(failure.result)
  operation.log('error', `${failure.message}: ${diagnosis.reason}. ${diagnosis.remedy}`)
  let cleaned = 'Nothing was made in the cloud.'
  const entry = await findOpenEntry(app.db, claim.cluster.id)
  const lastTry = claim.attempt.number >= claim.job.maxAttempts || !diagnosis.retry.worthwhile
  if (entry && lastTry && claim.cluster.preserveOnFailure) cleaned = `What ${entry.infraId} owns was kept, as asked.`
  else if (entry)
    try {
      await operation.enter('cleanup')
      await destroyInfrastructure(operation, entry)
      cleaned = 'What it made was destroyed.'
    } catch (error) {
      if (!(error instanceof DestroyFailed)) throw error
      cleaned = `What it made could not be destroyed yet (${error.message}); destroy the cluster.`
    }
  return {
    kind: 'failed',
    reason: diagnosis.reason,
    message: `${failure.message}. ${diagnosis.remedy}`,
    exitCode: failure.result.exitCode,
    statusReason: `${diagnosis.reason}: ${diagnosis.remedy}. ${cleaned}`,
    ...(diagnosis.retry.worthwhile ? { retryInSeconds: retryDelay(operation, diagnosis.retry.delaySeconds) } : {}),
  }
}

const retryDelay = ({ app }: Operation, seconds: number) =>
  app.installer.simulated ? Math.ceil(seconds / app.config.simulator.speed) : seconds

async function readOutputs(dir: string) {
  const [kubeconfig, kubeadminPassword, log] = await Promise.all([
    readFile(join(dir, 'auth/kubeconfig'), 'utf8'),
    readFile(join(dir, 'auth/kubeadmin-password'), 'utf8'),
    readFile(join(dir, '.openshift_install.log'), 'utf8'),
  ])
  const consoleUrl = /web-console here: (https:\/\/[^\s"\\]+)/.exec(log)?.[1]
  return { kubeconfig, kubeadminPassword: kubeadminPassword.trim(), consoleUrl }
}
