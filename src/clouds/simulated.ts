// What still exists in the simulated cloud: one file per resource. All of it is searched, as in a tag search of a
// cloud.
import { randomUUID } from 'node:crypto'
import { link, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { hasCode } from '../errors.ts'
import {
  unclear,
  type Inventory,
  type InventoryAnswer,
  type InventoryQuery,
  type Place,
  type Resource,
} from './inventory.ts'
import { installersNames, ownNames } from './names.ts'

const resourceFile = z.looseObject({
  id: z.string(),
  type: z.string(),
  name: z.string(),
  region: z.string(),
  tags: z.record(z.string(), z.string()),
  /** For a DNS record: the name that it points to. */
  target: z.string().optional(),
  platform: z.string().optional(),
})
type ResourceFile = z.infer<typeof resourceFile>

export function openSimulatedInventory(cloudDir: string): Inventory {
  return {
    find: async (query) => search(await Array.fromAsync(readResources(cloudDir)), query),
    async findRecords(place) {
      const standing = recordsOf(await Array.fromAsync(readResources(cloudDir)), place)
      const { api, apps } = installersNames(domainOf(place))
      const taken = standing.filter((each) => [api, apps].includes(plainName(each)))
      return {
        found: standing.map(show),
        taken: taken.map((each) => ({ ...show(each), targets: each.target === undefined ? [] : [each.target] })),
        notChecked: [],
      }
    },
    async remove(_place, { id }) {
      for await (const { path, ...each } of readResources(cloudDir)) if (each.id === id) await rm(path, { force: true })
    },
    async *findOwned() {
      for await (const each of readResources(cloudDir)) {
        const clusterId = tagOf(each, 'ocpctl-cluster-id')
        const installationId = tagOf(each, 'ocpctl-installation-id')
        if (clusterId !== undefined) yield { clusterId, installationId, resource: show(each) }
      }
    },
  }
}

/** Which simulated cloud it is, wherever its directory is mounted. */
export async function readCloudId(cloudDir: string): Promise<string> {
  const path = join(cloudDir, 'id')
  const known = await readFile(path, 'utf8').catch((error: unknown) => {
    if (!hasCode(error, 'ENOENT')) throw error
  })
  if (known !== undefined) return known
  await mkdir(cloudDir, { recursive: true })
  const mine = `${path}.${randomUUID()}`
  await writeFile(mine, randomUUID())
  // It appears whole or not at all.
  await link(mine, path).catch((error: unknown) => {
    if (!hasCode(error, 'EEXIST')) throw error
  })
  await rm(mine)
  return readFile(path, 'utf8')
}

const show = ({ id, type, name, region }: ResourceFile): Resource => ({ id, type, name, region })

const domainOf = ({ name, baseDomain }: Place) => `${name}.${baseDomain}`

const plainName = ({ name }: ResourceFile) => name.replace(/\.$/, '')

/** Azure does not distinguish upper and lower case in keys. */
const tagOf = ({ tags }: ResourceFile, key: string): string | undefined =>
  Object.entries(tags).find(([name]) => name.toLowerCase() === key)?.[1]

/** The records under the cluster's domain. */
function recordsOf(all: ResourceFile[], place: Place): ResourceFile[] {
  const records = all.filter(({ type }) => type === 'dns-record')
  const isOwnName = ownNames(domainOf(place), records.map(plainName))
  return records.filter((each) => isOwnName(plainName(each)))
}

function search(all: ResourceFile[], query: InventoryQuery): InventoryAnswer {
  const { records, infraIds, stoodBefore = [], disks = [] } = query
  const pointsToOurs = ({ target }: ResourceFile) => infraIds.some((infraId) => target?.startsWith(`${infraId}-`))
  const ofDomain = recordsOf(all, query).filter((each) => pointsToOurs(each) || !stoodBefore.includes(each.id))
  const strangers = ofDomain.filter((each) => !pointsToOurs(each) && !isTagged(each, query))
  const isNamed = (each: ResourceFile) => disks.includes(each.id) || disks.includes(each.name)
  const isFound = (each: ResourceFile) =>
    isNamed(each) ||
    (each.type === 'dns-record'
      ? isTagged(each, query) || (ofDomain.includes(each) && (records !== 'own' || pointsToOurs(each)))
      : isTagged(each, query) || infraIds.some((infraId) => each.name.startsWith(`${infraId}-`)))
  const keyOf = (each: ResourceFile): Resource['key'] =>
    isTagged(each, query)
      ? 'tag'
      : pointsToOurs(each) || isNamed(each)
        ? 'relation'
        : each.type === 'dns-record'
          ? 'dns'
          : 'name'
  const found = all.filter(isFound).map((each) => ({ ...show(each), key: keyOf(each) }))
  const lingering = found.filter(({ name }) => name.startsWith('deleted:'))
  return {
    found: found.filter((each) => !lingering.includes(each)),
    lingering,
    checked: ['simulated'],
    notChecked: records === 'unclear' && strangers.length > 0 ? [unclear(strangers.map(show))] : [],
  }
}

export function isTagged(
  resource: ResourceFile,
  { clusterId, infraIds }: Pick<InventoryQuery, 'clusterId' | 'infraIds'>,
): boolean {
  if (clusterId !== undefined && tagOf(resource, 'ocpctl-cluster-id') === clusterId) return true
  const ownKeys = infraIds.flatMap((infraId) => ['/', '.', '-'].map((dash) => `cluster${dash}${infraId}`))
  return Object.keys(resource.tags).some((key) => ownKeys.some((own) => key.endsWith(own)))
}

/** `only`: of these infraIDs and types. All of them where that is left out. */
export async function* readResources(cloudDir: string, only?: { infraIds: string[]; types: readonly string[] }) {
  const root = join(cloudDir, 'resources')
  for (const folder of only?.infraIds ?? (await list(root)))
    for (const file of await list(join(root, folder))) {
      if (file.startsWith('.')) continue // being written: it is listed again once it is there
      if (only && !only.types.some((type) => file.startsWith(`${type}-`))) continue
      const path = join(root, folder, file)
      const text = await readFile(path, 'utf8').catch((error: unknown) => {
        if (hasCode(error, 'ENOENT')) return undefined
        throw error
      })
      if (text !== undefined) yield { ...resourceFile.parse(JSON.parse(text)), path }
    }
}

async function list(path: string): Promise<string[]> {
  return readdir(path).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return []
    throw error
  })
}
