// Service accounts, and what the project's policy still grants them.
import { z } from 'zod'
import { NotAnswered } from '../asking.ts'
import type { Resource } from '../inventory.ts'
import type { Owners } from './owners.ts'
import { unknownForm, type Session } from './session.ts'

const account = z.looseObject({ name: z.string(), email: z.string(), displayName: z.string().optional() })
const policy = z.looseObject({
  etag: z.string(),
  bindings: z.array(z.looseObject({ role: z.string(), members: z.array(z.string()).default([]) })).default([]),
})
const MEMBER = /^(deleted:)?serviceAccount:([^?]+)/

export async function findIdentities(session: Session, owners: Owners): Promise<Resource[]> {
  const { list, at, project, query } = session
  if (query.infraIds.length === 0) return []
  const url = at('iam', `/v1/projects/${project}/serviceAccounts`, { pageSize: '100' })
  const accounts = await list({ permission: 'iam.serviceAccounts.list', url }, 'accounts', account)
  const ours = accounts.filter(({ email, displayName }) => owners.isName(email) || owners.isName(displayName))
  const emails = new Set(ours.map(({ email }) => email))
  const granted = (await listGrants(session)).filter(({ email }) => emails.has(email) || owners.isName(email))
  return [
    ...ours.map(({ name, email }): Resource => ({ id: name, type: 'service-account', name: email, region: 'global', key: 'name' })), // prettier-ignore
    ...granted.map(({ role, member, email, isDeleted }): Resource => ({
      id: `projects/${project}/${role}/${member}`,
      type: 'role-binding',
      name: member,
      region: 'global',
      key: owners.isName(email) ? 'name' : 'relation',
      // It grants nothing any more, and Google takes it away within 60 days.
      ...(isDeleted ? { billable: false } : {}),
    })),
  ]
}

async function listGrants(session: Session) {
  const { find, at, project } = session
  const question = {
    permission: 'resourcemanager.projects.getIamPolicy',
    url: at('cloudresourcemanager', `/v1/projects/${project}:getIamPolicy`),
    // Otherwise members under conditions are named in another way.
    body: { options: { requestedPolicyVersion: 3 } },
  }
  const answer = await find(question)
  if (answer === undefined) throw new NotAnswered(question.permission, `there is no project ${project}`)
  const { data, error } = policy.safeParse(answer)
  if (!data) throw unknownForm(question, error)
  return data.bindings.flatMap(({ role, members }) =>
    members.flatMap((member) => {
      const [, deleted, email] = MEMBER.exec(member) ?? []
      return email === undefined ? [] : [{ role, member, email, isDeleted: deleted !== undefined }]
    }),
  )
}
