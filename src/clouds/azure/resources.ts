// Resource groups, what is in them, and key vaults that are deleted and not yet gone. Everything is listed and looked at
// here: a list that is filtered by tag comes without the tags, and finds nothing by another key.
import { z } from 'zod'
import { NotAnswered } from '../asking.ts'
import type { Resource } from '../inventory.ts'
import type { Group, Ownership, Thing } from './ownership.ts'
import { apiVersions, groupOf, listAll, lower, tags, type Session } from './session.ts'

export type LocatedThing = Thing & { location: string }

const groupSchema = z.object({ id: lower, name: lower, location: lower, tags })
const thingSchema = z
  .object({ id: lower, name: lower, type: lower, location: lower.nullish(), managedBy: lower.nullish(), tags })
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
    permission: 'Microsoft.Resources/subscriptions/resources/read',
    url: `${session.home}/resources?api-version=${apiVersions.resources}`,
    item: thingSchema,
  })

/** They have no price, and go by themselves. */
export async function findDeletedVaults(session: Session, ownership: Ownership): Promise<Resource[]> {
  const vaults = await listAll(session, {
    permission: 'Microsoft.KeyVault/deletedVaults/read',
    url: `${session.home}/providers/Microsoft.KeyVault/deletedVaults?api-version=${apiVersions.keyVaults}`,
    item: vaultSchema,
  })
  return vaults.filter(ownership.has).map((each) => ({ ...showThing(each), billable: false }))
}

export const showGroup = ({ id, name, location }: Group): Resource => ({
  id,
  type: 'resource-group',
  name,
  region: location,
})

export const showThing = ({ id, name, type, location }: LocatedThing): Resource => ({
  id,
  type,
  name,
  region: location,
})
