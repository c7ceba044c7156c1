// A simulated cluster's machines: what its controllers have done by now, reckoned whenever somebody looks. Its state is a
// file beside the simulated cloud's, and its machines are files in that cloud.
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join, matchesGlob } from 'node:path'
import { z } from 'zod'
import { hasCode } from '../../errors.ts'

/** Seconds of the simulation from the order to a machine that runs, and to its node being ready; and until it has gone. */
const RUNS_AFTER = 150
const READY_AFTER = 240
const GONE_AFTER = 90
/** After a start: until the node says what is so, and until operators have settled. */
const STALE_FOR = 120
const OPERATORS_DEGRADED_FOR = 300
const OPERATORS_SETTLE_AFTER = 420
/** Of the first certificates of nodes, and of those that slept for as long. */
const CERTIFICATES_LAST = 24 * 3600
const MACHINE_TYPES = ['instance', 'virtual-machine']

const clusterFile = z.looseObject({
  infraID: z.string(),
  server: z.string(),
  region: z.string(),
  initializedAt: z.string().nullable(),
  inside: z.array(z.object({ fault: z.string(), machine: z.string() })).default([]),
})
const resourceFile = z.looseObject({
  id: z.string(),
  type: z.string(),
  name: z.string(),
  machine: z
    .looseObject({
      state: z.enum(['running', 'stopped']),
      stoppedAt: z.string().optional(),
      startedAt: z.string().optional(),
    })
    .optional(),
})

const machine = z.object({
  name: z.string(),
  /** Without one it is of the control plane. */
  set: z.string().optional(),
  madeAt: z.number(),
  isMarked: z.boolean().default(false),
  goesAt: z.number().optional(),
  /** Why its cloud did not make it. */
  error: z.string().optional(),
})
export type SimulatedMachine = z.infer<typeof machine>
const request = z.object({
  name: z.string(),
  node: z.string(),
  signer: z.enum(['client', 'serving']),
  request: z.string(),
  isApproved: z.boolean().default(false),
})
export type SimulatedRequest = z.infer<typeof request>
/** Since when a machine is on or off, and whether its node has lost its certificates with that. */
const power = z.object({ isOn: z.boolean(), since: z.number(), needs: z.boolean().default(false) })
const stateFile = z.object({
  sets: z.array(z.object({ name: z.string(), replicas: z.number(), generation: z.number() })),
  machines: z.array(machine),
  /** The machine sets that an autoscaler moves. */
  autoscaled: z.array(z.string()).default([]),
  /** Machines whose node a disruption budget keeps from being emptied, with the pod. */
  blocked: z.record(z.string(), z.string()).default({}),
  /** The machine sets whose machines fail, with what their cloud says. */
  failing: z.record(z.string(), z.string()).default({}),
  /** Its operators do not get over a sleep. */
  staysDegraded: z.boolean().default(false),
  power: z.record(z.string(), power).default({}),
  requests: z.array(request).default([]),
  healthChecks: z
    .array(z.object({ name: z.string(), isPaused: z.boolean().default(false) }))
    .default([{ name: 'workers', isPaused: false }]),
  /** Who asked its API, how often, and in which hour of the day (UTC). undefined: nobody has counted. */
  asked: z.array(z.object({ username: z.string(), hour: z.number(), count: z.number(), isNamed: z.boolean().default(true) })).optional(), // prettier-ignore
})
export type SimulatedState = z.infer<typeof stateFile>

export type SimulatedCluster = NonNullable<Awaited<ReturnType<typeof openSimulatedCluster>>>

