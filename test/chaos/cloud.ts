// What the cloud holds, and what disappears from it.
import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { keepLooking } from './watch.ts'

export type Removal = {
  infraID: string
  /** Of the resource's tags, or of those beside it: DNS records have none. */
  clusterId: string | undefined
  file: string
  /** It was there then… */
  since: number
  /** …and not any more then. */
  at: number
}

const LOOK_MS = 400

export function watchCloud(cloudDir: string): { removals: Removal[]; stop: () => void } {
  const removals: Removal[] = []
  const owners = new Map<string, string>()
  let present = new Set<string>()
  let lookedAt = Date.now()

  const look = async () => {
    const startedAt = Date.now()
    const files = new Set(await listResources(cloudDir))
    const now = Date.now()
    for (const path of files) await learnOwner(path)
    for (const path of present) {
      if (files.has(path)) continue
      const infraID = basename(dirname(path))
      removals.push({ infraID, clusterId: owners.get(infraID), file: basename(path), since: lookedAt, at: now })
    }
    present = files
    lookedAt = startedAt
  }
  const learnOwner = async (path: string) => {
    const infraID = basename(dirname(path))
    if (present.has(path) || owners.has(infraID)) return
    const text = await readFile(join(cloudDir, path), 'utf8').catch(() => '{}') // it is gone again
    const { tags = {} } = JSON.parse(text) as { tags?: Record<string, string> }
    const owner = Object.entries(tags).find(([key]) => key.toLowerCase() === 'ocpctl-cluster-id')?.[1]
    if (owner !== undefined) owners.set(infraID, owner)
  }
  return { removals, stop: keepLooking(look, LOOK_MS) }
}

/** What the cloud holds; files that a killed program had begun to write do not count. */
export async function listResources(cloudDir: string): Promise<string[]> {
  const found: string[] = []
  for (const infraID of await namesIn(join(cloudDir, 'resources')))
    for (const file of await namesIn(join(cloudDir, 'resources', infraID))) found.push(join('resources', infraID, file))
  return found
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return (await readdir(dir)).filter((name) => !name.startsWith('.'))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [] // gone between two looks
    throw error
  }
}
