// What still exists in the simulated cloud: one file a resource. It is searched whole, as a tag search of a cloud is.
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
})

export function openSimulatedInventory(cloudDir: string): Inventory {
  return {
    async find(query) {
      const found: Resource[] = []
      for await (const { id, type, name, region, tags } of readResources(cloudDir))
        if (belongs({ type, name, tags }, query)) found.push({ id, type, name, region })
      return { verified: true, resources: found }
    },
    async *findOwned() {
      for await (const { id, type, name, region, tags } of readResources(cloudDir))
        for (const [key, clusterId] of Object.entries(tags))
          if (key.toLowerCase() === 'ocpctl-cluster-id') yield { clusterId, resource: { id, type, name, region } }
    },
  }
}

function belongs(
  resource: { type: string; name: string; tags: Record<string, string> },
  query: InventoryQuery,
): boolean {
  const { type, name, tags } = resource
  if (
    Object.entries(tags).some(([key, value]) => key.toLowerCase() === 'ocpctl-cluster-id' && value === query.clusterId)
  )
    return true
  const domain = `${query.name}.${query.baseDomain}`
  if (type === 'dns-record' && [`api.${domain}`, `*.apps.${domain}`].includes(name.replace(/\.$/, ''))) return true
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