/** undefined: no cluster of that name has come up. */
export async function openSimulatedCluster(cloudDir: string, host: string, speed: number) {
  const found = await findCluster(cloudDir, host)
  if (!found) return undefined
  const { infraID, region, inside } = found
  const path = join(cloudDir, 'kubernetes', `${infraID}.json`)
  const resources = join(cloudDir, 'resources', infraID)
  const now = () => Date.now()
  const secondsSince = (at: number) => ((now() - at) * speed) / 1000

  const readMachines = async () => {
    const files = await namesIn(resources)
    const read = await Promise.all(
      files
        .filter((file) => !file.startsWith('.') && !file.includes('bootstrap'))
        .map(async (file) => ({ file, text: await unlessGone(readFile(join(resources, file), 'utf8')) })),
    )
    return read
      .flatMap(({ file, text }) =>
        text === undefined ? [] : [{ file, resource: resourceFile.parse(JSON.parse(text)) }],
      )
      .filter(({ resource }) => MACHINE_TYPES.includes(resource.type))
  }
  const begin = async (): Promise<SimulatedState> => {
    const names = (await readMachines()).map(({ resource }) => resource.name)
    const zones = ['a', 'b', 'c'].map((zone) => `${infraID}-worker-${region}${zone}`)
    const made = now() - (READY_AFTER * 1000) / speed
    const hit = (fault: string, all: string[]) =>
      all.filter((name) => inside.some((each) => each.fault === fault && matchesGlob(name, each.machine)))
    const workers = names.filter((name) => zones.some((zone) => name.startsWith(`${zone}-`)))
    return stateFile.parse({
      sets: zones.map((name) => ({ name, replicas: names.filter((each) => each.startsWith(`${name}-`)).length, generation: 1 })), // prettier-ignore
      machines: names.map((name) => {
        const set = zones.find((zone) => name.startsWith(`${zone}-`))
        return { name, madeAt: made, ...(set && { set }) }
      }),
      autoscaled: hit('autoscale', zones),
      blocked: Object.fromEntries(hit('block-drain', workers).map((name) => [name, `needed-on-${name}`])),
      failing: Object.fromEntries(hit('no-machine', zones).map((name) => [name, 'the simulated cloud has none'])),
      staysDegraded: hit('stay-degraded', [infraID]).length > 0,
    })
  }
  const read = async (): Promise<SimulatedState> => {
    const text = await unlessGone(readFile(path, 'utf8'))
    return text === undefined ? begin() : stateFile.parse(JSON.parse(text))
  }
  const write = async (state: SimulatedState) => writeWhole(path, state)

  const addToCloud = async (name: string) => {
    const [model] = await readMachines()
    if (!model) return
    const { type } = model.resource
    const id = model.resource.id.replace(/[0-9a-f]{6,}$/, '') + randomBytes(8).toString('hex')
    await writeWhole(join(resources, `${type}-${name.slice(infraID.length + 1)}.json`), { ...model.resource, id, name, createdAt: new Date().toISOString() }) // prettier-ignore
  }
  const takeFromCloud = async (name: string) => {
    for (const { file, resource } of await readMachines())
      if (resource.name === name) await rm(join(resources, file), { force: true })
  }

  /** What became of machines that were stopped and started since the last look. */
  const notice = async (state: SimulatedState): Promise<void> => {
    for (const { resource } of await readMachines()) {
      const { state: told, stoppedAt, startedAt } = resource.machine ?? { state: 'running' }
      const isOn = told === 'running'
      // What never slept was installed with its certificates.
      const since = Date.parse((isOn ? startedAt : stoppedAt) ?? '') || 0
      const before = state.power[resource.name]
      if (before?.isOn === isOn && before.since === since) continue
      const sleptMs = isOn && stoppedAt !== undefined ? since - Date.parse(stoppedAt) : 0
      state.power[resource.name] = { isOn, since, needs: (sleptMs * speed) / 1000 >= CERTIFICATES_LAST }
    }
  }
  const hasControlPlane = ({ machines, power: all }: SimulatedState) => {
    const masters = machines.filter(({ set }) => set === undefined)
    return masters.filter(({ name }) => all[name]?.isOn !== false).length * 2 > masters.length
  }
  /** A node without certificates asks for one of each kind, the second with the first. */
  const askForCertificates = async (state: SimulatedState): Promise<void> => {
    for (const { name } of state.machines) {
      if (!state.power[name]?.isOn || !state.power[name].needs) continue
      const own = state.requests.filter(({ node }) => node === nodeOf(name))
      const of = (signer: SimulatedRequest['signer']) => own.find((each) => each.signer === signer)
      const missing = of('client') ? (of('client')?.isApproved && !of('serving') ? 'serving' : undefined) : 'client'
      if (missing) {
        const { makeRequest } = await import('./certificates.ts')
        state.requests.push({ name: `csr-${randomBytes(3).toString('hex')}`, node: nodeOf(name), signer: missing, request: await makeRequest(nodeOf(name), missing), isApproved: false }) // prettier-ignore
      } else if (of('serving')?.isApproved) {
        state.power[name].needs = false
        state.requests = state.requests.filter(({ node }) => node !== nodeOf(name))
      }
    }
  }

  /** What the controllers would have done since the last look. */
  const settle = async (state: SimulatedState): Promise<void> => {
    await notice(state)
    if (!hasControlPlane(state)) return
    await askForCertificates(state)
    // A check that nobody paused takes a machine that sleeps for a sick one.
    if (state.healthChecks.some(({ isPaused }) => !isPaused))
      for (const each of state.machines) if (each.set !== undefined && state.power[each.name]?.isOn === false) each.goesAt ??= now() // prettier-ignore
    for (const { name, replicas } of state.sets) {
      const own = state.machines.filter(({ set, goesAt }) => set === name && goesAt === undefined)
      for (let missing = replicas - own.length; missing > 0; missing--) {
        const error = state.failing[name]
        const made = { name: `${name}-${randomBytes(3).toString('hex').slice(0, 5)}`, set: name, madeAt: now(), isMarked: false } // prettier-ignore
        state.machines.push(error === undefined ? made : { ...made, error })
        if (error === undefined) await addToCloud(made.name)
      }
      const order = own.toSorted((a, b) => Number(b.isMarked) - Number(a.isMarked) || b.madeAt - a.madeAt)
      for (const each of order.slice(0, Math.max(0, own.length - replicas))) each.goesAt = now()
    }
    const isGone = ({ name, goesAt }: SimulatedMachine) =>
      goesAt !== undefined && state.blocked[name] === undefined && secondsSince(goesAt) >= GONE_AFTER
    const gone = new Set(state.machines.filter(isGone))
    for (const { name } of gone) {
      await takeFromCloud(name)
      delete state.power[name]
    }
    state.machines = state.machines.filter((each) => !gone.has(each))
  }

  return {
    /** As things are by now. */
    async look(): Promise<SimulatedState> {
      const state = await read()
      await settle(state)
      await write(state)
      return state
    },
    async change(change: (state: SimulatedState) => void): Promise<void> {
      const state = await read()
      change(state)
      await settle(state)
      await write(state)
    },
    runs: ({ madeAt }: SimulatedMachine) => secondsSince(madeAt) >= RUNS_AFTER,
    isReady: ({ name, madeAt, error }: SimulatedMachine, { power: all }: SimulatedState) => {
      const { isOn = true, since = 0, needs = false } = all[name] ?? {}
      if (error !== undefined || secondsSince(madeAt) < READY_AFTER) return false
      // For a while the API says what the node said before it slept.
      return secondsSince(since) < STALE_FOR || (isOn && !needs && secondsSince(since) >= READY_AFTER)
    },
    isAwake: hasControlPlane,
    /** Since its start. What was installed and never slept has settled. */
    operators: ({ power: all, staysDegraded }: SimulatedState) => {
      const least = Math.min(...Object.values(all).map(({ isOn, since }) => (isOn ? secondsSince(since) : 0)))
      const hasSlept = Object.values(all).some(({ since }) => since > 0)
      return {
        isDegraded: least < OPERATORS_DEGRADED_FOR || (staysDegraded && hasSlept),
        isProgressing: least < OPERATORS_SETTLE_AFTER,
      }
    },
  }
}

export const nodeOf = (machine: string): string => `ip-of-${machine}`

async function findCluster(cloudDir: string, host: string) {
  const home = join(cloudDir, 'clusters')
  for (const name of await namesIn(home)) {
    if (name.startsWith('.')) continue
    const text = await unlessGone(readFile(join(home, name), 'utf8'))
    const cluster = text === undefined ? undefined : clusterFile.parse(JSON.parse(text))
    if (cluster?.initializedAt && new URL(cluster.server).hostname === host) return cluster
  }
  return undefined
}

const namesIn = async (dir: string) => (await unlessGone(readdir(dir))) ?? []

async function unlessGone<T>(reading: Promise<T>): Promise<T | undefined> {
  return reading.catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  })
}

async function writeWhole(path: string, content: object): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(6).toString('hex')}`)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(temporary, `${JSON.stringify(content)}\n`)
  await rename(temporary, path)
}
