// The machines of a cluster in Google Cloud, of all zones at once. An order is an operation, which ends later: whether the
// zone has a machine for a start is told there alone, so these are followed for a few seconds.
import { setTimeout } from 'node:timers/promises'
import { z } from 'zod'
import { askAll, untold, type Told } from '../asking.ts'
import { isNamedBy, roleOf, type Instance, type Instances, type InstanceState, type Ordered } from '../instances.ts'
import { openPower, orderEach, type Meanings, type Verb } from '../power.ts'
import { listInstances, pathOf } from './compute.ts'
import { anyOf, ownersOf, termsOfLabels, termsOfNames } from './owners.ts'
import { openSession, unknownForm, type GcpInventoryOptions, type Session } from './session.ts'
import { openSignIn } from './sign-in.ts'

const FOLLOWED_TIMES = 5
const FIRST_PAUSE_MS = 500

export function openGcpInstances(options: GcpInventoryOptions): Instances {
  const signIn = openSignIn(options.environment)
  return openPower({ open: (query) => openSession(query, options, signIn), list, order })
}

const machine = z.looseObject({
  name: z.string(),
  selfLink: z.string(),
  status: z.string(),
  machineType: z.string().optional(),
  labels: z.record(z.string(), z.string()).default({}),
  tags: z.looseObject({ items: z.array(z.string()).default([]) }).optional(),
  scheduling: z.looseObject({ provisioningModel: z.string().optional(), preemptible: z.boolean().optional() }).optional(), // prettier-ignore
  disks: z.array(z.looseObject({ type: z.string().optional() })).default([]),
})

/** TERMINATED is what Google calls a machine that was stopped. */
const states: Record<string, InstanceState> = {
  PENDING: 'pending',
  PROVISIONING: 'pending',
  STAGING: 'pending',
  RUNNING: 'running',
  PENDING_STOP: 'stopping',
  STOPPING: 'stopping',
  DEPROVISIONING: 'stopping',
  STOPPED: 'stopped',
  TERMINATED: 'stopped',
}

const OWNER_LABEL = /^(kubernetes-io-cluster|capg-cluster)-/

async function list(session: Session): Promise<Told<Instance>> {
  const { query } = session
  const owners = ownersOf(query)
  const filter = anyOf([...termsOfNames(owners.prefixes), ...termsOfLabels(owners.labels)])
  return askAll(
    filter === ''
      ? []
      : [
          async () =>
            (await listInstances(session, filter)).flatMap((each) => {
              const { data, error } = machine.safeParse(each)
              if (!data) throw unknownForm({ permission: 'compute.instances.list', url: '' }, error)
              const { labels } = data
              const isOfAnother = Object.entries(labels).some(([key, value]) => OWNER_LABEL.test(key) && value === 'owned') // prettier-ignore
              const isOurs = owners.isLabelled(labels) || (!isOfAnother && isNamedBy(query.infraIds, data.name))
              return isOurs ? [show(data, query.infraIds)] : []
            }),
        ],
  )
}

function show(
  { name, selfLink, status, machineType, tags, scheduling, disks }: z.infer<typeof machine>,
  infraIds: string[],
): Instance {
  const byName = roleOf(infraIds, name)
  const isTagged = (role: string) => infraIds.some((infraId) => tags?.items.includes(`${infraId}-${role}`))
  return {
    id: pathOf(selfLink),
    name,
    zone: /\/zones\/([^/]+)\//.exec(selfLink)?.[1],
    machineType: machineType?.split('/').at(-1),
    isSpot: scheduling?.provisioningModel === 'SPOT' || scheduling?.preemptible === true,
    role: byName !== 'unknown' ? byName : isTagged('master') ? 'control-plane' : isTagged('worker') ? 'worker' : byName,
    state: states[status] ?? 'other',
    told: status,
    ...(disks.some(({ type }) => type === 'SCRATCH') ? { cannotStop: 'local-disk' } : {}),
  }
}

const NO_CAPACITY = /\b(ZONE_RESOURCE_POOL_EXHAUSTED\w*|RESOURCE_POOL_EXHAUSTED\w*|STOCKOUT)\b/

const meanings: Meanings = {
  gone: /\bnotFound\b/,
  'no-capacity': NO_CAPACITY,
  'not-yet': /\b(resourceNotReady|resourceInUseByAnotherResource|conditionNotMet)\b/,
}

const operation = z.looseObject({
  name: z.string(),
  status: z.string(),
  error: z
    .looseObject({ errors: z.array(z.looseObject({ code: z.string().default(''), message: z.string().default('') })) })
    .optional(),
})
type Operation = z.infer<typeof operation>

async function order(session: Session, verb: Verb, machines: Instance[]): Promise<Ordered[]> {
  const { at, remove, order: post } = session
  const begun = new Map<string, Operation>()
  const ordered = await orderEach(
    machines,
    async ({ id }) => {
      if (verb === 'terminate') {
        await remove({ permission: 'compute.instances.delete', url: at('compute', `/compute/v1/${id}`) })
        return 'accepted'
      }
      const permission = `compute.instances.${verb}`
      const accepted = await post({ permission, url: at('compute', `/compute/v1/${id}/${verb}`) })
      if (accepted === undefined) return 'gone'
      const { data } = operation.safeParse(accepted.body)
      if (data) begun.set(id, data)
      return 'accepted'
    },
    meanings,
  )
  if (verb === 'start') await follow(session, begun)
  return ordered.map((each) => {
    const failure = begun.get(each.id)?.error?.errors[0]
    if (failure === undefined) return each
    const { code, message } = failure
    return { id: each.id, outcome: NO_CAPACITY.test(code) ? 'no-capacity' : 'refused', why: `${code}: ${message}` }
  })
}

/** What is not done by then is seen by listing. */
async function follow(session: Session, begun: Map<string, Operation>): Promise<void> {
  const { at, find } = session
  for (let times = 0; times < FOLLOWED_TIMES; times++) {
    const open = [...begun].filter(([, { status }]) => status !== 'DONE')
    if (open.length === 0) return
    await setTimeout(times === 0 ? 0 : FIRST_PAUSE_MS * 2 ** (times - 1))
    await askAll(
      open.map(([id, { name }]) => async () => {
        const path = `/compute/v1/${id.replace(/\/instances\/[^/]+$/, '')}/operations/${name}`
        const answer = await find({ permission: 'compute.zoneOperations.get', url: at('compute', path) }).catch(untold)
        const { data } = operation.safeParse(answer)
        // What nobody tells of is not asked for again.
        begun.set(id, data ?? { name, status: 'DONE' })
        return []
      }),
    )
  }
}
