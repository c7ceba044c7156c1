import path from 'node:path'
import { writeAsset, type Assets } from './asset-dir.ts'
import { Cloud, type Cluster } from './cloud.ts'
import { duration } from './clock.ts'
import { fatal, Failure } from './failure.ts'
import type { Stage } from './faults.ts'
import { serverOf } from './install-config.ts'
import { planResources, type PlannedResource } from './resources.ts'
import { cloudDirOf, type Run } from './run.ts'
import { runStage, stageFailure, type Step } from './stage.ts'
import { apiUpText, finishInstall, initializationProgress, secondsToInitialize } from './wait-for.ts'

/** The part of `create cluster` that makes infrastructure and waits for the cluster. */
export async function install(run: Run, assets: Assets): Promise<void> {
  const { log, clock } = run
  const { config, identity } = assets
  const server = serverOf(config)
  const cloud = new Cloud(cloudDirOf(run))
  const plan = planResources(config, identity, run.faults.leavesKnown, run.faults.startFaultOf)
  refuseTakenName(cloud, assets)
  const cluster: Cluster = {
    simulated: true,
    infraID: identity.infraID,
    name: config.name,
    platform: config.platform,
    region: config.region,
    baseDomain: config.baseDomain,
    version: run.environment.version,
    server,
    createdAt: new Date().toISOString(),
    apiUpAt: null,
    bootstrapCompletedAt: null,
    initializedAt: null,
    operatorResources: plan.initialize,
    inside: run.faults.inside,
  }
  const lap = lapTimer(run)
  const stage = (name: Stage, steps: Step[], timeoutSeconds: number): Promise<void> =>
    runStage(run, name, steps, { timeoutSeconds, failure: () => stageFailure(name, server) })
  const make = (resources: PlannedResource[], seconds: number) =>
    resources.map((planned) => ({
      seconds: seconds / resources.length,
      act: () => {
        cloud.add(planned)
        log.debug(`Created ${planned.resource.type} ${planned.resource.name}`)
      },
    }))

  log.info('Creating infrastructure resources...')
  run.journal?.record('infrastructure', { cluster: config.name, infraID: identity.infraID })
  run.journal?.startHeartbeat()
  writeLocalControlPlane(run)
  cloud.saveCluster(cluster)

  log.info(`Waiting up to ${clock.limit(15 * 60)} for network infrastructure to become ready...`)
  await stage('network', make(plan.network, 300), 15 * 60)
  log.info('Network infrastructure is ready')
  lap('Network-infrastructure Provisioning')

  log.info(`Waiting up to ${clock.limit(15 * 60)} for machines to provision...`)
  try {
    await stage('machines', make(plan.machines, 240), 15 * 60)
  } catch (error) {
    if (error instanceof Failure) await gatherLogs(run)
    throw error
  }
  log.info('Control-plane machines are ready')
  log.info('Cluster API resources have been created. Waiting for cluster to become ready...')
  lap('Machine Provisioning')

  try {
    log.info(`Waiting up to ${clock.limit(20 * 60)} for the Kubernetes API at ${server}...`)
    await stage('api', waiting(300), 20 * 60)
    cluster.apiUpAt = new Date().toISOString()
    cloud.saveCluster(cluster)
    log.info(apiUpText(cluster))
    lap('API')
    log.info(`Waiting up to ${clock.limit(45 * 60)} for bootstrapping to complete...`)
    await stage('bootstrap', waiting(480), 45 * 60)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    for (const [level, message] of error.lines) log.write(level, message)
    await gatherLogs(run)
    throw new Failure(error.exitCode)
  }
  cluster.bootstrapCompletedAt = new Date().toISOString()
  cloud.saveCluster(cluster)
  lap('Bootstrap Complete')

  log.info('Destroying the bootstrap resources...')
  const bootstrap = cloud.listBootstrap(identity.infraID)
  const removal = bootstrap.map((stored) => ({
    seconds: 60 / bootstrap.length,
    act: () => {
      cloud.remove(stored)
      log.debug(`Deleted ${stored.resource.type} ${stored.resource.name}`)
    },
  }))
  await stage('bootstrap-destroy', removal, 5 * 60)
  log.info('Finished destroying bootstrap resources')
  log.info('Shutting down local Cluster API controllers...')
  log.info('Local Cluster API system has completed operations')
  lap('Bootstrap Destroy')

  log.info(`Waiting up to ${clock.limit(40 * 60)} for the cluster at ${server} to initialize...`)
  const operators = make(plan.initialize, secondsToInitialize).map(({ seconds, act }, index, all) => ({
    seconds,
    act: () => {
      act()
      log.debug(initializationProgress(cluster, (index + 1) / all.length))
    },
  }))
  await stage('initialize', operators, 40 * 60)
  cluster.initializedAt = new Date().toISOString()
  cloud.saveCluster(cluster)
  lap('Cluster Operators Available')

  await finishInstall(run, cluster, () => {
    lap('Cluster Operators Stable')
    lap.report()
  })
}

/** The Platform Provisioning Check: records under the cluster's names are another cluster's. */
function refuseTakenName(cloud: Cloud, { config }: Assets): void {
  const domain = `${config.name}.${config.baseDomain}.`
  const taken = cloud
    .list()
    .filter(({ resource }) => resource.type === 'dns-record' && resource.name.endsWith(`.${domain}`))
    .map(({ resource }) => `${resource.name} (A)`)
  if (!config.isPublic || taken.length === 0) return
  throw fatal(
    1,
    `failed to fetch Cluster: failed to fetch dependency of "Cluster": failed to generate asset "Platform Provisioning Check": baseDomain: Invalid value: "${config.baseDomain}": the zone already has record sets for the domain of the cluster: [${taken.join(' ')}]`,
  )
}

function waiting(seconds: number): Step[] {
  const count = seconds / 30
  return Array.from({ length: count }, () => ({ seconds: 30, act: () => {} }))
}

/** Its envtest.kubeconfig is what forbids a second `create cluster` in the same directory. */
function writeLocalControlPlane(run: Run): void {
  run.log.info('Started local control plane with envtest')
  writeAsset(run.dir, '.clusterapi_output/envtest.kubeconfig', 'apiVersion: v1\nkind: Config\n')
  writeAsset(run.dir, '.clusterapi_output/etcd.log', '')
  writeAsset(run.dir, '.clusterapi_output/kube-apiserver.log', '')
  run.log.info(`Stored kubeconfig for envtest in: ${path.join(run.dir, '.clusterapi_output/envtest.kubeconfig')}`)
}

async function gatherLogs(run: Run): Promise<void> {
  const { writeLogBundle } = await import('./log-bundle.ts')
  const file = await writeLogBundle(run.dir)
  run.log.info(`Bootstrap gather logs captured here "${file}"`)
}

function lapTimer(run: Run): ((stage: string) => void) & { report(): void } {
  const laps: string[] = []
  let from = run.clock.elapsedSeconds
  const lap = (stage: string): void => {
    laps.push(`${stage.padStart(36)}: ${duration(run.clock.elapsedSeconds - from)}`)
    from = run.clock.elapsedSeconds
  }
  return Object.assign(lap, {
    report: () => {
      run.log.debug('Time elapsed per stage:')
      for (const line of laps) run.log.debug(line)
    },
  })
}
