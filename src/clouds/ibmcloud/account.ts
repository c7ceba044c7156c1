// What an account has beside a region's network: resource groups, service instances, authorizations, service ids. These
// services leave out what the caller may not see, instead of refusing. So each is asked for something that is always there.
import { z } from 'zod'
import { NotAnswered } from '../asking.ts'
import type { Session } from './session.ts'

/** Numbers of the catalog, the same for everybody. */
const OBJECT_STORAGE = 'dff97f5c-bc5e-4455-b470-411c3edbe49c'
const INTERNET_SERVICES = '75874a60-cb12-11e7-948e-37ac098eb1b9'
const DNS_SERVICES = 'b4ed8a30-936f-11e9-b289-1d079699cbe5'

const made = { created_at: z.string().optional() }

const groupShape = z.object({ id: z.string(), name: z.string(), ...made })
export type Group = z.infer<typeof groupShape>

const instanceShape = z.object({
  id: z.string(),
  guid: z.string(),
  crn: z.string(),
  name: z.string(),
  state: z.string(),
  resource_group_id: z.string().optional(),
  ...made,
})
export type Instance = z.infer<typeof instanceShape>

const attributes = z.array(z.object({ name: z.string(), value: z.string() }))
const policyShape = z.object({
  id: z.string(),
  description: z.string().optional(),
  subjects: z.array(z.object({ attributes })),
  resources: z.array(z.object({ attributes })),
  ...made,
})
export type Policy = z.infer<typeof policyShape>

const serviceIdShape = z.object({ id: z.string(), name: z.string(), ...made })
export type ServiceId = z.infer<typeof serviceIdShape>

export async function listGroups({ list, endpoints }: Session): Promise<Group[]> {
  const role = 'Viewer of resource-groups'
  const groups = await list({
    role,
    url: `${endpoints.resources}/v2/resource_groups`,
    shape: z.object({ resources: z.array(groupShape) }),
    items: ({ resources }) => resources,
    more: () => undefined,
  })
  if (groups.length > 0) return groups
  throw new NotAnswered(role, 'no resource group is shown, and every account has one', { isDenied: true })
}

function listInstances(
  { list, endpoints }: Session,
  role: string,
  params: Record<string, string>,
): Promise<Instance[]> {
  return list({
    role,
    url: `${endpoints.resources}/v2/resource_instances`,
    params: { limit: '100', ...params },
    shape: z.object({ resources: z.array(instanceShape), next_url: z.string().nullish() }),
    items: ({ resources }) => resources,
    more: ({ next_url }) =>
      next_url ? { start: new URLSearchParams(next_url.split('?')[1]).get('start') ?? '' } : undefined,
  })
}

const IN_USE_AND_DELETED: Record<string, string>[] = [{}, { state: 'pending_reclamation' }]

/** With those that were deleted: they can be restored for a week. */
export const storageQuestions = (session: Session) =>
  IN_USE_AND_DELETED.map(
    (state) => () =>
      listInstances(session, 'Viewer of cloud-object-storage', { resource_id: OBJECT_STORAGE, ...state }),
  )

/** All of the group, of whatever service. */
export const groupQuestions = (session: Session, groups: Group[]) =>
  groups.flatMap(({ id }) =>
    IN_USE_AND_DELETED.map(
      (state) => () => listInstances(session, 'Viewer of resource-groups', { resource_group_id: id, ...state }),
    ),
  )

export const listInternetServices = (session: Session) =>
  listInstances(session, 'Viewer of internet-svcs', { resource_id: INTERNET_SERVICES })

export const listDnsServices = (session: Session) =>
  listInstances(session, 'Viewer of dns-svcs', { resource_id: DNS_SERVICES })

/** By which one service may use another one. */
export async function listAuthorizations(session: Session): Promise<Policy[]> {
  const role = 'Viewer of iam-access-management'
  const listPolicies = (params: Record<string, string>) =>
    session.list({
      role,
      url: `${session.endpoints.iam}/v1/policies`,
      params: { account_id: session.account(), limit: '100', ...params },
      shape: z.object({ policies: z.array(policyShape), next: z.object({ start: z.string().optional() }).nullish() }),
      items: ({ policies }) => policies,
      more: ({ next }) => (next ? { start: next.start ?? '' } : undefined),
    })
  const authorizations = await listPolicies({ type: 'authorization' })
  if (authorizations.length > 0 || (await listPolicies({ type: 'access' })).length > 0) return authorizations
  throw new NotAnswered(role, 'no policy is shown, and every account has one', { isDenied: true })
}

export function listServiceIds({ list, endpoints, account }: Session): Promise<ServiceId[]> {
  return list({
    role: 'Viewer of iam-identity',
    url: `${endpoints.iam}/v1/serviceids/`,
    params: { account_id: account(), pagesize: '100' },
    shape: z.object({ serviceids: z.array(serviceIdShape), next: z.string().nullish() }),
    items: ({ serviceids }) => serviceids,
    more: ({ next }) =>
      next ? { pagetoken: new URLSearchParams(next.split('?')[1]).get('pagetoken') ?? '' } : undefined,
  })
}
