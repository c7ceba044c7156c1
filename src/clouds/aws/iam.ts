// Roles and users, by their owner tags and by the names that the installer gives them, and instance profiles by these
// names.
import { timeOf, type Seen } from '../asking.ts'
import type { Arn, Search, Session, Tagged } from './session.ts'

const PAGE = 500

type Identity = Tagged & { type: string; arn: string | undefined; name: string | undefined; madeAt: Date | undefined }

export function iamSearches({ sdk: { iam }, clients, ask, stop, isOwned, isNamed, heard }: Session): Search[] {
  const at = { client: clients.iam, pageSize: PAGE }
  const pick = (identities: Identity[], candidates: Arn[]): Seen[] =>
    identities.flatMap(({ type, arn, name = 'unknown', Tags, madeAt }) => {
      const isTagged = isOwned({ Tags }) || candidates.some(({ text }) => text === arn)
      if (!isTagged && !isNamed(name, { Tags })) return []
      return [{ id: arn ?? name, type, name, region: 'global', key: isTagged ? 'tag' : 'name', ...timeOf(madeAt) }]
    })

  return [
    {
      knows: (arn) => arn.service === 'iam' && ['role', 'user'].includes(arn.type),
      async run(candidates) {
        // The lists of roles and of users leave out the tags, and to ask each one for them takes a call for each.
        const pages = iam.paginateGetAccountAuthorizationDetails(at, { Filter: ['Role', 'User'] }, stop)
        const identities = await ask(
          'iam:GetAccountAuthorizationDetails',
          pages,
          ({ RoleDetailList, UserDetailList }) => {
            if (!RoleDetailList && !UserDetailList) return undefined
            const roles = (RoleDetailList ?? []).map(({ RoleName, Arn, Tags, CreateDate }): Identity => ({ type: 'iam-role', arn: Arn, name: RoleName, Tags, madeAt: CreateDate })) // prettier-ignore
            const users = (UserDetailList ?? []).map(({ UserName, Arn, Tags, CreateDate }): Identity => ({ type: 'iam-user', arn: Arn, name: UserName, Tags, madeAt: CreateDate })) // prettier-ignore
            return [...roles, ...users]
          },
        )
        // No account is without a role.
        const account = identities[0]?.arn?.split(':')[4]
        if (account) heard.account = account
        return pick(identities, candidates)
      },
    },
    {
      knows: (arn) => arn.service === 'iam' && arn.type === 'instance-profile',
      async run(candidates) {
        const pages = iam.paginateListInstanceProfiles(at, {}, stop)
        const profiles = await ask('iam:ListInstanceProfiles', pages, ({ InstanceProfiles }) =>
          InstanceProfiles?.map(
            ({ InstanceProfileName, Arn, Tags, CreateDate }): Identity => ({ type: 'instance-profile', arn: Arn, name: InstanceProfileName, Tags, madeAt: CreateDate }), // prettier-ignore
          ),
        )
        return pick(profiles, candidates)
      },
    },
  ]
}
