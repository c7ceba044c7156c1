/**
 * What still exists of a cluster in Azure: resource groups, all that is in them or elsewhere in the subscription, and
 * the records of its domain. It only reads, and never takes silence for emptiness.
 */
import {
  answerOf,
  askAll,
  complete,
  inSession,
  NotAnswered,
  ofNobody,
  ownedBy,
  refuseAll,
  requireTold,
  showRefusal,
  untold,
} from '../asking.ts'
import type {
  Inventory,
  InventoryAnswer,
  InventoryQuery,
  NotChecked,
  Owned,
  Place,
  RecordsAnswer,
  Resource,
} from '../inventory.ts'
import { findOwnRecords, findStanding, listZones, requireSubscription } from './dns.ts'
import { entriesOf, readOwnership } from './ownership.ts'
import { dnsActions, neededActions, permissionQuestions } from './permissions.ts'
import {
  findDeletedVaults,
  findGroup,
  keep,
  listGroups,
  listThings,
  showGroup,
  showThing,
  THINGS_READ,
} from './resources.ts'
import { removeResource } from './removal.ts'
import { openSession, type AzureInventoryOptions, type Session, type Tags } from './session.ts'
import { openSignIn } from './sign-in.ts'

export function openAzureInventory(options: AzureInventoryOptions): Inventory {
  const signIn = options.instead?.signIn ?? openSignIn(options.environment)
  const look = <T>(query: InventoryQuery, at: (session: Session) => Promise<T>) =>
    inSession(openSession(query, options, signIn), at)
  return {
    find: (query) => look(query, search).catch(refuseAll),
    findRecords: (place) => look(ofNobody(place), standing).catch(refuseAll),
    remove: (place, resource) => look(ofNobody(place), (session) => removeResource(session, resource)),
    findMismatch: (place) => look(ofNobody(place), mismatch).catch(untold),
    async *findOwned({ installationId, offered }) {
      const places = offered.filter(({ platform }) => platform === 'azure')
      if (places.length === 0) throw new Error('no profile offers a region of Azure, so none was asked')
      for (const [first, ...others] of Map.groupBy(places, ({ azure }) => azure?.cloud).values()) {
        if (!first) continue
        yield* await look(ofNobody({ ...first, name: '' }), (session) =>
          owned(session, installationId, [first, ...others]),
        ).catch((error: unknown) => {
          if (error instanceof NotAnswered) requireTold('azure', [error])
          throw error
        })
      }
    },
  }
}

const NOT_ASKED: NotChecked[] = [
  {
    kind: 'Microsoft.Authorization/roleAssignments/read',
    why: 'nothing tells whose a role assignment was when its identity is gone',
    isOptional: true,
  },
  {
    kind: 'Application.Read.All',
    why: 'the installer makes nothing in Entra ID, in either of the credentials modes that it has for Azure',
    isOptional: true,
  },
]

async function search(session: Session): Promise<InventoryAnswer> {
  const groups = await askAll([() => listGroups(session)])
  const ownership = readOwnership(session.query, groups.answers)
  const told = await askAll([
    ...permissionQuestions(session),
    async () => keep(groups.answers, ownership.keyOfGroup, showGroup),
    ...ownership.namedGroups.map(
      (name) => async () => keep(await findGroup(session, name), ownership.keyOfGroup, showGroup),
    ),
    async () => keep(await listThings(session), ownership.keyOf, showThing),
    () => findDeletedVaults(session, ownership),
    () => findOwnRecords(session, ownership),
  ])
  // One list has things of every kind, of which it leaves out what the caller may not read.
  if (!told.refusals.some(({ permission }) => permission === THINGS_READ))
    for (const action of neededActions) session.heard.checked.add(action)
  session.heard.notChecked.push(...NOT_ASKED)
  return answerOf(session.query, session.heard, {
    answers: told.answers,
    refusals: [...groups.refusals, ...told.refusals],
  })
}

async function mismatch({ query: { azure }, subscriptionId }: Session): Promise<string | undefined> {
  const wanted = azure?.subscription?.toLowerCase()
  if (wanted === undefined || wanted === subscriptionId) return undefined
  return `the credentials are of the subscription ${subscriptionId}, and the profile is of ${wanted} (azure.subscription)`
}

async function standing(session: Session): Promise<RecordsAnswer> {
  const told = await askAll(permissionQuestions(session, dnsActions))
  if (told.refusals.length > 0) return { found: [], taken: [], notChecked: told.refusals.map(showRefusal) }
  return findStanding(session, readOwnership(session.query, []))
}

/** Throws NotAnswered, and Error with all that was refused. */
async function owned(session: Session, installationId: string, places: Omit<Place, 'name'>[]): Promise<Owned[]> {
  const doubt = async () => {
    const zones = await listZones(session)
    // In a wrong subscription there is nothing, which must not count as an answer. The right one is known by one place.
    await Promise.any(places.map((place) => requireSubscription(session, place, zones))).catch((error: unknown) => {
      throw error instanceof AggregateError ? error.errors[0] : error
    })
    return []
  }
  const told = await askAll<{ tags: Tags; resource: Resource }>([
    ...permissionQuestions(session),
    doubt,
    async () => (await listGroups(session)).map((each) => ({ tags: each.tags, resource: showGroup(each) })),
    async () => (await listThings(session)).map((each) => ({ tags: each.tags, resource: showThing(each) })),
  ])
  requireTold('azure', told.refusals)
  return told.answers.flatMap(({ tags, resource }) => {
    const valueOf = new Map(entriesOf(tags))
    const by = ownedBy(installationId, (key) => valueOf.get(key))
    return by === undefined ? [] : [{ ...by, resource: complete(session.query, { ...resource, key: 'tag' }) }]
  })
}
