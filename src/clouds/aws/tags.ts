// What carries an owner's tag, as the tagging service has it, and as EC2 has it.
import { complete, ownedBy } from '../asking.ts'
import type { Owned, Resource } from '../inventory.ts'
import { globalRegionOf, type Arn, type Session, type Tag } from './session.ts'

/**
 * One query per tag, because the filters of one query are ANDed. Deleted resources stay listed for a while, so these
 * are candidates.
 */
export function tagQuestions(session: Session) {
  const { clients, owners, query, isOwned } = session
  const isGlobal = query.region === globalRegionOf(query.region)
  return [clients.tagging, ...(isGlobal ? [] : [clients.globalTagging])].flatMap((client) =>
    owners.map(
      ({ key, value }) =>
        async () =>
          (await listTagged(session, client, { Key: key, Values: [value] })).filter(isOwned).map(({ arn }) => arn),
    ),
  )
}

/**
 * What EC2 itself has under an owner's tag, or under a name of the cluster's, of all its kinds in one question. Each pair
 * of a key and a value is let through, so they are looked at again.
 */
export async function listEc2Tags({ sdk: { ec2 }, clients, ask, stop, owners, query, isOwned, isNamed }: Session) {
  if (owners.length === 0) return []
  const Filters = [
    { Name: 'key', Values: [...owners.map(({ key }) => key), 'Name'] },
    { Name: 'value', Values: [...new Set(owners.map(({ value }) => value)), ...query.infraIds.map((id) => `${id}-*`)] },
  ]
  const pages = ec2.paginateDescribeTags({ client: clients.ec2, pageSize: 1000 }, { Filters }, stop)
  const tags = await ask('ec2:DescribeTags', pages, ({ Tags }) => Tags)
  const resources = Map.groupBy(tags, ({ ResourceType, ResourceId }) => `${ResourceType}/${ResourceId}`)
  return [...resources].flatMap(([resource, Tags]): Arn[] => {
    const arn = { text: resource, service: 'ec2', region: query.region, type: Tags[0]?.ResourceType ?? '', resource }
    if (isOwned({ Tags })) return [arn]
    return Tags.some(({ Key, Value }) => Key === 'Name' && isNamed(Value)) ? [{ ...arn, by: 'name' }] : []
  })
}

/** What carries our tags, in the region of the session. Clusters of earlier releases have none of an installation. */
export async function listOwned(session: Session, installationId: string): Promise<(Owned & { arn: Arn })[]> {
  const tagged = await listTagged(session, session.clients.tagging, { Key: 'ocpctl-cluster-id' })
  return tagged.flatMap(({ arn, Tags }) => {
    const owned = ownedBy(installationId, (key) => Tags?.find(({ Key }) => Key === key)?.Value)
    return owned === undefined ? [] : [{ ...owned, resource: complete(session.query, showArn(arn)), arn }]
  })
}

export const showArn = ({ text, service, type, region, by }: Arn): Resource => ({
  id: text,
  type: service ? `${service}:${type}` : 'unknown',
  name: text,
  region: region || 'global',
  key: by ?? 'tag',
})

function listTagged(
  { sdk: { tagging }, ask, stop }: Session,
  client: Session['clients']['tagging'],
  filter: { Key: string; Values?: string[] },
): Promise<{ arn: Arn; Tags: Tag[] | undefined }[]> {
  const pages = tagging.paginateGetResources({ client, pageSize: 100 }, { TagFilters: [filter] }, stop)
  return ask('tag:GetResources', pages, ({ ResourceTagMappingList }) =>
    ResourceTagMappingList?.map(({ ResourceARN = 'unknown', Tags }) => ({ arn: parseArn(ResourceARN), Tags })),
  )
}

function parseArn(text: string): Arn {
  const [, , service = '', region = '', , ...rest] = text.split(':')
  const resource = rest.join(':')
  return { text, service, region, type: resource.split(/[/:]/)[0] ?? '', resource }
}
