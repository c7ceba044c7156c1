import { removeClusterFiles } from './asset-dir.ts'
import { Cloud, type StoredResource } from './cloud.ts'
import { duration } from './clock.ts'
import { fatal, type Failure } from './failure.ts'
import { destroyStages, type Stage } from './faults.ts'
import type { Platform } from './install-config.ts'
import { findMetadata, loadMetadata, platformOf, type Metadata } from './metadata.ts'
import type { Resource } from './resources.ts'
import { beginWork, cloudDirOf, type Run } from './run.ts'
import { runStage } from './stage.ts'

const stageSeconds = { instances: 120, network: 180, dns: 60 }
const machineTypes = ['instance', 'virtual-machine']
const vpcParts = ['subnet', 'route-table', 'network-interface', 'security-group']
const zoneTypes = ['hosted-zone', 'private-dns-zone', 'managed-zone']
/** What goes last of its stage. */
const lastTypes = [...zoneTypes, 'network', 'resource-group']

/** Deletes what the platform's own rules select, for ever if something refuses to go. */
export async function destroyCluster(run: Run): Promise<void> {
  const { log, clock } = run
  const cloud = new Cloud(cloudDirOf(run))
  const metadata = await begin(run)
  const platform = platformOf(metadata)
  const all = cloud.list()
  const touched = new Set(metadata.infraID ? [metadata.infraID] : [])

  const remove = (stored: StoredResource): void => {
    const { resource } = stored
    const isHeldZone =
      zoneTypes.includes(resource.type) &&
      publicRecords(platform, metadata, platformResources(cloud, platform), [stored]).length > 0
    if (run.faults.undeletable.has(resource.type) || isHeldZone || isHeld(cloud, resource)) {
      log.debug(refusalText(resource))
      return
    }
    cloud.remove(stored)
    touched.add(resource.infraID)
    log.info('Deleted', deletedFields(stored, all))
  }

  for (let pass = 1; ; pass++) {
    for (const stage of destroyStages) {
      const targets = select(cloud, platform, metadata).filter(({ resource }) => stageOf(resource) === stage)
      // Zones go late: their names are what finds the public records.
      targets.sort((a, b) => lastTypes.indexOf(a.resource.type) - lastTypes.indexOf(b.resource.type))
      const seconds = pass === 1 && targets.length > 0 ? stageSeconds[stage] / targets.length : 0
      const steps = targets.map((stored) => ({ seconds, act: () => remove(stored) }))
      if (pass === 1) await runStage(run, stage, steps, { failure: () => destroyFailure(stage) })
      else for (const step of steps) step.act()
    }
    const left = select(cloud, platform, metadata).filter(({ resource }) => !isGivenUp(cloud, resource)).length
    if (left === 0 && !run.faults.neverEnds) break
    if (left > 0) log.info(`Waiting for ${left} resources that cannot be deleted yet`)
    if (platform === 'azure' && clock.elapsedSeconds > 2 * 3600) {
      throw fatal(1, 'Failed to destroy cluster: failed to delete resource group: context deadline exceeded')
    }
    await clock.passAtLeast(10, 100)
  }

  const machines = cloud.list().filter(({ resource }) => machineTypes.includes(resource.type))
  for (const infraID of touched) {
    if (!machines.some(({ resource }) => resource.infraID === infraID)) cloud.removeCluster(infraID)
  }
  removeClusterFiles(run.dir)
  log.info(`Time elapsed: ${duration(clock.elapsedSeconds)}`)
  log.info('Uninstallation complete!')
}

export async function destroyBootstrap(run: Run): Promise<void> {
  const cloud = new Cloud(cloudDirOf(run))
  const metadata = await begin(run)
  platformOf(metadata)
  for (const stored of cloud.listBootstrap(metadata.infraID ?? '')) {
    await run.clock.pass(20)
    cloud.remove(stored)
  }
  run.log.info('Finished destroying bootstrap resources')
}

async function begin(run: Run): Promise<Metadata> {
  const { clusterName, infraID } = findMetadata(run.dir) ?? {}
  await beginWork(run, clusterName ?? infraID?.replace(/-[a-z0-9]{5}$/, ''), infraID)
  const metadata = loadMetadata(run.dir)
  run.journal?.startHeartbeat()
  return metadata
}

/** Each platform's real rule, with its real dangers: only the driver stands between a bad metadata.json and a neighbour. */
function select(cloud: Cloud, platform: Platform, metadata: Metadata): StoredResource[] {
  const all = platformResources(cloud, platform)
  const own = all.filter(selector(platform, metadata, all))
  return [...own, ...publicRecords(platform, metadata, all, own)]
}

function platformResources(cloud: Cloud, platform: Platform): StoredResource[] {
  return cloud.list().filter(({ resource }) => resource.platform === platform && resource.isMissed === undefined)
}

