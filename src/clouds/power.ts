// What all clouds have in common when machines are listed, stopped and started. Before each order the machines are listed
// anew, so that none is touched which is not the cluster's at that moment, and none is asked for what it is already.
import { askAll, inSession, NotAnswered, showRefusal, type Told } from './asking.ts'
import type { Instance, Instances, InstancesAnswer, InstancesQuery, Order, Ordered, Outcome } from './instances.ts'
import { describeUnanswered, type InventoryQuery } from './inventory.ts'

export type Verb = 'stop' | 'start' | 'terminate'

/** Of one cloud. `open` and `list` throw NotAnswered; `order` throws nothing, and is asked for no machine that is so already. */
export type PowerOfCloud<Session> = {
  open: (query: InventoryQuery) => Session | Promise<Session>
  list: (session: Session) => Promise<Told<Instance>>
  order: (session: Session, verb: Verb, machines: Instance[]) => Promise<Ordered[]>
}

export function openPower<Session extends { close: () => void }>(cloud: PowerOfCloud<Session>): Instances {
  const look = <T>(query: InstancesQuery, at: (session: Session) => Promise<T>) =>
    // In an async function, since opening may throw at once.
    inSession((async () => cloud.open({ ...query, records: 'own' }))(), at)
  const list = async (session: Session): Promise<InstancesAnswer> => {
    const { answers, refusals } = await cloud.list(session)
    const unique = new Map(answers.map((each) => [each.id, each]))
    return {
      instances: [...unique.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
      notChecked: refusals.map(showRefusal),
    }
  }
  const order =
    (verb: Verb): Order =>
    async (query, machines) => {
      if (machines.length === 0) return []
      const ids = [...new Set(machines.map(({ id }) => id))]
      try {
        return await look(query, async (session) => {
          const { instances, notChecked } = await list(session)
          const known = new Map(instances.map((each) => [each.id, each]))
          const untold = describeUnanswered(query.platform, { notChecked })
          const settled = new Map(
            ids.flatMap((id) => {
              const already = settledBefore(verb, id, known.get(id), untold)
              return already === undefined ? [] : [[id, already]]
            }),
          )
          const open = ids.flatMap((id) => (settled.has(id) ? [] : (known.get(id) ?? [])))
          for (const each of await cloud.order(session, verb, open)) settled.set(each.id, each)
          return ids.map((id) => settled.get(id) ?? { id, outcome: 'refused', why: 'nothing is told of it' })
        })
      } catch (error) {
        return refuseOrders(machines, error)
      }
    }
  return {
    list: (query) => look(query, list).catch(refuseList),
    stop: order('stop'),
    start: order('start'),
    terminate: order('terminate'),
  }
}

/** Of a look that was refused as a whole. Throws what is no NotAnswered. */
export function refuseList(error: unknown): InstancesAnswer {
  if (!(error instanceof NotAnswered)) throw error
  return { instances: [], notChecked: [showRefusal(error)] }
}

/** The same, of orders. */
export function refuseOrders(machines: Pick<Instance, 'id'>[], error: unknown): Ordered[] {
  if (!(error instanceof NotAnswered)) throw error
  return [...new Set(machines.map(({ id }) => id))].map((id) => refusedBy(id, error))
}

/** What needs no order. */
export function settledBefore(
  verb: Verb,
  id: string,
  instance: Instance | undefined,
  untold?: string,
): Ordered | undefined {
  if (instance === undefined) return untold === undefined ? { id, outcome: 'gone' } : { id, outcome: 'refused', why: untold } // prettier-ignore
  const { state, cannotStop, told } = instance
  if (state === 'terminated') return { id, outcome: 'gone', why: `it is ${told}` }
  if (verb === 'stop' && cannotStop !== undefined && state !== 'stopped')
    return { id, outcome: 'cannot-stop', why: cannotStopWords[cannotStop] }
  if (verb === 'stop' && (state === 'stopped' || state === 'stopping')) return { id, outcome: 'accepted' }
  if (verb === 'start' && (state === 'running' || state === 'pending')) return { id, outcome: 'accepted' }
  if (verb === 'start' && state === 'stopping') return { id, outcome: 'not-yet', why: `it is ${told}` }
  return undefined
}

const cannotStopWords = {
  spot: 'a spot machine of AWS can only be terminated',
  'local-disk': 'what is on its local disks would be lost',
}

/** The outcome that a refusal means, by the cloud's own word for it. */
export type Meanings = Partial<Record<Exclude<Outcome, 'accepted'>, RegExp>>

export function refusedBy(id: string, error: NotAnswered, meanings: Meanings = {}): Ordered {
  const { permission, message, isDenied, code = '' } = error
  const meant = Object.entries(meanings).find(([, words]) => words.test(code))?.[0] as Outcome | undefined // its keys are
  return {
    id,
    outcome: meant ?? 'refused',
    why: isDenied ? `${message} (${permission})` : message,
    ...(isDenied ? { isDenied } : {}),
  }
}

/** One machine after the other, a few at once. What is refused for one keeps nobody from the others. */
export async function orderEach(
  machines: Instance[],
  send: (machine: Instance) => Promise<Outcome>,
  meanings: Meanings,
): Promise<Ordered[]> {
  const { answers } = await askAll(
    machines.map((machine) => async (): Promise<Ordered[]> => {
      const { id } = machine
      try {
        return [{ id, outcome: await send(machine) }]
      } catch (error) {
        if (!(error instanceof NotAnswered)) throw error
        return [refusedBy(id, error, meanings)]
      }
    }),
  )
  return answers
}
