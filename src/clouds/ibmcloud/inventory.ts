/**
 * What still exists of a cluster in IBM Cloud. It looks by the name that begins with an infraID and a dash, by tags, and by
 * what a thing belongs to: the cluster's own resource group, its network, its machines. The installer's own destroyer goes
 * by names alone, and reads the first page of most lists.
 */
import {
  answerOf,
  askAll,
  complete,
  inSession,
  ofNobody,
  refuseAll,
  requireTold,
  untold,
  type Seen,
  type Told,
} from '../asking.ts'
import type { Inventory, InventoryAnswer, InventoryQuery, Owned, Owner, Place } from '../inventory.ts'
import { groupQuestions, listAuthorizations, listGroups, listServiceIds, storageQuestions } from './account.ts'
import {
  CLUSTER_TAG,
  findBeside,
  findIndexed,
  findThings,
  indexedTypes,
  isNamed,
  showThing,
  ownTags,
  partsOf,
  type Facts,
} from './belonging.ts'
import { findStanding, listZones, ownRecords, readDomain, requireBase } from './dns.ts'
import { removeResource } from './removal.ts'
import { quote, searchIndex, type Indexed } from './search.ts'
import { openSession, SIGN_IN, WrongAccount, type IbmCloudInventoryOptions, type Session } from './session.ts'
import { thingQuestions } from './vpc.ts'

const INSTALLATION_TAG = 'ocpctl-installation-id'

export function openIbmCloudInventory(options: IbmCloudInventoryOptions): Inventory {
  const look = <T>(query: InventoryQuery, at: (session: Session) => Promise<T>) =>
    inSession(Promise.resolve(openSession(query, options)), at)
  return {
    find: (query) => look(query, search),
    findRecords: (place) => look(ofNobody(place), findStanding).catch(refuseAll),
    remove: (place, resource) => look(ofNobody(place), (session) => removeResource(session, resource)),
    findMismatch: (place) => look(ofNobody(place), mismatch).catch(untold),
    async *findOwned(owner) {
      const places = owner.offered.filter(({ platform }) => platform === 'ibmcloud')
      const [place] = places
      if (!place) throw new Error('no profile offers a region of IBM Cloud, so none was asked')
      yield* await look(ofNobody({ ...place, name: '' }), (session) => owned(session, owner, places))
    },
  }
}

/** Of a wrong account the sign-in tells by itself. */
async function mismatch(session: Session): Promise<string | undefined> {
  const { resourceGroup } = session.query.ibmcloud ?? {}
  try {
    const groups = await listGroups(session)
    if (resourceGroup === undefined || groups.some(({ name }) => name === resourceGroup)) return undefined
    return `the account ${session.account()} shows no resource group ${resourceGroup} (ibmcloud.resourceGroup of the profile)`
  } catch (error) {
    if (error instanceof WrongAccount) return error.message
    throw error
  }
}

async function search(session: Session): Promise<InventoryAnswer> {
  const { query } = session
  // They come first: with them it is known where to look.
  const indexed: Indexed[] = []
  const first = await askAll([
    () => listGroups(session),
    ...clausesOf(query).map((clause) => into(indexed, () => searchIndex(session, clause))),
  ])
  if (first.refusals.some(({ permission }) => permission === SIGN_IN))
    return answerOf(session.query, session.heard, { ...first, answers: [] })
  const facts: Facts = { groups: first.answers, things: [], instances: [], policies: [], serviceIds: [], indexed }
  // What is in a group that the profile names counts only by its own name.
  const { resourceGroup } = query.ibmcloud ?? {}
  const ownGroups = facts.groups.filter(({ name }) => isNamed(query, name) || name === resourceGroup)
  const told = await askAll<never>([
    ...thingQuestions(session, { groups: ownGroups, indexed: indexedTypes(query, facts) }).map((ask) =>
      into(facts.things, ask),
    ),
    ...[...storageQuestions(session), ...groupQuestions(session, ownGroups)].map((ask) => into(facts.instances, ask)),
    into(facts.policies, () => listAuthorizations(session)),
    into(facts.serviceIds, () => listServiceIds(session)),
  ])
  const things = findThings(query, facts)
  const hostnames = things.flatMap(({ hostname }) => hostname?.toLowerCase() ?? [])
  const records = await askAll([async () => ownRecords(session, await readDomain(session), hostnames)])
  const found: Seen[] = [
    ...things.map((thing) => showThing(thing, query.region)),
    ...findBeside(query, facts),
    ...findIndexed(query, facts),
    ...records.answers,
  ]
  return answerOf(session.query, session.heard, {
    answers: found,
    refusals: [...first.refusals, ...told.refusals, ...records.refusals],
  })
}

const into =
  <T>(list: T[], ask: () => Promise<T[]>) =>
  async () => {
    list.push(...(await ask()))
    return []
  }

/** None for nobody. */
function clausesOf(query: InventoryQuery): string[] {
  const names = query.infraIds.flatMap((infraId) => [infraId, `${infraId}-*`, `kube-${infraId}-*`])
  const terms = [...names.map((name) => `name:${name}`), ...ownTags(query).map((tag) => `tags:${quote(tag)}`)]
  return terms.length === 0 ? [] : [terms.join(' OR ')]
}

/** The installer gives nothing a tag of ours: it is on what people have tagged, and the index alone lists by tags. */
async function owned(session: Session, { installationId }: Owner, places: Omit<Place, 'name'>[]): Promise<Owned[]> {
  const tag = `${INSTALLATION_TAG}:${installationId}`
  const { answers, refusals }: Told<Owned> = await askAll([
    async () => {
      // In a wrong account there is nothing, which must not count as an answer.
      requireBase(places, await listZones(session))
      return (await searchIndex(session, `tags:${quote(tag)}`)).flatMap(({ crn, name, tags }) => {
        const clusterId = tags?.find((each) => each.startsWith(`${CLUSTER_TAG}:`))?.slice(CLUSTER_TAG.length + 1)
        if (clusterId === undefined || !tags?.includes(tag)) return []
        const { service, region, type } = partsOf(crn)
        const resource: Seen = { id: crn, type: type || service, name, region: region || 'global', key: 'tag' }
        return [{ clusterId, installationId, resource: complete(session.query, resource) }]
      })
    },
  ])
  requireTold('ibmcloud', refusals)
  return answers
}
