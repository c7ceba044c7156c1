// What carries an owner's tag, as the tagging service has it.
import { globalRegionOf, type Arn, type Session } from './session.ts'

/**
 * One query per tag, because the filters of one query are ANDed. Deleted resources stay listed for a while, so these
 * are candidates.
 */
export function tagQuestions({ sdk, clients, owners, ask, stop, query }: Session) {
  const isGlobal = query.region === globalRegionOf(query.region)
  return [clients.tagging, ...(isGlobal ? [] : [clients.globalTagging])].flatMap((client) =>
    owners.map(
      ({ key, value }) =>
        () =>
          ask(
            'tag:GetResources',
            sdk.tagging.paginateGetResources({ client }, { TagFilters: [{ Key: key, Values: [value] }] }, stop),
            (page) => page.ResourceTagMappingList?.map(({ ResourceARN = 'unknown' }) => parseArn(ResourceARN)),
          ),
    ),
  )
}

function parseArn(text: string): Arn {
  const [, , service = '', region = '', , ...rest] = text.split(':')
  const resource = rest.join(':')
  return { text, service, region, type: resource.split(/[/:]/)[0] ?? '', resource }
}
