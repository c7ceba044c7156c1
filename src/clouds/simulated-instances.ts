// The machines of the simulated cloud, whose state is in their files. A file is replaced whole, since others read it at any
// moment.
import { randomUUID } from 'node:crypto'
import { access, rename, rm, writeFile } from 'node:fs/promises'
import { z } from 'zod'
import { hasCode } from '../errors.ts'
import { isNamedBy, roleOf, type Instance, type Instances, type Ordered } from './instances.ts'
import { openPower, type Verb } from './power.ts'
import { isTagged, readResources } from './simulated.ts'

/** `start`: what becomes of the next so many starts. */
const machineShape = z.looseObject({
  state: z.enum(['running', 'stopped']),
  zone: z.string(),
  type: z.string().optional(),
  isSpot: z.boolean().default(false),
  start: z.looseObject({ fault: z.enum(['no-start', 'no-capacity']), times: z.number() }).optional(),
  lacksCapacity: z.literal(true).optional(),
  stoppedAt: z.string().optional(),
  startedAt: z.string().optional(),
})
type Machine = z.infer<typeof machineShape>

const types = ['instance', 'virtual-machine']

/** A machine that an earlier release of the simulator made runs. */
const machineOf = (file: Record<string, unknown>): Machine =>
  machineShape.parse(file['machine'] ?? { state: 'running', zone: String(file['region']) })

type Held = { path: string; file: Record<string, unknown>; machine: Machine }

export const openSimulatedInstances = (cloudDir: string): Instances =>
  openPower({
    open: (query) => ({ query, held: new Map<string, Held>(), close: () => undefined }),
    async list({ query, held }) {
      const answers: Instance[] = []
      for await (const { path, ...file } of readResources(cloudDir, { infraIds: query.infraIds, types })) {
        const { id, name, type, platform = query.platform } = file
        const isOurs = isTagged(file, query) || isNamedBy(query.infraIds, name)
        if (!types.includes(type) || !isOurs || platform !== query.platform) continue
        const machine = machineOf(file)
        held.set(id, { path, file, machine })
        answers.push(show(id, name, machine, query.platform === 'aws', query.infraIds))
      }
      return { answers, refusals: [] }
    },
    order: ({ held }, verb, machines) =>
      Promise.all(
        machines.flatMap(({ id }) => {
          const here = held.get(id)
          return here ? orderOne(id, here, verb) : []
        }),
      ),
  })

function show(id: string, name: string, machine: Machine, isAws: boolean, infraIds: string[]): Instance {
  const { state, zone, type, isSpot, lacksCapacity } = machine
  return {
    id,
    name,
    zone,
    machineType: type,
    isSpot,
    role: roleOf(infraIds, name),
    state,
    told: state,
    ...(isSpot && isAws ? { cannotStop: 'spot' } : {}),
    ...(lacksCapacity ? { lacksCapacity } : {}),
  }
}

async function orderOne(id: string, { path, file, machine }: Held, verb: Verb): Promise<Ordered> {
  if (verb === 'terminate') {
    await rm(path, { force: true })
    return { id, outcome: 'accepted' }
  }
  const { lacksCapacity: _, start, ...rest } = machine
  const isFaulty = verb === 'start' && start !== undefined && start.times > 0
  const lacks = isFaulty && start.fault === 'no-capacity'
  const isThere = await replace(path, {
    ...file,
    machine: {
      ...rest,
      ...(isFaulty ? {} : stateAfter(verb, machine)),
      ...(start && { start: isFaulty ? { ...start, times: start.times - 1 } : start }),
      ...(lacks ? { lacksCapacity: true } : {}),
    },
  })
  if (!isThere) return { id, outcome: 'gone' }
  return lacks ? { id, outcome: 'no-capacity', why: 'the simulated cloud has none' } : { id, outcome: 'accepted' }
}

/** When it was told counts for what its cluster makes of it. */
function stateAfter(verb: Verb, { state }: Machine): Partial<Machine> {
  const wanted = verb === 'stop' ? 'stopped' : 'running'
  const at = new Date().toISOString()
  if (state === wanted) return {}
  return wanted === 'stopped' ? { state: wanted, stoppedAt: at } : { state: wanted, startedAt: at }
}

/** False: it has gone meanwhile, and is not to come back. */
async function replace(path: string, file: object): Promise<boolean> {
  const temporary = path.replace(/[^/]+$/, (name) => `.${name}.${randomUUID()}`)
  try {
    await access(path)
    await writeFile(temporary, `${JSON.stringify(file)}\n`)
    await access(path)
    await rename(temporary, path)
    return true
  } catch (error) {
    await rm(temporary, { force: true })
    if (!hasCode(error, 'ENOENT')) throw error
    return false
  }
}
