/**
 * What still exists of a cluster in Google Cloud. It looks by labels, by names, by what things refer to, and by the
 * cluster's DNS names. It only reads, and never takes silence for emptiness: a refusal, no answer in time, or a place that
 * did not answer is not checked.
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
  untold,
  type Seen,
} from '../asking.ts'
import type { Inventory, InventoryAnswer, InventoryQuery, Owned } from '../inventory.ts'
import { labelledSearches, searchCompute } from './compute.ts'
import { findRecords, findStanding, listZones, showZone } from './dns.ts'
import { findIdentities } from './iam.ts'
import { ownersOf } from './owners.ts'
import { removeResource } from './removal.ts'
import { openSession, type GcpInventoryOptions, type Labels, type Session } from './session.ts'
import { openSignIn, SIGN_IN } from './sign-in.ts'
import { findBuckets, findShares, listBuckets, listShares } from './storage.ts'

export function openGcpInventory(options: GcpInventoryOptions): Inventory {
  const signIn = openSignIn(options.environment)
  const look = <T>(query: InventoryQuery, at: (session: Session) => Promise<T>) =>
    inSession(openSession(query, options, signIn), at)
  return {
    find: (query) => look(query, search).catch(refuseAll),
    findRecords: (place) => look(ofNobody(place), findStanding).catch(refuseAll),
    remove: (place, resource) => look(ofNobody(place), (session) => removeResource(session, resource)),
    findMismatch: (place) => look(ofNobody(place), mismatch).catch(untold),
    async *findOwned({ installationId, offered }) {
      const projects = new Map(
        offered.flatMap((place) => (place.platform === 'gcp' && place.project ? [[place.project, place]] : [])),
      )
      if (projects.size === 0) throw new Error('no profile offers a project of Google Cloud, so none was asked')
      for (const place of projects.values())
        yield* await look(ofNobody({ ...place, name: '' }), (session) => listOwned(session, installationId))
    },
  }
}

async function search(session: Session): Promise<InventoryAnswer> {
  const owners = ownersOf(session.query)
  const computed = await searchCompute(session, owners)
  const told = await askAll<Seen>([
    () => findIdentities(session, owners),
    () => findBuckets(session, owners),
    () => findShares(session, owners),
    () => findRecords(session, owners, computed.ips),
  ])
  const all = { answers: [...computed.found, ...told.answers], refusals: [...computed.refusals, ...told.refusals] }
  return answerOf(session.query, session.heard, all, computed.holders)
}

/** Google tells by a refusal, too, that there is no such project. */
async function mismatch({ find, at, project }: Session): Promise<string | undefined> {
  const permission = 'resourcemanager.projects.get'
  const found = await find({ permission, url: at('cloudresourcemanager', `/v1/projects/${project}`) }).catch(
    (error: unknown) => {
      if (error instanceof NotAnswered && error.isDenied && error.permission !== SIGN_IN) return undefined
      throw error
    },
  )
  if (found !== undefined) return undefined
  return `the credentials see no project ${project} (gcp.project of the profile): it is another account's, or they lack ${permission} there`
}

/** Of one project. Throws what Google says instead of an answer. */
async function listOwned(session: Session, installationId: string): Promise<Owned[]> {
  const { answers, refusals } = await askAll<{ resource: Seen; labels: Labels }>([
    ...labelledSearches(session, ['labels.ocpctl-cluster-id : "clu_*"']),
    () => listBuckets(session),
    () => listShares(session),
    async () => (await listZones(session)).map((zone) => ({ resource: showZone(zone, 'tag'), labels: zone.labels })),
  ])
  requireTold('gcp', refusals)
  return answers.flatMap(({ resource, labels }) => {
    const by = ownedBy(installationId, (key) => labels[key])
    if (by === undefined) return []
    const owned = complete(session.query, { ...resource, key: 'tag' }, session.project)
    return [{ ...by, resource: owned }]
  })
}
