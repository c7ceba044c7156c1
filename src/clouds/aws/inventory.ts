/**
 * What still exists of a cluster in AWS. It looks by owner tags, by the names that IAM and S3 know it under, and by its
 * DNS names. It only reads, and never takes silence for emptiness: a refusal, no answer in time, or an answer without
 * its list makes the whole "not verified".
 */
import type { Inventory, InventoryAnswer, InventoryQuery } from '../inventory.ts'
import { explain, NotAnswered } from './answers.ts'
import { balancerSearches } from './balancers.ts'
import { bucketSearch } from './buckets.ts'
import { dnsSearch } from './dns.ts'
import { ec2Searches } from './ec2.ts'
import { iamSearches } from './iam.ts'
import { openSession, type AwsInventoryOptions, type Session } from './session.ts'
import { tagQuestions } from './tags.ts'

/** Only a few: the request limits belong to the account, and destroyers of other clusters need them too. */
const QUESTIONS_AT_ONCE = 4

export function openAwsInventory(options: AwsInventoryOptions = {}): Inventory {
  const inSession = async (query: InventoryQuery, look: (session: Session) => Promise<InventoryAnswer>) => {
    const session = await openSession(query, options)
    try {
      return await look(session)
    } finally {
      session.close()
    }
  }
  return {
    find: (query) => inSession(query, search),
    findRecords: (query) =>
      inSession({ ...query, infraIds: [], records: 'all' }, async (session) => {
        const { answers, refusals } = await askAll([() => dnsSearch(session).run([])])
        if (refusals.length > 0) return { verified: false, reason: explain(refusals) }
        return { verified: true, resources: answers.filter(({ type }) => type === 'dns-record') }
      }),
  }
}

async function search(session: Session): Promise<InventoryAnswer> {
  // Tags come first: what a service says afterwards about a tagged resource is newer.
  const tagged = await askAll(tagQuestions(session))
  const searches = [
    ...ec2Searches(session),
    ...balancerSearches(session),
    ...iamSearches(session),
    bucketSearch(session),
    dnsSearch(session),
  ]
  const told = await askAll(searches.map((each) => () => each.run(tagged.answers.filter(each.knows))))
  const refusals = [...tagged.refusals, ...told.refusals]
  if (refusals.length > 0) return { verified: false, reason: explain(refusals) }
  const untold = tagged.answers.filter((arn) => !searches.some((each) => each.knows(arn)))
  const found = [
    ...told.answers,
    ...untold.map(({ text, service, type, region }) => ({
      id: text,
      type: service ? `${service}:${type}` : 'unknown',
      name: text,
      region: region || 'global',
    })),
  ]
  const byKey = new Map(found.map((each) => [`${each.type} ${each.id} ${each.region}`, each]))
  return { verified: true, resources: [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each) }
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
