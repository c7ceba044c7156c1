// Takes away one thing that is the cluster's.
import { NotAnswered } from '../asking.ts'
import type { Resource } from '../inventory.ts'
import { readDomain } from './dns.ts'
import type { Session } from './session.ts'
import { addressOf, kinds } from './vpc.ts'

/** Throws NotAnswered. */
export async function removeResource(session: Session, { id, type }: Resource): Promise<void> {
  const { endpoints, remove } = session
  if (type === 'dns-record') return removeRecords(session, id)
  if (type === 'service-id')
    return remove({ permission: 'Operator of iam-identity', url: `${endpoints.iam}/v1/serviceids/${id}` })
  if (type === 'iam-authorization')
    return remove({ permission: 'Editor of iam-access-management', url: `${endpoints.iam}/v1/policies/${id}` })
  const kind = kinds.find((each) => each.type === type)
  if (!kind) throw new NotAnswered(`Editor of ${type}`, `${id} is nothing that this service takes away`)
  return remove({ permission: `Editor of is/${kind.path}`, url: addressOf(session, kind, id) })
}

/** Several records may share a name and a type. The inventory shows them as one. */
async function removeRecords(session: Session, id: string): Promise<void> {
  const { records } = await readDomain(session)
  for (const { zone, url } of records.filter((each) => each.id === id))
    await session.remove({ permission: `Manager of ${zone.isPrivate ? 'dns-svcs' : 'internet-svcs'}`, url })
}
