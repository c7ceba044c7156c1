import path from 'node:path'
import { loadState, prependRouterCa, readPassword, serverOfKubeconfig } from './asset-dir.ts'
import { Cloud, type Cluster } from './cloud.ts'
import { duration } from './clock.ts'
import { fatal } from './failure.ts'
import type { Stage } from './faults.ts'
import { findMetadata } from './metadata.ts'
import { beginWork, cloudDirOf, type Run } from './run.ts'
import { runStage, stageFailure } from './stage.ts'

/** Simulated time from the end of bootstrapping; it passes whether an installer watches or not. */
export const secondsToInitialize = 16 * 60

export async function waitForBootstrapComplete(run: Run): Promise<void> {
  const { log, clock } = run
  const { server, find } = await findCluster(run)
  log.info(`Waiting up to ${clock.limit(20 * 60)} for the Kubernetes API at ${server}...`)
  await waitStage(run, 'api', server, 20 * 60, () => typeof find()?.apiUpAt === 'string')
  const cluster = find()
  if (cluster !== undefined) log.info(apiUpText(cluster))
  log.info(`Waiting up to ${clock.limit(45 * 60)} for bootstrapping to complete...`)
  await waitStage(run, 'bootstrap', server, 45 * 60, () => typeof find()?.bootstrapCompletedAt === 'string')
  log.info('It is now safe to remove the bootstrap resources')
  log.info(`Time elapsed: ${duration(clock.elapsedSeconds)}`)
}

export async function waitForInstallComplete(run: Run): Promise<void> {
  const { log, clock } = run
  const { cloud, server, find } = await findCluster(run)
  log.info(`Waiting up to ${clock.limit(40 * 60)} for the cluster at ${server} to initialize...`)
  let initialized: Cluster | undefined
  await waitStage(run, 'initialize', server, 40 * 60, () => {
    const cluster = find()
    if (cluster === undefined || cluster.bootstrapCompletedAt === null || !hasControlPlane(cloud, cluster)) return false
    const fraction = Math.min(1, clock.secondsSince(cluster.bootstrapCompletedAt) / secondsToInitialize)
    const made = Math.floor(fraction * cluster.operatorResources.length)
    for (const planned of cluster.operatorResources.slice(0, made)) cloud.add(planned)
    if (fraction < 1 && cluster.initializedAt === null) {
      log.debug(initializationProgress(cluster, fraction))
      return false
    }
    initialized = { ...cluster, initializedAt: cluster.initializedAt ?? new Date().toISOString() }
    return true
  })
  if (initialized === undefined) throw new Error('the wait ended before the cluster was initialized')
  cloud.saveCluster(initialized)
  await finishInstall(run, initialized, () => {})
}

/** Without a machine of it nobody answers at the API. */
const hasControlPlane = (cloud: Cloud, { infraID }: Cluster): boolean =>
  cloud.list().some(({ path: file, resource }) => resource.infraID === infraID && /-master-\d+\.json$/.test(file))

/** From the initialized cluster to "Install complete!", the same for an installation and for a later wait. */
export async function finishInstall(run: Run, cluster: Cluster, report: () => void): Promise<void> {
  const { log, clock, dir } = run
  log.info(`Waiting up to ${clock.limit(30 * 60)} to ensure each cluster operator has finished progressing...`)
  await runStage(run, 'stability', [{ seconds: 60, act: () => {} }], {
    timeoutSeconds: 30 * 60,
    failure: () => stageFailure('stability', cluster.server),
  })
  log.info('All cluster operators have completed progressing')
  log.info('Checking to see if there is a route at openshift-console/console...')
  await clock.pass(5)
  prependRouterCa(dir, run.environment.cloudDir)
  log.info('Install complete!')
  log.info("To access the cluster as the system:admin user when using 'oc', run")
  log.info(`    export KUBECONFIG=${path.join(dir, 'auth/kubeconfig')}`)
  log.info(
    `Access the OpenShift web-console here: https://console-openshift-console.apps.${cluster.name}.${cluster.baseDomain}`,
  )
  const passwordFile = path.join(dir, 'auth/kubeadmin-password')
  const password = readPassword(dir)
  if (password === undefined) log.warn(`open ${passwordFile}: no such file or directory`)
  else if (run.commandLine.flags.has('skip-password-print')) {
    log.info(`Credentials omitted, if necessary verify the ${passwordFile} file`)
  } else log.info(`Login to the console with user: "kubeadmin", and password: "${password}"`)
  report()
  log.info(`Time elapsed: ${duration(clock.elapsedSeconds)}`)
}

export function initializationProgress(cluster: Cluster, fraction: number): string {
  const done = Math.floor(fraction * 901)
  const percent = Math.floor(fraction * 100)
  return `Still waiting for the cluster to initialize: Working towards ${cluster.version}: ${done} of 901 done (${percent}% complete)`
}

export function apiUpText(cluster: Cluster): string {
  const minor = Number(cluster.version.split('.')[1] ?? 20)
  return `API v1.${minor + 13}.5 up`
}

interface FoundCluster {
  cloud: Cloud
  server: string
  find: () => Cluster | undefined
}

/** By its infraID where the directory still knows it, else by the API that the kubeconfig points at. */
async function findCluster(run: Run): Promise<FoundCluster> {
  const cloud = new Cloud(cloudDirOf(run))
  const server = serverOfKubeconfig(run.dir)
  const infraID = findMetadata(run.dir)?.infraID ?? loadState(run.dir)?.identity.infraID
  const find = (): Cluster | undefined =>
    infraID === undefined
      ? cloud.listClusters().find((cluster) => cluster.server === server)
      : cloud.findCluster(infraID)
  const name = find()?.name ?? findMetadata(run.dir)?.clusterName
  await beginWork(run, name, infraID)
  if (server === undefined) {
    throw fatal(1, `loading kubeconfig: stat ${path.join(run.dir, 'auth/kubeconfig')}: no such file or directory`)
  }
  run.journal?.startHeartbeat()
  return { cloud, server, find }
}

async function waitStage(run: Run, stage: Stage, server: string, limit: number, isDone: () => boolean): Promise<void> {
  const failure = () => stageFailure(stage, server)
  const wait = async (): Promise<void> => {
    for (let waited = 0; !isDone(); waited += 10) {
      if (waited >= limit) throw failure()
      await run.clock.pass(10)
    }
  }
  await runStage(run, stage, [{ seconds: 0, act: wait }], { timeoutSeconds: limit, failure })
}
