// The pools of machines, as far as all clouds share their rules. Pure.
import { platforms } from '../vocabulary.ts'
import { blockOf, listOf, numberOf, requireWord, textOf, type Block, type Path, type Subject } from './finding.ts'
import { otherPlatforms } from './schema.ts'

const DEFAULT_REPLICAS = 3
const DEFAULT_ARCHITECTURE = 'amd64'
const LONGEST_DISK_ID = 12
/** Their installers take pools of several architectures. */
const mixingClouds = ['aws', 'gcp']

/** @returns how many nodes the cluster begins with. */
export function lintPools(subject: Subject): number {
  const { config, platform, report } = subject
  const controlPlane = blockOf(config['controlPlane'])
  const masters = lintControlPlane(subject, controlPlane)
  const pools = listOf(config['compute']).map(blockOf)
  const names = new Set<string>()
  let nodes = masters
  for (const [index, pool] of pools.entries()) {
    const path = ['compute', index]
    const name = textOf(pool['name']) ?? ''
    lintPool(subject, pool, path)
    if (name !== 'worker' && (name !== 'edge' || (platform && platform !== 'aws')))
      report('error', 'pool-name', [...path, 'name'], 'must be worker (or edge, on AWS Local Zones)')
    else if (names.has(name)) report('error', 'pool-name', [...path, 'name'], `there are two pools named ${name}`)
    if (pool['fencing'] !== undefined)
      report('error', 'control-plane', [...path, 'fencing'], 'is for the control plane only')
    names.add(name)
    nodes += numberOf(pool['replicas']) ?? (name === 'edge' ? 0 : DEFAULT_REPLICAS)
  }
  if (!names.has('worker')) nodes += DEFAULT_REPLICAS
  if (config['arbiter'] !== undefined && platform)
    report('error', 'control-plane', ['arbiter'], `is for bare metal, not for ${platform}`)
  lintArchitectures(subject, controlPlane, pools)
  return nodes
}

function lintControlPlane(subject: Subject, pool: Block): number {
  const { platform, minor, report } = subject
  const path = ['controlPlane', 'replicas']
  const masters = numberOf(pool['replicas']) ?? DEFAULT_REPLICAS
  lintPool(subject, pool, ['controlPlane'])
  if (textOf(pool['name']) && pool['name'] !== 'master')
    report('warning', 'pool-name', ['controlPlane', 'name'], 'is taken for master', 'ours')
  if (pool['fencing'] !== undefined && platform)
    report('error', 'control-plane', ['controlPlane', 'fencing'], `is for bare metal, not for ${platform}`)
  if (masters === 0) report('error', 'control-plane', path, 'at least one control plane node is needed')
  else if (masters === 2 && minor >= 19 && platform)
    report('error', 'control-plane', path, '2 nodes need fencing credentials, which are for bare metal: take 1, 3 or 5')
  else if (masters % 2 === 0)
    report('warning', 'control-plane', path, `${masters} nodes hold no better quorum than ${masters - 1}: take 1, 3 or 5`, 'ours') // prettier-ignore
  return masters
}

/** What every pool must have. */
function lintPool({ platform, report }: Subject, pool: Block, path: Path): void {
  if ((numberOf(pool['replicas']) ?? 0) < 0) report('error', 'replicas', [...path, 'replicas'], 'must not be negative')
  requireWord(report, 'form', [...path, 'hyperthreading'], pool['hyperthreading'], ['Enabled', 'Disabled'])
  const architectures = ['amd64', 'arm64', ...(platform === 'aws' ? [] : ['ppc64le', 's390x'])]
  requireWord(report, 'architecture', [...path, 'architecture'], pool['architecture'], architectures)
  for (const cloud of Object.keys(blockOf(pool['platform'])))
    if (platform && cloud !== platform && (platforms.some((each) => each === cloud) || otherPlatforms.includes(cloud)))
      report('error', 'pool-platform', [...path, 'platform', cloud], `is for clusters on ${cloud}; this one is on ${platform}`) // prettier-ignore
  lintDiskSetup(pool, [...path, 'diskSetup'], report)
}

function lintDiskSetup(pool: Block, path: Path, report: Subject['report']): void {
  const seen = new Set<string>()
  for (const [index, disk] of listOf(pool['diskSetup']).map(blockOf).entries()) {
    const type = textOf(disk['type']) ?? ''
    const key = type === 'user-defined' ? 'userDefined' : type
    const at = [...path, index]
    if (!['etcd', 'swap', 'userDefined'].includes(key)) continue
    if (disk[key] === undefined) report('error', 'disk', at, `${key} is missing`)
    else if (key === 'userDefined' && (textOf(blockOf(disk[key])['platformDiskID'])?.length ?? 0) > LONGEST_DISK_ID)
      report('error', 'disk', [...at, key, 'platformDiskID'], `may have ${LONGEST_DISK_ID} characters at most`)
    else if (key === 'etcd' && path[0] !== 'controlPlane') report('error', 'disk', at, 'a worker has no disk for etcd')
    else if (key !== 'userDefined' && seen.has(key)) report('error', 'disk', at, `there are two disks for ${key}`)
    seen.add(key)
  }
}

function lintArchitectures({ platform, report }: Subject, controlPlane: Block, pools: Block[]): void {
  const architectureOf = (pool: Block) => textOf(pool['architecture']) || DEFAULT_ARCHITECTURE
  const own = architectureOf(controlPlane)
  for (const [index, pool] of pools.entries()) {
    const other = architectureOf(pool)
    if (other === own) continue
    const path = ['compute', index, 'architecture']
    if (!platform || mixingClouds.includes(platform))
      report('warning', 'architecture-mixed', path, `${own} and ${other} together need a release with the payload "multi"`) // prettier-ignore
    else report('error', 'architecture-mixed', path, `${platform} takes one architecture: ${own} as the control plane, not ${other}`) // prettier-ignore
  }
}
