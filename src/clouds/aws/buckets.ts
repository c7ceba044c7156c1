// Buckets, by the names that the installer gives them.
import { timeOf, type Seen } from '../asking.ts'
import type { Search, Session } from './session.ts'

export function bucketSearch({ sdk: { s3 }, clients, ask, stop, query }: Session): Search {
  async function listFrom(Prefix: string, key: 'name' | 'tag'): Promise<Seen[]> {
    const pages = s3.paginateListBuckets({ client: clients.s3, pageSize: 1000 }, { Prefix }, stop)
    const buckets = await ask('s3:ListAllMyBuckets', pages, ({ Buckets }) => Buckets)
    return buckets.map(({ Name = 'unknown', BucketRegion, CreationDate }) => ({
      id: Name,
      type: 's3-bucket',
      name: Name,
      region: BucketRegion ?? query.region,
      key,
      ...timeOf(CreationDate),
    }))
  }

  return {
    knows: ({ service, resource }) => service === 's3' && !resource.includes('/'),
    async run(candidates) {
      const found: Seen[] = []
      for (const infraId of query.infraIds)
        for (const start of [infraId, `openshift-bootstrap-data-${infraId}`])
          found.push(
            ...(await listFrom(start, 'name')).filter(({ name }) => name === start || name.startsWith(`${start}-`)),
          )
      for (const { resource } of candidates)
        found.push(...(await listFrom(resource, 'tag')).filter(({ name }) => name === resource))
      return found
    },
  }
}
