// What carries an owner's tag, as the tagging service has it.
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

/** What carries our tags, in the region of the session. Clusters of earlier releases have none of an installation. */
export async function listOwned(session: Session, installationId: string): Promise<(Owned & { arn: Arn })[]> {
  const tagged = await listTagged(session, session.clients.tagging, { Key: 'ocpctl-cluster-id' })
  return tagged.flatMap(({ arn, Tags }) => {
    const owned = ownedBy(installationId, (key) => Tags?.find(({ Key }) => Key === key)?.Value)
    return owned === undefined ? [] : [{ ...owned, resource: complete(session.query, showArn(arn)), arn }]
  })
}

export const showArn = ({ text, service, type, region }: Arn): Resource => ({
  id: text,
  type: service ? `${service}:${type}` : 'unknown',
  name: text,
  region: region || 'global',
  key: 'tag',
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
