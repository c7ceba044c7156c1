// Where an install-config says what machines to take of a cloud: for a pool, or for every pool that says nothing. Pure.
import type { Platform } from '../vocabulary.ts'
import { blockOf, listOf, textOf, type Block, type Path, type Report } from './finding.ts'

export type Machine = {
  at: Path
  machine: Block
  pool: Block
  /** What the pool is for; nothing in the defaults of all pools. */
  role: string | undefined
  isDefault: boolean
}

/** @param all also those pools that say nothing of the cloud. */
export function eachMachine(config: Block, cloud: Platform, all?: 'with those that say nothing'): Machine[] {
  const compute = listOf(config['compute']).map(blockOf)
  const pools: [Path, Block, string][] = [
    [['controlPlane'], blockOf(config['controlPlane']), 'master'],
    ...compute.map((pool, index): [Path, Block, string] => [
      ['compute', index],
      pool,
      textOf(pool['name']) ?? 'worker',
    ]),
  ]
  const usual = blockOf(blockOf(config['platform'])[cloud])['defaultMachinePlatform']
  const machines = pools.flatMap(([path, pool, role]): Machine[] => {
    const machine = blockOf(pool['platform'])[cloud]
    if (machine === undefined && !all) return []
    return [{ at: [...path, 'platform', cloud], machine: blockOf(machine), pool, role, isDefault: false }]
  })
  if (usual === undefined) return machines
  const at = ['platform', cloud, 'defaultMachinePlatform']
  return [...machines, { at, machine: blockOf(usual), pool: {}, role: undefined, isDefault: true }]
}

/** The name of a zone begins with its region's. */
export function lintZones(machine: Block, at: Path, region: string, report: Report): void {
  for (const [index, zone] of listOf(machine['zones']).entries())
    if (!String(zone).startsWith(region))
      report('error', 'zone', [...at, 'zones', index], `"${String(zone)}" is no zone of ${region}`)
}
