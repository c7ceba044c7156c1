// Takes away one thing that is the cluster's.
import type { Resource } from '../inventory.ts'
import { NotAnswered } from '../asking.ts'
import { unlessMissing } from './answers.ts'
import { removeRecords } from './dns.ts'
import { onePage, type Session } from './session.ts'

/** Throws NotAnswered. */
export async function removeResource(session: Session, { id, type, name }: Resource): Promise<void> {
  const { sdk: { ec2 }, clients, stop } = session // prettier-ignore
  if (type === 'dns-record') return removeRecords(session, id)
  if (type === 'iam-role') return removeRole(session, name)
  if (type === 'volume')
    return order(session, 'ec2:DeleteVolume', () =>
      clients.ec2.send(new ec2.DeleteVolumeCommand({ VolumeId: id }), stop),
    )
  if (type === 'snapshot')
    return order(session, 'ec2:DeleteSnapshot', () =>
      clients.ec2.send(new ec2.DeleteSnapshotCommand({ SnapshotId: id }), stop),
    )
  throw new NotAnswered(type, `${id} is nothing that this service takes away`)
}

/** What is gone already is what was ordered. */
async function order({ ask }: Session, action: string, send: () => Promise<unknown>): Promise<void> {
  await ask(action, onePage(send), () => []).catch(unlessMissing)
}

/** IAM deletes no role that still has a policy or is in an instance profile. */
async function removeRole(session: Session, RoleName: string): Promise<void> {
  const { sdk: { iam }, clients, ask, stop } = session // prettier-ignore
  const at = { client: clients.iam }
  const role = { RoleName }
  const attached = await ask(
    'iam:ListAttachedRolePolicies',
    iam.paginateListAttachedRolePolicies(at, role, stop),
    ({ AttachedPolicies }) => AttachedPolicies,
  ).catch(unlessMissing)
  const inline = await ask(
    'iam:ListRolePolicies',
    iam.paginateListRolePolicies(at, role, stop),
    ({ PolicyNames }) => PolicyNames,
  ).catch(unlessMissing)
  const profiles = await ask(
    'iam:ListInstanceProfilesForRole',
    iam.paginateListInstanceProfilesForRole(at, role, stop),
    ({ InstanceProfiles }) => InstanceProfiles,
  ).catch(unlessMissing)
  for (const { PolicyArn } of attached)
    await order(session, 'iam:DetachRolePolicy', () =>
      clients.iam.send(new iam.DetachRolePolicyCommand({ ...role, PolicyArn }), stop),
    )
  for (const PolicyName of inline)
    await order(session, 'iam:DeleteRolePolicy', () =>
      clients.iam.send(new iam.DeleteRolePolicyCommand({ ...role, PolicyName }), stop),
    )
  for (const { InstanceProfileName } of profiles)
    await order(session, 'iam:RemoveRoleFromInstanceProfile', () =>
      clients.iam.send(new iam.RemoveRoleFromInstanceProfileCommand({ ...role, InstanceProfileName }), stop),
    )
  await order(session, 'iam:DeleteRole', () => clients.iam.send(new iam.DeleteRoleCommand(role), stop))
}
