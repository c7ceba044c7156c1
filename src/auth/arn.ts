// Names of AWS identities: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
import type { Principal } from './principal.ts'

/** Names of roles are unique in an account whatever their paths are, and AWS leaves the path out of sessions. */
export const withoutPath = (arn: string): string => arn.replace(/:role\/.*\//, ':role/')

const ARN = /^arn:(aws[a-z-]{0,20}):(iam|sts)::(\d{12}):(user|group|role|assumed-role)\/([\w+=,.@/-]{1,600})$/

/**
 * The principal that an ARN names, or undefined. `owner` is its partition and account. For an assumed role, the
 * principal is the role, with the path as far as the ARN has it (AWS leaves it out of sessions), and `session` is the
 * session's name.
 */
export function readArn(arn: string): { principal: Principal; owner: string; session: string | undefined } | undefined {
  const [, partition, service, account, kind, name] = ARN.exec(arn) ?? []
  if (partition === undefined || account === undefined || name === undefined) return undefined
  const owner = `${partition}:${account}`
  if (service === 'sts') {
    const [, role, session] = (kind === 'assumed-role' && /^(.+)\/([^/]+)$/.exec(name)) || []
    if (role === undefined) return undefined
    return { principal: { type: 'iam_role', id: `arn:${partition}:iam::${account}:role/${role}` }, owner, session }
  }
  if (kind !== 'user' && kind !== 'group' && kind !== 'role') return undefined
  return { principal: { type: `iam_${kind}`, id: arn }, owner, session: undefined }
}
