// The simulated cloud as its files have it. They never change, so each is read once.
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

export type Thing = {
  file: string
  id: string
  type: string
  name: string
  region: string
  tags: Record<string, string>
  infraID: string
  /** Undefined for what a test has put there: it is in every cloud. */
  platform?: string
  target?: string
  zone?: string
  of?: string
  createdAt?: string
  isMissed?: true
}

/** What a cloud's double holds, and which file each part of it is made of. */
export type Mapped<State> = { state: State; sources: Map<unknown, string> }

/** Where the records of clusters are. */
export type Base = { domain: string; azureGroup: string; googleProject: string }

export function openWorld(cloudDir: string): () => Thing[] {
  const root = join(cloudDir, 'resources')
  const known = new Map<string, Thing>()
  return () => {
    const files = namesIn(root).flatMap((infraID) =>
      namesIn(join(root, infraID)).map((name) => join(root, infraID, name)),
    )
    return files.flatMap((file) => {
      const thing = known.get(file) ?? readThing(file)
      if (thing) known.set(file, thing)
      return thing ?? []
    })
  }
}

const namesIn = (dir: string): string[] =>
  unlessGone(() => readdirSync(dir))?.filter((name) => !name.startsWith('.')) ?? []

function readThing(file: string): Thing | undefined {
  const text = unlessGone(() => readFileSync(file, 'utf8'))
  // Written by the simulator, or by a test.
  return text === undefined
    ? undefined
    : { infraID: '', ...(JSON.parse(text) as Omit<Thing, 'file' | 'infraID'>), file }
}

function unlessGone<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** Deletes the files of what the double does not hold any more. */
export function removeMissing({ state, sources }: Mapped<unknown>): void {
  if (sources.size === 0) return
  const held = new Set<unknown>()
  const collect = (value: unknown): void => {
    if (held.has(value)) return
    held.add(value)
    if (typeof value === 'object' && value !== null) for (const each of Object.values(value)) collect(each)
  }
  collect(state)
  for (const [part, file] of sources) {
    if (held.has(part)) continue
    rmSync(file, { force: true })
    sources.delete(part)
  }
}

/** What the cluster's own zone has. */
export const recordsOfCluster = (domain: string, infraID: string) =>
  ['api', 'api-int', '*.apps'].map((name) => ({
    name: `${name}.${domain}`,
    target: `${infraID}-int.lb.simulated.example`,
  }))

export const plain = (name: string) => name.replace(/\.$/, '')

export const isUnder = (name: string, domain: string) => plain(name).endsWith(`.${domain}`)
