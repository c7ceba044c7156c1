// The simulated cloud as its files have it. Those of machines change with their state; of the others each is read once.
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Machine as Simulated } from '../../src/simulator/resources.ts'
import type { Machine } from '../machines.ts'

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
  machine?: Simulated & { lacksCapacity?: true }
  isMissed?: true
}

/** What a cloud's double holds, and which file each part of it is made of. */
export type Mapped<State> = { state: State; sources: Map<unknown, string>; machines: MappedMachine[] }
/** `stopped`: the cloud's word for it. */
type MappedMachine = { thing: Thing; machine: Machine; stopped: string }

/** Where the records of clusters are. */
export type Base = { domain: string; azureGroup: string; googleProject: string }

export function openWorld(cloudDir: string): () => Thing[] {
  const root = join(cloudDir, 'resources')
  const known = new Map<string, { thing: Thing; version: string }>()
  return () => {
    const files = namesIn(root).flatMap((infraID) =>
      namesIn(join(root, infraID)).map((name) => join(root, infraID, name)),
    )
    return files.flatMap((file) => {
      const version = /^(instance|virtual-machine)-/.test(basename(file)) ? versionOf(file) : ''
      const before = known.get(file)
      if (before?.version === version) return before.thing
      const thing = readThing(file)
      if (thing) known.set(file, { thing, version })
      return thing ?? []
    })
  }
}

const versionOf = (file: string): string => {
  const { ino = 0, mtimeMs = 0 } = statSync(file, { throwIfNoEntry: false }) ?? {}
  return `${ino} ${mtimeMs}`
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

/** As the file has it, in the words of a cloud. */
export function machineOf(thing: Thing, stopped: string): MappedMachine {
  const { state, zone, type, isSpot, start, lacksCapacity } = thing.machine ?? {}
  const machine: Machine = {
    ...(state === 'stopped' && { state: stopped }),
    ...(zone !== undefined && { zone }),
    ...(type !== undefined && { machineType: type }),
    ...(isSpot && { isSpot }),
    ...(start && { start: { ...start } }),
    ...(lacksCapacity && { lacksCapacity }),
  }
  return { thing, machine, stopped }
}

/** Writes what has become of machines into their files, each of which appears whole. */
export function saveMachines({ machines }: Pick<Mapped<unknown>, 'machines'>): void {
  for (const { thing, machine, stopped } of machines) {
    if (machine.state === 'terminated') rmSync(thing.file, { force: true })
    const {
      lacksCapacity: _,
      start: __,
      ...before
    } = thing.machine ?? { state: 'running' as const, zone: thing.region }
    const after = {
      ...before,
      state: machine.state === stopped ? ('stopped' as const) : ('running' as const),
      ...(machine.start && { start: { ...machine.start } }),
      ...(machine.lacksCapacity && { lacksCapacity: true as const }),
    }
    if (JSON.stringify(sorted(after)) === JSON.stringify(sorted(thing.machine ?? before)) || !existsSync(thing.file)) continue // prettier-ignore
    const { file, ...resource } = thing
    const temporary = join(dirname(file), `.${basename(file)}.double`)
    writeFileSync(temporary, `${JSON.stringify({ ...resource, machine: after })}\n`)
    renameSync(temporary, file)
  }
}

const sorted = (record: object) => Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1))

/** What the cluster's own zone has. */
export const recordsOfCluster = (domain: string, infraID: string) =>
  ['api', 'api-int', '*.apps'].map((name) => ({
    name: `${name}.${domain}`,
    target: `${infraID}-int.lb.simulated.example`,
  }))

export const plain = (name: string) => name.replace(/\.$/, '')

export const isUnder = (name: string, domain: string) => plain(name).endsWith(`.${domain}`)
