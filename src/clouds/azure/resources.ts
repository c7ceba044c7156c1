// Resource groups, what is in them, and key vaults that are deleted and not yet gone. Everything is listed and looked at
// here: a list that is filtered by tag comes without the tags, and finds nothing by another key.
import { z } from 'zod'
import { NotAnswered, timeOf, type Seen } from '../asking.ts'
import type { Resource } from '../inventory.ts'
import type { Group, Ownership, Thing } from './ownership.ts'
import { apiVersions, groupOf, listAll, lower, tags, type Session } from './session.ts'

export type LocatedThing = Thing & { location: string; createdTime?: string | null | undefined }

const groupSchema = z
  .object({
    id: lower,
    name: lower,
    location: lower,
    tags,
    properties: z.object({ provisioningState: z.string().nullish() }).nullish(),
  })
  .transform(({ properties, ...rest }) => ({ ...rest, isDeleting: properties?.provisioningState === 'Deleting' }))
const thingSchema = z
  .object({
    id: lower,
    name: lower,
    type: lower,
    location: lower.nullish(),
    managedBy: lower.nullish(),
    tags,
    createdTime: z.string().nullish(),
  })
  .transform(({ managedBy, location, ...rest }) => ({
    ...rest,
    location: location || 'global',
    group: groupOf(rest.id),
    holder: groupOf(managedBy ?? ''),
  }))
const vaultSchema = z
  .object({ id: lower, name: lower, properties: z.object({ vaultId: lower, location: lower, tags }) })
  .transform(({ id, name, properties: { vaultId, ...rest } }) => ({
    ...rest,
    id,
    name,
    type: 'deleted-key-vault',
    group: groupOf(vaultId),
    holder: '',
  }))

export const THINGS_READ = 'Microsoft.Resources/subscriptions/resources/read'
const GROUPS_READ = 'Microsoft.Resources/subscriptions/resourceGroups/read'

export const listGroups = (session: Session): Promise<Group[]> =>
  listAll(session, {
    permission: GROUPS_READ,
    url: `${session.home}/resourcegroups?api-version=${apiVersions.resources}`,
    item: groupSchema,
  })

/** The group of this name, asked for itself: a list may be a moment old. */
export async function findGroup({ rest, home }: Session, name: string): Promise<Group[]> {
  const url = `${home}/resourcegroups/${name}?api-version=${apiVersions.resources}`
  const answer = await rest.find({ permission: GROUPS_READ, url })
  if (answer === undefined) return []
  const { data } = groupSchema.safeParse(answer)
  if (!data) throw new NotAnswered(GROUPS_READ, 'the answer is no resource group')
  return [data]
}

export const listThings = (session: Session): Promise<LocatedThing[]> =>
  listAll(session, {
    permission: THINGS_READ,
    url: `${session.home}/resources?$expand=createdTime&api-version=${apiVersions.resources}`,
    item: thingSchema,
  })

/** They have no price, and go by themselves. */
export async function findDeletedVaults(session: Session, ownership: Ownership): Promise<Seen[]> {
  const vaults = await listAll(session, {
    permission: 'Microsoft.KeyVault/deletedVaults/read',
    url: `${session.home}/providers/Microsoft.KeyVault/deletedVaults?api-version=${apiVersions.keyVaults}`,
    item: vaultSchema,
  })
  return keep(vaults, ownership.keyOf, showThing).map((each) => ({ ...each, billable: false }))
}

/** What is still in a group that is being deleted is told beside it. */
export const showGroup = ({ id, name, location, isDeleting }: Group): Resource => ({
  id,
  type: 'resource-group',
  name,
  region: location,
  ...(isDeleting ? { billable: false } : {}),
})

export const showThing = ({ id, name, type, location, createdTime }: LocatedThing): Resource => ({
  id,
  type,
  name,
  region: location,
  ...timeOf(createdTime),
})

/** Those that are ours, and by what. */
export const keep = <T>(all: T[], keyOf: (each: T) => Resource['key'], show: (each: T) => Resource): Resource[] =>
  all.flatMap((each) => {
    const key = keyOf(each)
    return key === undefined ? [] : [{ ...show(each), key }]
  })