function selector(platform: Platform, metadata: Metadata, all: StoredResource[]): (stored: StoredResource) => boolean {
  const infraID = metadata.infraID ?? ''
  switch (platform) {
    case 'aws': {
      const filters = metadata.aws?.identifier ?? []
      if (filters.length === 0) throw fatal(1, 'Failed to destroy cluster: at least one tag filter must be specified')
      // Within a map all pairs must match, so an empty map matches everything.
      return ({ resource }) =>
        filters.some((filter) => Object.entries(filter).every(([key, value]) => resource.tags[key] === value))
    }
    case 'azure': {
      const tagged = all.find(
        ({ resource }) =>
          resource.type === 'resource-group' && resource.tags[`kubernetes.io_cluster.${infraID}`] === 'owned',
      )
      const group = metadata.azure?.resourceGroupName || tagged?.resource.name || `${infraID}-rg`
      return ({ resource }) => `${resource.id}/`.includes(`/resourceGroups/${group}/`)
    }
    case 'gcp':
      return ({ resource }) =>
        resource.name.startsWith(`${infraID}-`) ||
        resource.tags[`kubernetes-io-cluster-${infraID}`] === 'owned' ||
        resource.tags[`capg-cluster-${infraID}`] === 'owned'
    case 'ibmcloud': {
      const region = metadata.ibmcloud?.region ?? ''
      return ({ resource }) => resource.name.includes(infraID) && (region === '' || resource.region === region)
    }
  }
}

/** Public records carry no tags: they are found by the names in the cluster's private zone, whoever made them. */
function publicRecords(
  platform: Platform,
  metadata: Metadata,
  all: StoredResource[],
  own: StoredResource[],
): StoredResource[] {
  const records = all.filter((stored) => stored.resource.type === 'dns-record' && !own.includes(stored))
  if (platform === 'ibmcloud') {
    const suffix = `.${metadata.clusterName ?? ''}.${metadata.ibmcloud?.baseDomain ?? ''}.`
    return records.filter(({ resource }) => resource.name.endsWith(suffix))
  }
  const zones = own.filter(({ resource }) => zoneTypes.includes(resource.type)).map(({ resource }) => resource.name)
  const names = new Set(zones.flatMap((zone) => [`api.${zone}`, `*.apps.${zone}`]))
  return records.filter(({ resource }) => names.has(resource.name))
}

/** Whether something stands that it cannot go before. */
function isHeld(cloud: Cloud, { id, type, infraID, platform }: Resource): boolean {
  if (platform === 'azure' && type === 'resource-group')
    return cloud.list().some(({ resource }) => resource.id.startsWith(`${id}/`))
  const holders = holderTypes[`${platform} ${type}`] ?? []
  return cloud.list().some(({ resource }) => resource.infraID === infraID && holders.includes(resource.type))
}

/** IBM Cloud's destroyer only warns of a group that something is in. */
const isGivenUp = (cloud: Cloud, resource: Resource): boolean =>
  resource.platform === 'ibmcloud' && resource.type === 'resource-group' && isHeld(cloud, resource)

const holderTypes: Record<string, string[]> = {
  'gcp network': ['subnetwork', 'firewall', 'router'],
  'ibmcloud resource-group': ['snapshot'],
  // The authorization is found by its instance.
  'ibmcloud service-instance': ['iam-authorization'],
}

function stageOf({ type, platform }: Resource): (typeof destroyStages)[number] {
  if (type === 'dns-record' || zoneTypes.includes(type)) return 'dns'
  if (type === 'resource-group' && platform === 'azure') return 'dns'
  return [...machineTypes, 'volume', 'disk', 'instance-profile'].includes(type) ? 'instances' : 'network'
}

/** On AWS `id` is what is being torn down. A part of a VPC goes with it, and has a field named after its kind. */
function deletedFields({ resource }: StoredResource, all: StoredResource[]): Record<string, string> {
  const { id, type, name, platform, infraID } = resource
  const vpc = all.find((other) => other.resource.type === 'vpc' && other.resource.infraID === infraID)
  if (platform !== 'aws') return { id, resourceType: type, name }
  if (vpc && vpcParts.includes(type)) return { id: vpc.resource.id, [type.replace('-', ' ')]: id, resourceType: 'vpc' }
  return { id, resourceType: type }
}

function refusalText({ type, id }: Resource): string {
  return `deleting ${type}: DependencyViolation: The ${type} '${id}' has dependencies and cannot be deleted.\n\tstatus code: 400 (simulated)`
}

function destroyFailure(stage: Stage): Failure {
  return fatal(
    1,
    `Failed to destroy cluster: failed to delete ${stage}: an error occurred that is not retried (simulated)`,
  )
}
