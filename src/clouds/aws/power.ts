// The machines of a cluster in AWS: what EC2 lists by tag and by name, and what it is told to do with them.
import type { Filter, Instance as Ec2Instance } from '@aws-sdk/client-ec2'
import { askAll, NotAnswered, type Told } from '../asking.ts'
import { isNamedBy, roleOf, type Instance, type Instances, type InstanceState, type Ordered } from '../instances.ts'
import { openPower, orderEach, refusedBy, type Meanings, type Verb } from '../power.ts'
import { NO_CAPACITY } from './answers.ts'
import { instancePages } from './ec2.ts'
import { chunksOf, onePage, openSession, type AwsInventoryOptions, type Session } from './session.ts'

const AT_ONCE = 50

export const openAwsInstances = (options: AwsInventoryOptions = {}): Instances =>
  openPower({ open: (query) => openSession(query, options), list, order })

const states: Record<string, InstanceState> = {
  pending: 'pending',
  running: 'running',
  stopping: 'stopping',
  stopped: 'stopped',
  'shutting-down': 'terminated',
  terminated: 'terminated',
}

const ROLE_TAG = 'sigs.k8s.io/cluster-api-provider-aws/role'

/** Filters of one question are ANDed, so each key is asked for by itself. What they let through is looked at again. */
async function list(session: Session): Promise<Told<Instance>> {
  const { query, owners, ask, isOwned, isNamed } = session
  const { infraIds, clusterId } = query
  const keys = owners.flatMap(({ key, value }) => (value === 'owned' ? [key] : []))
  const filters: Filter[] = [
    ...(keys.length > 0 ? [{ Name: 'tag-key', Values: keys }] : []),
    ...(clusterId === undefined ? [] : [{ Name: 'tag:ocpctl-cluster-id', Values: [clusterId] }]),
    ...(infraIds.length > 0 ? [{ Name: 'tag:Name', Values: infraIds.map((infraId) => `${infraId}-*`) }] : []),
  ]
  return askAll(
    filters.map((filter) => async () => {
      const there = await ask('ec2:DescribeInstances', instancePages(session, [filter]), (page) => page.Instances)
      return there.flatMap((each) => {
        const name = valueOf(each, 'Name') ?? ''
        const isOurs = isOwned(each) || (isNamed(name, each) && isNamedBy(infraIds, name))
        return isOurs && each.InstanceId ? [show(each, each.InstanceId, infraIds)] : []
      })
    }),
  )
}

const valueOf = ({ Tags }: Pick<Ec2Instance, 'Tags'>, key: string) => Tags?.find((tag) => tag.Key === key)?.Value

type Listed = Omit<Ec2Instance, 'State'> & { State?: string | undefined }

function show(listed: Listed, id: string, infraIds: string[]): Instance {
  const { InstanceType, InstanceLifecycle, Placement, State: told = '' } = listed
  const name = valueOf(listed, 'Name') || id
  const isSpot = InstanceLifecycle === 'spot'
  return {
    id,
    name,
    zone: Placement?.AvailabilityZone,
    machineType: InstanceType,
    isSpot,
    role: valueOf(listed, ROLE_TAG) === 'control-plane' ? 'control-plane' : roleOf(infraIds, name),
    state: states[told] ?? 'other',
    told,
    ...(isSpot ? { cannotStop: 'spot' } : {}),
  }
}

const meanings: Meanings = {
  gone: /^InvalidInstanceID\./,
  'no-capacity': NO_CAPACITY,
  'not-yet': /^Incorrect(Instance)?State$/,
}

/** One machine is enough for these to be said of all that are named in a request. Nothing has been done then. */
const OF_ONE =
  /^(InvalidInstanceID\.|Incorrect(Instance)?State$|Insufficient|UnsupportedOperation$|OperationNotPermitted$|UnauthorizedOperation$)/

async function order(session: Session, verb: Verb, machines: Instance[]): Promise<Ordered[]> {
  const outcomes: Ordered[] = []
  const send = (ids: string[]) => sendOrder(session, verb, ids)
  for (const chunk of chunksOf(AT_ONCE, machines))
    try {
      await send(chunk.map(({ id }) => id))
      outcomes.push(...chunk.map(({ id }) => ({ id, outcome: 'accepted' as const })))
    } catch (error) {
      if (!(error instanceof NotAnswered)) throw error
      const isAlone = chunk.length === 1 || !OF_ONE.test(error.code ?? '')
      outcomes.push(
        ...(isAlone
          ? chunk.map(({ id }) => refusedBy(id, error, meanings))
          : await orderEach(chunk, async ({ id }) => (await send([id]), 'accepted'), meanings)),
      )
    }
  return outcomes
}

function sendOrder({ sdk: { ec2 }, clients, ask, stop }: Session, verb: Verb, InstanceIds: string[]) {
  const to = { InstanceIds }
  switch (verb) {
    case 'stop':
      return ask('ec2:StopInstances', onePage(() => clients.ec2.send(new ec2.StopInstancesCommand(to), stop)), () => []) // prettier-ignore
    case 'start':
      return ask('ec2:StartInstances', onePage(() => clients.ec2.send(new ec2.StartInstancesCommand(to), stop)), () => []) // prettier-ignore
    case 'terminate':
      return ask('ec2:TerminateInstances', onePage(() => clients.ec2.send(new ec2.TerminateInstancesCommand(to), stop)), () => []) // prettier-ignore
  }
}
