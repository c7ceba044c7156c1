// The machines of a cluster in IBM Cloud: those of its resource group or its network, and those of its name elsewhere.
import { z } from 'zod'
import { askAll, NotAnswered, type Told } from '../asking.ts'
import { isNamedBy, roleOf, type Instance, type Instances, type InstanceState, type Outcome } from '../instances.ts'
import { openPower, orderEach, settledBefore, type Meanings, type Verb } from '../power.ts'
import { listGroups } from './account.ts'
import { openSession, type IbmCloudInventoryOptions, type Session } from './session.ts'
import { MOST_ITEMS, nextStart, VERSIONED } from './vpc.ts'

export const openIbmCloudInstances = (options: IbmCloudInventoryOptions): Instances =>
  openPower({ open: (query) => openSession(query, options), list, order })

const READ = 'Viewer of is/instances'

const named = z.object({ id: z.string(), name: z.string().optional() }).optional()
const machine = z.object({
  id: z.string(),
  name: z.string(),
  status: z.string(),
  status_reasons: z.array(z.looseObject({ code: z.string() })).default([]),
  resource_group: named,
  vpc: named,
  zone: z.object({ name: z.string() }).optional(),
  profile: z.looseObject({ name: z.string().optional() }).optional(),
  availability: z.looseObject({ class: z.string().optional() }).optional(),
})
type Machine = z.infer<typeof machine>

const states: Record<string, InstanceState> = {
  pending: 'pending',
  starting: 'pending',
  restarting: 'pending',
  running: 'running',
  stopping: 'stopping',
  stopped: 'stopped',
  deleting: 'terminated',
}

/** How the installer calls the network that it makes. */
const networksOf = (infraIds: string[]) => infraIds.map((infraId) => `${infraId}-vpc`)

/** No list can be asked by how a name begins. So machines are looked for where the installer puts them. */
async function list(session: Session): Promise<Told<Instance>> {
  const { query } = session
  const { infraIds } = query
  const groups = await askAll([() => listGroups(session)])
  const own = new Set(groups.answers.filter(({ name }) => infraIds.includes(name)).map(({ id }) => id))
  const brought = groups.answers.filter(({ name }) => name === query.ibmcloud?.resourceGroup).map(({ id }) => id)
  const networks = networksOf(infraIds)
  const filters = [
    ...[...own, ...brought].map((id) => ({ 'resource_group.id': id })),
    ...networks.map((name) => ({ 'vpc.name': name })),
  ]
  const isOurs = ({ name, resource_group: group, vpc }: Machine) =>
    own.has(group?.id ?? '') || networks.includes(vpc?.name ?? '') || isNamedBy(infraIds, name)
  const told = await askAll(
    filters.map((filter) => async () => {
      const machines = await listMachines(session, filter)
      return machines.filter(isOurs).map((each) => show(each, infraIds))
    }),
  )
  return { answers: told.answers, refusals: [...groups.refusals, ...told.refusals] }
}

const listMachines = ({ list: listAll, endpoints, query }: Session, filter: Record<string, string>) =>
  listAll({
    role: READ,
    url: `${endpoints.vpc(query.region)}/v1/instances`,
    params: { ...VERSIONED, limit: MOST_ITEMS, ...filter },
    shape: z.object({ instances: z.array(machine), next: z.object({ href: z.string() }).optional() }),
    items: ({ instances }) => instances,
    more: ({ next }) => nextStart(next),
  })

function show({ id, name, status, zone, profile, availability, ...rest }: Machine, infraIds: string[]): Instance {
  const state = states[status] ?? 'other'
  const reasons = rest.status_reasons.map(({ code }) => code)
  return {
    id,
    name,
    zone: zone?.name,
    machineType: profile?.name,
    isSpot: availability?.class === 'spot',
    role: roleOf(infraIds, name),
    state,
    told: [status, ...reasons].join(', '),
    ...(state !== 'running' && reasons.some((code) => NO_CAPACITY.test(code)) ? { lacksCapacity: true } : {}),
  }
}

const NO_CAPACITY = /cannot_start_(\w+_)?capacity|insufficient_capacity/

const meanings: Meanings = { 'no-capacity': NO_CAPACITY, gone: /^404\b/ }

/** Its state forbids the order. What else means this, no description says. */
const CONFLICT = /^409\b/

/** That there is no machine to give comes later, and then stands in the list. */
function order({ endpoints, query, find, remove, order: post }: Session, verb: Verb, machines: Instance[]) {
  const addressOf = (path: string) =>
    `${endpoints.vpc(query.region)}/v1/instances/${path}?${new URLSearchParams(VERSIONED).toString()}`
  /** A list may be late, so a machine that is so already is refused as one of which this cannot be done now. */
  const outcomeOfConflict = async (id: string): Promise<Outcome> => {
    const { data } = machine.safeParse(await find({ permission: READ, url: addressOf(id) }))
    return data === undefined ? 'gone' : (settledBefore(verb, id, show(data, query.infraIds))?.outcome ?? 'not-yet')
  }
  return orderEach(
    machines,
    async ({ id }): Promise<Outcome> => {
      if (verb === 'terminate') {
        await remove({ permission: 'Editor of is/instances', url: addressOf(id) })
        return 'accepted'
      }
      const url = addressOf(`${id}/actions`)
      try {
        const accepted = await post({ permission: 'Operator of is/instances', url, body: { type: verb } })
        return accepted === undefined ? 'gone' : 'accepted'
      } catch (error) {
        if (error instanceof NotAnswered && CONFLICT.test(error.code ?? '')) return outcomeOfConflict(id)
        throw error
      }
    },
    meanings,
  )
}
