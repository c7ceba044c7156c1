// The simulated cloud: resources/<infraID>/<type>-<role>.json, one file a resource, and clusters/<infraID>.json for what
// a cluster does by itself. Others read it at any moment, so every file appears whole or not at all.
import fs from 'node:fs'
import path from 'node:path'
import type { Platform } from './install-config.ts'
import type { PlannedResource, Resource } from './resources.ts'

export interface Cluster {
  simulated: true
  infraID: string
  name: string
  platform: Platform
  region: string
  baseDomain: string
  version: string
  server: string
  createdAt: string
  apiUpAt: string | null
  bootstrapCompletedAt: string | null
  initializedAt: string | null
  /** What the cluster's operators will make by the time it is initialized. */
  operatorResources: PlannedResource[]
  inside: InsideFault[]
}

/** What goes wrong within a cluster. `machine`: a glob of names of machines, or of machine sets. */
export type InsideFault = { fault: 'autoscale' | 'block-drain' | 'no-machine' | 'stay-degraded'; machine: string }

export interface StoredResource {
  path: string
  resource: Resource
}

export class Cloud {
  readonly #root: string
  // Only the state of machines changes in a file, which nothing here looks at. So a later look reads only the new ones.
  readonly #known = new Map<string, StoredResource>()

  constructor(root: string) {
    this.#root = root
  }

  add({ file, resource }: PlannedResource): void {
    const target = path.join(this.#root, 'resources', resource.infraID, file)
    if (!fs.existsSync(target)) writeWhole(target, { ...resource, createdAt: new Date().toISOString() })
  }

  list(): StoredResource[] {
    const found: StoredResource[] = []
    const root = path.join(this.#root, 'resources')
    for (const infraID of namesIn(root)) {
      for (const file of namesIn(path.join(root, infraID))) {
        if (file.startsWith('.') || !file.endsWith('.json')) continue
        const location = path.join(root, infraID, file)
        const stored = this.#known.get(location) ?? this.#read(location)
        if (stored !== undefined) found.push(stored)
      }
    }
    return found
  }

  #read(location: string): StoredResource | undefined {
    const resource = readJson(location) as Resource | undefined
    if (resource === undefined) return undefined
    const stored = { path: location, resource }
    this.#known.set(location, stored)
    return stored
  }

  remove(stored: StoredResource): void {
    this.#known.delete(stored.path)
    fs.rmSync(stored.path, { force: true })
    removeIfEmpty(path.dirname(stored.path))
  }

  /** The bootstrap host and what only it needs. */
  listBootstrap(infraID: string): StoredResource[] {
    return this.list().filter(
      ({ path: location, resource }) =>
        resource.infraID === infraID && path.basename(location) === `${resource.type}-bootstrap.json`,
    )
  }

  findCluster(infraID: string): Cluster | undefined {
    return readJson(this.#clusterPath(infraID)) as Cluster | undefined
  }

  listClusters(): Cluster[] {
    return namesIn(path.join(this.#root, 'clusters'))
      .filter((name) => !name.startsWith('.'))
      .map((name) => this.findCluster(path.basename(name, '.json')))
      .filter((cluster) => cluster !== undefined)
  }

  saveCluster(cluster: Cluster): void {
    writeWhole(this.#clusterPath(cluster.infraID), cluster)
  }

  removeCluster(infraID: string): void {
    fs.rmSync(this.#clusterPath(infraID), { force: true })
    fs.rmSync(path.join(this.#root, 'kubernetes', `${infraID}.json`), { force: true })
    removeIfEmpty(path.join(this.#root, 'resources', infraID))
  }

  #clusterPath(infraID: string): string {
    return path.join(this.#root, 'clusters', `${infraID}.json`)
  }
}

function writeWhole(target: string, content: object): void {
  const dir = path.dirname(target)
  const temporary = path.join(dir, `.${path.basename(target)}.${process.pid}`)
  const write = (): void => {
    fs.mkdirSync(dir, { recursive: true })
    fs.writeFileSync(temporary, `${JSON.stringify(content)}\n`)
    fs.renameSync(temporary, target)
  }
  try {
    write()
  } catch (error) {
    // A destroy may have removed the empty directory in between.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    write()
  }
}

/** Half-written files of a killed program do not count. */
function removeIfEmpty(dir: string): void {
  if (namesIn(dir).every((name) => name.startsWith('.'))) fs.rmSync(dir, { recursive: true, force: true })
}

function namesIn(dir: string): string[] {
  try {
    return fs.readdirSync(dir)
  } catch {
    return []
  }
}

/** Only this program writes these files, so their shape is known. */
function readJson(file: string): unknown {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}
