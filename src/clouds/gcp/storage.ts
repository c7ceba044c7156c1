// Buckets, and file shares of Filestore. Buckets cannot be asked for by label, so all of the project are listed.
import { z } from 'zod'
import { NotAnswered } from '../asking.ts'
import type { Resource } from '../inventory.ts'
import type { Owners } from './owners.ts'
import { serviceOff, type Labels, type Session } from './session.ts'

const labels = z.record(z.string(), z.string()).default({})
const bucket = z.looseObject({ name: z.string(), location: z.string().default(''), labels })
const share = z.looseObject({
  name: z.string(),
  labels,
  networks: z.array(z.looseObject({ network: z.string().optional() })).default([]),
})

type Labelled = { resource: Resource; labels: Labels }

export async function listBuckets({ list, at, project }: Session): Promise<Labelled[]> {
  const url = at('storage', '/storage/v1/b', { project, maxResults: '1000' })
  const buckets = await list({ permission: 'storage.buckets.list', url }, 'items', bucket)
  return buckets.map(({ name, location, labels: theirs }) => ({
    resource: { id: name, type: 'bucket', name, region: location.toLowerCase() || 'global' },
    labels: theirs,
  }))
}

export async function findBuckets(session: Session, owners: Owners): Promise<Resource[]> {
  const all = await listBuckets(session)
  return all
    .filter(({ resource, labels: theirs }) => owners.isName(resource.name) || owners.isLabelled(theirs))
    .map(({ resource }) => resource)
}

export async function listShares(session: Session): Promise<(Labelled & { networks: (string | undefined)[] })[]> {
  const { list, at, project } = session
  const url = at('file', `/v1/projects/${project}/locations/-/instances`, { pageSize: '500' })
  const shares = await list({ permission: 'file.instances.list', url }, 'instances', share).catch((error: unknown) => {
    // A project where this service was never switched on has no shares. Clusters do not need it.
    if (error instanceof NotAnswered && error.permission === serviceOff('file.googleapis.com')) return []
    throw error
  })
  return shares.map(({ name, labels: theirs, networks }) => {
    const [, , , location = 'global', , short = name] = name.split('/')
    const region = location.replace(/(?<=\d)-[a-z]$/, '')
    return {
      resource: { id: name, type: 'filestore', name: short, region },
      labels: theirs,
      networks: networks.map(({ network }) => network),
    }
  })
}

export async function findShares(session: Session, owners: Owners): Promise<Resource[]> {
  const all = await listShares(session)
  return all
    .filter(
      ({ resource, labels: theirs, networks }) =>
        owners.isName(resource.name) || owners.isLabelled(theirs) || networks.some(owners.isLink),
    )
    .map(({ resource }) => resource)
}
