// The virtual machines of a cluster in Azure. Their list does not tell whether they run, and the list that tells it leaves
// out the rest, so both are read, for the whole subscription; one that is in neither is asked for itself.
import { z } from 'zod'
import { askAll, NotAnswered, type Told } from '../asking.ts'
import { isNamedBy, roleOf, type Instance, type Instances, type InstanceState, type Ordered } from '../instances.ts'
import { openPower, orderEach, type Meanings, type Verb } from '../power.ts'
import { readOwnership } from './ownership.ts'
import { permissionQuestions, powerReads } from './permissions.ts'
import { listGroups } from './resources.ts'
import {
  apiVersions,
  groupOf,
  listAll,
  lower,
  openSession,
  tags,
  type AzureInventoryOptions,
  type Session,
} from './session.ts'
import { openSignIn } from './sign-in.ts'

export function openAzureInstances(options: AzureInventoryOptions): Instances {
  const signIn = options.instead?.signIn ?? openSignIn(options.environment)
  return openPower({ open: (query) => openSession(query, options, signIn), list, order })
}

const statuses = z.array(z.object({ code: z.string(), message: z.string().nullish() })).nullish()
const view = z.object({ statuses })
type View = z.infer<typeof view>
const machine = z.object({
  id: lower,
  name: lower,
  location: lower,
  tags,
  zones: z.array(z.string()).nullish(),
  properties: z.object({
    hardwareProfile: z.object({ vmSize: z.string().nullish() }).nullish(),
    priority: z.string().nullish(),
  }),
})
const withView = z.object({ id: lower, properties: z.object({ instanceView: view.nullish() }).nullish() })

const READ = 'Microsoft.Compute/virtualMachines/read'
const VIEW = 'Microsoft.Compute/virtualMachines/instanceView/read'
const VERSION = `api-version=${apiVersions.virtualMachines}`

/** Azure leaves out of a list what the caller may not read, so what that is comes first. */
async function list(session: Session): Promise<Told<Instance>> {
  const { query, home } = session
  const url = `${home}/providers/Microsoft.Compute/virtualMachines?${VERSION}`
  const machines: z.infer<typeof machine>[] = []
  const views = new Map<string, View>()
  const groups = await askAll([() => listGroups(session)])
  const told = await askAll<never>([
    ...permissionQuestions(session, powerReads),
    async () => (machines.push(...(await listAll(session, { permission: READ, url, item: machine }))), []),
    async () => {
      for (const { id, properties } of await listAll(session, {
        permission: READ,
        url: `${url}&statusOnly=true`,
        item: withView,
      }))
        // prettier-ignore
        if (properties?.instanceView) views.set(id, properties.instanceView)
      return []
    },
  ])
  // A group that only begins as ours do may be that of a cluster which is called so.
  const { keyOfGroup, namedGroups } = readOwnership(query, [])
  const ownership = readOwnership(
    query,
    groups.answers.filter((each) => keyOfGroup(each) !== 'name' || namedGroups.includes(each.name)),
  )
  const ours = machines.filter(({ id, name, tags: theirs }) => {
    const key = ownership.keyOf({ id, name, type: 'microsoft.compute/virtualmachines', group: groupOf(id), holder: '', tags: theirs }) // prettier-ignore
    return key === 'name' ? isNamedBy(query.infraIds, name) : key !== undefined
  })
  const shown = await askAll(
    ours.map((each) => async () => {
      const seen = views.get(each.id) ?? (await findView(session, each.id))
      return seen === undefined ? [] : [show(each, seen, query.infraIds)]
    }),
  )
  return { answers: shown.answers, refusals: [...groups.refusals, ...told.refusals, ...shown.refusals] }
}

/** undefined: the machine is gone by now. */
async function findView({ rest, origin }: Session, id: string): Promise<View | undefined> {
  const answer = await rest.find({ permission: VIEW, url: `${origin}${id}/instanceView?${VERSION}` })
  if (answer === undefined) return undefined
  const { data } = view.safeParse(answer)
  if (!data) throw new NotAnswered(VIEW, 'the answer is no instance view')
  return data
}

/** Off is not deallocated: a machine that was stopped from within goes on costing. */
const powerStates: Record<string, InstanceState> = {
  starting: 'pending',
  running: 'running',
  deallocating: 'stopping',
  deallocated: 'stopped',
}
/** What it is in before it has a power state, and after. */
const provisioningStates: Record<string, InstanceState> = { creating: 'pending', deleting: 'terminated' }

const NO_CAPACITY = /\b(AllocationFailed|ZonalAllocationFailed|OverconstrainedAllocationRequest|OverconstrainedZonalAllocationRequest|SkuNotAvailable)\b/i // prettier-ignore

function show(
  { id, name, location, zones, properties }: z.infer<typeof machine>,
  { statuses: all }: View,
  infraIds: string[],
): Instance {
  const codes = (all ?? []).map(({ code }) => code)
  const wordOf = (kind: string) => codes.find((code) => code.startsWith(`${kind}/`))?.slice(kind.length + 1)
  const power = wordOf('PowerState')
  const provisioning = wordOf('ProvisioningState')
  const state =
    provisioning === 'deleting'
      ? 'terminated'
      : ((power === undefined ? provisioningStates[provisioning ?? ''] : powerStates[power]) ?? 'other')
  const zone = zones?.[0]
  return {
    id,
    name,
    zone: zone === undefined ? undefined : `${location}-${zone}`,
    machineType: properties.hardwareProfile?.vmSize ?? undefined,
    isSpot: properties.priority?.toLowerCase() === 'spot',
    role: roleOf(infraIds, name),
    state,
    told: codes.join(', '),
    ...(state !== 'running' && NO_CAPACITY.test(provisioning ?? '') ? { lacksCapacity: true } : {}),
  }
}

const meanings: Meanings = {
  'no-capacity': NO_CAPACITY,
  'not-yet': /\b(AnotherOperationInProgress|OperationPreempted|OperationNotAllowedOnVMBeingDeleted|Conflict|ConflictingUserInput|RetryableError)\b/, // prettier-ignore
  gone: /\bResourceNotFound\b/,
}

const actions: Record<Exclude<Verb, 'terminate'>, string> = { stop: 'deallocate', start: 'start' }

/** Azure answers before it is done. That it has no machine to give may come later, and then stands in the list. */
function order({ rest, origin }: Session, verb: Verb, machines: Instance[]): Promise<Ordered[]> {
  return orderEach(
    machines,
    async ({ id }) => {
      if (verb === 'terminate') {
        const url = `${origin}${id}?${VERSION}`
        await rest.remove({ permission: 'Microsoft.Compute/virtualMachines/delete', url })
        return 'accepted'
      }
      const action = actions[verb]
      const permission = `Microsoft.Compute/virtualMachines/${action}/action`
      const accepted = await rest.order({ permission, url: `${origin}${id}/${action}?${VERSION}` })
      return accepted === undefined ? 'gone' : 'accepted'
    },
    meanings,
  )
}
