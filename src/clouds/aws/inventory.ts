/**
 * What still exists of a cluster in AWS. It looks by owner tags, by the names that IAM and S3 know it under, and by its
 * DNS names. It only reads, and never takes silence for emptiness: a refusal, no answer in time, or an answer without
 * its list makes the whole "not verified".
 */
import type { Inventory, InventoryAnswer, InventoryQuery, Place, RecordsAnswer, Resource } from '../inventory.ts'
import { explain, NotAnswered } from './answers.ts'
import { balancerSearches } from './balancers.ts'
import { bucketSearch } from './buckets.ts'
import { dnsSearch, doubtAccount, findStanding } from './dns.ts'
import { ec2Searches, endingSearches, holderQuestions, lingeringSearches } from './ec2.ts'
import { iamSearches } from './iam.ts'
import { keySearch } from './kms.ts'
import { globalRegionOf, openSession, type AwsInventoryOptions, type Session } from './session.ts'
import { listOwned, showArn, tagQuestions } from './tags.ts'

/** Only a few: the request limits belong to the account, and destroyers of other clusters need them too. */
const QUESTIONS_AT_ONCE = 4

export function openAwsInventory(options: AwsInventoryOptions = {}): Inventory {
  const inSession = async <T>(query: InventoryQuery, look: (session: Session) => Promise<T>): Promise<T> => {
    const session = await openSession(query, options)
    try {
      return await look(session)
    } finally {
      session.close()
    }
  }
  return {
    find: (query) => inSession(query, search),
    findRecords: (place) => inSession(ofNobody(place), standing),
    async *findOwned({ installationId, offered }) {
      const places = offered.filter(({ platform }) => platform === 'aws')
      const regions = places.map(({ region }) => region)
      let doubt: string | undefined = 'no profile offers a region of AWS, so none was asked'
      for (const region of new Set([...regions, ...regions.map(globalRegionOf)])) {
        const place: Place = { platform: 'aws', region, name: '', baseDomain: '' }
        const here = places.filter((each) => each.region === region)
        yield* await inSession(ofNobody(place), async (session) => {
          if (doubt !== undefined && here.length > 0) doubt = await doubtAccount(session, here)
          return owned(session, installationId)
        })
      }
      // In a wrong account there is nothing, which must not count as an answer.
      if (doubt !== undefined) throw new Error(doubt)
    },
  }
}

const ofNobody = (place: Place): InventoryQuery => ({ ...place, clusterId: undefined, infraIds: [], records: 'all' })

async function search(session: Session): Promise<InventoryAnswer> {
  // Tags come first: what a service says afterwards about a tagged resource is newer.
  const tagged = await askAll(tagQuestions(session))
  const searches = [
    ...ec2Searches(session),
    ...lingeringSearches(session),
    ...balancerSearches(session),
    ...iamSearches(session),
    keySearch(session),
    bucketSearch(session),
    dnsSearch(session),
  ]
  const told = await askAll(searches.map((each) => () => each.run(tagged.answers.filter(each.knows))))
  const refusals = [...tagged.refusals, ...told.refusals]
  const untold = tagged.answers.filter((arn) => !searches.some((each) => each.knows(arn)))
  const found = [...told.answers, ...untold.map(showArn)]
  const held = await askAll(holderQuestions(session, found))
  refusals.push(...held.refusals)
  if (refusals.length > 0) return { verified: false, reason: explain(refusals) }
  const all = unique(found)
  const lingering = all.filter(({ billable }) => billable === false)
  return {
    verified: true,
    resources: all.filter((each) => !lingering.includes(each)),
    ...(lingering.length > 0 ? { lingering } : {}),
    ...(held.answers.length > 0 ? { holders: unique(held.answers) } : {}),
  }
}

function unique(resources: Resource[]): Resource[] {
  const byKey = new Map(resources.map((each) => [`${each.type} ${each.id} ${each.region}`, each]))
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each)
}

async function standing(session: Session): Promise<RecordsAnswer> {
  try {
    return await findStanding(session)
  } catch (error) {
    if (!(error instanceof NotAnswered)) throw error
    return { verified: false, reason: explain([error]) }
  }
}

/** Of one region. Throws what AWS says instead of an answer. */
async function owned(session: Session, installationId: string) {
  const { answers, refusals } = await askAll([() => listOwned(session, installationId)])
  const searches = [...endingSearches(session), ...lingeringSearches(session), keySearch(session)]
  const gone = await askAll(
    searches.map((each) => async () => {
      const known = answers.filter(({ arn }) => each.knows(arn))
      const there = (await each.run(known.map(({ arn }) => arn))).filter(({ billable }) => billable !== false)
      const ids = new Set(there.map(({ id }) => id))
      return known.filter(({ arn }) => !ids.has(arn.resource.slice(arn.resource.indexOf('/') + 1)))
    }),
  )
  refusals.push(...gone.refusals)
  if (refusals.length > 0) throw new Error(explain(refusals))
  const without = new Set(gone.answers)
  return answers.filter((each) => !without.has(each))
}

async function askAll<T>(questions: (() => Promise<T[]>)[]): Promise<{ answers: T[]; refusals: NotAnswered[] }> {
  const waiting = [...questions]
  const answers: T[] = []
  const refusals: NotAnswered[] = []
  const askNext = async () => {
    for (let question = waiting.shift(); question; question = waiting.shift())
      try {
        answers.push(...(await question()))
      } catch (error) {
        if (!(error instanceof NotAnswered)) throw error
        refusals.push(error)
      }
  }
  await Promise.all(Array.from({ length: QUESTIONS_AT_ONCE }, askNext))
  return { answers, refusals }
}
