// Buckets, and file shares of Filestore. Buckets cannot be asked for by label, so all of the project are listed.
import { z } from 'zod'
import { NotAnswered, timeOf, type Seen } from '../asking.ts'
import type { Owners } from './owners.ts'
import { serviceOff, type Labels, type Session } from './session.ts'

const labels = z.record(z.string(), z.string()).default({})
const bucket = z.looseObject({
  name: z.string(),
  location: z.string().default(''),
  labels,
  timeCreated: z.string().optional(),
})
const share = z.looseObject({
  name: z.string(),
  labels,
  createTime: z.string().optional(),
  fileShares: z.array(z.looseObject({ capacityGb: z.coerce.number().optional() })).default([]),
  networks: z.array(z.looseObject({ network: z.string().optional() })).default([]),
})

type Labelled = { resource: Seen; labels: Labels }

export async function listBuckets({ list, at, project }: Session): Promise<Labelled[]> {
  const url = at('storage', '/storage/v1/b', { project, maxResults: '1000' })
  const buckets = await list({ permission: 'storage.buckets.list', url }, 'items', bucket)
  return buckets.map(({ name, location, labels: theirs, timeCreated }) => ({
    resource: { id: name, type: 'bucket', name, region: location.toLowerCase() || 'global', ...timeOf(timeCreated) },
    labels: theirs,
  }))
}

export async function findBuckets(session: Session, owners: Owners): Promise<Seen[]> {
  return (await listBuckets(session)).flatMap((each) => keep(owners, each))
}

export async function listShares(session: Session): Promise<(Labelled & { networks: (string | undefined)[] })[]> {
  const { list, at, project } = session
  const url = at('file', `/v1/projects/${project}/locations/-/instances`, { pageSize: '500' })
  const shares = await list({ permission: 'file.instances.list', url }, 'instances', share).catch((error: unknown) => {
    // A project where this service was never switched on has no shares. Clusters do not need it.
    if (error instanceof NotAnswered && error.permission === serviceOff('file.googleapis.com')) return []
    throw error
  })
  return shares.map(({ name, labels: theirs, networks, createTime, fileShares }) => {
    const [, , , location = 'global', , short = name] = name.split('/')
    const region = location.replace(/(?<=\d)-[a-z]$/, '')
    return {
      resource: {
        id: name,
        type: 'filestore',
        name: short,
        region,
        ...timeOf(createTime),
        size: { gib: fileShares[0]?.capacityGb },
      },
      labels: theirs,
      networks: networks.map(({ network }) => network),
    }
  })
}

export async function findShares(session: Session, owners: Owners): Promise<Seen[]> {
  return (await listShares(session)).flatMap((each) => keep(owners, each, each.networks))
}

function keep(owners: Owners, { resource, labels: theirs }: Labelled, links: (string | undefined)[] = []): Seen[] {
  if (owners.isLabelled(theirs)) return [{ ...resource, key: 'tag' }]
  if (owners.isName(resource.name)) return [{ ...resource, key: 'name' }]
  return links.some(owners.isLink) ? [{ ...resource, key: 'relation' }] : []
}
