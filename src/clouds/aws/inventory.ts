/**
 * What still exists of a cluster in AWS. It looks by owner tags, by the names that IAM and S3 know it under, and by its
 * DNS names. It only reads, and never takes silence for emptiness: a refusal, no answer in time, or an answer without
 * its list is not checked.
 */
import { answerOf, askAll, inSession, ofNobody, refuseAll, requireTold } from '../asking.ts'
import type { Inventory, InventoryAnswer, InventoryQuery, Place, RecordsAnswer } from '../inventory.ts'
import { balancerSearches } from './balancers.ts'
import { bucketSearch } from './buckets.ts'
import { dnsSearch, doubtAccount, findStanding } from './dns.ts'
import { ec2Searches, endingSearches, holderQuestions, lingeringSearches } from './ec2.ts'
import { iamSearches } from './iam.ts'
import { keySearch } from './kms.ts'
import { removeResource } from './removal.ts'
import { globalRegionOf, idOf, openSession, type Arn, type AwsInventoryOptions, type Session } from './session.ts'
import { listEc2Tags, listOwned, showArn, tagQuestions } from './tags.ts'

export function openAwsInventory(options: AwsInventoryOptions = {}): Inventory {
  const open = (query: InventoryQuery) => openSession(query, options)
  return {
    find: (query) => inSession(open(query), search),
    findRecords: (place) => inSession(open(ofNobody(place)), standing),
    remove: (place, resource) => inSession(open(ofNobody(place)), (session) => removeResource(session, resource)),
    async *findOwned({ installationId, offered }) {
      const places = offered.filter(({ platform }) => platform === 'aws')
      const regions = places.map(({ region }) => region)
      let doubt: string | undefined = 'no profile offers a region of AWS, so none was asked'
      for (const region of new Set([...regions, ...regions.map(globalRegionOf)])) {
        const place: Place = { platform: 'aws', region, name: '', baseDomain: '' }
        const here = places.filter((each) => each.region === region)
        yield* await inSession(open(ofNobody(place)), async (session) => {
          if (doubt !== undefined && here.length > 0) doubt = await doubtAccount(session, here)
          return owned(session, installationId)
        })
      }
      // In a wrong account there is nothing, which must not count as an answer.
      if (doubt !== undefined) throw new Error(doubt)
    },
  }
}

async function search(session: Session): Promise<InventoryAnswer> {
  // Tags come first: what a service says afterwards about a tagged resource is newer.
  const tagged = await askAll([...tagQuestions(session), () => listEc2Tags(session)])
  const candidates = firstOfEach([...tagged.answers, ...volumeArns(session.query)])
  const networks = candidates.filter(({ service, type }) => service === 'ec2' && type === 'vpc')
  const searches = [
    ...ec2Searches(session),
    ...lingeringSearches(session),
    ...balancerSearches(session, networks.map(idOf)),
    ...iamSearches(session),
    keySearch(session),
    bucketSearch(session),
    dnsSearch(session),
  ]
  const told = await askAll(searches.map((each) => () => each.run(candidates.filter(each.knows))))
  const refusals = [...tagged.refusals, ...told.refusals]
  const untold = candidates.filter((arn) => !searches.some((each) => each.knows(arn)))
  const found = [...told.answers, ...untold.map(showArn)]
  const held = await askAll(holderQuestions(session, found))
  return answerOf(
    session.query,
    session.heard,
    { answers: found, refusals: [...refusals, ...held.refusals] },
    held.answers,
  )
}

/** The disks that the cluster's own objects named. */
const volumeArns = ({ region, disks = [] }: InventoryQuery): Arn[] =>
  disks
    .filter((disk) => /^vol-[0-9a-f]+$/.test(disk))
    .map((id) => ({ text: id, service: 'ec2', region, type: 'volume', resource: `volume/${id}`, by: 'name' }))

/** Those by a tag come before those by a name. */
function firstOfEach(arns: Arn[]): Arn[] {
  const known = new Map<string, Arn>()
  for (const arn of arns.toSorted((a, b) => Number(a.by === 'name') - Number(b.by === 'name'))) {
    const key = `${arn.service} ${arn.region} ${arn.resource}`
    if (!known.has(key)) known.set(key, arn)
  }
  return [...known.values()]
}

const standing = (session: Session): Promise<RecordsAnswer> => findStanding(session).catch(refuseAll)

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
  requireTold('aws', refusals)
  const without = new Set(gone.answers)
  return answers.filter((each) => !without.has(each))
}
