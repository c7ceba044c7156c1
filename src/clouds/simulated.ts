// What still exists in the simulated cloud: one file per resource. All of it is searched, as in a tag search of a
// cloud.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { hasCode } from '../errors.ts'
import type { Inventory, InventoryQuery, Resource } from './inventory.ts'

const resourceFile = z.looseObject({
  id: z.string(),
  type: z.string(),
  name: z.string(),
  region: z.string(),
  tags: z.record(z.string(), z.string()),
  /** For a DNS record: the name that it points to. */
  target: z.string().optional(),
})
type ResourceFile = z.infer<typeof resourceFile>

export function openSimulatedInventory(cloudDir: string): Inventory {
  return {
    async find(query) {
      const found: Resource[] = []
      for await (const each of readResources(cloudDir)) if (belongs(each, query)) found.push(show(each))
      return { verified: true, resources: found }
    },
    async findRecords(query) {
      const found: Resource[] = []
      for await (const each of readResources(cloudDir)) if (isRecordOf(each, query)) found.push(show(each))
      return { verified: true, resources: found }
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

const show = ({ id, type, name, region }: ResourceFile): Resource => ({ id, type, name, region })

/** Azure does not distinguish upper and lower case in keys. */
const tagOf = ({ tags }: ResourceFile, key: string): string | undefined =>
  Object.entries(tags).find(([name]) => name.toLowerCase() === key)?.[1]

function isRecordOf({ type, name }: ResourceFile, query: Pick<InventoryQuery, 'name' | 'baseDomain'>): boolean {
  const domain = `${query.name}.${query.baseDomain}`
  return type === 'dns-record' && [`api.${domain}`, `*.apps.${domain}`].includes(name.replace(/\.$/, ''))
}

function belongs(resource: ResourceFile, query: InventoryQuery): boolean {
  const { name, tags, target } = resource
  if (query.clusterId !== undefined && tagOf(resource, 'ocpctl-cluster-id') === query.clusterId) return true
  if (isRecordOf(resource, query))
    return query.records === 'all' || query.infraIds.some((infraId) => target?.startsWith(`${infraId}-`))
  return query.infraIds.some(
    (infraId) => Object.keys(tags).some((key) => key.endsWith(infraId)) || name.startsWith(infraId),
  )
}

async function* readResources(cloudDir: string) {
  const root = join(cloudDir, 'resources')
  for (const folder of await list(root))
    for (const file of await list(join(root, folder))) {
      if (file.startsWith('.')) continue // being written: it is listed again once it is there
      const text = await readFile(join(root, folder, file), 'utf8').catch((error: unknown) => {
        if (hasCode(error, 'ENOENT')) return undefined
        throw error
      })
      if (text !== undefined) yield resourceFile.parse(JSON.parse(text))
    }
}

async function list(path: string): Promise<string[]> {
  return readdir(path).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return []
    throw error
  })
}
